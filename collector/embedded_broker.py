"""The broker for one machine and for tests: iotcore (rumqttd) in this very process, in memory only.

It forgets sessions, queues and retained messages when it ends. That loses nothing: agents send again whatever the
collector's store has not acknowledged. Use mosquitto for everything else.

rumqttd has no way to be stopped. iotcore's own ``Broker.start`` therefore runs it in a child process; here it runs in
a daemon thread of the process that was asked for it, so that the end of that process, also by SIGKILL, is the end of
the broker and frees the port.
"""

import contextlib
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from iotcore import Broker

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import MAX_PAYLOAD_BYTES

SEGMENT_BYTES: Final = 10 * 1024 * 1024
SEGMENT_COUNT: Final = 10
MAX_CONNECTIONS: Final = 10_000
MAX_INFLIGHT: Final = 500
START_TIMEOUT_S: Final = 10.0

_LISTENER: Final = """
[{version}.1]
name = "{version}-1"
listen = "{listen}:{port}"
next_connection_delay_ms = 1

[{version}.1.connections]
connection_timeout_ms = 5000
max_payload_size = {max_payload_bytes}
max_inflight_count = {max_inflight}
dynamic_filters = true
"""


def broker_toml(listen: str, port: int, port_v311: int | None = None) -> str:
    """Return a rumqttd configuration: MQTT 5 on ``port`` and, when asked, 3.1.1 on ``port_v311``.

    Segments are small: with rumqttd's usual 100 MB ones a Pi's memory would fill with messages long delivered.
    """
    head = (
        f"id = 0\n\n[router]\nid = 0\nmax_connections = {MAX_CONNECTIONS}\nmax_outgoing_packet_count = 200\n"
        f"max_segment_size = {SEGMENT_BYTES}\nmax_segment_count = {SEGMENT_COUNT}\n"
    )
    ports = {"v5": port} | ({} if port_v311 is None else {"v4": port_v311})
    return head + "".join(
        _LISTENER.format(
            version=version,
            listen=f"[{listen}]" if ":" in listen else listen,
            port=number,
            max_payload_bytes=MAX_PAYLOAD_BYTES + 4096,
            max_inflight=MAX_INFLIGHT,
        )
        for version, number in ports.items()
    )


def run_embedded_broker(
    listen: str, port: int, port_v311: int | None, on_ready: Callable[[], None], stop: threading.Event
) -> int:
    """Run in this process until ``stop`` is set; ``on_ready`` is called when clients can connect.

    Returns 0 then, 1 when the broker ended by itself. Raises ConfigurationError when it cannot listen.
    """
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it logs every packet as an error
    ports = [port] if port_v311 is None else [port, port_v311]
    for number in ports:
        _check_free(listen, number)
    with tempfile.TemporaryDirectory(prefix="edgejoule-broker-") as directory:
        config = Path(directory) / "broker.toml"
        config.write_text(broker_toml(listen, port, port_v311), encoding="utf-8")
        broker = Broker(config_path=str(config))
        thread = threading.Thread(target=broker.run_forever, name="embedded-broker", daemon=True)
        thread.start()
        ready = all(_wait_until_listening(listen, number, thread) for number in ports)
    if not ready:
        return 1
    on_ready()
    while not stop.wait(0.5):
        if not thread.is_alive():
            return 1
    return 0


def _check_free(listen: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((listen, port))
    except socket.gaierror as error:
        message = f"--listen {listen}: no address of this machine ({error.strerror}); try 127.0.0.1 or 0.0.0.0"
        raise ConfigurationError(message) from error
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {listen} port {port}: {error.strerror}; choose another --port or stop what uses it"
        ) from error


def _wait_until_listening(listen: str, port: int, thread: threading.Thread) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)  # noqa: S104  compared, not bound
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while thread.is_alive() and time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=0.5):
            return True
        time.sleep(0.02)
    return False
