"""Sums kept by cause: exact values, shared errors, and whose error it is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.embodied import Part
from collector.carbon.estimate import Z95, Estimate
from collector.carbon.factors import Factor
from collector.carbon.linear_model import GramModel, LinearModel, Side
from collector.carbon.montecarlo import Draws
from collector.carbon.variance import INDEPENDENT

COUNT = 2_000
amounts = st.floats(min_value=1e-3, max_value=1e6)
widths = st.floats(min_value=1.0, max_value=5.0)


def factor(name: str, low: float, value: float, high: float, unit: str = "kgCO2e") -> Factor:
    return Factor(
        id=name, name=name, estimate=Estimate(value, low, high, unit, name), scope="s", source=name, licence="l",
        vintage="v", method="m",
    )  # fmt: skip


def model(count: int = COUNT) -> GramModel:
    return GramModel(draws=Draws(seed=7, count=count))


def known(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


def test_one_cause_gives_its_own_percentiles_back() -> None:
    grams = model()
    grams.add_energy("a", (100.0, 80.0, 150.0), cause="grid")
    estimate = known(grams.estimate("a"))
    assert estimate.value == 100.0
    assert estimate.low == pytest.approx(80.0, rel=2e-3)
    assert estimate.high == pytest.approx(150.0, rel=2e-3)
    spread = grams.spread("a")
    assert spread is not None
    assert spread.p50 == pytest.approx(100.0, rel=2e-3)


def test_many_devices_on_one_grid_are_no_surer_than_one() -> None:
    grams = model()
    for number in range(400):
        grams.add_energy(f"d{number}", (1.0, 0.5, 2.0), cause="grid")
        grams.add_energy(f"e{number}", (1.0, 0.5, 2.0), cause=f"grid {number}")
    grams.combine("one grid", [f"d{number}" for number in range(400)])
    grams.combine("many grids", [f"e{number}" for number in range(400)])
    together, apart = known(grams.estimate("one grid")), known(grams.estimate("many grids"))
    assert together.value == apart.value == 400.0
    assert together.low == pytest.approx(200.0, rel=5e-3)
    assert together.high == pytest.approx(800.0, rel=5e-3)
    assert apart.high - apart.low < 0.2 * (together.high - together.low)


def test_meters_of_one_type_err_together_and_readings_alone() -> None:
    grams = model(20_000)
    for number in range(100):
        grams.add_energy(
            f"d{number}", (10.0, 10.0, 10.0), cause="grid", systematic_id="ppk2", u_systematic=1.0, variance=4.0
        )
    devices = [f"d{number}" for number in range(100)]
    grams.combine("fleet", devices)
    fleet = known(grams.estimate("fleet"))
    expected_u = math.hypot(100.0 * 1.0, math.sqrt(100 * 4.0))
    assert (fleet.high - fleet.low) / 2.0 == pytest.approx(Z95 * expected_u, rel=0.03)
    shares = {share.cause: share.share_ratio for share in grams.variance_shares("fleet")}
    assert shares["ppk2"] == pytest.approx(1e4 / (1e4 + 400.0), rel=1e-2)
    assert shares[INDEPENDENT] == pytest.approx(400.0 / (1e4 + 400.0), rel=1e-2)
    alone = {share.cause: share.share_ratio for share in grams.variance_shares("d0")}
    assert alone[INDEPENDENT] == pytest.approx(0.8, rel=1e-2)


def test_parts_that_share_a_coefficient_share_its_error() -> None:
    silicon = factor("silicon", 1.3, 2.7, 5.75, "kgCO2e/cm2")
    boards = Part(name="die", factor=silicon, quantity=0.6), Part(name="radio", factor=silicon, quantity=0.4)
    grams = model()
    grams.add_parts("a", boards, 0.5)
    estimate = known(grams.estimate("a", "embodied"))
    assert estimate.value == pytest.approx(2.7 * 0.5 * 1000.0)
    assert estimate.high == pytest.approx(5.75 * 0.5 * 1000.0, rel=2e-3)


def test_a_product_of_factors_has_the_spread_of_both() -> None:
    silicon, area = factor("silicon", 1.0, 2.0, 4.0, "kgCO2e/cm2"), factor("area", 0.5, 1.0, 2.0, "cm2")
    grams = model(20_000)
    grams.add_parts("a", (Part(name="die", factor=silicon, amount=area),), 1.0)
    estimate = known(grams.estimate("a"))
    distance = math.hypot(math.log(2.0), math.log(2.0))
    assert math.log(estimate.high / estimate.value) == pytest.approx(distance, rel=0.05)
    shares = grams.variance_shares("a")
    assert {share.cause for share in shares} == {"silicon", "area"}
    assert [share.share_ratio for share in shares] == pytest.approx([0.5, 0.5], abs=0.02)
    assert all(share.contribution == 2000.0 for share in shares)


def test_unknown_is_not_zero() -> None:
    grams = model()
    grams.add_energy("a", (1.0, 1.0, 1.0), cause="grid")
    assert grams.value("b") is None
    assert grams.estimate("b") is None
    assert grams.estimate("a", "operational", "embodied") is None
    assert grams.share("a", "embodied") is None
    assert grams.variance_shares("b") == ()
    assert grams.variance_shares("a") == (), "nothing varies"
    assert grams.sides("b") == ()
    grams.combine("c", ["b"])
    assert grams.estimate("c") is None


def test_share_of_embodied_has_a_range_from_shared_worlds() -> None:
    grams = model()
    grams.add_energy("a", (100.0, 50.0, 200.0), cause="grid")
    grams.add_factor("a", factor("board", 0.05, 0.1, 0.3), 1000.0)
    share = known(grams.share("a", "embodied"))
    assert share.value == pytest.approx(0.5)
    assert 0.0 < share.low < 0.5 < share.high < 1.0
    assert share.unit == "ratio"
    same = model()
    same.add_energy("a", (100.0, 50.0, 200.0), cause="same")
    same.add_energy("a", (100.0, 50.0, 200.0), cause="same", side="embodied")
    certain = known(same.share("a", "embodied"))
    assert certain.high - certain.low == pytest.approx(0.0, abs=1e-12), "one cause moves both sides alike"
    with pytest.raises(ValueError, match="no part of"):
        grams.share("a", "development")


def test_average_and_marginal_grams_have_models_of_their_own() -> None:
    assert GramModel("average").unit != GramModel("marginal").unit


@pytest.mark.parametrize(
    ("amount", "u", "variance"),
    [
        ((2.0, 1.0, math.inf), 0.0, 0.0),
        ((1.0, 2.0, 3.0), 0.0, 0.0),
        ((1.0, 1.0, 1.0), -1.0, 0.0),
        ((1.0, 1.0, 1.0), 0.0, -1.0),
        ((1.0, 1.0, 1.0), math.nan, 0.0),
    ],
)
def test_bad_amounts_are_refused(amount: tuple[float, float, float], u: float, variance: float) -> None:
    with pytest.raises(ValueError, match=r"^a: an "):
        model().add_energy("a", amount, cause="grid", systematic_id="m", u_systematic=u, variance=variance)


def test_bad_products_are_refused() -> None:
    board = factor("board", 1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="each of them once"):
        model().add_product("a", (), 1.0)
    with pytest.raises(ValueError, match="each of them once"):
        model().add_product("a", (board, board), 1.0)
    with pytest.raises(ValueError, match="finite"):
        model().add_factor("a", board, math.nan)
    with pytest.raises(ValueError, match="member of itself"):
        model().combine("a", ["a"])
    with pytest.raises(ValueError, match="positive number of units"):
        model().estimate("a", per=0.0)


def test_an_error_around_nothing_is_still_an_error() -> None:
    grams = model()
    grams.add_energy("a", (0.0, 0.0, 0.0), cause="grid", systematic_id="m", u_systematic=1.0)
    estimate = known(grams.estimate("a"))
    assert estimate.value == 0.0
    assert estimate.high == pytest.approx(Z95, rel=1e-2)
    assert [share.cause for share in grams.variance_shares("a")] == ["m"]


def test_what_is_added_later_counts() -> None:
    grams = model()
    grams.add_energy("a", (1.0, 0.5, 2.0), cause="grid")
    before = known(grams.estimate("a"))
    grams.add_energy("a", (1.0, 0.5, 2.0), cause="grid")
    assert known(grams.estimate("a")).high == pytest.approx(2.0 * before.high)
    assert before.high > 1.9


@st.composite
def devices(draw: st.DrawFn) -> list[tuple[Side, str, float, float, float]]:
    rows: st.SearchStrategy[tuple[Side, str, float, float, float]] = st.tuples(
        st.sampled_from(["operational", "embodied"]), st.sampled_from("abcd"), amounts, widths, widths
    )
    return draw(st.lists(rows, min_size=1, max_size=8))


@given(devices(), st.floats(min_value=0.1, max_value=10.0))
def test_figures_are_linear_and_sum_to_the_total(
    rows: list[tuple[Side, str, float, float, float]], times: float
) -> None:
    one, scaled = (LinearModel("g", draws=Draws(seed=3, count=200)) for _ in range(2))
    for index, (side, cause, value, down, up) in enumerate(rows):
        amount = value, value / down, value * up
        one.add_energy(f"d{index}", amount, cause=cause, side=side)
        scaled.add_energy("whole", (value * times, value * times / down, value * times * up), cause=cause, side=side)
    one.combine("whole", [f"d{index}" for index in range(len(rows))])
    whole = known(one.estimate("whole"))
    assert whole.value == pytest.approx(math.fsum(value for _, _, value, _, _ in rows), rel=1e-12)
    parts = [one.value("whole", side) for side in one.sides("whole")]
    assert math.fsum(part for part in parts if part is not None) == pytest.approx(whole.value, rel=1e-12)
    larger = known(scaled.estimate("whole"))
    assert larger.low == pytest.approx(whole.low * times, rel=1e-9)
    assert larger.high == pytest.approx(whole.high * times, rel=1e-9)


@given(devices())
def test_variance_shares_sum_to_one(rows: list[tuple[Side, str, float, float, float]]) -> None:
    grams = LinearModel("g", draws=Draws(seed=3, count=200))
    for side, cause, value, down, up in rows:
        errors = {"systematic_id": "meter", "u_systematic": value / 10.0, "variance": value}
        grams.add_energy("a", (value, value / down, value * up), cause=cause, side=side, **errors)  # type: ignore[arg-type]
    shares = [share.share_ratio for share in grams.variance_shares("a")]
    assert math.fsum(shares) == pytest.approx(1.0, rel=1e-9)
    assert shares == sorted(shares, reverse=True)


@given(st.lists(st.tuples(amounts, st.floats(min_value=0.001, max_value=0.05)), min_size=1, max_size=6))
def test_the_middle_of_the_draws_is_the_computed_value(rows: list[tuple[float, float]]) -> None:
    grams = LinearModel("g", draws=Draws(seed=3, count=4_000))
    for index, (value, u) in enumerate(rows):
        width = Z95 * u
        amount = value, value * (1.0 - width), value * (1.0 + width)
        grams.add_energy("a", amount, cause=f"c{index}", systematic_id="m", u_systematic=u * value)
    estimate, spread = known(grams.estimate("a")), grams.spread("a")
    assert spread is not None
    assert spread.p50 == pytest.approx(estimate.value, abs=0.1 * (estimate.high - estimate.low))


def test_shares_agree_with_those_of_all_draws() -> None:
    """The share of a cause is what the variance loses when that cause stands still: tried with fresh draws."""
    grams = model(50_000)
    silicon, area = factor("silicon", 1.0, 2.0, 4.0, "kgCO2e/cm2"), factor("area", 0.5, 1.0, 1.5, "cm2")
    grams.add_parts("a", (Part(name="die", factor=silicon, amount=area),), 0.01)
    grams.add_energy("a", (30.0, 20.0, 45.0), cause="grid", systematic_id="m", u_systematic=6.0, variance=25.0)
    drawn = grams.drawn("a")
    assert drawn is not None
    first_order = {share.cause: share.share_ratio for share in grams.variance_shares("a")}
    for cause in ("silicon", "area", "grid", "m"):
        order = np.argsort(grams.draws.normal(cause))
        means = drawn[order].reshape(100, -1).mean(axis=1)
        assert first_order[cause] == pytest.approx(np.var(means) / np.var(drawn), abs=0.04), cause


@pytest.mark.parametrize("meter_u", [0.0, 0.5])
def test_what_causes_do_together_is_in_the_whole_variance(meter_u: float) -> None:
    """Else what is independent would seem to explain more than it does."""
    grams = model(50_000)
    silicon, area = factor("silicon", 1.0, 2.0, 4.5, "kgCO2e/cm2"), factor("area", 0.5, 1.0, 2.2, "cm2")
    if meter_u:
        grams.add_energy("a", (1.0, 0.5, 4.0), cause="grid", systematic_id="m", u_systematic=meter_u, variance=1.0)
    else:
        grams.add_parts("a", (Part(name="die", factor=silicon, amount=area),), 1e-3)
        grams.add_energy("a", (0.0, 0.0, 0.0), cause="grid", variance=2.0)
    drawn = grams.drawn("a")
    assert drawn is not None
    shares = {share.cause: share.share_ratio for share in grams.variance_shares("a")}
    variance = 1.0 if meter_u else 2.0
    assert shares[INDEPENDENT] == pytest.approx(variance / float(np.var(drawn)), rel=0.03)
