"""From a broker full of windows to an InfluxDB that holds them all: the real collector, the real servers, two cores.

A persistent session at mosquitto is filled before the collector starts. The time runs from the collector's connection
until its cursor says that InfluxDB has every row and every device's store-ack covers all its windows; then rows and
joules in InfluxDB are counted and have to be those that were sent. "Other" stores or drains the very same bytes:

- 60 windows per message: the store's own floor, one HTTP client that posts prepared lines in bodies of 5000 rows;
- one window per message: a bare paho client with manual acknowledgement that drains a session of the same broker.

EDGEJOULE_BENCH_ROWS and EDGEJOULE_BENCH_MESSAGES set how many rows and how many messages of one (90000 and 45000).
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.backlog import Messages, drain_with_paho, filled_broker, post_prepared, stored_acks
from benchmarks.harness import Measurement, benchmark
from tests.fakes.influxd import InfluxServer, running_influxd

ROWS: Final = int(os.environ.get("EDGEJOULE_BENCH_ROWS", "90000"))
MESSAGES: Final = int(os.environ.get("EDGEJOULE_BENCH_MESSAGES", "45000"))
DEVICES: Final = 50
MOST_OF_FLOOR_RATIO: Final = 1 / 0.6
MOST_OF_PAHO_RATIO: Final = 1 / 0.8
_PATIENCE_S: Final = 180.0


class Collector:
    """``edgejoule collector run`` with its state in ``directory``."""

    def __init__(self, directory: Path, client_id: str, broker_url: str, influx: InfluxServer, *, lake: bool) -> None:
        directory.mkdir()
        self.directory = directory
        config = directory / "collector.toml"
        config.write_text(
            f'state_dir = "state"\nclient_id = "{client_id}"\n[broker]\nurl = "{broker_url}"\n'
            f"[lake]\nenabled = {str(lake).lower()}\n"
            f'[influxdb]\nurl = "{influx.url}"\ndatabase = "{directory.name}"\n'
            "max_wait_s = 0.05\n",  # the last rows of a run need not wait for company
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "edgejoule", "collector", "run", "--config", str(config)]
        with (directory / "collector.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_for(self, words: str) -> None:
        """Return when the log says ``words``."""
        self._poll(lambda: words in self.log(), words)

    def wait_for_rows(self, count: int) -> None:
        """Return when InfluxDB has the first ``count`` rows of the journal."""
        path = self.directory / "state" / "journal.sqlite3"
        self._poll(path.exists, "a journal")
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            query = "SELECT coalesce(max(row_id), 0) FROM cursors WHERE sink = 'influxdb'"
            self._poll(lambda: int(db.execute(query).fetchone()[0]) >= count, f"{count} rows in InfluxDB")

    def log(self) -> str:
        """Return what it said."""
        return (self.directory / "collector.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        """Let it end in order."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise RuntimeError(f"the collector did not end well: {self.log()}")

    def _poll(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"never came: {what}; the collector said: {self.log()}")
            time.sleep(0.01)


def run_collector(directory: Path, port: int, influx: InfluxServer, messages: Messages, *, lake: bool) -> float:
    """Return the seconds from the connection until everything is stored and acknowledged; raise if a row is lost."""
    influx.query(f'CREATE DATABASE "{directory.name}"')
    collector = Collector(directory, directory.name, f"mqtt://127.0.0.1:{port}", influx, lake=lake)
    try:
        collector.wait_for("broker_connected")
        started_s = time.perf_counter()
        collector.wait_for_rows(messages.windows)
        while not messages.all_acknowledged(stored_acks(port, len(messages.device_ids))):
            if time.perf_counter() - started_s > _PATIENCE_S:
                raise RuntimeError("not every window was acknowledged to its device")
        spent_s = time.perf_counter() - started_s
    finally:
        collector.stop()
    check_store(influx, directory.name, messages)
    if lake:
        files = (directory / "state" / "lake").glob("date=*/windows-*.parquet")
        in_lake = sum(pq.read_metadata(file).num_rows for file in files)
        if in_lake != messages.windows:
            raise RuntimeError(f"{in_lake} of {messages.windows} rows are in the lake")
    return spent_s


def check_store(influx: InfluxServer, database: str, messages: Messages) -> None:
    """Raise unless InfluxDB holds exactly the rows and the joules that were sent."""
    (series,) = influx.query("SELECT count(energy_j), sum(energy_j) FROM inference_window", database)
    ((_, count, energy_j),) = series.values
    if (count, energy_j) != (messages.windows, messages.energy_j):
        raise RuntimeError(f"{messages.windows} rows of {messages.energy_j} J were sent, {count} of {energy_j} J came")


@benchmark
def sixty_windows_per_message() -> Iterator[Measurement]:
    messages = Messages(ROWS, 60, DEVICES)
    with scratch() as directory, running_influxd(directory / "influx") as influx:
        influx.query("CREATE DATABASE floor")
        floor_s = post_prepared(influx.port, "floor", messages)
        check_store(influx, "floor", messages)
        with filled_broker(directory, messages, ("lake_off", "lake_on")) as broker:
            for name, lake in (("lake_off", False), ("lake_on", True)):
                spent_s = run_collector(directory / name, broker.port, influx, messages, lake=lake)
                yield Measurement(
                    name=f"a window from the broker into InfluxDB, 60 in a message, {name.replace('_', ' ')}",
                    ours=[spent_s / messages.windows],
                    other=[floor_s / messages.windows],
                    other_name="post the row's prepared line, 5000 in a body",
                    kind="floor",
                    limit_ratio=None if lake else MOST_OF_FLOOR_RATIO,
                )


@benchmark
def one_window_per_message() -> Iterator[Measurement]:
    messages = Messages(MESSAGES, 1, DEVICES)
    sessions = ("paho", "lake_off", "lake_on")
    with (
        scratch() as directory,
        running_influxd(directory / "influx") as influx,
        filled_broker(directory, messages, sessions) as broker,
    ):
        paho_s = drain_with_paho(broker.port, "paho", len(messages.payloads))
        for name, lake in (("lake_off", False), ("lake_on", True)):
            spent_s = run_collector(directory / name, broker.port, influx, messages, lake=lake)
            yield Measurement(
                name=f"a window from the broker into InfluxDB, one in a message, {name.replace('_', ' ')}",
                ours=[spent_s / messages.windows],
                other=[paho_s / messages.windows],
                other_name="drain the message with bare paho, manual acknowledgement",
                kind="peer",
                limit_ratio=None if lake else MOST_OF_PAHO_RATIO,
            )


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory that is removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="edgejoule-end-to-end-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
