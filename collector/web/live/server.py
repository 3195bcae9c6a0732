"""The live page's HTTP server: uvicorn in a thread of its own, on a socket that is open before the thread begins."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path
from typing import Final

import uvicorn

from collector.web.live.access import Access
from collector.web.live.app import Source, make_app
from collector.web.live.connections import PATIENCE_S, connections
from collector.web.live.events import Streams
from edge_agent.wire.errors import ConfigurationError

STOP_S: Final = 2
"""So long requests may take to end when the server does."""


class LiveServer:
    """Serves until it is closed. ``address``: host and port; port 0 takes a free one.

    ``url``: where a browser on this machine finds the page.
    """

    def __init__(
        self,
        address: tuple[str, int],
        source: Source,
        access: Access,
        streams: Streams,
        report: Path | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Listen. ``patience_s``: see ``connections``. Raises ConfigurationError when that cannot be."""
        self._socket = _listening(*address)
        self._streams = streams
        config = uvicorn.Config(
            make_app(source, access, streams, report),
            loop="asyncio",
            http=connections(patience_s),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # that a client sends nonsense is its own affair
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = _Server(config)
        self.url = _url(self._socket)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="live-page")

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End every stream and every request; return when the socket is closed."""
        self._streams.close()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()


class _Server(uvicorn.Server):
    """Cuts off, at the end, clients that take nothing."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=STOP_S)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await super().shutdown(sockets)


def _listening(host: str, port: int) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            opened = on_failure.enter_context(socket.socket(family, kind, protocol))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(where)
            opened.listen(128)
        except OSError as error:
            raise ConfigurationError(
                f"web.listen {host}:{port}: cannot listen: {error.strerror or error}; choose another address"
            ) from error
        on_failure.pop_all()
        return opened


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  not bound to, but replaced
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}/"
