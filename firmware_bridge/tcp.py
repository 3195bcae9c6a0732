"""A meter behind a plain TCP connection, ``socket://HOST:PORT``: what ser2net and the like serve in raw mode."""

import contextlib
import re
import socket
import struct
import time
from typing import Final

from firmware_bridge.errors import ConfigurationError, MeterUnavailableError

SCHEME: Final = "socket://"
CONNECT_TIMEOUT_S: Final = 3.0
WRITE_TIMEOUT_S: Final = 1.0
LINGER_S: Final = 0.2
LINGER_BYTES: Final = 65_536
_ADDRESS = re.compile(r"\w+://(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/?\[\]]+)):(\d{1,5})(?:[/?].*)?")
_RTT_AT: Final = 68
"""Where struct tcp_info of Linux (include/uapi/linux/tcp.h) has tcpi_rtt: the smoothed round trip in microseconds."""


class SocketHandle:
    """A connected stream socket with those methods of a pyserial port that ``stream.SerialPort`` needs."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor, for poll and read."""
        return self._connection.fileno()

    def write(self, data: bytes) -> None:
        """Write all of ``data``; raises OSError, also when the other side takes none for a second."""
        self._connection.settimeout(WRITE_TIMEOUT_S)
        try:
            self._connection.sendall(data)
        finally:
            self._connection.setblocking(False)

    def close(self) -> None:
        """Close the connection once the other side has taken what was written, a fifth of a second at most.

        A socket that is closed with unread bytes in it is reset, and with that go the bytes still on their way: the
        command that stops the meter.
        """
        with self._connection, contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(LINGER_S)
            end_s = time.monotonic() + LINGER_S
            while self._connection.recv(LINGER_BYTES) and time.monotonic() < end_s:
                pass


def parse_address(url: str) -> tuple[str, int]:
    """Return host and port of a URL, IPv6 addresses in brackets. Raises ConfigurationError with the form."""
    found = _ADDRESS.fullmatch(url)
    if found is None or not 0 < int(found[3]) < 65_536:
        scheme = url.partition("://")[0]
        raise ConfigurationError(f"{url}: a meter on the network is {scheme}://HOST:PORT, with a port from 1 to 65535")
    return found[1] or found[2], int(found[3])


def open_tcp(url: str) -> tuple[SocketHandle, float]:
    """Connect; return the handle and the round trip in seconds. Blocks for three seconds at most, names apart.

    Raises ConfigurationError for a URL that cannot be, MeterUnavailableError where nobody answers.
    """
    address = parse_address(url)
    try:
        connection = socket.create_connection(address, CONNECT_TIMEOUT_S)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MeterUnavailableError(f"{url}: cannot reach it ({reason}); check address, network and power") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return SocketHandle(connection), round_trip_s(connection)


def round_trip_s(connection: socket.socket) -> float:
    """Return the round trip that the kernel has measured, which no byte's way from the meter exceeds; 0 if unknown."""
    with contextlib.suppress(OSError, AttributeError, struct.error):
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        (rtt_us,) = struct.unpack_from("=I", info, _RTT_AT)
        return float(rtt_us) * 1e-6
    return 0.0
