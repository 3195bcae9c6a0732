"""The collector as a process, with a real broker and a real InfluxDB: the live store says what the report says."""

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.cli import main
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import CollectorProcess, Device, running_device, wait_until
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.windows import FLEET, PROFILES, make_window

pytestmark = pytest.mark.influxdb
DATABASE, HOURLY = "edgejoule", "edgejoule_hourly"
PER_DEVICE = 40
PATIENCE_S = 90.0
"""A store that was away is tried again after up to 30 s, and the machine may be busy."""
INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
zone = "FR"
"""
SUMS = ("energy_j", "inference_count", "duration_s", "gap_s", "operational_gco2e", "embodied_gco2e")


@dataclass(frozen=True, slots=True)
class Site:
    """A server's parts, and where they are."""

    directory: Path
    broker: BrokerProcess
    influxdb: InfluxServer
    collector: CollectorProcess


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_influxd(tmp_path / "influxd") as influxdb, running_broker("embedded", tmp_path) as broker:
        collector = CollectorProcess(tmp_path, broker.url)
        (tmp_path / "inventory.toml").write_text(INVENTORY)
        with (tmp_path / "collector.toml").open("a") as config:
            config.write('[inventory]\nfile = "inventory.toml"\n')
            config.write(f'[influxdb]\nurl = "{influxdb.url}"\ndatabase = "{DATABASE}"\nmax_wait_s = 0.2\n')
            config.write(f'[influxdb.hourly]\ndatabase = "{HOURLY}"\n')
        yield Site(tmp_path, broker, influxdb, collector)


@contextlib.contextmanager
def running_fleet(site: Site) -> Iterator[list[Device]]:
    """Run a device of each profile, every one with windows of its own."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running_device(site.directory, BrokerSettings(url=site.broker.url), profile.device_id))
            for profile in PROFILES
        ]


def measure(devices: list[Device], count: int) -> None:
    """Let every device append the next ``count`` windows."""
    for device, profile in zip(devices, PROFILES, strict=True):
        for _ in range(count):
            window = device.outbox.append(partial(make_window, profile=profile))
            device.appended.append(window)
        device.publisher.notify()


def live_count(site: Site) -> int:
    series = site.influxdb.query("SELECT COUNT(energy_j) FROM inference_window", DATABASE)
    return int(series[0].column("count")[0]) if series else 0


def live_sums(site: Site) -> dict[str, dict[str, float | None]]:
    """Return the sums of each device as a dashboard would ask for them."""
    wanted = ", ".join(f'SUM("{name}") AS "{name}"' for name in SUMS)
    series = site.influxdb.query(
        f'SELECT COUNT("seq") AS windows, {wanted} FROM inference_window GROUP BY device', DATABASE
    )
    return {one.tags["device"]: {name: one.column(name)[0] for name in ("windows", *SUMS)} for one in series}


def initialise(site: Site) -> None:
    assert main(["collector", "init", "--config", str(site.directory / "collector.toml")]) == 0


def assert_hours_equal_windows(site: Site) -> None:
    """The long-term store holds what the live store does, to the last digit of a correctly rounded sum."""
    wanted = ("energy_j", "duration_s", "operational_gco2e")
    windows: dict[tuple[str, str, int], list[float]] = {}
    hours: dict[tuple[str, str, int], list[float]] = {}
    for found, measurement, database in ((windows, "inference_window", DATABASE), (hours, "inference_hourly", HOURLY)):
        for name in wanted:
            for series in site.influxdb.query(f'SELECT "{name}" FROM {measurement} GROUP BY device', database):
                for time_ns, value in series.values:
                    found.setdefault((series.tags["device"], name, time_ns // 3_600_000_000_000), []).append(value)
    assert {key: [math.fsum(values)] for key, values in windows.items()} == hours


def fleet_report(site: Site) -> dict[str, dict[str, Any]]:
    """Return the devices of ``edgejoule fleet report --json``."""
    words = ("fleet", "report", "--json", "--config", str(site.directory / "collector.toml"))
    answer = subprocess.run([sys.executable, "-m", "edgejoule", *words], capture_output=True, check=True)
    return {device["device_id"]: device for device in json.loads(answer.stdout)["devices"]}


def assert_equal(live: dict[str, dict[str, float | None]], report: dict[str, dict[str, Any]]) -> None:
    assert live.keys() == report.keys() == {profile.device_id for profile in PROFILES}
    for device_id, sums in live.items():
        for name, value in sums.items():
            reported = report[device_id][name]
            if name.endswith("_gco2e") and reported is not None:
                reported = reported["value"]
            expected = None if reported is None else pytest.approx(reported, rel=1e-9)
            assert value == expected, f"{device_id} {name}"


def test_the_live_store_holds_what_the_report_says(site: Site) -> None:
    initialise(site)
    site.collector.start()
    try:
        with running_fleet(site) as devices:
            measure(devices, PER_DEVICE)
            assert all(device.publisher.flush(PATIENCE_S) for device in devices)
            wait_until(
                lambda: live_count(site) == PER_DEVICE * len(PROFILES), "every window is in InfluxDB", PATIENCE_S
            )
            live, report = live_sums(site), fleet_report(site)
    finally:
        assert site.collector.stop() == 0

    assert_equal(live, report)
    assert_hours_equal_windows(site)
    assert live["pi4-01"]["windows"] == PER_DEVICE
    assert live["jetson-01"]["embodied_gco2e"] is None, "not in the inventory: unknown, not zero"
    assert {
        series.tags["fleet"]
        for series in site.influxdb.query("SELECT seq FROM inference_window GROUP BY fleet", DATABASE)
    } == {FLEET}


def test_a_database_made_late_and_a_killed_collector_lose_and_double_nothing(site: Site) -> None:
    site.collector.start()
    try:
        with running_fleet(site) as devices:
            measure(devices, PER_DEVICE)
            assert all(device.publisher.flush(PATIENCE_S) for device in devices), (
                "InfluxDB's fault does not hold up devices"
            )
            wait_until(
                lambda: "database not found" in site.collector.log_text, "the log says what is wrong", PATIENCE_S
            )
            initialise(site)
            wait_until(lambda: live_count(site) > 0, "the waiting windows come", PATIENCE_S)
            site.collector.kill()
            measure(devices, PER_DEVICE)
            site.collector.start()
            assert all(device.publisher.flush(PATIENCE_S) for device in devices)
            wait_until(lambda: live_count(site) == 2 * PER_DEVICE * len(PROFILES), "the rest comes, once", PATIENCE_S)
            live, report = live_sums(site), fleet_report(site)
    finally:
        assert site.collector.stop() == 0

    assert_equal(live, report)
    assert_hours_equal_windows(site)
