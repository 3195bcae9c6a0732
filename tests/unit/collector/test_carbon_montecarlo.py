"""Draws: the same cause is the same draw, and the percentiles come back."""

import numpy as np
import pytest

from collector.carbon.estimate import Estimate
from collector.carbon.montecarlo import STRATIFIED_UP_TO, Draws, percentiles


def test_draws_belong_to_their_cause_and_seed() -> None:
    first, second = Draws(seed=3, count=100), Draws(seed=3, count=100)
    second.normal("other")
    assert np.array_equal(first.normal("x"), second.normal("x"))
    assert not np.array_equal(first.normal("x"), first.normal("other"))
    assert not np.array_equal(first.normal("x"), Draws(seed=4, count=100).normal("x"))


@pytest.mark.parametrize("count", [101, 1_000, STRATIFIED_UP_TO + 1])
def test_a_factor_gets_its_percentiles_back(count: int) -> None:
    estimate = Estimate(9.3, 2.3, 25.6, "kg", "t")
    spread = percentiles(Draws(seed=11, count=count).of("x", estimate), "kg")
    assert (spread.p5, spread.p50, spread.p95) == pytest.approx((2.3, 9.3, 25.6), rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_draws_are_draws(count: int) -> None:
    drawn = Draws(seed=1, count=count).normal("x")
    assert drawn.shape == (count,)
    assert np.all(np.isfinite(drawn))


def test_causes_are_independent_of_each_other() -> None:
    draws = Draws(seed=5, count=20_000)
    assert abs(np.corrcoef(draws.normal("a"), draws.normal("b"))[0, 1]) < 0.05


def test_memory_is_bounded_and_what_was_dropped_comes_back_the_same() -> None:
    draws = Draws(seed=5, count=STRATIFIED_UP_TO)
    first = draws.normal("0").copy()
    for number in range(60):
        draws.normal(str(number))
    assert len(draws._normals) <= 20
    assert np.array_equal(draws.normal("0"), first)
    with pytest.raises(ValueError, match="read-only"):
        draws.normal("0")[0] = 1.0
