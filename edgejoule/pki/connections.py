"""HTTPS connections of the enrolment server: few at a time, each with a deadline, the handshake in its own thread."""

import contextlib
import socket
import socketserver
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

MOST_CONNECTIONS: Final = 32
DEADLINE_S: Final = 20.0
"""Of a whole connection, from its acceptance: whoever sends a byte a second does not hold a thread for long."""
LINGER_S: Final = 2.0


class TlsServer(socketserver.ThreadingMixIn, HTTPServer):
    """A server whose connections cannot be held open. ``context``: replaced whole when its certificate is renewed."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64
    deadline_s = DEADLINE_S

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext
    ) -> None:
        """Bind. Raises OSError."""
        self.context = context
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._open: dict[socket.socket, float] = {}
        self._open_lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind, without asking a name service for our name as the standard library does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # text, here

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection if there is room for it, else close it at once."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        with self._open_lock:
            self._open[request] = time.monotonic() + self.deadline_s
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no further thread is to be had
            self._forget(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands and answer, in the connection's own thread."""
        try:
            request.settimeout(self.deadline_s)
            with self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secure:
                self._take_over(request, secure)
                try:
                    secure.do_handshake()
                    self.finish_request(secure, client_address)
                except ssl.SSLError:
                    _let_alert_out(secure)
                finally:
                    self._forget(secure)
        except OSError:  # a scan, a foreign certificate, a client that went away, or our deadline
            pass
        finally:
            self._forget(request)
            self.shutdown_request(request)
            self._room.release()

    def service_actions(self) -> None:
        """End what is past its deadline; called several times a second."""
        now_s = time.monotonic()
        with self._open_lock:
            late = [held for held, deadline_s in self._open.items() if deadline_s < now_s]
        for held in late:
            _shut(held)

    def server_close(self) -> None:
        """End every connection, wait for its thread, and stop listening."""
        with self._open_lock:
            held = list(self._open)
        for one in held:
            _shut(one)
        super().server_close()

    def _take_over(self, request: socket.socket, secure: ssl.SSLSocket) -> None:
        """Have the deadline hold for the socket that now has the connection."""
        with self._open_lock:
            self._open[secure] = self._open.pop(request)

    def _forget(self, held: socket.socket) -> None:
        with self._open_lock:
            self._open.pop(held, None)


def _shut(held: socket.socket) -> None:
    with contextlib.suppress(OSError):
        held.shutdown(socket.SHUT_RDWR)


def _let_alert_out(secure: ssl.SSLSocket) -> None:
    """Wait a moment for the other side to go: closing with bytes unread would take our alert back."""
    secure.settimeout(LINGER_S)
    secure.shutdown(socket.SHUT_WR)
    while secure.recv(4096):
        pass
