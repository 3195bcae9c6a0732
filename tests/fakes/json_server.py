"""A real HTTP server on loopback: an API to play, and faults before it answers."""

import json
import ssl
import threading
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.http_server import serving

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Asked:
    """One question. ``params``: the last value of each. ``headers``: names in small letters."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    method: str = "GET"


@dataclass(frozen=True)
class Reply:
    """One answer, or a fault: none at all, the first bytes of one, none for a long time, or a byte now and then."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    send_only_bytes: int | None = None
    hang: bool = False
    trickle: bool = False


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return an answer; ``ETag="1"`` and the like become headers, with ``-`` for ``_``."""
    return Reply(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


class JsonServer:
    """Answers from ``replies`` first, then from ``api``. ``asked``: every question, in the order of arrival."""

    def __init__(self, api: Callable[[Asked], Reply]) -> None:
        self.api = api
        self.replies: deque[Reply] = deque()
        self.asked: list[Asked] = []
        self.port = 0
        self.finish = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.replies.popleft() if self.replies else self.api(asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: JsonServer

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        params = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = urllib.parse.unquote(parts.netloc + parts.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.state.answer(Asked(path, params, headers, body, self.command)))

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def _send(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.drop or (reply.hang and self.state.finish.wait(PATIENCE_S)):
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.trickle:
            self._trickle(reply.body)
        else:
            with suppress(OSError):  # a client that has read enough is gone
                self.wfile.write(reply.body[: reply.send_only_bytes])

    def _trickle(self, body: bytes) -> None:
        for number in range(len(body)):
            try:
                self.wfile.write(body[number : number + 1])
            except OSError:
                return
            if self.state.finish.wait(0.02):
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Keep quiet."""


@contextmanager
def json_server(api: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> Iterator[JsonServer]:
    """Serve on a free loopback port; all threads are joined at the end. ``tls``: as https."""
    state = JsonServer(api)
    with serving(type("Handler", (_Handler,), {"state": state}), tls) as state.port:
        try:
            yield state
        finally:
            state.finish.set()


class RecordedWaits:
    """A clock that only moves when somebody waits for it, and what was waited."""

    def __init__(self, unix_s: float = 1_700_000_000.0) -> None:
        self.now_s = unix_s
        self.waited_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)
        self.now_s += seconds

    def unix_s(self) -> float:
        return self.now_s
