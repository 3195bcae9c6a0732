"""A socket for one thread that waits for the network and for other threads at the same time; with TLS or without."""

import contextlib
import select
import socket
import ssl
import time
from typing import Final

from collector.session import CONNECT_TIMEOUT_S
from edge_agent.wire.mqtt import BrokerAddress, BrokerSettings, tls_context

RECEIVE_BYTES: Final = 256 * 1024
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_BROKEN: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


def open_socket(address: BrokerAddress, settings: BrokerSettings) -> socket.socket:
    """Connect, and agree on TLS where the address says so. Raises OSError, and ConfigurationError for its files."""
    context = tls_context(settings) if address.tls else None
    with contextlib.ExitStack() as on_failure:
        sock = socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_S)
        on_failure.callback(sock.close)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=address.host)
        on_failure.pop_all()
    return sock


class SocketStream:
    """A connected socket. All but ``wake`` belongs to one thread."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._woken = False
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._poll.register(self._sock, 0)

    def wake(self) -> None:
        """Let ``wait`` return now; from any thread."""
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody waits
                self._rope.send(b"!")

    def wait(self, timeout_s: float, *, reading: bool, writing: bool) -> bool:
        """Wait for a wake, for bytes if ``reading``, for room if ``writing``; return whether there are bytes.

        Raises ConnectionError for a connection that broke while nobody reads.
        """
        if reading and self._pending():
            return True
        mask = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
        self._poll.modify(self._sock, mask)
        events = dict(self._poll.poll(max(timeout_s, 0.0) * 1000))
        if self._bell.fileno() in events:
            self._bell.recv(64)
            self._woken = False  # in this order: a bell that rings in between is not taken away unheard
        seen = events.get(self._sock.fileno(), 0)
        if seen & _BROKEN and not reading:
            raise ConnectionResetError("the connection broke")
        return bool(seen & (select.POLLIN | _BROKEN))

    def _pending(self) -> bool:
        """Return whether TLS has decrypted more than was asked for: the kernel knows nothing of it."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def receive(self) -> bytes | None:
        """Return what is there, None when it is nothing yet. Raises EOFError when nothing more will come."""
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except _NOT_NOW:
            return None
        if not data:
            raise EOFError
        return data if not isinstance(self._sock, ssl.SSLSocket) else self._more(data)

    def _more(self, data: bytes) -> bytes:
        """Put TLS records together, of 16 KiB at most (RFC 8446, section 5.1): a plain socket gives more at once."""
        parts, size_bytes = [data], len(data)
        with contextlib.suppress(*_NOT_NOW):
            while size_bytes < RECEIVE_BYTES and (data := self._sock.recv(RECEIVE_BYTES - size_bytes)):
                parts.append(data)
                size_bytes += len(data)
        return b"".join(parts)

    def send(self, data: bytes) -> int:
        """Return how many bytes the network took, 0 when it takes none now."""
        try:
            return self._sock.send(data)
        except _NOT_NOW:
            return 0

    def leave(self, last_words: bytes, deadline_s: float) -> None:
        """Send, and read on until the other side has ended too: a socket closed with unread bytes breaks the rest."""
        with contextlib.suppress(OSError, EOFError):
            while last_words and time.monotonic() < deadline_s:
                last_words = last_words[self.send(last_words) :]
                if last_words:
                    self.wait(deadline_s - time.monotonic(), reading=False, writing=True)
            self._sock.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline_s:
                if self.wait(deadline_s - time.monotonic(), reading=True, writing=False):
                    self.receive()

    def close(self) -> None:
        """Close everything."""
        for sock in (self._sock, self._bell, self._rope):
            sock.close()
