import math
from statistics import stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.uncertainty.type_a import few_values_factor, mean_u, median_factor, median_u

COVERED = (0.93, 0.97)


def test_five_values_have_the_spread_of_students_t() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert mean_u(values) == pytest.approx(stdev(values) / math.sqrt(5.0) * math.sqrt(2.0))
    assert few_values_factor(5) == pytest.approx(math.sqrt(2.0))


def test_many_values_have_the_classic_one() -> None:
    values = [float(number % 7) for number in range(1000)]
    assert mean_u(values) == pytest.approx(stdev(values) / math.sqrt(1000.0), rel=0.002)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_fewer_than_four_have_none(count: int) -> None:
    with pytest.raises(ValueError, match="needs 4 values"):
        few_values_factor(count)


@pytest.mark.parametrize(("count", "expected"), [(1, 1.0), (2, 1.0), (3, 1.1602), (5, 1.1976), (10_001, 1.2533)])
def test_a_median_spreads_more_than_a_mean(count: int, expected: float) -> None:
    """Tables of order statistics: var(median) of 3 is 0.4487, of 5 is 0.2868; of many, pi / 2 of the mean's."""
    assert median_factor(count) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("count", [5, 6, 9])
def test_twice_u_holds_the_truth_in_95_of_100_series(count: int) -> None:
    rng = np.random.default_rng(count)
    rows = rng.standard_normal((4000, count))
    means = np.mean([abs(row.mean()) < 2.0 * mean_u(row.tolist()) for row in rows])
    medians = np.mean([abs(float(np.median(row))) < 2.0 * median_u(row.tolist()) for row in rows])
    assert COVERED[0] < means < COVERED[1]
    assert COVERED[0] < medians < COVERED[1] + 0.01


@given(st.lists(st.floats(-100.0, 100.0), min_size=4, max_size=20), st.floats(0.01, 50.0), st.floats(-50.0, 50.0))
def test_it_scales_and_does_not_care_for_a_shift(values: list[float], scale: float, shift: float) -> None:
    moved = [scale * value + shift for value in values]
    assert mean_u(moved) == pytest.approx(scale * mean_u(values), rel=1e-6, abs=1e-9)
    assert median_u(moved) == pytest.approx(scale * median_u(values), rel=1e-6, abs=1e-9)
