"""A door in front of the real InfluxDB that does everything a server or a network may do to a write."""

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.http_server import serving

FAULTS = ("429", "500", "503", "cut", "stored_then_cut", "stored_then_500", "half_stored_then_500")


class FaultyDoor:
    """While ``faulty``, three of four requests get a fault; else all pass. ``seen`` counts what happened."""

    def __init__(self, seed: int) -> None:
        self.faulty = True
        self.target_port = 0
        self.port = 0
        self.seen: Counter[str] = Counter()
        self._draw = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_fault(self) -> str:
        with self._lock:
            fault = self._draw.choice(FAULTS) if self.faulty and self._draw.random() < 0.75 else "none"
            self.seen[fault] += 1
            return fault

    def forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Ask the real server; 502 when it is away."""
        kept = {name: value for name, value in headers.items() if name.lower() not in {"host", "content-length"}}
        connection = http.client.HTTPConnection("127.0.0.1", self.target_port, timeout=30)
        try:
            connection.request(method, path, body or None, kept)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 502, b""
        finally:
            connection.close()


def half_of(body: bytes) -> bytes:
    lines = body.splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 2])


class _Handler(BaseHTTPRequestHandler):
    """One connection; ``door`` is set by a class of its own for each door."""

    protocol_version = "HTTP/1.1"
    timeout = 2.0
    door: FaultyDoor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fault = self.door.next_fault()
        answer = self._do(fault, body)
        if fault in {"cut", "stored_then_cut"}:
            self.close_connection = True
        else:
            self._answer(*answer)

    def _do(self, fault: str, body: bytes) -> tuple[int, bytes]:
        refusal = b'{"error":"chaos"}'
        if fault.isdigit():
            return int(fault), refusal
        if fault == "cut":
            return 500, refusal
        if fault == "half_stored_then_500":
            if "Content-Encoding" not in self.headers:
                self.door.forward("POST", self.path, half_of(body), dict(self.headers))
            return 500, refusal
        answer = self.door.forward("POST", self.path, body, dict(self.headers))
        return (500, refusal) if fault == "stored_then_500" else answer

    def do_GET(self) -> None:
        self._answer(*self.door.forward("GET", self.path, b"", dict(self.headers)))

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        if status == 204:
            self.end_headers()
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Keep quiet."""


@contextmanager
def running_door(seed: int) -> Iterator[FaultyDoor]:
    """Open the door on a free loopback port; all threads are joined at the end."""
    door = FaultyDoor(seed)
    handler = type("Handler", (_Handler,), {"door": door})
    with serving(handler) as door.port:
        yield door
