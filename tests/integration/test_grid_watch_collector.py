"""A collector as a process that asks a source of intensities: what is revised reaches the points that are there."""

import contextlib
import datetime as dt
import json
import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.data.tables import IMPACTS, shipped_factors
from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.cli import main
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import CollectorProcess, running_device, wait_until
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.windows import make_window

pytestmark = pytest.mark.influxdb
RAW, HOURLY = "edgejoule", "edgejoule_hourly"
PATIENCE_S = 90.0
WINDOWS = 40
HALF_HOUR_S = 1800
J_PER_KWH = 3.6e6
INVENTORY = '[[device]]\nid = "pi4-01"\nzone = "DE"\n'
SETTINGS = """
[inventory]
file = "inventory.toml"
[influxdb]
url = "{url}"
database = "edgejoule"
max_wait_s = 0.2
[influxdb.hourly]
database = "edgejoule_hourly"
[[intensity.source]]
kind = "series"
zones = ["DE"]
url = "series.csv"
every_s = 0.5
history_s = 86400
[intensity.source.passport]
id = "own"
name = "a series of our own"
scope = "generation"
licence = "CC0-1.0"
method = "made up for a test"
[[intensity.source]]
kind = "series"
signal = "marginal"
zones = ["DE"]
url = "marginal.csv"
every_s = 0.5
history_s = 86400
[intensity.source.passport]
id = "marginal"
name = "a marginal series of our own"
scope = "generation"
licence = "CC0-1.0"
method = "made up for a test"
"""


def write_series(directory: Path, name: str, gco2e_per_kwh: float, around_s: int) -> None:
    """Write one value for every half hour of a day around the windows; the file appears whole."""
    first = around_s // HALF_HOUR_S * HALF_HOUR_S - 24 * HALF_HOUR_S
    starts = [dt.datetime.fromtimestamp(first + i * HALF_HOUR_S, tz=dt.UTC).isoformat() for i in range(48)]
    text = "start,gco2e_per_kwh\n" + "".join(f"{start},{gco2e_per_kwh}\n" for start in starts)
    new = directory / "series.new"
    new.write_text(text)
    new.rename(directory / f"{name}.csv")


class Store:
    """What InfluxDB says, asked without any of the product's code."""

    def __init__(self, server: InfluxServer) -> None:
        self.server = server

    def values(self, name: str, database: str = RAW) -> list[Any]:
        measurement = "inference_window" if database == RAW else "inference_hourly"
        found = self.server.query(f"SELECT {name} FROM {measurement}", database)
        return [value for series in found for value in series.column(name)]

    def per_kwh(self, name: str, database: str = RAW) -> float | None:
        grams, energy_j = self.values(name, database), self.values("energy_j", database)
        return math.fsum(grams) / math.fsum(energy_j) * J_PER_KWH if len(grams) == len(energy_j) > 0 else None

    def says(self, per_kwh: float, database: str = RAW, name: str = "operational_gco2e") -> bool:
        found = self.per_kwh(name, database)
        return found is not None and math.isclose(found, per_kwh, rel_tol=1e-9)

    def says_both(self, average: float, marginal: float, database: str = RAW) -> bool:
        return self.says(average, database) and self.says(marginal, database, "operational_marginal_gco2e")


@contextlib.contextmanager
def stopped(collector: CollectorProcess) -> Iterator[None]:
    try:
        yield
    finally:
        assert collector.stop() == 0


def reassess(directory: Path, *words: str) -> int:
    return main(["carbon", "reassess", "--config", str(directory / "collector.toml"), "--from", "1d", *words])


def test_revisions_reach_the_points_by_themselves_and_a_command_brings_back_what_was_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = int(time.time())
    first_s = now_s - 3 * HALF_HOUR_S
    write_series(tmp_path, "series", 100.0, now_s)
    write_series(tmp_path, "marginal", 600.0, now_s)
    (tmp_path / "inventory.toml").write_text(INVENTORY)
    with running_influxd(tmp_path / "influxd") as server, running_broker("embedded", tmp_path) as broker:
        store, collector = Store(server), CollectorProcess(tmp_path, broker.url)
        with (tmp_path / "collector.toml").open("a") as config:
            config.write(SETTINGS.format(url=server.url))
        assert main(["collector", "init", "--config", str(tmp_path / "collector.toml")]) == 0
        collector.start()
        with stopped(collector), running_device(tmp_path, BrokerSettings(url=broker.url), "pi4-01") as device:
            for number in range(WINDOWS):
                made = partial(make_window, t_start_unix_ns=(first_s + 10 * number) * 10**9)
                device.appended.append(device.outbox.append(made))
            device.publisher.notify()
            assert device.publisher.flush(PATIENCE_S)
            wait_until(lambda: len(store.values("energy_j")) == WINDOWS, "every window is in InfluxDB", PATIENCE_S)
            wait_until(lambda: store.says_both(100.0, 600.0), "grams are those of both series", PATIENCE_S)
            (water,) = (one for one in shipped_factors(IMPACTS) if one.id == "water-grid-DEU")
            assert store.says(water.estimate.value, RAW, "operational_water_l")
            assert set(store.values("intensity_quality")) == {"actual"}
            assert len(store.values("operational_yearly_gco2e")) == WINDOWS
            matched_s = int(time.time())
            wait_until(lambda: time.time() >= matched_s + 1, "a whole second that lies after it")
            write_series(tmp_path, "series", 250.0, now_s)
            wait_until(
                lambda: store.says_both(250.0, 600.0), "a revision reaches the points that are there", PATIENCE_S
            )
            wait_until(lambda: "grams_assessed_again" in collector.log_text, "and the log says so", PATIENCE_S)
            write_series(tmp_path, "marginal", 650.0, now_s)
            wait_until(lambda: store.says_both(250.0, 650.0), "a marginal one too", PATIENCE_S)
        assert store.says_both(250.0, 650.0, HOURLY), "the hours too"
        assert store.says(water.estimate.value, HOURLY, "operational_water_l")
        for name in ("marginal_windows", "water_windows", "operational_windows"):
            assert sum(store.values(name, HOURLY)) == WINDOWS
        assert len(store.values("energy_j")) == WINDOWS, "no point was added"

        then = dt.datetime.fromtimestamp(matched_s + 1, tz=dt.UTC).isoformat()
        capsys.readouterr()
        assert reassess(tmp_path, "--device", "nobody") == 2
        assert "--device nobody: the inventory does not list it" in capsys.readouterr().err
        assert reassess(tmp_path, "--as-known-at", then, "--json") == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["windows"], said["points"], said["refused"], said["hours_left"]) == (WINDOWS, WINDOWS, 0, {})
        assert store.says_both(100.0, 600.0)
        assert store.says_both(100.0, 600.0, HOURLY)
        assert reassess(tmp_path) == 0
        assert f"{WINDOWS} windows assessed, {WINDOWS} points" in capsys.readouterr().out
        assert store.says_both(250.0, 650.0)
        assert store.says_both(250.0, 650.0, HOURLY)

        assert main(["fleet", "report", "--json", "--config", str(tmp_path / "collector.toml")]) == 0
        total = json.loads(capsys.readouterr().out)["total"]
        assert total["operational_gco2e"]["value"] == pytest.approx(math.fsum(store.values("operational_gco2e")))
        assert total["intensity_ratio"] == pytest.approx({"actual": 1.0})


def test_what_cannot_be_assessed_again_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "collector.toml"
    config.write_text('state_dir = "state"\n')
    assert reassess(tmp_path) == 2
    assert "no journal here" in capsys.readouterr().err
    assert reassess(tmp_path, "--to", "2d") == 2
    assert "--to has to lie after --from" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["check-config", "run"])
def test_a_source_without_its_key_stops_the_collector_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text('state_dir = "state"\n[[intensity.source]]\nkind = "electricity_maps"\nzones = ["DE"]\n')
    assert main(["collector", verb, "--config", str(config)]) == 2
    assert "electricity_maps: it needs a key" in capsys.readouterr().err
