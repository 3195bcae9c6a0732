"""Server-sent events: at most two a second, each with all that changed since the client's last one.

Nothing is queued for a client. Each remembers only how far it has been told; who reads slowly is told less often, and
what it is told then is newer. A client that takes nothing for a minute is let go.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from typing import Final, Protocol

from starlette.types import Message, Receive, Send

from collector.web.live.state import NotReadyError

EVENT_EVERY_S: Final = 0.5
KEEP_ALIVE_S: Final = 15.0
TAKEN_WITHIN_S: Final = 60.0
MAX_STREAMS: Final = 256
_KEPT_BODIES: Final = 4


class Told(Protocol):
    """What the streams tell of. Versions only grow; any thread may ask."""

    @property
    def version(self) -> int:
        """Return the version of now."""

    def snapshot(self) -> tuple[int, bytes]:
        """Return everything as JSON, and its version."""

    def changes(self, since: int) -> tuple[int, bytes]:
        """Return what changed after a version as JSON, and the version that it leads to."""


class Streams:
    """All open streams. Belongs to one event loop; only ``wake`` may be called from any thread."""

    def __init__(self, told: Told, every_s: float = EVENT_EVERY_S, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._told = told
        self._every_s = every_s
        self._keep_alive_s = keep_alive_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._closing = False
        self._bodies: OrderedDict[int, asyncio.Task[tuple[int, bytes]]] = OrderedDict()
        self.count = 0

    def wake(self) -> None:
        """Tell the streams to look at the version again."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """End every stream, and accept none any more."""
        loop = self._loop
        self._closing = True
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    @property
    def full(self) -> bool:
        """Return whether no further stream is taken."""
        return self._closing or self.count >= MAX_STREAMS

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer one request with a stream, until the client leaves or the server closes."""
        self._loop = asyncio.get_running_loop()
        self.count += 1
        leaves = asyncio.create_task(_until_it_leaves(receive))
        tells = asyncio.create_task(self._tell(send))
        try:
            await asyncio.wait((leaves, tells), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.count -= 1
            for task in (leaves, tells):
                task.cancel()
            _, error = await asyncio.gather(leaves, tells, return_exceptions=True)
        if isinstance(error, Exception) and not isinstance(error, (TimeoutError, OSError, NotReadyError)):
            raise error

    async def _tell(self, send: Send) -> None:
        await send(_START)
        version, body = await asyncio.to_thread(self._told.snapshot)
        await self._send(send, b"snapshot", version, body)
        while not self._closing:
            told_at_s = time.monotonic()
            if not await self._wait_for_news(version):
                await self._send_part(send, b": keep-alive\n\n")
                continue
            await self._rest(self._every_s - (time.monotonic() - told_at_s))
            if not self._closing:
                version, body = await self._changes(version)
                await self._send(send, b"fleet", version, body)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _wait_for_news(self, version: int) -> bool:
        """Return True when there is something newer than ``version``, or the end is near; False after a long wait."""
        deadline_s = time.monotonic() + self._keep_alive_s
        while not self._closing and self._told.version <= version:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0.0:
                return False
            news = self._news
            try:
                await asyncio.wait_for(news.wait(), left_s)
            except TimeoutError:
                return False
        return True

    async def _rest(self, seconds: float) -> None:
        """Wait so long, unless the end comes before."""
        end_s = time.monotonic() + seconds
        while not self._closing and (left_s := end_s - time.monotonic()) > 0.0:
            news = self._news
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), left_s)

    async def _changes(self, since: int) -> tuple[int, bytes]:
        """Return what changed; clients that have been told as much share one body."""
        task = self._bodies.get(since)
        if task is None or (task.done() and (task.exception() or task.result()[0] < self._told.version)):
            task = asyncio.create_task(asyncio.to_thread(self._told.changes, since))
            self._bodies[since] = task
            self._bodies.move_to_end(since)
            while len(self._bodies) > _KEPT_BODIES:
                self._bodies.popitem(last=False)
        return await asyncio.shield(task)

    async def _send(self, send: Send, event: bytes, version: int, body: bytes) -> None:
        await self._send_part(send, b"event: %s\nid: %d\ndata: %s\n\n" % (event, version, body))

    async def _send_part(self, send: Send, part: bytes) -> None:
        async with asyncio.timeout(TAKEN_WITHIN_S):
            await send({"type": "http.response.body", "body": part, "more_body": True})


_START: Final[Message] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ],
}


async def _until_it_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
