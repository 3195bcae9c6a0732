"""LMDI-I: exact in both forms, the same on the way back, with zeros at their limits."""

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from collector.carbon.lmdi import chain_effects, log_mean, log_ratio, ratio_effects, rebound_ratio

positive = st.floats(min_value=1e-60, max_value=1e60)
nudges = st.sampled_from([0.0, 1e-15, 1e-12, -1e-9, 1e-6, -1e-3]) | st.floats(min_value=-0.9, max_value=9.0)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Give both sides of a chain of levels: tiny, huge, far apart or nearly equal."""
    before = draw(st.lists(positive, min_size=1, max_size=5))
    after = [value * (1.0 + draw(nudges)) if draw(st.booleans()) else draw(positive) for value in before]
    return before, after


def close(effects: Any, change: Fraction | float, slack: float = 1e-9) -> bool:
    """Return whether effects sum to a change, to 1e-9 of it; what cancels may leave its own rounding."""
    listed = [float(one) for one in effects]
    room = Fraction(slack) * abs(Fraction(change)) + Fraction(4e-15) * sum(map(abs, map(Fraction, listed)))
    return bool(abs(Fraction(math.fsum(listed)) - Fraction(change)) <= room)


@given(chains())
@example(([3.0, 5.0], [3.0 * (1 + 2**-52), 5.0 * (1 + 2**-52)]))
def test_effects_sum_to_the_change_and_reverse(sides: tuple[list[float], list[float]]) -> None:
    before, after = sides
    effects = chain_effects(before, after)
    assert close(effects, Fraction(after[-1]) - Fraction(before[-1]))
    np.testing.assert_array_equal(chain_effects(after, before), -effects)


@given(st.lists(chains(), min_size=1, max_size=6))
def test_the_product_of_the_ratios_is_the_ratio(groups: list[tuple[list[float], list[float]]]) -> None:
    levels = min(len(before) for before, _ in groups)
    each = [chain_effects(before[-levels:], after[-levels:]).tolist() for before, after in groups]
    effects = [math.fsum(parts) for parts in zip(*each, strict=True)]
    start, end = (math.fsum(side[-1] for side in sides) for sides in zip(*groups, strict=True))
    found = ratio_effects(effects, start, end)
    assume(found is not None and all(0.0 < one < math.inf for one in found))
    assert found is not None
    logs = [math.log(one) for one in found]
    assert math.fsum(logs) == pytest.approx(math.log(end) - math.log(start), abs=1e-9)  # 1e-9 of the ratio


@given(positive, positive)
def test_the_logarithmic_mean_lies_between_the_other_two(a: float, b: float) -> None:
    mean = float(log_mean(a, b))
    assert math.sqrt(a) * math.sqrt(b) * (1 - 1e-12) <= mean <= (a / 2 + b / 2) * (1 + 1e-12)
    assert mean == float(log_mean(b, a))


def test_the_logarithmic_mean_of_neighbours_and_of_zero() -> None:
    for distance in (0.0, 1e-16, 1e-13, 1e-10, 1e-7):
        near = 7.0 * (1.0 + distance)
        assert float(log_mean(near, 7.0)) == pytest.approx((near + 7.0) / 2, rel=1e-14)
    assert float(log_mean(0.0, 7.0)) == 0.0
    assert float(log_ratio(5e-324, 1e308)) == pytest.approx(math.log(5e-324) - math.log(1e308))


def limit(before: list[float], after: list[float]) -> list[float]:
    """Return what the formula gives with a small number for each zero, its quotients as on the other side."""
    start, end = list(map(float, before)), list(map(float, after))
    for zeros, other in ((start, end), (end, start)):
        for index, value in enumerate(zeros):
            if value == 0.0:
                inherits = index > 0 and zeros[index - 1] < 1e-200
                zeros[index] = zeros[index - 1] * other[index] / other[index - 1] if inherits else 1e-290
    return [float(one) for one in chain_effects(start, end)]


@pytest.mark.parametrize("first_zero", [0, 1, 2])
def test_the_factor_that_was_zero_carries_all(first_zero: int) -> None:
    after = [4.0, 800.0, 20.0]
    before = [3.0, 500.0, 30.0][:first_zero] + [0.0] * (3 - first_zero)
    expected = [20.0 if index == first_zero else 0.0 for index in range(3)]
    assert chain_effects(before, after).tolist() == expected
    assert chain_effects(after, before).tolist() == [-one for one in expected]
    # The limit is reached slowly, as 1 / ln of the small number: 1e-290 stands for zero to a few per cent.
    assert limit(before, after) == pytest.approx(expected, abs=0.7)


def test_nothing_on_both_sides_changes_nothing() -> None:
    for before, after in itertools.product(([0.0, 0.0], [2.0, 0.0]), repeat=2):
        assert chain_effects(before, after).tolist() == [0.0, 0.0]


@given(st.lists(chains(), min_size=1, max_size=5), st.lists(st.sampled_from(["both", "new", "gone"]), min_size=5))
def test_groups_that_appear_and_vanish_keep_the_sum(
    groups: list[tuple[list[float], list[float]]], fates: list[str]
) -> None:
    effects: list[float] = []
    start, end = Fraction(0), Fraction(0)
    for (before, after), fate in zip(groups, fates, strict=False):
        one = [0.0] * len(before) if fate == "new" else before
        other = [0.0] * len(after) if fate == "gone" else after
        found = chain_effects(one, other)
        if fate != "both":
            assert float(found[0]) == other[-1] - one[-1]
        effects += found.tolist()
        start, end = start + Fraction(one[-1]), end + Fraction(other[-1])
    assert close(effects, end - start)


def test_arrays_are_as_many_chains() -> None:
    before: list[Any] = [np.array([2.0, 3.0, 0.0]), np.array([5.0, 7.0, 0.0])]
    after: list[Any] = [np.array([4.0, 3.0, 1.0]), 9.0]
    found = chain_effects(before, after)
    assert found.shape == (2, 3)
    for index in range(3):
        alone = chain_effects([one[index] for one in before], [after[0][index], 9.0])
        np.testing.assert_allclose(found[:, index], alone, rtol=1e-15)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([1.0], [1.0, 2.0], "same levels"),
        ([], [], "same levels"),
        ([1.0, -1.0], [1.0, 1.0], "not negative"),
        ([1.0, math.nan], [1.0, 1.0], "finite"),
        ([0.0, 1.0], [1.0, 1.0], "infinite"),
    ],
)
def test_what_has_no_decomposition_is_refused(before: list[float], after: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        chain_effects(before, after)


def test_a_ratio_from_or_to_zero_is_none() -> None:
    assert ratio_effects([1.0], 0.0, 1.0) is None
    assert ratio_effects([-1.0], 1.0, 0.0) is None
    assert ratio_effects([0.0, 0.0], 2.0, 2.0) == (1.0, 1.0)


def test_rebound() -> None:
    assert rebound_ratio(5.0, -10.0) == 0.5
    assert rebound_ratio(12.0, -10.0) == 1.2
    assert rebound_ratio(-1.0, -10.0) == -0.1
    assert rebound_ratio(5.0, 0.0) is None
    assert rebound_ratio(5.0, 3.0) is None


FACTORS = {
    1971: ((1.0, 10.0, 2.0), (4.0, 5.0, 3.0)),
    1972: ((4.0, 5.0, 3.0), (5.0, 6.0, 4.0)),
    1973: ((8.0, 2.0, 4.0), (5.0, 7.0, 5.0)),
    1974: ((10.0, 1.0, 5.0), (6.0, 8.0, 6.0)),
}
PUBLISHED = {
    1972: ((69.79006598, -9.455125793, 39.66505981), (1.761117821, 0.926191306, 1.379410116)),
    1973: ((42.96021467, -34.31902656, 50.3588119), (1.229284572, 0.847970248, 1.273773912)),
    1974: ((54.01064234, -9.021284671, 54.01064234), (1.208140223, 0.968911503, 1.208140223)),
}
"""Two sub-categories with three factors, and what the R package LMDIR (M. K. Heun) says of each year against the one
before: additive and multiplicative effects, as its tests/testthat/test_lmdi.R states them."""


@pytest.mark.parametrize("year", PUBLISHED)
def test_a_peer_says_the_same(year: int) -> None:
    sides = [[np.cumprod(row).tolist() for row in FACTORS[one]] for one in (year - 1, year)]
    effects = [
        math.fsum(parts)
        for parts in zip(*(chain_effects(*pair).tolist() for pair in zip(*sides, strict=True)), strict=True)
    ]
    totals = [math.fsum(levels[-1] for levels in side) for side in sides]
    additive, multiplicative = PUBLISHED[year]
    assert effects == pytest.approx(additive, rel=1e-9)
    assert ratio_effects(effects, *totals) == pytest.approx(multiplicative, rel=1e-8)


def test_two_sectors_by_hand() -> None:
    """Activity, structure and intensity of two sectors, worked out with plain logarithms."""
    sectors = [((50.0, 10.0, 30.0), (80.0, 40.0, 80.0)), ((50.0, 40.0, 20.0), (80.0, 40.0, 16.0))]
    total = [math.fsum(parts) for parts in zip(*(chain_effects(*one).tolist() for one in sectors), strict=True)]
    first, second = 50.0 / math.log(80.0 / 30.0), -4.0 / math.log(16.0 / 20.0)
    activity = (first + second) * math.log(80.0 / 50.0)
    structure = first * math.log(0.5 / 0.2) + second * math.log(0.5 / 0.8)
    intensity = first * math.log(2.0 / 3.0) + second * math.log(0.4 / 0.5)
    assert total == pytest.approx([activity, structure, intensity], rel=1e-12)
    assert math.fsum(total) == pytest.approx(46.0, rel=1e-12)
    ratios = ratio_effects(total, 50.0, 96.0)
    assert ratios is not None
    assert math.prod(ratios) == pytest.approx(1.92, rel=1e-12)
