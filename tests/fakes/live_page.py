"""A stand-in for the live page's server: the page's own files, and an invented fleet behind the same addresses."""

import json
import queue
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Final

import collector
from tests.fakes.http_server import serving
from tests.fakes.live_fleet import Json, device_series, fleet_series

STATIC: Final = Path(collector.__file__).parent / "web" / "live" / "static"
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_POLL_S: Final = 0.05


@dataclass(slots=True)
class StandIn:
    """What is served; ``publish`` sends an event to every page that listens."""

    fleet: Json
    port: int = 0
    refused: bool = False
    away: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    streams: list["queue.Queue[bytes]"] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def publish(self, event: str, data: Any) -> None:
        """Send one event to every listener."""
        message = f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()
        for stream in list(self.streams):
            stream.put(message)

    def cut(self) -> None:
        """End every stream, as a collector that stops does."""
        for stream in list(self.streams):
            stream.put(b"")


class _Handler(BaseHTTPRequestHandler):
    """Answers for one stand-in."""

    state: ClassVar[StandIn]

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self.state.away:
            self.close_connection = True  # without an answer
        elif self.state.refused:
            self._answer(b"no access", "text/plain", 401)
        elif path == "/events":
            self._stream()
        elif path.startswith("/api/"):
            self._api(path, int(urllib.parse.parse_qs(query).get("points", ["60"])[0]))
        else:
            self._file("index.html" if path == "/" else path.removeprefix("/static/"))

    def _api(self, path: str, points: int) -> None:
        wanted = urllib.parse.unquote(path).split("/")[3:5]
        devices = {(d["fleet"], d["device_id"]): d for d in self.state.fleet["devices"]}
        if path == "/api/fleet":
            self._json(self.state.fleet)
        elif path == "/api/series":
            self._json(fleet_series(points))
        elif tuple(wanted) in devices:
            self._json(device_series(devices[wanted[0], wanted[1]], points))
        else:
            self._answer(b"{}", "application/json", 404)

    def _file(self, name: str) -> None:
        body = self.state.files.get(name)
        if body is None and (STATIC / name).is_file():
            body = (STATIC / name).read_bytes()
        kind = _TYPES.get(Path(name).suffix, "text/plain")
        self._answer(body or b"", f"{kind}; charset=utf-8", 404 if body is None else 200)

    def _json(self, data: Any) -> None:
        self._answer(json.dumps(data).encode(), "application/json", 200)

    def _answer(self, body: bytes, kind: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        mine: queue.Queue[bytes] = queue.Queue()
        mine.put(f"retry: 100\nevent: snapshot\ndata: {json.dumps(self.state.fleet)}\n\n".encode())
        self.state.streams.append(mine)
        try:
            self._send_all(mine)
        except OSError:
            return  # the page was closed
        finally:
            self.state.streams.remove(mine)

    def _send_all(self, mine: "queue.Queue[bytes]") -> None:
        while not self.state.stopped.is_set():
            try:
                message = mine.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if not message:
                return
            self.wfile.write(message)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing."""


@contextmanager
def live_page(fleet: Json) -> Iterator[StandIn]:
    """Serve the page with ``fleet`` as its first picture."""
    state = StandIn(fleet)
    with serving(type("Handler", (_Handler,), {"state": state})) as port:
        state.port = port
        try:
            yield state
        finally:
            state.stopped.set()
