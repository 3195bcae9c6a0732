"""What a mix of plants emits per kWh: the mean of the factors, what has none, and what comes out of storage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor
from collector.carbon.generation_mix import STORAGE_ROUND_TRIP_RATIO, MixIntensity, mix_intensity
from collector.data.tables import FUEL_FACTORS, shipped_factors


def factor(name: str, value: float, low: float, high: float, unit: str = "gCO2e/kWh") -> Factor:
    rate = Estimate(value, low, high, unit, "test")
    return Factor(
        id=name,
        name=name,
        estimate=rate,
        scope="s",
        source="s",
        licence="l",
        vintage="v",
        method="m",
        aliases=(name[0],),
    )


COAL, WIND, GAS = (
    factor("coal", 800.0, 700.0, 900.0),
    factor("wind", 10.0, 5.0, 50.0),
    factor("gas", 400.0, 400.0, 400.0),
)
TABLE = (COAL, WIND, GAS)


def one(value: float) -> F64:
    return np.array([value])


def mix(storage_w: float = 0.0, limit: float | None = None, **power_w: float) -> MixIntensity:
    arrays = {name: one(power) for name, power in power_w.items()}
    return mix_intensity(arrays, one(storage_w), TABLE, unknown_limit_ratio=limit)


def test_the_mean_is_weighted_by_power_and_the_ranges_add_in_quadrature() -> None:
    found = mix(coal=1e9, wind=3e9)
    assert found.gco2e_per_kwh[0] == pytest.approx(0.25 * 800.0 + 0.75 * 10.0)
    assert found.low[0] == pytest.approx(207.5 - np.hypot(0.25 * 100.0, 0.75 * 5.0))
    assert found.high[0] == pytest.approx(207.5 + np.hypot(0.25 * 100.0, 0.75 * 40.0))


def test_an_alias_in_any_case_finds_its_factor() -> None:
    assert mix(C=1e9).gco2e_per_kwh[0] == mix(coal=1e9).gco2e_per_kwh[0] == 800.0


def test_a_plant_that_draws_power_generates_nothing() -> None:
    assert mix(coal=1e9, wind=-2e9).gco2e_per_kwh[0] == 800.0


def test_what_has_no_factor_widens_the_range_and_leaves_the_value() -> None:
    without, found = mix(gas=95.0), mix(gas=95.0, waste=5.0)
    assert found.gco2e_per_kwh[0] == without.gco2e_per_kwh[0] == 400.0
    assert found.unknown_ratio[0] == pytest.approx(0.05)
    assert found.low[0] == pytest.approx(400.0 - 0.05 * (400.0 - 5.0))
    assert found.high[0] == pytest.approx(400.0 + 0.05 * (900.0 - 400.0))


@pytest.mark.parametrize(("unknown_w", "known"), [(10.0, True), (10.2, False), (500.0, False)])
def test_too_much_without_a_factor_is_no_intensity(unknown_w: float, *, known: bool) -> None:
    assert np.isfinite(mix(gas=90.0, waste=unknown_w).gco2e_per_kwh[0]) == known
    assert np.isfinite(mix(gas=90.0, waste=unknown_w, limit=1.0).gco2e_per_kwh[0])


def test_filling_storage_is_a_load_and_changes_nothing() -> None:
    full, plain = mix(storage_w=-50.0, gas=50.0, wind=50.0), mix(gas=50.0, wind=50.0)
    assert (full.gco2e_per_kwh[0], full.low[0], full.high[0]) == (plain.gco2e_per_kwh[0], plain.low[0], plain.high[0])
    assert full.storage_ratio[0] == 0.0


def test_what_storage_gives_back_bears_the_round_trip_at_its_high_end() -> None:
    found = mix(storage_w=25.0, gas=75.0)
    assert found.gco2e_per_kwh[0] == 400.0
    assert found.storage_ratio[0] == 0.25
    assert found.high[0] == pytest.approx(400.0 + 0.25 * 400.0 * (1.0 / STORAGE_ROUND_TRIP_RATIO - 1.0))
    assert found.low[0] == pytest.approx(400.0 - 0.25 * 395.0)
    assert np.isnan(mix(storage_w=76.0, gas=75.0).gco2e_per_kwh[0])


def test_nothing_that_generates_is_no_intensity() -> None:
    assert np.isnan(mix(coal=0.0, wind=-1.0).gco2e_per_kwh[0])
    assert np.isnan(mix(storage_w=5.0).low[0])


def test_factors_in_another_unit_are_refused() -> None:
    with pytest.raises(ValueError, match="'coal' is in kgCO2e"):
        mix_intensity({}, one(0.0), [factor("coal", 1.0, 1.0, 1.0, "kgCO2e")])
    with pytest.raises(ValueError, match="there is none"):
        mix_intensity({}, one(0.0), [])


POWER_W = st.floats(min_value=0.0, max_value=1e11, allow_subnormal=False)


@given(st.dictionaries(st.sampled_from(["coal", "wind", "gas", "waste"]), POWER_W), st.floats(-1e10, 1e10))
def test_a_mix_lies_between_its_cleanest_and_its_dirtiest_plant(power_w: dict[str, float], storage_w: float) -> None:
    found = mix(storage_w=storage_w, **power_w)
    value = found.gco2e_per_kwh[0]
    if np.isnan(value):
        assert np.isnan(found.low[0])
        assert np.isnan(found.high[0])
        return
    values = [row.estimate.value for row in TABLE if power_w.get(row.id, 0.0) > 0.0]
    assert min(values) * (1 - 1e-9) <= value <= max(values) * (1 + 1e-9)
    assert 0.0 <= found.low[0] <= value <= found.high[0]


def test_the_shipped_table_names_every_plant_by_its_code() -> None:
    codes = {alias: row.id for row in shipped_factors(FUEL_FACTORS) for alias in row.aliases}
    assert codes["B05"] == "hard-coal"
    assert codes["B19"] == "wind-onshore"
    assert not {"B03", "B10", "B15", "B17", "B20", "B25"} & set(codes)


@pytest.mark.parametrize(
    ("name", "t_per_tj"),
    [("lignite", (101.0, 90.9, 115.0)), ("oil-shale", (107.0, 90.2, 125.0)), ("peat", (106.0, 100.0, 108.0))],
)
def test_fuels_that_are_only_burnt_follow_from_their_carbon(name: str, t_per_tj: tuple[float, float, float]) -> None:
    row = next(row for row in shipped_factors(FUEL_FACTORS) if row.id == name)
    efficiencies = (0.37, 0.43, 0.30)
    expected = [fuel * 3.6 / efficiency for fuel, efficiency in zip(t_per_tj, efficiencies, strict=True)]
    assert row.estimate.range == pytest.approx(expected, abs=0.06)
