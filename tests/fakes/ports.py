"""TCP ports on loopback for servers that a test starts later, or stops and starts again."""

import os
import random
import socket
from itertools import count

# Below the range from which the kernel takes ports for outgoing connections and for bind(0) (32768 and up on Linux),
# so that no other socket of this machine lands on a port while its server is down.
FIRST_PORT = 20_000
PORTS_PER_WORKER = 1_500
WORKERS = 8

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_next = count(random.SystemRandom().randrange(PORTS_PER_WORKER))


def free_port() -> int:
    """Return a port that nothing uses now, and that no other test of this run will be given."""
    for _ in range(PORTS_PER_WORKER):
        port = FIRST_PORT + _worker * PORTS_PER_WORKER + next(_next) % PORTS_PER_WORKER
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free on loopback")
