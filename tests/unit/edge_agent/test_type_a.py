"""Type A: what is stated for the mean and the median of a few values holds as often as it says."""

from statistics import median

import numpy as np
import pytest

from edge_agent.uncertainty.type_a import mean_u, median_factor, median_u

TRIALS = 20_000


@pytest.mark.parametrize("count", [5, 7, 9])
def test_twice_u_of_the_median_holds_95_in_100_for_few_values_as_for_many(count: int) -> None:
    """Normal values: z has standard deviation 1, and 95 to 96 of 100 are within 2; a factor too many gives 96.6."""
    values = np.random.default_rng(4).standard_normal((TRIALS, count))
    width = median_u(values[0].tolist()) / values[0].std(ddof=1)
    z = np.median(values, axis=1) / (width * values.std(axis=1, ddof=1))
    assert np.mean(np.abs(z) <= 2.0) == pytest.approx(0.954, abs=0.004)
    assert z.std() == pytest.approx(1.0, abs=0.03)


def test_the_median_of_few_is_wider_than_their_mean_but_by_less_than_the_factor_of_many() -> None:
    values = [1.0, 1.1, 0.9, 1.05, 0.98]
    assert mean_u(values) < median_u(values) < median_factor(len(values)) * mean_u(values)
    assert median_u([2.0 * value for value in values]) == pytest.approx(2.0 * median_u(values))
    assert median(values) == 1.0


def test_three_values_have_no_standard_uncertainty() -> None:
    with pytest.raises(ValueError, match="4 values at least"):
        median_u([1.0, 2.0, 3.0])
