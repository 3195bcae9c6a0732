"""Ratios of the dashboards on a real InfluxDB: what cannot be said is null, the rest is what the fleet report says."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pytest

from collector.assess import DevicePlace
from collector.fleet.sums import Sums
from collector.live_grams import NO_GRAMS, Grams
from collector.sinks.hourly import HOUR_NS, line_of, tags_of
from collector.sinks.hourly_sums import HourSums
from collector.sinks.hourly_table import Hour
from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from edge_agent.wire.records import InferenceWindow
from tests.fakes.influxd import InfluxServer, Series, running_influxd
from tests.fakes.windows import JETSON, T0_UNIX_NS, WINDOW_S, make_stored
from tests.grafana_seed.grafana import TimeRange, expand

pytestmark = pytest.mark.influxdb
rates: Any = import_module("grafana.rates")
reports: Any = import_module("grafana.reports")

queries: Any = import_module("grafana.queries")

DATABASE: Final = "edgejoule"
HOURLY: Final = "edgejoule_hourly"
STEP_MS: Final = 10_000
"""One window a step: T0 lies on a whole ten seconds."""
ASKED: Final = TimeRange(T0_UNIX_NS // 10**6, T0_UNIX_NS // 10**6 + 60_000)
HOUR: Final = TimeRange(T0_UNIX_NS // HOUR_NS * 3_600_000, T0_UNIX_NS // HOUR_NS * 3_600_000 + 3_599_999)
ANY: Final = dict.fromkeys(("fleet", "site", "zone", "device_class", "model", "device"), ".*")
IDLE_AT, GAP_AT, ABSENT_AT = 2, 3, 4
NET_J: Final = 12.0


def the_rows() -> list[StoredWindow]:
    """Return six steps of one Pi: work, half a gap, no inference, nothing but a gap, no window at all, work.

    A Jetson works through all of them, with a gap in the third, and declares no idle power.
    """
    pi4: list[dict[str, Any]] = [
        {"net_energy_j": NET_J, "net_energy_u_j": 0.1},
        {"gap_s": 5.0, "energy_j": 20.5, "energy_u_j": 0.4, "energy_u_systematic_j": 0.3},
        {"inference_count": 0, "busy_s": 0.0, "energy_j": 29.0},
        {"gap_s": WINDOW_S, "energy_j": 0.0, "energy_u_j": 0.0, "energy_u_systematic_j": 0.0, "inference_count": 4000},
        {},
        {"energy_j": 47.0, "inference_count": 4500},
    ]
    rows = [make_stored(seq, seq=seq, **changes) for seq, changes in enumerate(pi4, 1) if seq != ABSENT_AT + 1]
    jetson: list[dict[str, Any]] = [{}, {}, {"gap_s": WINDOW_S / 4, "energy_j": 63.0}, {}, {}, {}]
    return rows + [
        make_stored(10 + seq, seq=seq, profile=JETSON, model_id="kws_ds_cnn_int8", **changes)
        for seq, changes in enumerate(jetson, 1)
    ]


ROWS: Final = the_rows()


def the_hours() -> list[str]:
    """Return the points of the rows' hour. What the Jetson emits is known, what the Pi does is not."""
    points = []
    for device in ("pi4-01", "jetson-01"):
        rows = [row for row in ROWS if row.device_id == device]
        sums = HourSums().add([(row.window, NO_GRAMS if device == "pi4-01" else grams(row.window)) for row in rows])
        tags = tags_of("lab", device, rows[0].window, DevicePlace(), "j")
        points.append(line_of(Hour(0, T0_UNIX_NS // HOUR_NS, 0, tags, sums)))
    return points


def grams(window: InferenceWindow) -> Grams:
    """Return what 360 g/kWh and a gram of hardware a window give."""
    operational = window.energy_j * 1e-4
    figures = (operational, operational, operational, 1.0, 1.0, 1.0, None, None, None)
    return Grams(figures, "actual", (("actual", 1.0),))


LEDGERS: Final = (
    "ledger,device=pi4-01,fleet=lab,collector=c1 sent=100i,stored=60i,dropped=5i,refused=1i,late=2i",
    "ledger,device=pi4-01,fleet=lab,collector=c2 sent=98i,stored=33i,dropped=4i,refused=0i,late=1i",
    "ledger,device=jetson-01,fleet=lab sent=10i,stored=8i,dropped=0i,refused=0i,late=0i,pending=2i,missing=0i",
    "ledger,device=new-01,fleet=lab sent=0i,stored=0i,dropped=0i,refused=0i,late=0i,pending=0i,missing=0i",
)
STATES: Final = (
    "device_state,device=pi4-01,fleet=lab,collector=c1 last_seen_age_s=900.0,online=0i,clock_synchronised=1i",
    "device_state,device=pi4-01,fleet=lab,collector=c2 last_seen_age_s=3.0,online=1i,clock_synchronised=1i",
    "device_state,device=jetson-01,fleet=lab last_seen_age_s=700.0,online=0i,clock_synchronised=0i",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd")) as running:
        running.query(f"CREATE DATABASE {DATABASE}")
        sink = InfluxSink(InfluxV1Writer(running.url, DATABASE), LineEncoder())
        assert sink.write(ROWS).accepted == len(ROWS)
        sink.close()
        for line in (*LEDGERS, *STATES):
            running.write(DATABASE, f"{line} {T0_UNIX_NS + 10**9}")
        running.query(f"CREATE DATABASE {HOURLY}")
        for line in the_hours():
            running.write(HOURLY, line)
        yield running


def ask(server: InfluxServer, query: str, database: str = DATABASE, **chosen: str) -> list[Series]:
    return server.query(expand(query, ASKED if database == DATABASE else HOUR, STEP_MS, ANY | chosen), database)


def only(server: InfluxServer, query: str, **chosen: str) -> Any:
    """Return the one number that a query answers."""
    ((series,),) = (ask(server, query, **chosen),)
    ((_, value),) = series.values
    return value


def over_time(server: InfluxServer, query: str, device: str = "pi4-01") -> list[Any]:
    """Return a device's six steps, and nothing for the last, which only begins."""
    (series,) = ask(server, query, device=device)
    return [row[1] for row in series.values][:6]


def windows(*devices: str) -> list[InferenceWindow]:
    return [row.window for row in ROWS if row.device_id in devices]


def report(*devices: str) -> Sums:
    """Return what the fleet report would reckon with."""
    sums = Sums()
    for w in windows(*devices):
        sums.windows += 1
        sums.duration_s += w.duration_s
        sums.gap_s += w.gap_s
        sums.covered_s += w.duration_s - w.gap_s
        sums.inference_count += w.inference_count
        sums.energy.add_window(w)
    return sums


@pytest.mark.parametrize("device", ["pi4-01", "jetson-01"])
def test_a_device_is_as_in_the_fleet_report(server: InfluxServer, device: str) -> None:
    sums = report(device)
    value, u = sums.per_inference()
    assert value is not None
    assert u is not None
    assert only(server, rates.j_per_inference(), device=device) == pytest.approx(value, rel=1e-12)
    assert only(server, rates.power_w(), device=device) == pytest.approx(sums.power_w, rel=1e-12)
    rank = ask(server, rates.most_uncertain(2), HOURLY, device=device)
    assert [frame.column("ratio") for frame in rank] == [[pytest.approx(2 * u / value, rel=1e-9)]]
    rate = sums.inference_count / sums.duration_s
    assert only(server, rates.inferences_per_s(), device=device) == pytest.approx(rate, rel=1e-12)


def test_a_fleet_is_as_in_the_fleet_report_and_its_power_the_sum_of_its_devices(server: InfluxServer) -> None:
    pi4, jetson = report("pi4-01"), report("jetson-01")
    assert pi4.power_w is not None
    assert jetson.power_w is not None
    assert only(server, rates.power_w()) == pytest.approx(pi4.power_w + jetson.power_w, rel=1e-12)
    whole = report("pi4-01", "jetson-01")
    for of, database in ((queries.WINDOWS, DATABASE), (queries.HOURS, HOURLY)):
        (frame,) = ask(server, rates.j_per_inference(of=of), database)
        assert frame.column("ratio") == [pytest.approx(whole.per_inference()[0], rel=1e-12)]
    by_model = {frame.tags["model"]: frame.values[0][1] for frame in ask(server, rates.j_per_inference(by=("model",)))}
    assert by_model == {
        "digits_mlp_int8": pytest.approx(pi4.per_inference()[0], rel=1e-12),
        "kws_ds_cnn_int8": pytest.approx(jetson.per_inference()[0], rel=1e-12),
    }


def test_a_step_is_null_where_nothing_can_be_said(server: InfluxServer) -> None:
    """InfluxQL itself says 0 there: no power in a gap, free inferences while idle."""
    joules = over_time(server, rates.j_per_inference(by=("device",), timed=True))
    assert joules[IDLE_AT] is joules[GAP_AT] is joules[ABSENT_AT] is None
    assert joules[0] == pytest.approx(41.0 / 4100)
    assert joules[1] == pytest.approx(20.5 / 5.0 / 410.0), "mean power over mean rate: half the joules are unknown"
    power = over_time(server, rates.power_w(by=("device",), timed=True))
    assert power[GAP_AT] is power[ABSENT_AT] is None
    assert power[IDLE_AT] == pytest.approx(2.9)
    rate = over_time(server, rates.inferences_per_s(by=("device",), timed=True))
    assert rate[ABSENT_AT] is None
    assert rate[IDLE_AT] == 0.0


def test_grams_of_an_inference_are_at_mean_power_and_nothing_where_they_are_unknown(server: InfluxServer) -> None:
    """As in the fleet report: a gap hides no operational grams, and the hardware is charged for the gap too."""
    jetson = report("jetson-01")
    per_inference = rates.gco2e_per_inference(by=("model",), of=queries.HOURS)
    frames = ask(server, per_inference, HOURLY)
    joules = jetson.per_inference()[0]
    assert joules is not None
    expected = joules * 1e-4 + jetson.windows / jetson.inference_count
    assert jetson.gap_s > 0.0
    assert {frame.tags["model"]: frame.column("grams") for frame in frames} == {
        "kws_ds_cnn_int8": [pytest.approx(expected, rel=1e-12)]
    }
    assert ask(server, rates.gco2e_per_inference()) == []


def test_power_by_step_is_that_of_the_devices(server: InfluxServer) -> None:
    """Where every device has windows all the time; a step that is nothing but a gap says nothing."""
    (jetson,) = ask(server, rates.power_by_step(by=("fleet",)), device="jetson-01")
    powers = [w.energy_j / (w.duration_s - w.gap_s) for w in windows("jetson-01")]
    assert [row[1] for row in jetson.values][:6] == [pytest.approx(power) for power in powers]
    (pi4,) = ask(server, rates.power_by_step(by=("fleet",)), device="pi4-01")
    assert [row[1] for row in pi4.values][:5] == [4.1, pytest.approx(4.1), 2.9, None, None]
    (rate,) = ask(server, rates.inferences_by_step(by=("fleet",)), device="pi4-01")
    assert [row[1] for row in rate.values][:5] == [410.0, 410.0, 0.0, 400.0, None]
    (metered,) = ask(server, rates.metered_devices(by=("fleet",)))
    assert [row[1] for row in metered.values][:5] == [2.0, 1.5, 1.75, 1.0, 1.0]


def test_ranks_have_devices_as_columns_the_largest_or_the_smallest(server: InfluxServer) -> None:
    source = queries.source(queries.WINDOWS)
    for least, first in ((False, "jetson-01"), (True, "pi4-01")):
        query = queries.most(rates.POWER_W, rates.COVERED, source, by=rates.DEVICE, name="power", least=least)
        (frame,) = ask(server, query)
        by_power = sorted(zip(frame.column("power"), frame.column("device"), strict=True), reverse=not least)
        assert by_power[0][1] == first
        assert set(frame.column("fleet")) == {"lab"}


def test_the_band_of_a_step_is_as_wide_as_its_window_says(server: InfluxServer) -> None:
    value = over_time(server, rates.j_per_inference(by=("device",), timed=True))
    upper, lower = (over_time(server, rates.j_per_inference_edge(k)) for k in (2, -2))
    for at, window in ((0, windows("pi4-01")[0]), (1, windows("pi4-01")[1])):
        scale = window.duration_s / (window.duration_s - window.gap_s) / window.inference_count
        assert upper[at] - value[at] == pytest.approx(2 * window.energy_u_j * scale, rel=1e-9)
        assert value[at] - lower[at] == pytest.approx(2 * window.energy_u_j * scale, rel=1e-9)
    assert upper[IDLE_AT] is upper[GAP_AT] is upper[ABSENT_AT] is lower[IDLE_AT] is None


def test_idle_power_is_that_of_windows_that_declare_it(server: InfluxServer) -> None:
    joules = windows("pi4-01")[0].energy_j
    assert over_time(server, rates.net_power_w(by=("device",), timed=True))[0] == pytest.approx(NET_J / WINDOW_S)
    idle = over_time(server, rates.idle_power_w(by=("device",), timed=True))
    assert idle[0] == pytest.approx((joules - NET_J) / WINDOW_S)
    assert all(value is None for value in idle[1:])
    assert ask(server, rates.idle_power_w(), device="jetson-01") == []


def test_ledgers_of_collectors_that_share_a_fleet_are_added_up_by_what_each_can_know(server: InfluxServer) -> None:
    assert only(server, reports.total("sent")) == 100 + 10
    assert only(server, reports.total("stored")) == 60 + 33 + 8
    assert only(server, reports.total("dropped")) == 5
    assert only(server, reports.total("missing")) == 0
    assert ask(server, reports.total("missing"), device="pi4-01") == []
    assert only(server, reports.stored_ratio()) == pytest.approx(101 / 110)
    names = {"stored": "kept", "missing": "missing"}
    rows = {frame.tags["device"]: frame.values[0][1:] for frame in ask(server, reports.of_devices(names))}
    assert rows == {"pi4-01": [93, None], "jetson-01": [8, 0], "new-01": [0, 0]}


def test_a_device_is_silent_when_every_collector_holds_it_for_silent(server: InfluxServer) -> None:
    assert only(server, reports.silent()) == 1
    rows = {frame.tags["device"]: frame.values[0][1:] for frame in ask(server, reports.heard())}
    assert rows == {"pi4-01": [3.0, 1], "jetson-01": [700.0, 0]}
    assert only(server, reports.count_without("clock_synchronised")) == 1
