"""A small real HTTP server on loopback that speaks the documented write API, with answers that a test chooses."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import msgspec

from tests.fakes.http_server import serving


class Reply(msgspec.Struct, frozen=True):
    """One HTTP answer; ``drop`` closes the connection without any."""

    status: int = 204
    body: Any = None
    drop: bool = False


class WriteServer:
    """Stores lines keyed as the real one does (series and time), and answers from ``replies`` first.

    A body that holds ``bad_word`` is refused as a whole, like the documented all-or-nothing 400; at the door of
    version 3 by its documented answers: all other lines are stored and the bad ones are listed by number, or with
    ``accept_partial=false`` none is stored and the first is named.
    """

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.bad_word: bytes | None = None
        self.bad_status = 400
        self.stored: dict[tuple[bytes, bytes], bytes] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.requests.append((path, headers))
        if self.replies:
            reply = self.replies.popleft()
            if reply.status != 204 or reply.drop:
                return reply
        if path.startswith("/api/v3/write_lp?") and self.bad_word is not None and self.bad_word in body:
            return self._answer_version_3(path, body, self.bad_word)
        if self.bad_word is not None and self.bad_word in body:
            message = "unable to parse 'inference_window': invalid number"
            return Reply(self.bad_status, {"code": "invalid", "message": message, "error": message})
        self._store(body.splitlines())
        return Reply()

    def _answer_version_3(self, path: str, body: bytes, bad_word: bytes) -> Reply:
        lines = body.splitlines()
        bad = [
            {"original_line": line.decode()[:100], "line_number": number, "error_message": "invalid number"}
            for number, line in enumerate(lines, 1)
            if bad_word in line
        ]
        if "accept_partial=false" in path:
            return Reply(400, {"error": "parsing failed for write_lp endpoint", "data": bad[0]})
        self._store([line for line in lines if bad_word not in line])
        return Reply(400, {"error": "partial write of line protocol occurred", "data": bad})

    def _store(self, lines: list[bytes]) -> None:
        for line in lines:
            head, _, rest = line.partition(b" ")
            self.stored[head, rest.rpartition(b" ")[2]] = line


@contextmanager
def running_write_server() -> Iterator[WriteServer]:
    """Serve on a free loopback port; all threads are joined at the end."""
    state = WriteServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            state.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = state.answer(self.path, dict(self.headers), body)
            if reply.drop:
                self.close_connection = True
                return
            content = b"" if reply.body is None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
            """Keep quiet."""

    with serving(Handler) as state.port:
        yield state
