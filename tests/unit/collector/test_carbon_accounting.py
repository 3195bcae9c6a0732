import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.embodied import break_even_intensity_gco2e_per_kwh, embodied_share_ratio
from collector.carbon.estimate import Estimate, add, exactly
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, IntensityKind, operational_gco2e
from collector.carbon.sci import SciDeclaration, sci_score
from collector.carbon.units import GCO2E, GCO2E_PER_KWH, JOULE, s_from_years

LIFE_S = s_from_years(5.0)


def factor(value: float, low: float, high: float, unit: str) -> Factor:
    return Factor(
        id="f", name="f", estimate=Estimate(value, low, high, unit, "s"), scope="s", source="s", licence="l",
        vintage="v", method="m",
    )  # fmt: skip


def intensity(value: float, kind: IntensityKind = "average") -> CarbonIntensity:
    return CarbonIntensity(zone="DEU", kind=kind, factor=factor(value, value, value, GCO2E_PER_KWH))


def joules(value: float) -> Estimate:
    return exactly(value, JOULE, "test")


@given(st.floats(min_value=0.0, max_value=1e12), st.floats(min_value=0.0, max_value=1e3), st.floats(0.1, 1e3))
def test_operational_carbon_is_linear_in_energy(energy_j: float, times: float, per_kwh: float) -> None:
    one = operational_gco2e(joules(energy_j), intensity(per_kwh)).value
    many = operational_gco2e(joules(energy_j * times), intensity(per_kwh)).value
    assert math.isclose(many, one * times, rel_tol=1e-9, abs_tol=1e-12)


def test_a_kilowatt_hour_costs_the_intensity() -> None:
    assert operational_gco2e(joules(3.6e6), intensity(342.06)).value == pytest.approx(342.06)


def test_average_and_marginal_grams_are_never_added() -> None:
    average = operational_gco2e(joules(1e6), intensity(300.0))
    marginal = operational_gco2e(joules(1e6), intensity(300.0, "marginal"))
    with pytest.raises(ValueError, match="cannot add"):
        add(average, marginal, correlation=0.0)


def test_operational_carbon_refuses_wrong_units() -> None:
    with pytest.raises(ValueError, match="is J times"):
        operational_gco2e(exactly(1.0, "kWh", "test"), intensity(300.0))


@pytest.mark.parametrize(
    ("kilograms", "watts", "expected"),
    [
        (2.3, 4.0, 13), (9.3, 4.0, 53), (25.6, 4.0, 146),
        (9.2, 10.0, 21), (27.7, 10.0, 63), (64.5, 10.0, 147),
        (0.6, 0.25, 55), (2.3, 0.25, 210), (5.7, 0.25, 521),
    ],
)  # fmt: skip
def test_break_even_intensity_of_known_boards(kilograms: float, watts: float, expected: int) -> None:
    assert round(break_even_intensity_gco2e_per_kwh(kilograms * 1000.0, watts, 5.0)) == expected


def test_break_even_intensity_needs_power_and_life() -> None:
    with pytest.raises(ValueError, match="positive"):
        break_even_intensity_gco2e_per_kwh(1.0, 0.0, 5.0)


@pytest.mark.parametrize(("per_kwh", "percent"), [(23.0, 70), (33.0, 62), (136.0, 28), (341.0, 13), (614.0, 8)])
def test_the_embodied_share_is_a_regime_of_the_grid(per_kwh: float, percent: int) -> None:
    used = operational_gco2e(joules(4.0 * LIFE_S), intensity(per_kwh)).value
    share = embodied_share_ratio(9300.0, used)
    assert share is not None
    assert round(100 * share) == percent


def test_a_share_of_nothing_is_unknown() -> None:
    assert embodied_share_ratio(0.0, 0.0) is None


def declaration(**changes: object) -> SciDeclaration:
    fields: dict[str, object] = {
        "functional_unit": "one inference", "software_boundary": "agent and board", "intensity_kind": "average",
        "intensity_source": "yearly table", "embodied_source": "screening", "period": "2025-11",
        "energy_includes_idle": True, "intensity_granularity": "yearly", "embodied_policies": ("linear_in_time",),
        "energy_method": "measurement", "location_based": True,
    }  # fmt: skip
    return SciDeclaration(**{**fields, **changes})  # type: ignore[arg-type]  # one bad field at a time


def test_sci_score_per_unit() -> None:
    score = sci_score(exactly(300.0, GCO2E, "t"), exactly(100.0, GCO2E, "t"), 200.0, declaration())
    assert score.sci_gco2e_per_unit.value == pytest.approx(2.0)
    assert score.conforms
    assert not sci_score(
        exactly(1.0, GCO2E, "t"), exactly(1.0, GCO2E, "t"), 1.0, declaration(energy_includes_idle=False)
    ).conforms


def test_sci_score_must_be_declared_and_of_one_kind() -> None:
    with pytest.raises(ValueError, match="functional_unit"):
        declaration(functional_unit=" ")
    with pytest.raises(ValueError, match="declared marginal"):
        sci_score(exactly(1.0, GCO2E, "t"), exactly(1.0, GCO2E, "t"), 1.0, declaration(intensity_kind="marginal"))
    with pytest.raises(ValueError, match="at least one"):
        sci_score(exactly(1.0, GCO2E, "t"), exactly(1.0, GCO2E, "t"), 0.0, declaration())
    marginal = operational_gco2e(joules(3.6e6), intensity(300.0, "marginal"))
    score = sci_score(marginal, exactly(100.0, GCO2E, "t"), 1.0, declaration(intensity_kind="marginal"))
    assert score.sci_gco2e_per_unit.unit == "gCO2e (marginal)/unit"
