"""Serial ports served on the network, as ser2net does: raw TCP, and RFC 2217 through pyserial's own port manager."""

import contextlib
import select
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import serial
from serial import rfc2217


class PseudoSerial(serial.Serial):
    """A pseudo-terminal has no modem lines: what pyserial would ask the kernel for is simply off."""

    cts = dsr = ri = cd = property(lambda _: False)

    def _update_rts_state(self) -> None: ...

    def _update_dtr_state(self) -> None: ...


class _Sender:
    """What a port manager needs of a connection."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, data: bytes) -> None:
        self._client.sendall(data)


class SerialServer:
    """Serves the port at ``path`` to one client after the other. ``rfc2217``: with telnet options, else raw."""

    def __init__(self, path: Path, *, with_rfc2217: bool = False) -> None:
        self._path = path
        self._with_rfc2217 = with_rfc2217
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stop, self._hang_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"server of {path}")
        self.clients = 0

    @property
    def address(self) -> str:
        return "127.0.0.1:" + str(self._server.getsockname()[1])

    def hang_up(self) -> None:
        """End the connection that there is; the next one is welcome."""
        self._hang_up.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        self._server.settimeout(0.05)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._server.accept()
                self.clients += 1
                self._hang_up.clear()
                with client, PseudoSerial(str(self._path), timeout=0) as port, contextlib.suppress(OSError):
                    self._bridge(client, port)

    def _bridge(self, client: socket.socket, port: Any) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender: Any = _Sender(client)
        manager = rfc2217.PortManager(port, sender) if self._with_rfc2217 else None
        while not (self._stop.is_set() or self._hang_up.is_set()):
            ready, _, _ = select.select([client, port], [], [], 0.05)
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                port.write(data if manager is None else b"".join(manager.filter(data)))
            if port in ready:
                data = port.read(4096)
                client.sendall(data if manager is None else b"".join(manager.escape(data)))
