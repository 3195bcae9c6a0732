"""A running collector tells a real InfluxDB how devices, models, grids and budgets are, and which factors it uses."""

import contextlib
import datetime as dt
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.app import run_collector
from collector.config import journal_path, read_config
from collector.journal import Journal
from collector.sinks.points import POINTS
from edge_agent.wire.records import Health
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import make_birth, wait_until
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.windows import BOOT_ID, FLEET, MODEL_ID, make_batch, make_window

pytestmark = pytest.mark.influxdb
S = 1_000_000_000
HOUR_NS = 3_600 * S
WINDOWS = 20
DEVICE = "pi4-01"
INVENTORY = """
[[device]]
id = "pi4-01"
site = "roof"
zone = "DE"
device_class = "gateway"
hardware = "raspberry-pi-4b-4gb"
lifetime_years = 5.0
in_service_since = 2024-01-01
[[model]]
id = "digits_mlp_int8"
source = "our meter"
vintage = "2025"
energy_kwh = {value = 2.0}
zone = "DE"
lifetime_inferences = 1e9
"""
SOURCE = """
[[intensity.source]]
kind = "series"
zones = ["DE"]
signal = "{kind}"
url = "{kind}.csv"
ahead_s = 86400.0
passport = {{id = "grid-{kind}", name = "A grid", scope = "generation", licence = "CC0", method = "made up"}}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What the store holds, by measurement: the latest point of the only series, or of the one with these tags."""

    influxdb: InfluxServer

    def latest(self, measurement: str, where: str = "") -> dict[str, Any]:
        condition = f" WHERE {where}" if where else ""
        query = f'SELECT * FROM "{measurement}"{condition} ORDER BY time DESC LIMIT 1'
        found = self.influxdb.query(query, "edgejoule")
        return dict(zip(found[0].columns, found[0].values[0], strict=True)) if found else {}

    def rounds(self, measurement: str) -> int:
        """Return how often the collector told of it."""
        found = self.influxdb.query(f'SELECT * FROM "{measurement}"', "edgejoule")
        return len({row[0] for row in found[0].values}) if found else 0

    def field_types(self, measurement: str) -> dict[str, str]:
        (found,) = self.influxdb.query(f'SHOW FIELD KEYS FROM "{measurement}"', "edgejoule")
        return {name: kind for name, kind in found.values}  # noqa: C416  pairs as lists


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Run a collector over a journal that has windows of this hour, and stop it when it has told all twice.

    A stop writes the sums of the hours, and then tells all once more.
    """
    directory = tmp_path_factory.mktemp("told")
    now_unix_ns = time.time_ns()
    with running_influxd(directory / "influxd") as influxdb, running_broker("embedded", directory) as broker:
        for name in ("edgejoule", "edgejoule_hourly"):
            influxdb.query(f"CREATE DATABASE {name}")
        _configure(directory, broker.url, influxdb.url, now_unix_ns)
        _fill(directory, now_unix_ns)
        told = Told(influxdb)
        with _collecting(directory):
            wait_until(lambda: all(told.rounds(point.MEASUREMENT) >= 2 for point in POINTS), "all is told twice")
        yield told


@contextlib.contextmanager
def _collecting(directory: Path) -> Iterator[None]:
    stop = threading.Event()
    codes: list[int] = []
    config = read_config(directory / "collector.toml")
    thread = threading.Thread(target=lambda: codes.append(run_collector(config, stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert codes == [0]


def _configure(directory: Path, broker_url: str, influxdb_url: str, now_unix_ns: int) -> None:
    (directory / "inventory.toml").write_text(INVENTORY)
    text = (
        f'state_dir = "state"\n[broker]\nurl = "{broker_url}"\n[lake]\nenabled = false\n'
        f'[influxdb]\nurl = "{influxdb_url}"\nmax_wait_s = 0.2\n[influxdb.hourly]\n[ledger]\ninterval_s = 0.5\n'
        f'[inventory]\nfile = "inventory.toml"\n[[budget]]\nfleet = "{FLEET}"\nmonthly_kgco2e = 1.0\n'
    )
    first = now_unix_ns // HOUR_NS
    for kind, base in (("average", 300.0), ("marginal", 700.0)):
        rows = (
            f"DE,{dt.datetime.fromtimestamp((first + hour) * 3_600, dt.UTC).isoformat()},{base - 10.0 * hour}\n"
            for hour in range(-2, 20)
        )
        (directory / f"{kind}.csv").write_text("zone,start,gco2e_per_kwh\n" + "".join(rows))
        text += SOURCE.format(kind=kind)
    (directory / "collector.toml").write_text(text)


def _fill(directory: Path, now_unix_ns: int) -> None:
    """Put into the journal what a device said: windows that end now, a birth and a health."""
    windows = tuple(
        make_window(seq, t_start_unix_ns=now_unix_ns - (WINDOWS + 1 - seq) * S, duration_s=1.0, gap_s=0.0)
        for seq in range(1, WINDOWS + 1)
    )
    batch = msgspec.structs.replace(make_batch(range(1, WINDOWS + 1)), records=windows)
    birth = msgspec.structs.replace(
        make_birth(DEVICE, BOOT_ID), t_unix_ns=now_unix_ns, model_macs=50_432, model_accuracy_ratio=0.9267
    )
    health = Health(
        device_id=DEVICE, boot_id=BOOT_ID, t_unix_ns=now_unix_ns, clock_state="synchronised", last_seq=WINDOWS,
        acked_seq=WINDOWS, outbox_windows=0, outbox_bytes=0, dropped_windows=0, meter_connected=True,
        meter_frame_errors={"crc": 2},
    )  # fmt: skip
    with contextlib.closing(Journal(journal_path(directory / "state"))) as journal:
        journal.commit_batch(FLEET, batch, now_unix_ns)
        journal.put_birth(FLEET, birth, now_unix_ns)
        journal.put_health(FLEET, health, now_unix_ns)


def test_every_field_has_one_type(told: Told) -> None:
    """A device's state, model, and factor are told in words, counts and floats, each time alike."""
    types = told.field_types("device_state")
    assert types["last_seen_age_s"] == types["in_service_s"] == types["window_s"] == "float"
    assert types["online"] == types["outbox_windows"] == types["meter_frame_errors"] == "integer"
    assert types["clock_state"] == types["runtime"] == "string"
    assert told.field_types("grid_intensity")["age_s"] == "float"
    assert told.field_types("model_info")["devices"] == "integer"


def test_a_device_is_there(told: Told) -> None:
    state = told.latest("device_state", f"device = '{DEVICE}'")
    assert (state["fleet"], state["site"], state["zone"], state["device_class"]) == (FLEET, "roof", "DE", "gateway")
    assert (state["online"], state["meter_connected"], state["clock_synchronised"]) == (1, 1, 1)
    assert (state["meter_frame_errors"], state["dropped_windows"], state["model_id"]) == (2, 0, MODEL_ID)
    assert 0.0 <= state["last_seen_age_s"] < 3_600.0
    assert state["runtime"] == "litert 2.1.0 xnnpack, 1 thread"


def test_a_model_is_known_by_its_birth_and_its_making(told: Told) -> None:
    model = told.latest("model_info", f"model = '{MODEL_ID}'")
    assert (model["macs"], model["accuracy_ratio"], model["devices"]) == (50_432, 0.9267, 1)
    assert (model["development_energy_j"], model["lifetime_inferences"]) == (7_200_000.0, 1e9)
    assert model["development_gco2e"] > 0.0


def test_both_kinds_of_intensity_stand_for_themselves(told: Told) -> None:
    average = told.latest("grid_intensity", "kind = 'average' AND source = 'grid-average'")
    marginal = told.latest("grid_intensity", "kind = 'marginal'")
    assert 250.0 < average["gco2e_per_kwh"] <= 300.0
    assert 650.0 < marginal["gco2e_per_kwh"] <= 700.0
    assert average["low_gco2e_per_kwh"] < average["gco2e_per_kwh"] < average["high_gco2e_per_kwh"]
    assert average["quality"] == marginal["quality"] == "actual"
    assert average["age_s"] >= 0.0
    assert average["yearly_gco2e_per_kwh"] > 0.0
    assert marginal["yearly_gco2e_per_kwh"] is None


def test_waiting_saves(told: Told) -> None:
    """Each hour is 10 g/kWh cleaner than the one before."""
    found = told.latest("grid_what_if", "kind = 'average'")
    assert found["best_wait_s"] > 3_600.0
    assert found["best_gco2e_per_kwh"] < found["now_gco2e_per_kwh"]
    assert found["saving_ratio"] == pytest.approx(1 - found["best_gco2e_per_kwh"] / found["now_gco2e_per_kwh"])


def test_a_budget_is_used_by_the_sums_of_the_hours(told: Told) -> None:
    budget = told.latest("carbon_budget", f"fleet = '{FLEET}'")
    (sums,) = told.influxdb.query(
        "SELECT SUM(operational_gco2e), SUM(embodied_gco2e), SUM(windows) FROM inference_hourly", "edgejoule_hourly"
    )
    _, operational_gco2e, embodied_gco2e, windows = sums.values[0]
    assert windows == WINDOWS
    used = [budget[name] for name in ("operational_gco2e", "embodied_gco2e")]
    assert budget["used_gco2e"] == math.fsum(used)
    assert budget["burn_ratio"] == pytest.approx(budget["used_gco2e"] / 1_000.0 / budget["month_elapsed_ratio"])
    assert budget["unknown_windows"] == 0
    if dt.datetime.now(dt.UTC).day > 1:  # else some windows may lie in the month before
        assert used == pytest.approx([operational_gco2e, embodied_gco2e])


def test_the_factors_in_use_are_told(told: Told) -> None:
    (found,) = told.influxdb.query('SHOW TAG VALUES FROM factor WITH KEY = "factor"', "edgejoule")
    factors = set(found.column("value"))
    assert {"grid-average:DE:average", "grid-marginal:DE:marginal", "DEU", f"model-{MODEL_ID}-training"} <= factors
    assert any("raspberry" in name or "bom" in name for name in factors), factors
    german = told.latest("factor", "factor = 'DEU'")
    assert german["unit"] == "gCO2e/kWh"
    assert german["low"] <= german["value"] <= german["high"]
    assert all(german[name] for name in ("source", "licence", "vintage", "scope"))
