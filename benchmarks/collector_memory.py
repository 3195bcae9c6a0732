"""The collector's memory over a million windows: what it holds after a tenth of them, and at the end.

Messages of 60 windows go through ingest into a real journal as fast as they can, in transactions as the subscriber
makes them, while a pump feeds a sink that encodes every line. Once the sink stores, once it is down all the time, so
that the whole million waits in the journal. EDGEJOULE_BENCH_WINDOWS sets the number (1000000, about a minute and
1.4 GB of scratch disk for each of the two).
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import structlog

from benchmarks.backlog import busy_window
from benchmarks.harness import Measurement, benchmark
from benchmarks.memory import resident_bytes
from collector.feeds import WindowFeed
from collector.ingest import Received, ingest
from collector.journal import Journal
from collector.pump import Pump
from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influx_writing import STORED, Answer
from collector.sinks.line_protocol import LineEncoder
from edge_agent.wire.codec import encode
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE, InferenceWindow, WindowBatch
from edge_agent.wire.topics import topic_for
from tests.fakes.windows import BOOT_ID, FLEET, T0_UNIX_NS

WINDOWS: Final = int(os.environ.get("EDGEJOULE_BENCH_WINDOWS", "1000000"))
DEVICES: Final = 50
EARLY_RATIO: Final = 0.1
MESSAGES_PER_COMMIT: Final = 60
MOST_GROWTH_RATIO: Final = 1.1
PATIENCE_S: Final = 300.0


class Store:
    """Takes bodies as a store does, or is down."""

    def __init__(self, *, down: bool) -> None:
        self._answer = Answer("later", "the store is down") if down else STORED
        self.lines = 0

    def post(self, body: bytes) -> Answer:
        """Count the lines, unless it is down."""
        if self._answer is STORED:
            self.lines += body.count(b"\n") + 1
        return self._answer

    def close(self) -> None:
        """Nothing is open."""


def messages(count: int) -> Iterator[Received]:
    """Yield messages of ``DEVICES`` devices in turn, each made when it is taken."""
    source = random.Random(5)
    windows = [busy_window(1, source) for _ in range(MAX_WINDOWS_PER_MESSAGE)]
    plain = encode(_batch("DEVICE", windows))
    for number in range(count):
        device_id = f"pi4-{number % DEVICES:04d}"
        first = number // DEVICES * MAX_WINDOWS_PER_MESSAGE + 1
        parts = plain.replace(b'"DEVICE"', f'"{device_id}"'.encode()).split(b'"seq":1,')
        head = parts[0].replace(b'"last_seq":1', b'"last_seq":%d' % (first + MAX_WINDOWS_PER_MESSAGE - 1))
        numbered = [b'"seq":%d,%s' % (first + place, part) for place, part in enumerate(parts[1:])]
        yield Received(topic_for(FLEET, device_id, "windows"), head + b"".join(numbered), T0_UNIX_NS)


def _batch(device_id: str, windows: list[InferenceWindow]) -> WindowBatch:
    return WindowBatch(
        device_id=device_id,
        boot_id=BOOT_ID,
        oldest_seq=1,
        last_seq=1,
        sent_unix_ns=T0_UNIX_NS,
        records=tuple(windows),
    )


def fill(directory: Path, *, down: bool) -> tuple[int, int]:
    """Return the memory held after a tenth of the windows and after all of them, in bytes."""
    count = WINDOWS // MAX_WINDOWS_PER_MESSAGE
    store = Store(down=down)
    early_bytes = 0
    with closing(Journal(directory / "journal.sqlite3")) as journal:
        pump = Pump(journal, WindowFeed(journal), InfluxSink(store, LineEncoder()))
        pump.start()
        try:
            came = messages(count)
            for done in range(0, count, MESSAGES_PER_COMMIT):
                with journal.transaction():
                    for message in islice(came, MESSAGES_PER_COMMIT):
                        ingest(journal, message)
                pump.notify()
                if not early_bytes and done >= EARLY_RATIO * count:
                    early_bytes = resident_bytes()
            deadline_s = time.monotonic() + PATIENCE_S
            while not down and journal.cursor("influxdb") < journal.last_row_id() and time.monotonic() < deadline_s:
                time.sleep(0.05)
            late_bytes = resident_bytes()
            (stored, waiting) = (journal.last_row_id(), journal.last_row_id() - journal.cursor("influxdb"))
        finally:
            pump.close()
    if stored != count * MAX_WINDOWS_PER_MESSAGE or waiting != (stored if down else 0):
        raise RuntimeError(f"{stored} windows in the journal, {waiting} of them not in the store")
    return early_bytes, late_bytes


@benchmark
def collector_memory() -> Iterator[Measurement]:
    with structlog.testing.capture_logs():
        for down in (False, True):
            with tempfile.TemporaryDirectory(prefix="edgejoule-memory-") as directory:
                early_bytes, late_bytes = fill(Path(directory), down=down)
            yield Measurement(
                name=f"collector: memory after {WINDOWS:,} windows, store {'down' if down else 'up'}",
                ours=[late_bytes],
                other=[early_bytes],
                other_name="the same after a tenth of them",
                kind="floor",
                unit="bytes",
                limit_ratio=MOST_GROWTH_RATIO,
            )
