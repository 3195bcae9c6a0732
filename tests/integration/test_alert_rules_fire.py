"""Every alert rule on a real InfluxDB: it fires for what has the fault, and for nothing else."""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.figures import Figures, Runtime
from collector.journal import Journal
from collector.sinks import ledger_points
from collector.sinks.hourly import HourlySink
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.line_protocol import LineEncoder
from collector.sinks.points import CarbonBudgetPoint, DeviceStatePoint, GridIntensityPoint, Point, line_of
from collector.values import FleetLedger, LedgerCounts, LedgerLine, StoredWindow
from tests.fakes.alert_evaluator import Evaluation, evaluate
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.windows import FLEET, JETSON, MODEL_ID, PI4, PI_ZERO, DeviceProfile, make_stored

pytestmark = pytest.mark.influxdb
alerts: Any = import_module("grafana.alerts")
model: Any = import_module("grafana.model")
S, MINUTE, HOUR = 10**9, 60 * 10**9, 3600 * 10**9
NOW_NS = time.time_ns() // (15 * MINUTE) * 15 * MINUTE - 5 * MINUTE
"""When rules are evaluated: in the middle of a quarter of an hour, by which one of them counts. A rule that asks with
``now()`` gets the server's clock, which is the real one."""
RULES = {rule["uid"]: rule for group in alerts.rule_groups() for rule in group["rules"]}
Lines = list[str]


def point(one: Point, age_s: float = 30.0) -> str:
    return line_of(one, NOW_NS - round(age_s * S))


def state(device: str, last_seen_age_s: float, *, ago_s: float = 30.0, fleet: str = FLEET, **more: object) -> str:
    seen = {"fleet": fleet, "device": device, "last_seen_age_s": last_seen_age_s, "online": 1, "retired": 0}
    return point(msgspec.convert(seen | more, DeviceStatePoint), ago_s)


def grid(zone: str, age_s: float | None, *, quality: Any = "actual", ago_s: float = 30.0) -> str:
    return point(
        GridIntensityPoint(
            zone=zone,
            kind="average",
            source="yearly" if age_s is None else "uk_carbon_intensity",
            gco2e_per_kwh=200.0,
            low_gco2e_per_kwh=180.0,
            high_gco2e_per_kwh=220.0,
            quality=quality,
            age_s=age_s,
        ),
        ago_s,
    )


def budget(fleet: str, burn_ratio: float, elapsed: float) -> str:
    return point(
        CarbonBudgetPoint(fleet=fleet, budget_gco2e=1000.0, month_elapsed_ratio=elapsed, burn_ratio=burn_ratio)
    )


def ledger(device: str, missing: int) -> str:
    zero = dict.fromkeys(LedgerCounts.__struct_fields__, 0)
    counts = zero | {"sent": 10, "stored": 10 - missing, "missing": missing}
    line = msgspec.convert({"fleet": FLEET, "device_id": device, **counts}, LedgerLine)
    figures = Figures(
        t_unix_ns=NOW_NS - 30 * S,
        ledger=FleetLedger(adds_up=not missing, total=LedgerCounts(**zero), strangers=0, devices=(line,)),
        sinks=(),
        letters={},
        letters_bytes=0,
        replies={},
        runtime=Runtime(broker_connected=True, queue_messages=0, queue_bytes=0, commits=1),
        shared_group="",
    )
    return ledger_points.lines(figures, "collector-1")[0]


def windows(profile: DeviceProfile, count: int, **changes: Any) -> Lines:
    """The latest windows of a device, ten seconds each, up to half a minute ago."""
    start_ns = NOW_NS - 30 * S - count * 10 * S
    rows = [
        make_stored(1 + i, profile=profile, t_start_unix_ns=start_ns + i * 10 * S, **changes) for i in range(count)
    ]
    return [LineEncoder().encode(row) for row in rows]


def minutes(zone: str, first_ago_s: int, last_ago_s: int, age_s: float | None) -> Lines:
    quality = "yearly" if age_s is None else "actual"
    return [grid(zone, age_s, quality=quality, ago_s=ago_s) for ago_s in range(last_ago_s, first_ago_s, 60)]


CASES: dict[str, tuple[Callable[[], Lines], Callable[[], Lines], dict[str, str]]] = {
    "edgejoule-device-silent": (
        lambda: [state("zero-01", 1000.0)],
        lambda: [
            *(state("pi4-01", 4.0), state("old-01", 1e7, retired=1)),
            *(state("both-01", 1000.0, collector="a"), state("both-01", 5.0, collector="b")),
            *(state("back-01", 1000.0, ago_s=90.0), state("back-01", 5.0), state("zero-01", 5.0, fleet="other")),
        ],
        {"fleet": FLEET, "device": "zero-01"},
    ),
    "edgejoule-ledger": (
        lambda: [ledger("zero-01", 3)],
        lambda: [ledger("pi4-01", 0)],
        {"fleet": FLEET, "device": "zero-01"},
    ),
    "edgejoule-meter-gaps": (
        lambda: windows(PI_ZERO, 40, gap_s=2.0),
        lambda: [*windows(PI4, 40), *windows(JETSON, 40, gap_s=0.1)],
        {"fleet": FLEET, "device": "zero-01"},
    ),
    "edgejoule-throttling": (
        lambda: windows(PI_ZERO, 12, throttled=True),
        lambda: [*windows(PI4, 40), *windows(JETSON, 3, throttled=True)],
        {"fleet": FLEET, "device": "zero-01"},
    ),
    "edgejoule-intensity-old": (
        lambda: [grid("GB", 4 * 3600.0)],
        lambda: [grid("DE", 3600.0), grid("ES", 20 * 3600.0, quality="forecast"), grid("FR", None, quality="yearly")],
        {"zone": "GB", "kind": "average", "source": "uk_carbon_intensity"},
    ),
    "edgejoule-forecast-old": (
        lambda: [grid("GB", 40 * 3600.0, quality="forecast")],
        lambda: [grid("DE", 20 * 3600.0, quality="forecast"), grid("FR", None, quality="yearly")],
        {"zone": "GB", "kind": "average", "source": "uk_carbon_intensity"},
    ),
    "edgejoule-intensity-gone": (
        lambda: [*minutes("GB", 7200, 3600, 60.0), *minutes("GB", 3600, 30, None)],
        lambda: [
            *minutes("DE", 7200, 30, 60.0),
            *minutes("FR", 7200, 30, None),
            *minutes("ES", 7200, 3600, 60.0),  # then the collector itself stops
            *(*minutes("IT", 7200, 3600, None), *minutes("IT", 3600, 30, 60.0)),  # and its source is back
        ],
        {"zone": "GB", "kind": "average"},
    ),
    "edgejoule-carbon-budget": (
        lambda: [budget("lab", 1.3, 0.5)],
        lambda: [budget("field", 0.9, 0.5), budget("new-month", 5.0, 0.01)],
        {"fleet": "lab"},
    ),
}
"""Per rule: lines with its fault, lines without, and the labels of the series that fires."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd")) as running:
        yield running


def at(server: InfluxServer, uid: str, lines: Lines) -> Evaluation:
    """Evaluate a rule on a database that has these lines and nothing else."""
    database = "alerts"
    server.query(f'DROP DATABASE "{database}"')
    server.query(f'CREATE DATABASE "{database}"')
    if lines:
        server.write(database, "\n".join(lines))
    return evaluate(RULES[uid], lambda _uid, query: server.query(query, database), NOW_NS // 1_000_000)


def test_every_rule_has_a_case() -> None:
    assert {*CASES, "edgejoule-energy-regressed"} == set(RULES)


@pytest.mark.parametrize("uid", CASES)
def test_a_rule_fires_for_what_has_the_fault_and_rests_without(server: InfluxServer, uid: str) -> None:
    faulty, healthy, labels = CASES[uid]
    with_fault = at(server, uid, [*faulty(), *healthy()])
    assert with_fault.firing == [labels]
    without = at(server, uid, healthy())
    assert without.firing == []
    assert without.resting


def test_a_marginal_source_that_falls_silent_is_told(server: InfluxServer) -> None:
    """No yearly average stands in for a marginal intensity."""
    gone = GridIntensityPoint(zone="DE", kind="marginal", source="", quality="unknown")
    lines = [line.replace("kind=average", "kind=marginal") for line in minutes("DE", 7200, 3600, 60.0)]
    lines += [point(gone, ago_s) for ago_s in range(30, 3600, 60)]
    found = at(server, "edgejoule-intensity-gone", [*lines, *minutes("DE", 7200, 30, 60.0)])
    assert found.firing == [{"zone": "DE", "kind": "marginal"}]
    assert found.resting == [{"zone": "DE", "kind": "average"}]


@pytest.mark.parametrize("uid", RULES)
def test_without_any_data_only_the_silent_collector_is_told(server: InfluxServer, uid: str) -> None:
    assert at(server, uid, []).no_data
    assert RULES[uid]["noDataState"] == ("Alerting" if uid == "edgejoule-device-silent" else "OK")


def hours(
    profile: DeviceProfile,
    first_row_id: int,
    joules: Callable[[int], float],
    count: int = 192,
    gap_s: Callable[[int], float] = lambda _ago: 0.0,
) -> list[StoredWindow]:
    """One window in each of the latest hours. ``joules``, ``gap_s``: of the window so many hours ago."""
    this_hour = time.time_ns() // HOUR
    return [
        make_stored(
            first_row_id + ago,
            profile=profile,
            t_start_unix_ns=(this_hour - ago) * HOUR + S,
            energy_j=joules(ago),
            gap_s=gap_s(ago),
            inference_count=100,
        )
        for ago in range(count)
    ]


def test_energy_that_has_grown_against_the_week_before_is_told(server: InfluxServer, tmp_path: Path) -> None:
    """Of three devices one draws 30 % more for a day, one 3 % more after a week of gaps, and one is new."""
    rows = [
        *hours(PI4, 1, lambda ago: 52.0 if ago < 24 else 40.0),
        *hours(JETSON, 1001, lambda ago: 41.2 if ago < 24 else 20.0, gap_s=lambda ago: 0.0 if ago < 24 else 5.0),
        *hours(PI_ZERO, 2001, lambda _ago: 500.0, count=20),
    ]
    server.query("DROP DATABASE hourly")
    server.query("CREATE DATABASE hourly")
    journal = Journal(tmp_path / "journal.sqlite3")
    sink = HourlySink(journal, "journal-1", InfluxV1Writer(server.url, "hourly"))
    try:
        assert sink.write(rows).accepted == len(rows)
    finally:
        sink.close()
        journal.close()
    hourly_uid, _ = model.PROVISIONED["datasource_hourly"]
    asked: list[str] = []

    def ask(uid: str, query: str) -> list[Any]:
        asked.append(uid)
        return server.query(query, "hourly")

    found = evaluate(RULES["edgejoule-energy-regressed"], ask, NOW_NS // 1_000_000)
    common = {"fleet": FLEET, "model": MODEL_ID}
    assert found.firing == [common | {"device": "pi4-01", "boundary": "usb_dc", "meter_driver": "tc66c"}]
    assert [one["device"] for one in found.resting] == ["jetson-01"]
    assert asked == [hourly_uid, hourly_uid]
