"""Carbon budgets: what a fleet used this month is the sum of its hours, and what is unknown is said."""

import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.budget_config import BudgetConfig
from collector.config import parse_config
from collector.gauges.budgets import BudgetGauge, month_of
from collector.journal import Journal
from collector.live_grams import GRAM_FIELDS, NO_GRAMS, Grams
from collector.sinks import hourly_table
from collector.sinks.hourly_sums import COUNTS, FLOATS, HourSums
from collector.sinks.points import CarbonBudgetPoint
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.delivery import make_birth
from tests.fakes.windows import BOOT_ID, make_window

S = 1_000_000_000
DAY_NS = 86_400 * S
NOVEMBER_NS = round(dt.datetime(2026, 11, 1, tzinfo=dt.UTC).timestamp()) * S
HOUR = NOVEMBER_NS // (3_600 * S)
BUDGET = BudgetConfig(fleet="lab", monthly_kgco2e=0.3)
TABLES = "[influxdb]\n[influxdb.hourly]\n"


def grams(operational: float | None, embodied: float | None) -> Grams:
    known = {"operational_gco2e": operational, "embodied_gco2e": embodied}
    return Grams(tuple(known.get(name) for name in GRAM_FIELDS))


def put(journal: Journal, hour: int, of: Sequence[Grams], fleet: str = "lab", device: str = "pi4-01") -> None:
    """Add windows with these grams to an hour, as the hourly sums do, of a device that was heard."""
    journal.put_birth(fleet, make_birth(device, BOOT_ID), NOVEMBER_NS)
    with journal.transaction() as db:
        hourly_table.create(db)
        series = hourly_table.series_id(db, {"fleet": fleet, "device": device})
        sums = hourly_table.sums_of(db, series, hour).add((make_window(1), one) for one in of)
        hourly_table.put(db, series, hour, sums)


def point(journal: Journal, now_unix_ns: int, *budgets: BudgetConfig) -> CarbonBudgetPoint:
    with journal.snapshot() as db:
        return BudgetGauge(budgets or [BUDGET], lambda: 0.0).points(db, now_unix_ns)[0]


def test_a_third_of_the_month_may_use_a_third_of_the_budget(journal: Journal) -> None:
    put(journal, HOUR, [grams(30.0, 20.0)])
    put(journal, HOUR + 24, [grams(40.0, 10.0)], device="pi4-02")
    found = point(journal, NOVEMBER_NS + 10 * DAY_NS)
    assert (found.budget_gco2e, found.used_gco2e) == (300.0, 100.0)
    assert (found.operational_gco2e, found.embodied_gco2e, found.unknown_windows) == (70.0, 30.0, 0)
    assert found.month_elapsed_ratio == pytest.approx(1 / 3)
    assert found.burn_ratio == pytest.approx(1.0)
    assert found.projected_gco2e == pytest.approx(300.0)


def test_other_months_and_other_fleets_do_not_count(journal: Journal) -> None:
    put(journal, HOUR - 1, [grams(1.0, 1.0)])
    put(journal, HOUR + 30 * 24, [grams(2.0, 2.0)])
    put(journal, HOUR, [grams(4.0, 4.0)], fleet="field")
    put(journal, HOUR, [grams(8.0, 8.0)])
    put(journal, HOUR + 30 * 24 - 1, [grams(16.0, 16.0)])
    assert point(journal, NOVEMBER_NS + DAY_NS).used_gco2e == 48.0
    field = BudgetConfig(fleet="field", monthly_kgco2e=1.0)
    assert point(journal, NOVEMBER_NS + DAY_NS, field).used_gco2e == 8.0
    december = point(journal, NOVEMBER_NS + 30 * DAY_NS)
    assert (december.used_gco2e, december.month_elapsed_ratio) == (4.0, 0.0)
    assert (december.burn_ratio, december.projected_gco2e) == (None, None)


def test_what_is_unknown_is_counted_and_not_taken_for_nothing(journal: Journal) -> None:
    put(journal, HOUR, [grams(8.0, None), NO_GRAMS, grams(None, 3.0)])
    found = point(journal, NOVEMBER_NS + DAY_NS)
    assert (found.used_gco2e, found.operational_gco2e, found.embodied_gco2e) == (11.0, 8.0, 3.0)
    assert found.unknown_windows == 2, "of three, one of each figure is known: at least two lack one"
    put(journal, HOUR, [NO_GRAMS], fleet="field")
    field = point(journal, NOVEMBER_NS + DAY_NS, BudgetConfig(fleet="field", monthly_kgco2e=1.0))
    assert (field.used_gco2e, field.operational_gco2e, field.burn_ratio) == (None, None, None)
    assert field.unknown_windows == 1


def test_a_fleet_that_did_nothing_used_nothing(journal: Journal) -> None:
    """Also where no hour was ever summed, and the journal has no table of them."""
    journal.put_birth("lab", make_birth("pi4-01", BOOT_ID), NOVEMBER_NS)
    found = point(journal, NOVEMBER_NS + DAY_NS)
    assert (found.used_gco2e, found.burn_ratio, found.unknown_windows) == (0.0, 0.0, 0)


def test_of_a_fleet_that_nobody_heard_nothing_is_known(journal: Journal) -> None:
    """Its name may be mistyped: a budget of which nothing is used would hide it."""
    journal.put_birth("field", make_birth("pi4-01", BOOT_ID), NOVEMBER_NS)
    found = point(journal, NOVEMBER_NS + DAY_NS)
    assert (found.budget_gco2e, found.used_gco2e, found.burn_ratio) == (300.0, None, None)


def test_grams_that_were_assessed_again_replace_the_old_ones(journal: Journal) -> None:
    put(journal, HOUR, [grams(30.0, 20.0)])
    with journal.transaction() as db:
        hourly_table.put(db, 1, HOUR, HourSums().add([(make_window(1), grams(3.0, 20.0))]))
    assert point(journal, NOVEMBER_NS + DAY_NS).operational_gco2e == 3.0


def test_hours_that_were_closed_too_early_are_unknown_and_not_nothing(journal: Journal) -> None:
    """A clock that is weeks ahead lets the sums of this month go."""
    put(journal, HOUR, [grams(30.0, 20.0)] * 3)
    with journal.transaction() as db:
        hourly_table.written(db, hourly_table.dirty(db, 10))
        assert hourly_table.close_before(db, HOUR + 1, 3) == 1
    found = point(journal, NOVEMBER_NS + DAY_NS)
    assert (found.used_gco2e, found.burn_ratio, found.unknown_windows) == (None, None, 3)
    put(journal, HOUR, [grams(1.0, 2.0)])
    found = point(journal, NOVEMBER_NS + DAY_NS)
    assert (found.used_gco2e, found.unknown_windows) == (3.0, 3)


def test_a_month_of_many_hours_is_summed_to_the_last_digit(journal: Journal) -> None:
    with journal.transaction() as db:
        hourly_table.create(db)
        series = [hourly_table.series_id(db, {"fleet": "lab", "device": f"d{number}"}) for number in range(30)]
        for number in series:
            for hour in range(720):
                floats: list[tuple[float, ...]] = [()] * len(FLOATS)
                floats[FLOATS.index("operational_gco2e")] = (0.1 * hour, 1e-20)
                hourly_table.put(db, number, HOUR + hour, HourSums([1] * len(COUNTS), floats))
    found = point(journal, NOVEMBER_NS + DAY_NS)
    assert found.operational_gco2e == math.fsum([0.1 * hour for hour in range(720)] * 30 + [1e-20] * 30 * 720)


def test_a_large_month_is_seldom_read(journal: Journal) -> None:
    """The clock says that each reading takes a second."""
    ticks = iter([0.0, 1.0, 19.0, 20.0, 21.0, 22.0, 23.0])
    gauge = BudgetGauge([BUDGET], lambda: next(ticks))
    used = []
    for number, now_unix_ns in enumerate([NOVEMBER_NS + DAY_NS] * 3 + [NOVEMBER_NS + 31 * DAY_NS]):
        put(journal, HOUR + number, [grams(1.0, 0.0)])
        with journal.snapshot() as db:
            used.append(gauge.points(db, now_unix_ns)[0].used_gco2e)
    assert used == [1.0, 1.0, 3.0, 0.0], "kept, read again, and read again for a new month"


@given(
    hours=st.lists(
        st.tuples(st.integers(0, 719), st.floats(0.0, 1e6) | st.none(), st.floats(0.0, 1e6) | st.none()), max_size=30
    )
)
def test_the_month_is_the_sum_of_its_windows(
    tmp_path_factory: pytest.TempPathFactory, hours: list[tuple[int, float | None, float | None]]
) -> None:
    journal = Journal(tmp_path_factory.mktemp("budget") / "journal.sqlite3")
    try:
        journal.put_birth("lab", make_birth("pi4-01", BOOT_ID), NOVEMBER_NS)
        for hour, operational, embodied in hours:
            put(journal, HOUR + hour, [grams(operational, embodied)])
        found = point(journal, NOVEMBER_NS + 15 * DAY_NS)
    finally:
        journal.close()
    operational_g = [one for _, one, _ in hours if one is not None]
    embodied_g = [one for _, _, one in hours if one is not None]
    assert found.operational_gco2e == (math.fsum(operational_g) if operational_g or not hours else None)
    assert found.embodied_gco2e == (math.fsum(embodied_g) if embodied_g or not hours else None)
    lacking = sum(operational is None or embodied is None for _, operational, embodied in hours)
    assert found.unknown_windows <= lacking
    assert (found.unknown_windows == 0) == (lacking == 0)
    if found.used_gco2e is not None:
        assert found.burn_ratio == pytest.approx(found.used_gco2e / 300.0 / 0.5)


@given(t_s=st.integers(0, 4_102_444_800))
def test_a_moment_lies_in_its_month(t_s: int) -> None:
    first, start_unix_ns, end_unix_ns = month_of(t_s * S)
    assert start_unix_ns <= t_s * S < end_unix_ns
    assert first.day == 1
    assert 28 * DAY_NS <= end_unix_ns - start_unix_ns <= 31 * DAY_NS
    assert month_of(end_unix_ns)[1] == end_unix_ns
    assert month_of(end_unix_ns - 1)[0] == first


def test_budgets_stand_in_the_configuration() -> None:
    text = '[[budget]]\nfleet = "lab"\nmonthly_kgco2e = 0.3\n[[budget]]\nfleet = "field"\nmonthly_kgco2e = 2\n'
    found = parse_config(TABLES + text, "collector.toml", Path("/"))
    assert found.budget == (BUDGET, BudgetConfig(fleet="field", monthly_kgco2e=2.0))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[budget]]\n", r"collector.toml: a \[\[budget\]\] is set against the sums of each hour; add \[influxdb\]"),
        ("[influxdb]\n[[budget]]\n", r"add \[influxdb\] and \[influxdb.hourly\]"),
        (f'shared_group = "c"\n{TABLES}[[budget]]\n', "a collector of shared_group 'c' gets a part of them"),
        (
            f'fleet = "field"\n{TABLES}[[budget]]\n',
            "budget of fleet 'lab', but this collector takes fleet 'field' alone",
        ),
        (f'{TABLES}[[budget]]\nfleet = "lab"\nmonthly_kgco2e = 1\n[[budget]]\n', "fleet 'lab' stands twice"),
    ],
)
def test_a_budget_that_nothing_can_be_set_against_is_one_line(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        parse_config(f'{text}fleet = "lab"\nmonthly_kgco2e = 1.0\n', "collector.toml", Path("/"))


@pytest.mark.parametrize("name", ["", "two words", "a,b", "+"])
def test_a_budget_names_a_fleet_as_topics_can(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"collector\.toml: .*budget.*fleet"):
        parse_config(f'{TABLES}[[budget]]\nfleet = "{name}"\nmonthly_kgco2e = 1\n', "collector.toml", Path("/"))


@pytest.mark.parametrize("kilos", ["0", "-1", "nan", '"much"'])
def test_a_budget_is_a_positive_mass(kilos: str) -> None:
    with pytest.raises(ConfigurationError, match=r"collector\.toml: .*budget"):
        parse_config(f'{TABLES}[[budget]]\nfleet = "lab"\nmonthly_kgco2e = {kilos}\n', "collector.toml", Path("/"))
