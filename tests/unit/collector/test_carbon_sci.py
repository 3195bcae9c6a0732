"""The SCI score: its terms, what it declares, and where it departs from ISO/IEC 21031."""

import pytest

from collector.carbon.estimate import Estimate, exactly
from collector.carbon.sci import SciDeclaration, sci_score
from collector.carbon.units import GCO2E


def declaration(**changes: object) -> SciDeclaration:
    fields: dict[str, object] = {
        "functional_unit": "one inference", "software_boundary": "agent and board", "intensity_kind": "average",
        "intensity_source": "grid", "intensity_granularity": "half-hours", "embodied_source": "screening",
        "embodied_policies": ("linear_in_time",), "period": "2025", "energy_includes_idle": True,
        "energy_method": "measurement", "location_based": True,
    }  # fmt: skip
    return SciDeclaration(**{**fields, **changes})  # type: ignore[arg-type]  # one field at a time


def grams(value: float) -> Estimate:
    return exactly(value, GCO2E, "t")


def test_a_score_carries_its_terms() -> None:
    score = sci_score(grams(300.0), grams(100.0), 200.0, declaration(), energy=exactly(7.2e6, "J", "meter"))
    assert score.sci_gco2e_per_unit.value == pytest.approx(2.0)
    assert score.operational_gco2e_per_unit.value == pytest.approx(1.5)
    assert score.embodied_gco2e_per_unit.value == pytest.approx(0.5)
    assert score.energy_kwh_per_unit == pytest.approx(0.01)
    assert score.functional_units == 200.0
    assert score.conforms
    assert score.departures == ()


def test_the_range_of_a_total_that_knows_its_causes_is_kept() -> None:
    operational, embodied = (Estimate(100.0, 50.0, 200.0, GCO2E, "t") for _ in range(2))
    together = Estimate(200.0, 100.0, 400.0, GCO2E, "t")
    with_total = sci_score(operational, embodied, 1.0, declaration(), total=together).sci_gco2e_per_unit
    assert (with_total.low, with_total.high) == (100.0, 400.0)
    without = sci_score(operational, embodied, 1.0, declaration()).sci_gco2e_per_unit
    assert without.high < with_total.high


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"energy_includes_idle": False}, "idle energy"),
        ({"location_based": False}, "market-based"),
        ({"embodied_policies": ("sunk", "linear_in_time")}, "charged sunk instead"),
    ],
)
def test_departures_are_named(change: dict[str, object], why: str) -> None:
    score = sci_score(grams(1.0), grams(1.0), 1.0, declaration(**change))
    assert not score.conforms
    assert len(score.departures) == 1
    assert why in score.departures[0]


def test_what_is_mandatory_cannot_be_left_out() -> None:
    for name in ("functional_unit", "software_boundary", "intensity_source", "intensity_granularity", "period"):
        with pytest.raises(ValueError, match=name):
            declaration(**{name: " "})
    with pytest.raises(ValueError, match="embodied_policies"):
        declaration(embodied_policies=())


def test_a_total_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not the sum"):
        sci_score(grams(1.0), grams(1.0), 1.0, declaration(), total=grams(3.0))
    with pytest.raises(ValueError, match="energy of a score is in J"):
        sci_score(grams(1.0), grams(1.0), 1.0, declaration(), energy=exactly(1.0, "kWh", "t"))
