"""A whole site of real processes on one directory, and the verdict that is asked of it after everything that happens.

Broker, InfluxDB, collector and devices are processes of their own; the verdict looks at them from outside: the
command ``fleet ledger``, InfluxQL, the Parquet files, and the devices' outboxes.
"""

import contextlib
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
import pytest

from tests.fakes.chaos_processes import (
    DATABASE,
    PATIENCE_S,
    ChaosBroker,
    ChaosCollector,
    DeviceProcess,
    InfluxProcess,
    Victim,
)
from tests.fakes.chaos_truth import WindowKey, assert_same
from tests.fakes.delivery import wait_until

SITE_KINDS = ("mosquitto", "persistent", "embedded")
SiteKind = Literal["mosquitto", "persistent", "embedded"]
VICTIMS = ("agent", "broker", "collector", "influxdb")
TOLERANCE = 1e-12
"""Of a sum of doubles in an unknown order against the exact one."""


def seeds() -> list[int]:
    """Return the seeds of this run: one in CI, EDGEJOULE_CHAOS_SEEDS of them where more are wished."""
    return list(range(1, 1 + int(os.environ.get("EDGEJOULE_CHAOS_SEEDS", "1"))))


def site_kinds() -> list[Any]:
    """Return the kinds as parameters: mosquitto that forgets all when killed, that keeps a little, and our own."""
    return [pytest.param(kind, marks=() if kind == "embedded" else (pytest.mark.mosquitto,)) for kind in SITE_KINDS]


@dataclass
class Site:
    """``draw`` decides every random thing of a test, so that its seed repeats it (but for the machine's own pace)."""

    directory: Path
    draw: random.Random
    broker: ChaosBroker
    influxdb: InfluxProcess
    collector: ChaosCollector
    devices: list[DeviceProcess] = field(default_factory=list)

    def victim(self, name: str) -> Victim:
        if name == "agent":
            return self.draw.choice(self.devices)
        others: dict[str, Victim] = {
            "broker": self.broker,
            "collector": self.collector,
            "influxdb": self.influxdb,
        }
        return others[name]

    def make(self, count: int, rate_hz: float = 0.0) -> None:
        """Let every device make ``count`` more windows."""
        for device in self.devices:
            device.make(count, rate_hz)

    def wait_made(self) -> None:
        for device in self.devices:
            device.wait_made()

    def wait_made_more(self, more: int) -> None:
        """Wait until the first device has made ``more`` windows from now on."""
        since = self.devices[0].state().last_seq
        wait_until(lambda: self.devices[0].state().last_seq >= since + more, f"{more} windows made", PATIENCE_S)

    def wait_stored(self, more: int, since: int) -> None:
        """Wait until the journal holds ``more`` windows than ``since``."""
        wait_until(lambda: self.collector.stored_count() >= since + more, f"{more} more windows stored", PATIENCE_S)

    def ledger(self) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code of ``edgejoule fleet ledger`` and its lines by device."""
        words = ["fleet", "ledger", "--json", "--config", str(self.collector.config_file)]
        done = subprocess.run([sys.executable, "-m", "edgejoule", *words], capture_output=True, check=False)
        assert done.returncode in {0, 1}, done.stderr.decode()
        return done.returncode, {line["device_id"]: line for line in json.loads(done.stdout)["devices"]}

    def lake_windows(self) -> dict[str, list[tuple[WindowKey, float]]]:
        """Return (boot id, seq) and joules of every row of the lake, by device."""
        found: dict[str, list[tuple[WindowKey, float]]] = {}
        for path in sorted(self.collector.lake_dir.glob("date=*/*.parquet")):
            with pq.ParquetFile(path) as file:
                table = file.read(columns=["device_id", "boot_id", "seq", "energy_j"])
            for row in table.to_pylist():
                found.setdefault(row["device_id"], []).append(((row["boot_id"], row["seq"]), row["energy_j"]))
        return found

    def assert_nothing_lost(self) -> dict[str, dict[str, Any]]:
        """Wait until all is delivered, then compare every store with the devices' own truth; return the ledger."""
        for device in self.devices:
            device.wait_made()
            device.wait_empty()
        truths = {device.device_id: device.true_windows() for device in self.devices}
        for device_id, truth in truths.items():
            self._wait_all_stored(device_id, len(truth))
        code, lines = self.ledger()
        for device_id, truth in truths.items():
            line = lines[device_id]
            assert line["sent"] == line["stored"] == len(truth), line
            assert line["pending"] == line["missing"] == line["dropped"] == line["refused"] == 0, line
            _assert_once(self.influxdb.windows_of(device_id), truth, f"InfluxDB, {device_id}")
            _assert_once(self.lake_windows()[device_id], truth, f"lake, {device_id}")
            count, total_j = self.influxdb.total(device_id)
            assert count == len(truth)
            assert total_j == pytest.approx(math.fsum(truth.values()), rel=TOLERANCE)
        assert code == 0, lines
        return lines

    def _wait_all_stored(self, device_id: str, count: int) -> None:
        wait_until(
            lambda: self.influxdb.total(device_id)[0] >= count,
            f"InfluxDB has all {count} windows of {device_id}, not {self.influxdb.total(device_id)[0]}",
            PATIENCE_S,
        )
        wait_until(
            lambda: len(self.lake_windows().get(device_id, ())) >= count,
            f"the lake has all {count} windows of {device_id}",
            PATIENCE_S,
        )

    def story(self) -> str:
        """Return the ends of the logs, for the report of a failure."""
        logs = {"collector": self.collector.log_text[-3000:]} | {one.device_id: one.log_text for one in self.devices}
        return "\n".join(f"--- {name}\n{text}" for name, text in logs.items())


def _assert_once(rows: Sequence[tuple[WindowKey, float]], truth: dict[WindowKey, float], where: str) -> None:
    found = dict(rows)
    assert len(found) == len(rows), f"{where}: {len(rows) - len(found)} windows more than once"
    assert_same(found, truth, where)


def new_broker(kind: SiteKind, directory: Path) -> ChaosBroker:
    """Return a broker that is not started yet. "persistent" keeps what was there a second before it is killed."""
    if kind == "persistent":
        kept = directory / "broker-state"
        kept.mkdir()
        kept.chmod(0o777)
        return ChaosBroker(
            "mosquitto", directory, f"persistence true\npersistence_location {kept}/\nautosave_interval 1\n"
        )
    return ChaosBroker(kind, directory)


@contextlib.contextmanager
def running_site(
    kind: SiteKind,
    directory: Path,
    seed: int,
    device_ids: Sequence[str] = ("pi-a", "pi-b"),
    *,
    influxdb_url: str | None = None,
    device_dir: Path | None = None,
    max_bytes: int | None = None,
    jumping: bool = False,
) -> Iterator[Site]:
    """Start all of it; a failure inside carries the seed and the logs. Everything has ended after the block."""
    broker, influxdb = new_broker(kind, directory), InfluxProcess(directory / "influxd")
    collector = ChaosCollector(directory, broker.url, influxdb_url or influxdb.url)
    site = Site(directory, random.Random(f"{kind}/{seed}"), broker, influxdb, collector)
    site.devices = [
        DeviceProcess(device_dir or directory, broker.url, name, jumping=jumping, max_bytes=max_bytes)
        for name in device_ids
    ]
    with contextlib.ExitStack() as ends:
        for part in (broker.stop, influxdb.end, collector.end, *(device.stop for device in site.devices)):
            ends.callback(part)
        influxdb.start()
        assert influxdb.server is not None
        influxdb.server.query(f"CREATE DATABASE {DATABASE}")
        broker.start()
        collector.start()
        for device in site.devices:
            device.start()
        try:
            yield site
        except (AssertionError, pytest.fail.Exception) as error:
            error.add_note(f"seed {seed}, broker {kind}, in {directory}\n{site.story()}")
            raise
