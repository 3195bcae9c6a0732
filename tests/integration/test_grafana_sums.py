"""The dashboards' figures are those of the ledger and of the fleet report, over the same windows."""

import contextlib
import math
import re
from collections.abc import Callable
from typing import Any, Final

import pytest

from collector.build import build_assessor
from collector.carbon.estimate import Estimate
from collector.fleet.report import fleet_report
from collector.fleet.values import DeviceAccount, FleetReport
from collector.journal import Journal
from collector.values import LedgerLine, StoredWindow
from tests.fakes.influxd import Series
from tests.grafana_seed import grafana, grid
from tests.grafana_seed.answers import ask, dashboards, the_whole_story
from tests.grafana_seed.fleet import DEVICES, HOUR_NS, LISTED, MODELS, SILENT, THROTTLED
from tests.grafana_seed.site import BUDGETS, DATABASE, HOURLY, Seeded
from tests.grafana_seed.story import DROPPED, PENDING

pytestmark = pytest.mark.influxdb
WH_J: Final = 3600.0
J_PER_KWH: Final = 3.6e6
CLOSE: Final = 1e-9
"""Both sum the same numbers, in another order."""
BOARDS: Final = {board.uid: board for board in dashboards()}


@pytest.fixture(scope="module")
def report(seeded: Seeded) -> FleetReport:
    with contextlib.closing(Journal(seeded.config.journal_path, read_only=True)) as journal:
        return fleet_report(journal, None, build_assessor(seeded.config))


@pytest.fixture(scope="module")
def ledger(seeded: Seeded) -> dict[str, LedgerLine]:
    with contextlib.closing(Journal(seeded.config.journal_path, read_only=True)) as journal:
        return {line.device_id: line for line in journal.ledger()}


@pytest.fixture(scope="module")
def rows(seeded: Seeded) -> list[StoredWindow]:
    with contextlib.closing(Journal(seeded.config.journal_path, read_only=True)) as journal:
        return journal.rows_after(0, 10**6)


def panel(uid: str, title: str) -> Any:
    found = [one for one in BOARDS[f"edgejoule-{uid}"].panels if one.title == title]
    assert found, f"no panel {title!r} on the dashboard {uid}; this test names those whose figures it knows"
    return found[0]


def frames(seeded: Seeded, uid: str, title: str, ref_id: str = "A", **chosen: str) -> list[Series]:
    """Return what a panel's target answers over all windows there are."""
    shown = panel(uid, title)
    target = next(one for one in shown.targets if one.ref_id == ref_id)
    everything = the_whole_story(seeded)
    return ask(seeded, BOARDS[f"edgejoule-{uid}"], shown, target, everything, **chosen).frames


def ref_id_of(uid: str, title: str, column: str) -> str:
    """Return the refId of a table's query that has this column."""
    (found,) = [one.ref_id for one in panel(uid, title).targets if f'AS "{column}"' in one.query]
    return str(found)


def total(found: list[Series], column: str | None = None) -> float:
    """Return the sum of one column, the first one unless named, over frames and times."""
    return math.fsum(
        value for frame in found for value in frame.column(column or frame.columns[1]) if value is not None
    )


def test_the_story_has_what_it_promises(ledger: dict[str, LedgerLine]) -> None:
    assert all(line.adds_up for line in ledger.values())
    assert ledger["zero-field"].dropped == DROPPED
    assert ledger[SILENT.device_id].pending == PENDING
    assert (ledger["zero-gate"].refused, ledger["zero-gate"].late, ledger["zero-gate"].dead_letters) == (1, 1, 1)
    assert ledger["zero-gate"].duplicates > 0


@pytest.mark.parametrize("count", ["sent", "stored", "dropped", "refused", "pending", "missing"])
def test_the_ledger_of_the_dashboard_is_the_ledger(seeded: Seeded, ledger: dict[str, LedgerLine], count: str) -> None:
    assert total(frames(seeded, "trust", f"Windows {count}")) == sum(getattr(one, count) for one in ledger.values())
    title = "What became of each device's windows?"
    by_device = frames(seeded, "trust", title, ref_id_of("trust", title, count))
    assert {one.tags["device"]: one.column(count) for one in by_device} == {
        name: [getattr(line, count)] for name, line in ledger.items()
    }
    if count != "refused":
        for device in (SILENT, THROTTLED):
            shown = frames(seeded, "device", f"Windows {count}", device=device.device_id)
            assert total(shown) == getattr(ledger[device.device_id], count)


def test_dead_letters_are_the_ledgers(seeded: Seeded, ledger: dict[str, LedgerLine]) -> None:
    by_device = frames(seeded, "trust", "Whose letters are dead?")
    assert {one.tags["device"]: one.column("in the list") for one in by_device} == {
        name: [line.dead_letters] for name, line in ledger.items()
    }
    assert total(frames(seeded, "trust", "Dead letters of strangers")) == 1


def test_windows_and_energy_of_every_device_are_the_reports(seeded: Seeded, report: FleetReport) -> None:
    found = frames(seeded, "trust", "Which meter stands behind whose joules?")
    for device in report.devices:
        own = [one for one in found if one.tags["device"] == device.device_id]
        assert total(own, "windows") == device.windows
        assert total(own, "energy") * WH_J == pytest.approx(device.energy_j, rel=CLOSE)
    assert total(frames(seeded, "trust", "Simulated windows")) == report.total.simulated_windows


GRAMS: Final[dict[str, Callable[[DeviceAccount], Estimate | None]]] = {
    "operational_gco2e": lambda one: one.operational_gco2e,
    "operational_yearly_gco2e": lambda one: one.operational_yearly_gco2e,
    "embodied_gco2e": lambda one: one.embodied_gco2e,
}


@pytest.mark.parametrize("field", GRAMS)
def test_grams_are_the_reports(seeded: Seeded, report: FleetReport, field: str) -> None:
    """Every panel that shows nothing but the sum of this field, over windows or over their hours."""
    targets = [
        (board, shown, target)
        for board in BOARDS.values()
        for shown in board.panels
        for target in shown.targets
        if re.match(rf'SELECT SUM\("{field}"\) FROM "inference_', target.query)
    ]
    assert {shown.type for _, shown, _ in targets} == {"stat", "timeseries"}
    for device in report.devices:
        grams = GRAMS[field](device)
        expected = pytest.approx(grams.value, rel=CLOSE) if grams is not None else 0.0
        for board, shown, target in targets:
            found = ask(seeded, board, shown, target, the_whole_story(seeded), device=device.device_id).frames
            by_device = [one for one in found if one.tags.get("device", device.device_id) == device.device_id]
            assert total(by_device) == expected, (device.device_id, shown.title)
    assert {one.device_id for one in report.devices if GRAMS[field](one) is None} == {"loaner"}


@pytest.mark.parametrize("device", LISTED, ids=lambda device: device.device_id)
def test_joules_per_inference_are_the_reports(seeded: Seeded, report: FleetReport, device: Any) -> None:
    account = next(one for one in report.devices if one.device_id == device.device_id)
    (shown,) = frames(seeded, "device", "Energy per inference", device=device.device_id)
    assert shown.column("ratio") == [pytest.approx(account.j_per_inference, rel=CLOSE)]


@pytest.mark.parametrize(
    ("kind", "field"), [("average", "operational_gco2e"), ("marginal", "operational_marginal_gco2e")]
)
@pytest.mark.parametrize("device", LISTED, ids=lambda device: device.device_id)
def test_grams_are_joules_at_the_intensity_of_their_hour(
    seeded: Seeded, rows: list[StoredWindow], device: Any, kind: str, field: str
) -> None:
    """No window of the story spans the end of an hour."""
    wanted = math.fsum(
        row.window.energy_j
        / J_PER_KWH
        * grid.gco2e_per_kwh(kind, device.zone, row.window.t_start_unix_ns // HOUR_NS * HOUR_NS)
        for row in rows
        if row.device_id == device.device_id
    )
    for database, measurement in ((DATABASE, "inference_window"), (HOURLY, "inference_hourly")):
        query = f"SELECT SUM({field}) FROM {measurement} WHERE device = '{device.device_id}'"
        assert total(seeded.influxdb.query(query, database)) == pytest.approx(wanted, rel=CLOSE)


@pytest.mark.parametrize("fleet", BUDGETS)
def test_the_budget_is_used_by_what_this_month_emitted(seeded: Seeded, fleet: str) -> None:
    board = BOARDS["edgejoule-fleet"]
    shown = panel("fleet", "Carbon this month")
    emitted = sum(total(ask(seeded, board, shown, target, None, fleet=fleet).frames) for target in shown.targets)
    query = f"SELECT LAST(used_gco2e), budget_gco2e FROM carbon_budget WHERE fleet = '{fleet}'"
    (found,) = seeded.influxdb.query(query, DATABASE)
    assert found.column("last") == [pytest.approx(emitted, rel=CLOSE)]
    assert found.column("budget_gco2e") == [1000.0 * BUDGETS[fleet]]


def test_inferences_of_every_model_are_those_of_its_windows(seeded: Seeded, rows: list[StoredWindow]) -> None:
    title = "After how many inferences has use drawn as much as development?"
    shown = frames(seeded, "models", title, "B")
    for model in MODELS:
        count = sum(row.window.inference_count for row in rows if row.window.model_id == model.model_id)
        assert total([one for one in shown if one.tags["model"] == model.model_id]) == count > 0


PERIODS: Final = {
    "Energy today": ("now/d", None),
    "Energy this month": ("now/M", None),
    "Energy last month up to this day": ("now/M", "1M"),
    "Energy all of last month": ("now/M", "1M/M"),
}


@pytest.mark.parametrize("title", PERIODS)
def test_energy_of_days_and_months_is_that_of_their_hours(
    seeded: Seeded, rows: list[StoredWindow], title: str
) -> None:
    """The panel's own range counts hours that begin in it."""
    shown = panel("fleet", title)
    assert (shown.time_from, shown.time_shift) == PERIODS[title]
    now_ms = seeded.now_unix_ns // 10**6
    asked = grafana.panel_range("now-1h", now_ms, shown.time_from, shown.time_shift)
    hours = range(asked.from_ms * 10**6, asked.to_ms * 10**6 + 1)
    joules = math.fsum(row.window.energy_j for row in rows if row.window.t_start_unix_ns // HOUR_NS * HOUR_NS in hours)
    (target,) = shown.targets
    answer = ask(seeded, BOARDS["edgejoule-fleet"], shown, target)
    assert joules > 0.0
    assert total(answer.frames) * WH_J == pytest.approx(joules, rel=CLOSE)


def test_windows_without_grams_are_those_of_the_device_that_is_not_listed(seeded: Seeded, report: FleetReport) -> None:
    unlisted = [one for one in report.devices if one.operational_gco2e is None]
    shown = frames(seeded, "fleet", "Windows without operational grams")
    assert total(shown) == sum(one.windows for one in unlisted) > 0


def test_a_filter_leaves_what_it_names_and_all_includes_what_has_no_such_tag(
    seeded: Seeded, report: FleetReport
) -> None:
    title = "Which meter stands behind whose joules?"
    names = {
        name: {one.tags["device"] for one in frames(seeded, "trust", title, **chosen)}
        for name, chosen in {
            "all": {},
            "site": {"site": "berlin"},
            "two": {"device": "(pi4-hall|orin-barn)"},
            "class": {"device_class": "no-such-class"},
        }.items()
    }
    assert names["all"] == {device.device_id for device in DEVICES} == {one.device_id for one in report.devices}
    assert names["site"] == {device.device_id for device in DEVICES if device.site == "berlin"}
    assert names["two"] == {"pi4-hall", "orin-barn"}
    assert names["class"] == set()
