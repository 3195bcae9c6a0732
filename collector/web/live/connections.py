"""What a connection may cost: there are only so many, and one on which nothing moves is cut off.

Without this, whoever can reach the port could open connections until the collector has no file left to open, with no
token and without a word.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_CONNECTIONS: Final = 512
PATIENCE_S: Final = 30.0
"""Looks lie so far apart; a connection that stands still from one look to the next is cut off."""


class Connection(H11Protocol):
    """One of them. It stands still without a request under way, or where the client takes nothing of an answer."""

    patience_s = PATIENCE_S
    _look: asyncio.TimerHandle | None = None
    _request: RequestResponseCycle | None = None
    _unsent_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.transport.abort()
        else:
            self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._look = self.loop.call_later(self.patience_s, self._look_now)

    def _look_now(self) -> None:
        request, unsent_bytes = self.cycle, self.transport.get_write_buffer_size()
        waits = request is self._request and (request is None or request.response_complete)
        if waits or (unsent_bytes and unsent_bytes == self._unsent_bytes):
            self.transport.abort()
            return
        self._request, self._unsent_bytes = request, unsent_bytes
        self._look_later()


def connections(patience_s: float) -> type[Connection]:
    """Return the kind of connection that is looked at so often."""
    return type("Connection", (Connection,), dict[str, Any](patience_s=patience_s))
