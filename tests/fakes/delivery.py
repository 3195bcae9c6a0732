"""The device's and the collector's halves of the delivery, for tests: real outbox, real publisher, real collector."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from collector.config import journal_path
from collector.dead_letters import NewLetter
from collector.journal import Journal
from collector.session import Session
from collector.subscriber import Subscriber
from collector.values import LedgerLine
from edge_agent.bench_spool import BenchSpool
from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import Birth, Health, InferenceWindow
from tests.fakes.windows import BOOT_ID, FLEET, MODEL_ID, MODEL_SHA256, PI4, RUNTIME, T0_UNIX_NS, make_window

FAST_RESEND_S = 0.5
PATIENCE_S = 30.0


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return when ``condition`` holds; fail with ``what`` when it never does."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


def make_birth(device_id: str, boot_id: str, held_boots: tuple[str, ...] | None = None) -> Birth:
    return Birth(
        device_id=device_id,
        boot_id=boot_id,
        agent_version="0",
        device_class="raspberry-pi-4b",
        t_unix_ns=T0_UNIX_NS,
        model_id=MODEL_ID,
        model_sha256=MODEL_SHA256,
        runtime=RUNTIME,
        meter_id="m",
        meter_driver="tc66c",
        boundary="usb_dc",
        window_s=10.0,
        python_version="3.11",
        platform="test",
        simulated=True,
        held_boots=held_boots,
    )


def make_health(
    last_seq: int, acked_seq: int = 0, *, device_id: str = PI4.device_id, boot_id: str = BOOT_ID
) -> Health:
    return Health(
        device_id=device_id,
        boot_id=boot_id,
        t_unix_ns=T0_UNIX_NS,
        clock_state="synchronised",
        last_seq=last_seq,
        acked_seq=acked_seq,
        outbox_windows=0,
        outbox_bytes=0,
        dropped_windows=0,
        meter_connected=True,
    )


@contextlib.contextmanager
def journal_disk_full(journal: Journal) -> Iterator[None]:
    """Let SQLite refuse to write, with the very error of a full disk, while the block runs."""
    with journal._lock:
        (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
        (limit,) = journal._db.execute("PRAGMA max_page_count").fetchone()
        while True:  # fill what is left of the last pages
            journal._db.execute(f"PRAGMA max_page_count = {pages}")
            try:
                journal.add_dead_letter(NewLetter("filler", b"x" * 200_000, "filler", 0))
            except sqlite3.OperationalError:
                break
    try:
        yield
    finally:
        with journal._lock:
            journal._db.execute(f"PRAGMA max_page_count = {limit}")


class Device:
    """An outbox, a spool of benches and their publisher."""

    def __init__(
        self, directory: Path, broker: BrokerSettings, device_id: str = "pi4-01", resend_s: float = FAST_RESEND_S
    ) -> None:
        self.device_id = device_id
        self.outbox = Outbox(directory / f"{device_id}.sqlite3", "kernel-boot-1", now_unix_ns=lambda: T0_UNIX_NS)
        self.spool = BenchSpool(directory / f"{device_id}-state")
        self.publisher = Publisher(
            broker,
            FLEET,
            device_id,
            self.outbox,
            lambda: make_birth(
                device_id, self.outbox.boot_id, tuple(backlog.boot_id for backlog in self.outbox.backlogs())
            ),
            spool=self.spool,
            resend_s=resend_s,
        )
        self.appended: list[InferenceWindow] = []

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            self.appended.append(self.outbox.append(make_window))
            self.publisher.notify()

    def close(self) -> None:
        self.publisher.stop()
        self.outbox.close()


@contextlib.contextmanager
def running_device(
    directory: Path, broker: BrokerSettings, device_id: str = "pi4-01", resend_s: float = FAST_RESEND_S
) -> Iterator[Device]:
    device = Device(directory, broker, device_id, resend_s)
    try:
        device.publisher.start()
        yield device
    finally:
        device.close()


@contextlib.contextmanager
def running_subscriber(journal: Journal, broker: BrokerSettings) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker, Session("edgejoule-collector", "+"), journal)
    subscriber.start()
    try:
        yield subscriber
    finally:
        subscriber.stop()


class CollectorProcess:
    """``edgejoule collector run`` as it runs on a server."""

    def __init__(
        self,
        directory: Path,
        broker_url: str,
        protocol: Literal["5", "3.1.1"] = "5",
        *,
        first_lines: str = "",
        broker_lines: str = "",
    ) -> None:
        self.state_dir = directory / "state"
        self._log = directory / "collector.log"
        self._config = directory / "collector.toml"
        self._config.write_text(
            f'state_dir = "state"\n{first_lines}[broker]\nurl = "{broker_url}"\nprotocol = "{protocol}"\n'
            f"{broker_lines}[lake]\nmax_rows = 1000\nmax_wait_s = 0.2\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgejoule", "collector", "run", "--config", str(self._config)],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self._process.wait(30)

    def wait(self) -> int:
        """Return the exit code of a collector that ends by itself."""
        assert self._process is not None
        return self._process.wait(30)

    @property
    def log_text(self) -> str:
        return self._log.read_text()

    def open_journal(self) -> Journal:
        return Journal(journal_path(self.state_dir), read_only=True)

    def stored_count(self) -> int:
        if not journal_path(self.state_dir).exists():
            return 0
        with contextlib.closing(self.open_journal()) as journal:
            return journal.last_row_id()


@contextlib.contextmanager
def running_collector(directory: Path, broker_url: str) -> Iterator[CollectorProcess]:
    collector = CollectorProcess(directory, broker_url)
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


def assert_all_stored_once(journal: Journal, device: Device) -> LedgerLine:
    """Check windows one by one against what the device appended, then the ledger; return its line."""
    rows = [row for row in journal.rows_after(0, 100_000) if row.device_id == device.device_id]
    assert sorted(row.window.seq for row in rows) == [window.seq for window in device.appended]
    stored = {row.window.seq: row.window for row in rows}
    assert [stored[window.seq] for window in device.appended] == device.appended
    line = next(line for line in journal.ledger() if line.device_id == device.device_id)
    assert line.adds_up, msgspec.json.encode(line)
    assert line.stored == line.sent == len(device.appended)
    return line
