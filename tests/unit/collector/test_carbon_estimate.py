import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collector.carbon.estimate import Estimate, add, exactly, from_standard_uncertainty, sample, times, total


def estimate(value: float, low: float, high: float, unit: str = "J") -> Estimate:
    return Estimate(value, low, high, unit, "test")


@st.composite
def estimates(draw: st.DrawFn, smallest: float = -1e6) -> Estimate:
    ordinary = st.floats(min_value=smallest, max_value=1e6)
    number = ordinary.map(lambda x: x if abs(x) > 1e-100 else 0.0)  # a ratio to a denormal is no finite number
    low, value, high = sorted(draw(st.tuples(number, number, number)))
    return estimate(value, low, high)


@pytest.mark.parametrize("numbers", [(1.0, 2.0, 3.0), (3.0, 1.0, 2.0), (math.nan, 0.0, 1.0), (1.0, 0.0, math.inf)])
def test_disordered_or_infinite_estimates_are_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"low <= value <= high|finite"):
        estimate(*numbers)


@given(estimates(), st.floats(min_value=-1e6, max_value=1e6))
def test_scaling_keeps_the_order_and_scales_each_end(given_one: Estimate, factor: float) -> None:
    scaled = given_one.scaled(factor)
    ends = sorted((given_one.low * factor, given_one.high * factor))
    assert [scaled.low, scaled.high] == ends
    assert math.isclose(scaled.value, given_one.value * factor, rel_tol=1e-12, abs_tol=1e-12)


def test_one_cause_adds_linearly_and_independent_causes_in_quadrature() -> None:
    a, b = estimate(10.0, 7.0, 14.0), estimate(20.0, 16.0, 23.0)
    same = add(a, b, correlation=1.0)
    assert (same.value, same.low, same.high) == pytest.approx((30.0, 23.0, 37.0))
    apart = add(a, b, correlation=0.0)
    assert (apart.value, apart.low, apart.high) == pytest.approx((30.0, 25.0, 35.0))


@given(st.lists(estimates(), min_size=1, max_size=8), st.floats(min_value=0.0, max_value=1.0))
def test_a_sum_lies_between_independence_and_one_cause(items: list[Estimate], correlation: float) -> None:
    apart, some, same = (total(items, correlation=c) for c in (0.0, correlation, 1.0))
    slack = 1e-6
    assert same.low - slack <= some.low <= apart.low + slack
    assert apart.high - slack <= some.high <= same.high + slack


def test_different_quantities_are_not_added() -> None:
    with pytest.raises(ValueError, match="cannot add J and gCO2e"):
        add(estimate(1, 1, 1), estimate(1, 1, 1, "gCO2e"), correlation=0.0)
    with pytest.raises(ValueError, match="no unit"):
        total([], correlation=0.0)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        total([estimate(1, 1, 1)], correlation=-0.5)


def test_a_product_with_an_exact_number_is_scaling() -> None:
    product = times(estimate(10.0, 5.0, 30.0), exactly(3.0, "x", "definition"), unit="g", source="test")
    assert (product.value, product.low, product.high) == pytest.approx((30.0, 15.0, 90.0))


@given(estimates(smallest=-1e3), estimates(smallest=1e-3))
def test_a_product_is_ordered_whatever_the_signs(a: Estimate, b: Estimate) -> None:
    product = times(a, b, unit="g", source="test")
    assert math.isclose(product.value, a.value * b.value)
    assert product.low <= product.value <= product.high


def test_a_product_of_lognormals_agrees_with_monte_carlo() -> None:
    a, b = estimate(10.0, 5.0, 20.0), estimate(3.0, 2.0, 4.5)
    rng = np.random.default_rng(7)
    drawn = sample(a, rng.standard_normal(200_000)) * sample(b, rng.standard_normal(200_000))
    product = times(a, b, unit="g", source="test")
    assert np.percentile(drawn, [5, 50, 95]) == pytest.approx([product.low, product.value, product.high], rel=0.01)


@given(estimates(smallest=0.0))
def test_draws_have_the_percentiles_of_the_estimate(given_one: Estimate) -> None:
    assume(given_one.low == 0.0 or given_one.low > 1e-9)
    drawn = sample(given_one, np.array([-1.6448536269514722, 0.0, 1.6448536269514722]))
    assert drawn == pytest.approx([given_one.low, given_one.value, given_one.high], rel=1e-9, abs=1e-9)


def test_what_starts_at_zero_is_never_drawn_negative() -> None:
    drawn = sample(estimate(1.0, 0.0, 3.0), np.linspace(-6.0, 6.0, 1001))
    assert drawn.min() == 0.0
    assert drawn.max() > 3.0


def test_standard_uncertainty_gives_the_normal_percentiles() -> None:
    made = from_standard_uncertainty(100.0, 10.0, "J", "test")
    assert (made.low, made.high) == pytest.approx((83.551, 116.449), abs=1e-3)
    with pytest.raises(ValueError, match="negative"):
        from_standard_uncertainty(100.0, -1.0, "J", "test")


@pytest.mark.parametrize("low", [5e-324, 1e-310, 1e-300])
def test_a_range_down_to_almost_nothing_is_drawn_in_finite_numbers(low: float) -> None:
    drawn = sample(estimate(1.0, low, 2.0), np.linspace(-1.6448536269514722, 1.6448536269514722, 11))
    assert np.isfinite(drawn).all()
    assert drawn[5] == pytest.approx(1.0)
    assert drawn[-1] == pytest.approx(2.0)
