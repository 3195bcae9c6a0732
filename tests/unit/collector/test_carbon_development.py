"""The making of a model, charged to its inferences."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.development import Development, development_charge
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.linear_model import GramModel
from collector.carbon.montecarlo import Draws


def factor(name: str, value: float, unit: str, spread: float = 1.0) -> Factor:
    estimate = Estimate(value, value / spread, value * spread, unit, name)
    return Factor(id=name, name=name, estimate=estimate, scope="s", source=name, licence="l", vintage="v", method="m")


def made(planned: float | None = 1e6) -> Development:
    factors = factor("training", 2.0, "kWh", 1.5), factor("DEU", 342.0, "gCO2e/kWh", 1.1)
    return Development(model_id="kws", factors=factors, runs=3.0, lifetime_inferences=planned)


def test_energy_times_intensity_times_runs() -> None:
    whole = made().whole_gco2e()
    assert whole.value == pytest.approx(3.0 * 2.0 * 342.0)
    distance = math.hypot(math.log(1.5), math.log(1.1))
    assert whole.high == pytest.approx(whole.value * math.exp(distance))
    with_pue = Development(model_id="a", factors=(*made().factors, factor("pue", 1.5, "ratio")))
    assert with_pue.whole_gco2e().value == pytest.approx(2.0 * 342.0 * 1.5)
    given_outright = Development(model_id="bloom", factors=(factor("card", 50.49, "kgCO2e"),))
    assert given_outright.whole_gco2e().value == pytest.approx(50_490.0)


def test_a_plan_charges_each_inference_its_part_and_says_when_it_is_over() -> None:
    half = development_charge(made(), 5e5)
    assert (half.share_ratio, half.policy, half.beyond_plan) == (0.5, "by_planned_inferences", None)
    late = development_charge(made(), 5e5, before=8e5)
    assert late.share_ratio == pytest.approx(0.2)
    assert late.beyond_plan == pytest.approx(3e5)
    assert development_charge(made(), 10.0, before=2e6).share_ratio == 0.0


def test_without_a_plan_all_inferences_seen_share_it() -> None:
    charge = development_charge(made(None), 25.0, observed=100.0)
    assert (charge.share_ratio, charge.policy) == (0.25, "by_observed_inferences")
    for observed in (None, 10.0):
        with pytest.raises(ValueError, match="no lifetime_inferences"):
            development_charge(made(None), 25.0, observed=observed)


@pytest.mark.parametrize(
    "factors",
    [(), (factor("a", 1.0, "kWh"),), (factor("a", 1.0, "J"), factor("b", 1.0, "gCO2e/kWh")), (factor("a", 1.0, "W"),)],
)
def test_other_units_are_refused(factors: tuple[Factor, ...]) -> None:
    with pytest.raises(ValueError, match="its making is"):
        Development(model_id="kws", factors=factors)


def test_impossible_counts_are_refused() -> None:
    board = (factor("a", 1.0, "kgCO2e"),)
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="lifetime_inferences is a positive"):
            Development(model_id="a", factors=board, lifetime_inferences=wrong)
        with pytest.raises(ValueError, match="runs is a positive"):
            Development(model_id="a", factors=board, runs=wrong)
    with pytest.raises(ValueError, match="less than nothing"):
        Development(model_id="a", factors=(factor("a", -1.0, "kgCO2e"),))
    with pytest.raises(ValueError, match="cannot be negative"):
        development_charge(made(), -1.0)


def test_training_on_the_fleets_own_grid_shares_its_error() -> None:
    grams = GramModel(draws=Draws(seed=1, count=2_000))
    grams.add_energy("a", (342.0, 342.0 / 1.1, 342.0 * 1.1), cause="DEU")
    grams.add_development("a", Development(model_id="k", factors=made().factors), 0.5)
    share = grams.share("a", "development", ("operational", "development"))
    assert share is not None
    assert share.value == pytest.approx(0.5)
    causes = {one.cause for one in grams.variance_shares("a")}
    assert causes == {"DEU", "training"}
    assert grams.value("a", "development") == pytest.approx(342.0)


@given(st.lists(st.floats(min_value=0.0, max_value=1e6), min_size=1, max_size=20))
def test_no_more_is_charged_than_was_emitted(counts: list[float]) -> None:
    charges, before = [], 0.0
    for count in counts:
        charges.append(development_charge(made(1e6), count, before=before))
        before += count
    whole = math.fsum(charge.share_ratio for charge in charges)
    assert whole == pytest.approx(min(before / 1e6, 1.0), rel=1e-9, abs=1e-12)
    beyond = math.fsum(charge.beyond_plan or 0.0 for charge in charges)
    assert beyond == pytest.approx(max(before - 1e6, 0.0), rel=1e-9, abs=1e-6)


def test_more_inferences_than_were_planned_are_not_charged_more_than_the_whole() -> None:
    unknown_before = development_charge(made(1e6), 5e6)
    assert (unknown_before.share_ratio, unknown_before.beyond_plan) == (1.0, None)
