"""The collector as a process: one per state directory; stops cleanly when asked."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from collector.build import build_assessor, build_bench_sinks, build_sinks
from collector.config import CollectorConfig
from collector.feeds import BenchFeed, WindowFeed
from collector.figures import Runtime
from collector.intake import Intake
from collector.journal import SHARED_GROUP, Journal
from collector.pump import Pump
from collector.reporter import LedgerReporter
from collector.reporting import reporting
from collector.retention import Retention, forgetting
from collector.session import Session
from collector.subscriber import Subscriber
from collector.values import StoredBench, StoredWindow
from edge_agent.wire.errors import ConfigurationError

POLL_S: Final = 1.0
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
        session = Session(config.client_id, config.fleet, config.shared_group)
        subscriber = Subscriber(config.broker, session, journal, on_commit, vitals.intake)
        with reporting(config, lambda: vitals.runtime(subscriber)) as reporters:
            assessor = build_assessor(config)
            sinks = build_sinks(config, assessor, journal)
            pumps += [Pump(journal, WindowFeed(journal), sink) for sink in sinks]
            pumps += [Pump(journal, BenchFeed(journal), sink) for sink in build_bench_sinks(config, assessor, journal)]
            _LOG.info("collector_started", state_dir=str(state_dir), broker=config.broker.url)
            names = [sink.name for sink in sinks]
            with forgetting(journal, names, config.journal.keep_days, lambda: not vitals.intake.empty) as retention:
                died = _supervise(stop, subscriber, pumps, [*reporters, retention], journal)
        _LOG.info("collector_stopped", clean=not died)
    return 1 if died else 0


@dataclass(slots=True)
class _Vitals:
    """What a running collector tells of itself."""

    intake: Intake = field(default_factory=Intake)
    commits: int = 0

    def runtime(self, subscriber: Subscriber) -> Runtime:
        intake = self.intake
        return Runtime(subscriber.connected, intake.held_messages, intake.held_bytes, self.commits)


def open_journal(config: CollectorConfig) -> Journal:
    """Return the journal that ``config`` describes, for writing. Raises ConfigurationError."""
    return Journal(config.journal_path, late_after_s=config.journal.late_after_s)


def _supervise(
    stop: threading.Event,
    subscriber: Subscriber,
    pumps: list[AnyPump],
    others: Sequence[LedgerReporter | Retention],
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
