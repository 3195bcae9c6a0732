"""The live page's routes. Everything is read; nothing can be changed through them."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from collector.web.live.access import Access, Gate
from collector.web.live.events import Streams, Told
from collector.web.live.state import NotReadyError

STATIC: Final = Path(__file__).with_name("static")
DEFAULT_POINTS: Final = 360
MAX_POINTS: Final = 2000
_NO_STORE: Final = {"Cache-Control": "no-store"}
_REPORT_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
}


class Source(Told, Protocol):
    """Where the answers come from, each as JSON. Any thread may ask."""

    def fleet_series(self, points: int) -> bytes:
        """Return the fleet over time, in up to so many bins."""

    def device_series(self, fleet: str, device_id: str, points: int) -> bytes | None:
        """Return a device's latest windows; None for a device that nobody has heard of."""


def make_app(source: Source, access: Access, streams: Streams, report: Path | None = None) -> Starlette:
    """Return the application. ``report``: a page of its own that ``/report`` shows, where there is one."""

    async def page(_request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    async def fleet(_request: Request) -> Response:
        _, body = await asyncio.to_thread(source.snapshot)
        return _json(body)

    async def fleet_series(request: Request) -> Response:
        return await _of_points(request, source.fleet_series)

    async def device_series(request: Request) -> Response:
        fleet, device_id = request.path_params["fleet"], request.path_params["device_id"]
        return await _of_points(request, lambda points: source.device_series(fleet, device_id, points))

    async def events(request: Request) -> Response:
        if streams.full:
            return PlainTextResponse("too many pages follow this server already; try again later\n", 503, _NO_STORE)
        return _Stream(streams, is_head=request.method == "HEAD")

    def report_page(_request: Request) -> Response:
        if report is None or not report.is_file():
            return PlainTextResponse("there is no report yet\n", 404, _NO_STORE)
        return FileResponse(report, headers=_REPORT_HEADERS)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/fleet", fleet),
            Route("/api/series", fleet_series),
            Route("/api/devices/{fleet}/{device_id}/series", device_series),
            Route("/events", events),
            Route("/report", report_page),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Gate, access=access)],
        exception_handlers={NotReadyError: _not_ready, sqlite3.Error: _not_ready},
    )


class _Stream(Response):
    """An answer that the streams write, as long as the client stays."""

    def __init__(self, streams: Streams, *, is_head: bool) -> None:
        super().__init__(b"", media_type="text/event-stream", headers=_NO_STORE)
        self._streams = streams
        self._is_head = is_head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_head:
            await super().__call__(scope, receive, send)
        else:
            await self._streams.serve(receive, send)


async def _of_points(request: Request, read: Callable[[int], bytes | None]) -> Response:
    text = request.query_params.get("points", str(DEFAULT_POINTS))
    points = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not points:
        return PlainTextResponse(f"points={text}: write a number from 1 to {MAX_POINTS}\n", 400, _NO_STORE)
    body = await asyncio.to_thread(read, min(points, MAX_POINTS))
    if body is None:
        return PlainTextResponse("no such device; /api/fleet lists them\n", 404, _NO_STORE)
    return _json(body)


def _not_ready(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("the journal cannot be read just now; try again\n", 503, _NO_STORE | {"Retry-After": "2"})


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers=_NO_STORE)
