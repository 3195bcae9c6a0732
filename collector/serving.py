"""The live page as a part of a process: what follows the journal, and what answers browsers."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from collector.build import build_assessor, build_intensities, build_inventory
from collector.config import CollectorConfig
from collector.figures import FiguresReader, Runtime
from collector.gauges.grid import GridGauge
from collector.intensity.store import IntensityStore
from collector.reporting import rows_of_sinks
from collector.web.live.access import Access
from collector.web.live.answers import IntensityAnswer
from collector.web.live.events import Streams
from collector.web.live.followed import Knowledge
from collector.web.live.follower import Follower, Pace
from collector.web.live.server import LiveServer
from collector.web.live.state import LiveState
from edge_agent.wire.errors import ConfigurationError

_ALONE = Runtime(broker_connected=False, queue_messages=0, queue_bytes=0, commits=0)


class LivePage:
    """A page that is served. ``url``: where a browser on this machine finds it."""

    def __init__(self, follower: Follower, server: LiveServer) -> None:
        self._follower = follower
        self._server = server
        self.url = server.url

    @property
    def alive(self) -> bool:
        """Return whether it still follows the journal and answers."""
        return self._follower.alive and self._server.alive


def _know(config: CollectorConfig, revisions: IntensityStore) -> Knowledge:
    """Return what grams are reckoned with now; what becomes known meanwhile makes the number too low, not too high."""
    number = revisions.newest()
    zones = (entry.zone for entry in build_inventory(config).devices.values())
    gauge = GridGauge(zones, build_intensities(config))

    def intensities(now_unix_ns: int) -> list[IntensityAnswer]:
        return [
            IntensityAnswer(
                zone=point.zone,
                kind=point.kind,
                source=point.source,
                gco2e_per_kwh=point.gco2e_per_kwh,
                quality=point.quality,
                age_s=point.age_s,
            )
            for point in gauge.points(now_unix_ns)
            if point.gco2e_per_kwh is not None
        ]

    return Knowledge(build_assessor(config), number, intensities)


@contextmanager
def live_page(
    config: CollectorConfig,
    *,
    runtime: Callable[[], Runtime] = lambda: _ALONE,
    report: Path | None = None,
    pace: Pace = Pace(),  # noqa: B008  frozen
) -> Iterator[LivePage]:
    """Serve the page that ``config`` describes while the block runs.

    ``report``: a self-contained page that is offered beside it, as soon as the file is there. Raises
    ConfigurationError, before anything has begun.
    """
    address = config.web.address
    if address is None:
        raise ConfigurationError("web.listen is empty: say where the live page is to be, such as 127.0.0.1:8787")
    access = Access(config.web.token(), (*config.web.hosts, address.host, socket.gethostname(), socket.getfqdn()))
    state = LiveState(config.web.title, None if report is None else "/report")
    with ExitStack() as parts:
        figures = FiguresReader(config.journal_path, rows_of_sinks(config), config.shared_group, runtime)
        parts.enter_context(closing(figures))
        revisions = IntensityStore(config.intensity_path, read_only=True)
        follower = Follower(
            state,
            config.journal_path,
            config.lake_dir,
            figures,
            lambda: _know(config, revisions),
            revisions.newest,
            pace,
        )
        parts.enter_context(closing(follower))
        streams = Streams(follower, pace.event)
        state.on_news = streams.wake
        server = parts.enter_context(closing(LiveServer(address, follower, access, streams, report, pace.connection)))
        follower.start()
        server.start()
        yield LivePage(follower, server)
