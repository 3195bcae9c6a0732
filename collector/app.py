"""The collector as a process: one per state directory; stops cleanly when asked."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import structlog

from collector.assess import Assessor
from collector.blob_server import BlobServer, serving_blobs
from collector.build import (
    build_assessor,
    build_bench_sinks,
    build_blob_server,
    build_grid_publisher,
    build_reassessment,
    build_sinks,
)
from collector.carbon.operational import INTENSITY_KINDS
from collector.config import CollectorConfig
from collector.feeds import BenchFeed, WindowFeed
from collector.figures import Runtime
from collector.grid_publisher import GridPublisher, publishing
from collector.grid_watch import GridWatch, Revisions, watching
from collector.intake import Intake
from collector.intensity.configured import configured_sources, zones_at_sources
from collector.intensity.store import IntensityStore
from collector.journal import SHARED_GROUP, Journal
from collector.pump import Pump
from collector.reporter import Reporter
from collector.reporting import reporting
from collector.retention import Retention, forgetting
from collector.session import Session
from collector.subscriber import Subscriber
from collector.values import StoredBench, StoredWindow
from edge_agent.wire.errors import ConfigurationError

if TYPE_CHECKING:
    from collector.serving import LivePage

POLL_S: Final = 1.0
_Other: TypeAlias = "Reporter | Retention | GridWatch | LivePage | BlobServer | GridPublisher"
AnyPump = Pump[StoredWindow] | Pump[StoredBench]
_LOG = structlog.get_logger()


def run_collector(config: CollectorConfig, stop: threading.Event) -> int:
    """Run until ``stop`` is set; return 0 after a clean stop, 1 when a part died. Raises ConfigurationError."""
    state_dir = Path(config.state_dir)
    with single_instance(state_dir), contextlib.closing(open_journal(config)) as journal:
        pumps: list[AnyPump] = []
        vitals = _Vitals()

        def on_commit() -> None:
            vitals.commits += 1
            for pump in pumps:
                pump.notify()

        if journal.note(SHARED_GROUP) != config.shared_group:  # else nothing is written: a disk may be full
            journal.set_note(SHARED_GROUP, config.shared_group)
        files = vitals.files = build_blob_server(config)
        session = Session(config.client_id, config.fleet, config.shared_group, files is not None)
        subscriber = Subscriber(config.broker, session, journal, on_commit, vitals.intake, files)
        with contextlib.ExitStack() as parts:
            store = parts.enter_context(_intensities(config))
            assessor = build_assessor(config, store)
            told = reporting(config, lambda: vitals.runtime(subscriber), assessor, store)
            reporters = parts.enter_context(told)
            sinks = build_sinks(config, assessor, journal)
            pumps += [Pump(journal, WindowFeed(journal), sink) for sink in sinks]
            pumps += [Pump(journal, BenchFeed(journal), sink) for sink in build_bench_sinks(config, assessor, journal)]
            _LOG.info("collector_started", state_dir=str(state_dir), broker=config.broker.url)
            names = [sink.name for sink in sinks]
            with (
                forgetting(journal, names, config.journal.keep_days, lambda: not vitals.intake.empty) as retention,
                _watching_grid(config, store, assessor, journal) as watches,
                _live_page(config, lambda: vitals.runtime(subscriber)) as pages,
                serving_blobs(files) as servers,
                publishing(build_grid_publisher(config, store, journal, lambda: subscriber.connection)) as grids,
            ):
                others: list[_Other] = [*reporters, retention, *watches, *pages, *servers, *grids]
                died = _supervise(stop, subscriber, pumps, others, journal)
        _LOG.info("collector_stopped", clean=not died)
    return 1 if died else 0


@contextlib.contextmanager
def _intensities(config: CollectorConfig) -> Iterator[IntensityStore | None]:
    """Open the store of intensities for writing, where there are sources to be asked. Raises ConfigurationError."""
    if not config.intensity.source:
        yield None
        return
    with contextlib.closing(IntensityStore(config.intensity_path)) as store:
        yield store


@contextlib.contextmanager
def _watching_grid(
    config: CollectorConfig, store: IntensityStore | None, assessor: Assessor, journal: Journal
) -> Iterator[list[GridWatch]]:
    """Ask the sources of intensities, and assess again what they revise, while the block runs."""
    if store is None:
        yield []
        return
    tried_once = msgspec.structs.replace(  # a source that is away is asked again by the watch, which can be stopped
        config.intensity, source=tuple(msgspec.structs.replace(one, retries=0) for one in config.intensity.source)
    )
    sources = configured_sources(tried_once, config.intensity_path.with_name("intensity-cache"))
    with contextlib.ExitStack() as opened:
        reassessment = build_reassessment(config, assessor, journal, time.time_ns())
        if reassessment is not None:
            opened.callback(reassessment.close)
        zones = {kind: zones_at_sources(config.intensity, kind) for kind in INTENSITY_KINDS}
        revisions = Revisions(journal, store, zones, assessor, reassessment)
        yield opened.enter_context(watching(GridWatch(sources, store, revisions.catch_up)))


@contextlib.contextmanager
def _live_page(config: CollectorConfig, runtime: Callable[[], Runtime]) -> Iterator[list["LivePage"]]:
    """Serve the live page while the block runs, where there is to be one. Raises ConfigurationError."""
    if config.web.address is None:
        yield []
        return
    from collector.serving import live_page  # noqa: PLC0415  a web server only where there is a page

    with live_page(config, runtime=runtime) as page:
        _LOG.info("live_page_served", url=page.url)
        yield [page]


@dataclass(slots=True)
class _Vitals:
    """What a running collector tells of itself."""

    intake: Intake = field(default_factory=Intake)
    commits: int = 0
    files: BlobServer | None = None

    def runtime(self, subscriber: Subscriber) -> Runtime:
        intake = self.intake
        files = None if self.files is None else self.files.counts
        return Runtime(subscriber.connected, intake.held_messages, intake.held_bytes, self.commits, files)


def open_journal(config: CollectorConfig) -> Journal:
    """Return the journal that ``config`` describes, for writing. Raises ConfigurationError."""
    return Journal(config.journal_path, late_after_s=config.journal.late_after_s)


def _supervise(
    stop: threading.Event,
    subscriber: Subscriber,
    pumps: list[AnyPump],
    others: Sequence["_Other"],
    journal: Journal,
) -> bool:
    """Run the parts until told to stop or until one of them died, which is returned; its traceback is on stderr.

    What another process commits, such as a replay of dead letters, goes on to the stores too.
    """
    version = journal.data_version()  # before the pumps look: what is committed after that is told to them
    for pump in pumps:
        pump.start()
    subscriber.start()
    died = False
    try:
        while not stop.wait(POLL_S) and not died:
            died = not all(part.alive for part in (subscriber, *pumps, *others))
            if version != (version := journal.data_version()):
                for pump in pumps:
                    pump.notify()
    finally:
        for part in others:
            if isinstance(part, GridWatch):  # the question that it has open is answered while the others end
                part.stop()
        subscriber.stop()
        for pump in pumps:
            pump.close()
    return died


@contextlib.contextmanager
def single_instance(state_dir: Path) -> Iterator[None]:
    """Hold the state directory's lock, which the kernel lets go when the process ends. Raises ConfigurationError."""
    lock_file = state_dir / "collector.lock"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(f"{state_dir}: cannot write the state directory: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise ConfigurationError(
                f"{state_dir}: a collector (process {pid}) already uses it; stop that one or name another state_dir"
            ) from error
        with contextlib.suppress(OSError):  # a full disk: the number is only for the message above
            os.truncate(handle, os.pwrite(handle, f"{os.getpid()}\n".encode(), 0))
        yield
    finally:
        os.close(handle)
