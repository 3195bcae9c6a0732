"""What is told of grids: the intensity that holds now, whose it is, how old it is, and what waiting would save."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.carbon.development import Development
from collector.carbon.estimate import exactly
from collector.carbon.factors import Factor
from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.data.impacts import load_impact_factors
from collector.gauges.factors import factor_points, factors_in_use
from collector.gauges.grid import GridGauge
from collector.intensity.fetch import fetch_into
from collector.intensity.store import IntensityStore
from collector.intensity.stored import StoredIntensity
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.sinks.points import GridIntensityPoint, GridWhatIfPoint, line_of

S = 1_000_000_000
HOUR = 3_600 * S
NOW = 489_000 * HOUR
"""A full hour."""
PASSPORT = SourcePassport(
    id="grid", name="A grid", url="https://grid.example", scope="generation", licence="CC0", method="m"
)
INVENTORY = """
[defaults]
lifetime_years = 5.0
[[device]]
id = "pi4-01"
zone = "DE"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "pi4-02"
zone = "FR"
hardware = "raspberry-pi-4b-4gb"
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IntensityStore]:
    with closing(IntensityStore(tmp_path / "intensity.sqlite3")) as store:
        store.add_passport(PASSPORT)
        yield store


def provider(store: IntensityStore, kind: IntensityKind = "average") -> StoredIntensity:
    yearly = load_yearly_table() if kind == "average" else None
    return StoredIntensity(store, yearly, kind, {"DE": (("grid", "DE"),)})


def said(hour: int, value: float, **changes: Any) -> IntensityRevision:
    known: dict[str, Any] = {"source": "grid", "zone": "DE", "kind": "average", "fetched_at_unix_ns": NOW - 600 * S}
    start = NOW + hour * HOUR
    return IntensityRevision(
        valid_from_unix_ns=start, valid_to_unix_ns=start + HOUR, gco2e_per_kwh=value, **(known | changes)
    )


def now_in(gauge: GridGauge, now_unix_ns: int = NOW) -> dict[tuple[str, str], GridIntensityPoint]:
    return {(point.zone, point.kind): point for point in gauge.points(now_unix_ns)}


def what_if(store: IntensityStore, now_unix_ns: int = NOW) -> GridWhatIfPoint | None:
    found = GridGauge(["DE"], [provider(store)]).what_ifs(now_unix_ns)
    return found[0] if found else None


def test_what_holds_now_stands_beside_its_age_the_yearly_average_and_water(store: IntensityStore) -> None:
    store.add([said(0, 300.0, low=250.0, high=350.0)])
    gauge = GridGauge(["DE", "", "DE"], [provider(store)], lambda _: _factor("water-grid/DEU", 2.5, "L/kWh"))
    (point,) = gauge.points(NOW + 60 * S)
    german = load_yearly_table().yearly("DE")
    assert german is not None
    assert point == GridIntensityPoint(
        zone="DE", kind="average", source="grid", gco2e_per_kwh=300.0, low_gco2e_per_kwh=250.0,
        high_gco2e_per_kwh=350.0, quality="actual", age_s=660.0,
        yearly_gco2e_per_kwh=german.factor.estimate.value, water_l_per_kwh=2.5,
    )  # fmt: skip


def test_a_yearly_average_has_no_age(store: IntensityStore) -> None:
    store.add([said(0, 300.0)])
    point = now_in(GridGauge(["DE"], [provider(store)]), NOW + HOUR)["DE", "average"]
    assert (point.source, point.quality, point.age_s) == ("yearly", "yearly", None)
    assert point.gco2e_per_kwh == point.yearly_gco2e_per_kwh
    assert point.water_l_per_kwh is None


def test_each_kind_stands_for_itself(store: IntensityStore) -> None:
    store.add([said(0, 300.0), said(0, 700.0, kind="marginal", is_forecast=True)])
    found = now_in(GridGauge(["DE", "FR"], [provider(store), provider(store, "marginal")]))
    assert found["DE", "marginal"].gco2e_per_kwh == 700.0
    assert found["DE", "marginal"].quality == "forecast"
    assert found["DE", "marginal"].yearly_gco2e_per_kwh is None
    assert found["FR", "average"].quality == "yearly"
    assert ("FR", "marginal") not in found


def test_a_source_that_fell_silent_leaves_what_is_unknown_and_not_nothing(store: IntensityStore) -> None:
    """A marginal value has no yearly average to fall back to, and an alert has to see that it is gone."""
    store.add([said(-5, 700.0, kind="marginal")])
    gauge = GridGauge(["DE", "FR"], [provider(store, "marginal")])
    (point,) = gauge.points(NOW)
    assert (point.gco2e_per_kwh, point.age_s) == (None, None)
    assert line_of(point, NOW) == f'grid_intensity,kind=marginal,zone=DE quality="unknown" {NOW}'


def test_a_value_of_a_moment_ago_is_told_as_soon_as_it_is_known(store: IntensityStore) -> None:
    store.add([said(0, 300.0)])
    gauge = GridGauge(["DE"], [provider(store)])
    assert now_in(gauge)["DE", "average"].gco2e_per_kwh == 300.0
    store.add([said(0, 310.0, fetched_at_unix_ns=NOW)])
    point = now_in(gauge)["DE", "average"]
    assert (point.gco2e_per_kwh, point.age_s) == (310.0, 0.0)


class Grid:
    """A source of which a test says what it answers."""

    passport = PASSPORT
    kind: IntensityKind = "average"
    resolution_s = 3_600.0

    def __init__(self) -> None:
        self.hours: Sequence[int] = ()

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        found = [said(hour, 300.0 + hour, zone=zone, fetched_at_unix_ns=now_unix_ns) for hour in self.hours]
        return [one for one in found if start_unix_ns < one.valid_to_unix_ns and one.valid_from_unix_ns < end_unix_ns]

    def check_zone(self, zone: str, where: str) -> None:
        """It knows every zone."""


@pytest.mark.parametrize(
    ("later", "age_h"),
    [
        (range(-20, 18), 1),  # it said the same again, which is not stored again
        (range(0), 30),  # it had nothing to say
        (range(-20, -1), 30),  # it spoke of other hours
        ([*range(-20, -1), *range(1, 18)], 30),
    ],
)
def test_a_value_is_as_old_as_its_sources_last_word_on_it(
    store: IntensityStore, later: Sequence[int], age_h: int
) -> None:
    """The source was asked 30 hours ago, when it forecast, and an hour ago."""
    source = Grid()
    for asked_unix_ns, source.hours in ((NOW - 30 * HOUR, range(-40, 18)), (NOW - HOUR, later)):
        list(fetch_into(store, source, "DE", asked_unix_ns - 24 * HOUR, asked_unix_ns + 48 * HOUR, asked_unix_ns))
    gauge = GridGauge(["DE"], [provider(store)])
    assert store.extents()[0].revisions == 58, "each is stored once"
    assert now_in(gauge)["DE", "average"].age_s == age_h * 3_600.0
    assert now_in(gauge, NOW + HOUR // 2)["DE", "average"].age_s == age_h * 3_600.0 + 1_800.0, "silent since"
    with closing(IntensityStore(store.path, read_only=True)) as beside:
        assert now_in(GridGauge(["DE"], [provider(beside)]))["DE", "average"].age_s == age_h * 3_600.0


def test_a_clock_that_was_put_back_makes_nothing_younger_than_now(store: IntensityStore) -> None:
    store.add([said(0, 300.0, fetched_at_unix_ns=NOW + HOUR)])
    store.note_said([said(0, 300.0)], NOW + HOUR // 2)
    assert now_in(GridGauge(["DE"], [provider(store)]))["DE", "average"].age_s == 0.0


def test_the_best_hour_of_the_next_day_is_found(store: IntensityStore) -> None:
    values = [400.0, 300.0, 100.0, 200.0, 500.0]
    store.add([said(hour, value, is_forecast=True) for hour, value in enumerate(values)])
    found = what_if(store)
    assert found is not None
    assert found.now_gco2e_per_kwh == pytest.approx(400.0)
    assert found.best_gco2e_per_kwh == pytest.approx(100.0)
    assert (found.best_wait_s, found.horizon_s) == (7_200.0, 4 * 3_600.0)
    assert found.saving_ratio == pytest.approx(0.75)


def test_an_hour_that_begins_within_a_step_has_the_mean_of_both(store: IntensityStore) -> None:
    store.add([said(hour, value, is_forecast=True) for hour, value in enumerate([400.0, 200.0, 300.0])])
    found = what_if(store, NOW + HOUR // 2)
    assert found is not None
    assert found.now_gco2e_per_kwh == pytest.approx(300.0)
    assert found.best_wait_s == 1_800.0


def test_where_now_is_best_waiting_saves_nothing(store: IntensityStore) -> None:
    store.add([said(0, 100.0), *(said(hour, 300.0, is_forecast=True) for hour in range(1, 30))])
    found = what_if(store)
    assert found is not None
    assert (found.best_wait_s, found.saving_ratio, found.horizon_s) == (0.0, 0.0, 86_400.0)


def test_a_grid_without_emissions_has_nothing_to_save_a_share_of(store: IntensityStore) -> None:
    store.add([said(hour, 0.0, is_forecast=True) for hour in range(3)])
    found = what_if(store)
    assert found is not None
    assert (found.now_gco2e_per_kwh, found.saving_ratio) == (0.0, None)


@pytest.mark.parametrize("hours", [[], [0], [1, 2, 3]], ids=["nothing", "this hour alone", "not this hour"])
def test_without_forecasts_there_is_no_what_if(store: IntensityStore, hours: list[int]) -> None:
    """A yearly average knows no better hour."""
    store.add([said(hour, 300.0) for hour in hours])
    assert what_if(store) is None


@given(values=st.lists(st.floats(1.0, 1_000.0), min_size=2, max_size=24), minute=st.integers(0, 59))
def test_no_wait_makes_it_worse(tmp_path_factory: pytest.TempPathFactory, values: list[float], minute: int) -> None:
    with closing(IntensityStore(tmp_path_factory.mktemp("grid") / "i.sqlite3")) as store:
        store.add_passport(PASSPORT)
        store.add([said(hour, value, is_forecast=True) for hour, value in enumerate(values)])
        found = what_if(store, NOW + minute * 60 * S)
    if found is None:
        return
    assert found.best_gco2e_per_kwh <= found.now_gco2e_per_kwh
    assert 0.0 <= found.best_wait_s <= found.horizon_s <= 86_400.0
    assert min(values) * (1 - 1e-9) <= found.best_gco2e_per_kwh <= max(values) * (1 + 1e-9)
    assert found.saving_ratio is not None
    assert 0.0 <= found.saving_ratio < 1.0


def test_factors_in_use_are_those_of_the_devices_that_were_heard(store: IntensityStore) -> None:
    store.add([said(-1, 100.0), said(-2, 300.0), said(-30, 900.0)])
    inventory = parse_inventory(INVENTORY)
    average = provider(store)
    assessor = Assessor(inventory, average, impact_factors=load_impact_factors())
    made = Development(model_id="m", factors=(_factor("model-m-making", 3.0, "kgCO2e"),))
    found = {one.id: one for one in factors_in_use(assessor, {"pi4-01", "stranger"}, [average], [made], NOW)}
    recent = found["grid:DE:average"].estimate
    assert recent.value == pytest.approx(200.0), "the mean of the last day"
    assert {"DEU", "model-m-making"} <= found.keys()
    assert "FRA" not in found
    board = {factor.id for part in assessor.hardware("pi4-01") for factor in part.factors}
    assert board
    assert board <= found.keys()
    water = assessor.water("DE")
    assert water is None or water.id in found
    assert factors_in_use(assessor, set(), [average], [], NOW) == []


def test_a_factor_is_told_with_all_that_defends_it() -> None:
    (point,) = factor_points([_factor("f", 3.0, "kgCO2e")], "collector-a")
    assert (point.factor, point.value, point.unit, point.collector) == ("f", 3.0, "kgCO2e", "collector-a")
    assert (point.source, point.licence, point.vintage, point.scope) == ("a paper", "CC0", "2025", "all")


def _factor(name: str, value: float, unit: str) -> Factor:
    return Factor(
        id=name, name=name, estimate=exactly(value, unit, "a paper"), scope="all", source="a paper", licence="CC0",
        vintage="2025", method="given",
    )  # fmt: skip
