"""Every query of the Grafana dashboards on a real InfluxDB that the real sink has filled: not empty, and right."""

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from collector.assess import Assessor
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from edgejoule.commands.dashboards.builder import load_builder
from tests.fakes.influxd import InfluxServer, Series, running_influxd
from tests.fakes.windows import PI4, T0_UNIX_NS, make_fleet_rows, make_stored

pytestmark = pytest.mark.influxdb
DATABASE = "edgejoule"
SPAN_NS = 300_000_000_000
GAP_S = 2.5
INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
site = "lab"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
device_class = "raspberry-pi-4"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
device_class = "raspberry-pi-zero-2-w"
"""
"""The Jetson is not listed: it has no site, no zone and no grams, and its joules must be there all the same."""


def the_rows() -> list[StoredWindow]:
    rows = make_fleet_rows(29)
    return [*rows, make_stored(len(rows) + 1, seq=30, gap_s=GAP_S, energy_j=PI4.power_w * (10.0 - GAP_S))]


ROWS = the_rows()
JOULES = math.fsum(row.window.energy_j for row in ROWS)
COUNT = sum(row.window.inference_count for row in ROWS)
DURATION_S = math.fsum(row.window.duration_s for row in ROWS)


def an_assessor() -> Assessor:
    return Assessor(parse_inventory(INVENTORY), load_yearly_table())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd")) as running:
        running.query(f"CREATE DATABASE {DATABASE}")
        sink = InfluxSink(InfluxV1Writer(running.url, DATABASE), LineEncoder(an_assessor()))
        assert sink.write(ROWS).accepted == len(ROWS)
        sink.close()
        yield running


def dashboard() -> Any:
    builder: Any = load_builder()
    return builder.fleet_dashboard()


def expand(query: str, **chosen: str) -> str:
    """Do what Grafana does before it sends a query: every variable is at All unless chosen."""
    start, end = T0_UNIX_NS, T0_UNIX_NS + SPAN_NS
    query = query.replace("$timeFilter", f"time >= {start} AND time < {end}").replace("$__interval", "10s")
    query = re.sub(r"\$\{(\w+):regex\}", lambda match: chosen.get(match[1], ".*"), query)
    assert "$" not in query.replace("$/", "")
    return query


def ask(server: InfluxServer, title: str, target: int = 0, **chosen: str) -> list[Series]:
    panel = next(panel for panel in dashboard().panels if panel.title == title)
    return server.query(expand(panel.targets[target].query, **chosen), DATABASE)


def numbers(frames: list[Series]) -> list[float]:
    return [row[1] for frame in frames for row in frame.values if row[1] is not None]


def every_target() -> list[tuple[str, str, str]]:
    return [(panel.title, target.ref_id, target.query) for panel in dashboard().panels for target in panel.targets]


@pytest.mark.parametrize(("title", "ref_id", "query"), every_target(), ids=lambda value: value.split(" FROM")[0][:40])
def test_every_query_gives_finite_numbers(server: InfluxServer, title: str, ref_id: str, query: str) -> None:
    frames = server.query(expand(query), DATABASE)
    values = numbers(frames)
    assert values, f"{title} {ref_id}: no data"
    assert all(math.isfinite(value) and value >= 0.0 for value in values)


@pytest.mark.parametrize("title", ["Energy", "Energy by device"])
def test_the_frames_add_up_to_the_known_energy(server: InfluxServer, title: str) -> None:
    assert math.fsum(numbers(ask(server, title))) == pytest.approx(JOULES, rel=1e-12)


def test_power_times_covered_time_is_the_energy(server: InfluxServer) -> None:
    """10 s windows on a 10 s grid: every step is one window of one device."""
    frames = ask(server, "Power by device")
    assert sorted(frame.tags["device"] for frame in frames) == ["jetson-01", "pi4-01", "zero-01"]
    joules = math.fsum(numbers(frames)) * 10.0 - PI4.power_w * GAP_S
    assert joules == pytest.approx(JOULES, rel=1e-12)


def test_headline_ratios(server: InfluxServer) -> None:
    assert numbers(ask(server, "Energy per inference")) == [pytest.approx(JOULES / COUNT)]
    assert numbers(ask(server, "Inferences")) == [COUNT]
    assert numbers(ask(server, "Coverage")) == [pytest.approx(1.0 - GAP_S / DURATION_S)]
    assert math.fsum(numbers(ask(server, "Gap by device"))) == pytest.approx(GAP_S)
    assert numbers(ask(server, "Simulated windows")) == [len(ROWS)]


def test_power_now_is_the_sum_of_the_latest_windows(server: InfluxServer) -> None:
    latest = {row.device_id: row.window for row in ROWS}
    expected = math.fsum(w.energy_j / (w.duration_s - w.gap_s) for w in latest.values())
    assert numbers(ask(server, "Power now")) == [pytest.approx(expected)]


def test_grams_are_those_of_the_assessor_and_unknown_devices_are_absent(server: InfluxServer) -> None:
    assessor = an_assessor()
    operational = embodied = 0.0
    for row in ROWS:
        w = row.window
        carbon = assessor.assess(
            row.device_id,
            energy_j=w.energy_j,
            energy_u_j=w.energy_u_j,
            start_unix_ns=w.t_start_unix_ns,
            duration_s=w.duration_s,
        )
        operational += carbon.operational.value if carbon.operational else 0.0
        embodied += carbon.embodied.value if carbon.embodied else 0.0
    title = "Operational and embodied carbon"
    assert math.fsum(numbers(ask(server, title, 0))) == pytest.approx(operational, rel=1e-9)
    assert math.fsum(numbers(ask(server, title, 1))) == pytest.approx(embodied, rel=1e-9)
    shown = [frame.tags["device"] for frame in ask(server, "Carbon per 1000 inferences by device")]
    assert sorted(shown) == ["pi4-01", "zero-01"]


def test_a_variable_filters_and_all_includes_what_has_no_such_tag(server: InfluxServer) -> None:
    pi4_j = math.fsum(row.window.energy_j for row in ROWS if row.device_id == "pi4-01")
    two_j = math.fsum(row.window.energy_j for row in ROWS if row.device_id != "jetson-01")
    assert numbers(ask(server, "Energy", device="pi4-01")) == [pytest.approx(pi4_j)]
    assert numbers(ask(server, "Energy", site="lab")) == [pytest.approx(two_j)]
    assert numbers(ask(server, "Energy", device="(pi4-01|zero-01)")) == [pytest.approx(two_j)]
    assert numbers(ask(server, "Energy", device_class="no-such-class")) == []


@pytest.mark.parametrize(
    ("variable", "values"),
    [
        ("fleet", ["lab"]),
        ("site", ["lab"]),
        ("zone", ["DE"]),
        ("device_class", ["raspberry-pi-4", "raspberry-pi-zero-2-w"]),
        ("model", ["digits_mlp_int8"]),
        ("device", ["jetson-01", "pi4-01", "zero-01"]),
    ],
)
def test_every_drop_down_has_its_values(server: InfluxServer, variable: str, values: list[str]) -> None:
    query = next(v.query for v in dashboard().variables if v.name == variable)
    (series,) = server.query(expand(query), DATABASE)
    assert sorted(series.column("value")) == values
