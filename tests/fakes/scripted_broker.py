"""A broker that does what a test says, byte by byte, on a real socket: for what no real broker does on request."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

from edge_agent.wire.mqtt import BrokerSettings

PATIENCE_S: Final = 30.0
CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 0x10, 0x30, 0x40, 0x80, 0xC0, 0xE0
WELCOME: Final = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}
PINGRESP: Final = b"\xd0\x00"


class Peer:
    """One connection, seen from the broker. Reading ends with EOFError when the client is gone."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_S)
        self.sock = sock
        self._file = sock.makefile("rb")

    def read(self) -> tuple[int, bytes]:
        """Return the type of the next packet, without its flags, and its body."""
        first = self._exactly(1)[0]
        length, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first & 0xF0, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def welcome(self, version: str = "5", codes: bytes = b"\x01" * 5) -> bytes:
        """Take CONNECT and SUBSCRIBE; return the body of SUBSCRIBE."""
        kind, _ = self.read()
        assert kind == CONNECT
        self.send(WELCOME[version])
        kind, wanted = self.read()
        assert kind == SUBSCRIBE
        properties = b"\x00" if version == "5" else b""
        body = wanted[:2] + properties + codes
        self.send(bytes((0x90, len(body))) + body)
        return wanted

    def until_gone(self, *, answer_pings: bool = True) -> list[tuple[int, bytes]]:
        """Read to the end of the connection; return what came."""
        came = []
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                came.append(self.read())
                if came[-1][0] == PINGREQ and answer_pings:
                    self.send(PINGRESP)
        return came

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@contextlib.contextmanager
def scripted_broker(*scripts: Callable[[Peer], None], keepalive_s: int = 30) -> Iterator[BrokerSettings]:
    """Run one script for each connection in turn; what went wrong in one is raised at the end of the block."""
    failed: list[BaseException] = []

    def serve() -> None:
        for script in scripts:
            sock, _ = server.accept()
            peer = Peer(sock)
            try:
                script(peer)
            except BaseException as error:  # noqa: BLE001  raised again below
                failed.append(error)
            finally:
                peer.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield BrokerSettings(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}", keepalive_s=keepalive_s)
        finally:
            thread.join()
    if failed:
        raise failed[0]
