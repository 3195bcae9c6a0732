"""A Unix socket to listen at: its file appears with the right mode and goes with the block."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError

SOCKET_MODE: Final = 0o660
MAX_PATH_BYTES: Final = 107
"""sun_path of sockaddr_un has 108 bytes with the one that ends it (unix(7))."""


@contextmanager
def listening(path: Path, backlog: int) -> Iterator[socket.socket]:
    """Listen at ``path`` (owner and group may connect), without blocking on accept. Raises ConfigurationError.

    A socket that a killed program left is replaced; one at which somebody listens, or any other file, is not.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ConfigurationError(f"[input] path {path}: longer than the {MAX_PATH_BYTES} bytes that a socket may have")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
        listener.setblocking(False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path)
            os.fchmod(listener.fileno(), SOCKET_MODE)  # before bind, so that it is never open to all
            listener.bind(str(path))
            path.chmod(SOCKET_MODE)
            listener.listen(backlog)
        except OSError as error:
            raise ConfigurationError(
                f"[input] path {path}: cannot listen there: {error.strerror}; name a path in a directory that this "
                "user may write"
            ) from error
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove a socket at which nobody listens. Raises ConfigurationError for anything else that is there."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigurationError(f"[input] path {path}: there is a file of that name; name another path, or remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
                path.unlink(missing_ok=True)
                return
            raise
    raise ConfigurationError(f"[input] path {path}: another program listens there; stop it, or name another path")
