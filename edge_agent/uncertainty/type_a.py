"""Type A: what the spread of a few repetitions says about their mean or median (JCGM 100:2008, 4.2). Pure.

The standard deviation s of few values is itself uncertain. A mean of n normal values then has a t-distribution with
n - 1 degrees of freedom, whose standard deviation is s / sqrt(n) x sqrt((n - 1) / (n - 3)) (JCGM 101:2008, 6.4.9.4).
So twice the standard uncertainty holds 95 % of true values for five repetitions as for fifty.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import stdev
from typing import Final

import numpy as np

MIN_VALUES: Final = 4
_GRID: Final = 4001
_REACH: Final = 8.0


def few_values_factor(count: int) -> float:
    """Return sqrt((n - 1) / (n - 3)). Raises ValueError below four values, which have no standard uncertainty."""
    if count < MIN_VALUES:
        raise ValueError(f"a spread needs {MIN_VALUES} values at least, not {count}")
    return math.sqrt((count - 1) / (count - 3))


@cache
def median_factor(count: int) -> float:
    """Return by how much the median of ``count`` normal values spreads more than their mean.

    For odd n the median is the middle value, with density proportional to F^m (1 - F)^m f, m = (n - 1) / 2 (H. A.
    David and H. N. Nagaraja, Order Statistics, 2003, 2.1). An even n takes the factor of n - 1, on the safe side.
    """
    half = (count - 1) // 2
    if half < 1:
        return 1.0
    x = np.linspace(-_REACH, _REACH, _GRID)
    log_f = -0.5 * x * x
    step = float(x[1] - x[0])
    below = np.cumsum(np.exp(log_f)) * step / math.sqrt(2.0 * math.pi)
    below = np.clip(below - 0.5 * np.exp(log_f) * step / math.sqrt(2.0 * math.pi), 1e-300, 1.0)
    above = below[::-1]
    weight = np.exp(half * (np.log(below) + np.log(above) - 2.0 * math.log(0.5)) + log_f)
    variance = float(np.sum(weight * x * x) / np.sum(weight))
    return math.sqrt(variance * (2 * half + 1))


def mean_u(values: Sequence[float]) -> float:
    """Return the standard uncertainty of the mean of ``values``, four or more. Raises ValueError for fewer."""
    return few_values_factor(len(values)) * stdev(values) / math.sqrt(len(values))


def pooled_mean_u(groups: Sequence[Sequence[float]]) -> float:
    """Return the standard uncertainty of the sum of the groups' means, over the root of how many groups there are.

    Groups of equal size n share one s, the root of their mean variance (JCGM 100:2008, 4.2.4). That is right for the
    sum of their means whether they are equally noisy or not, and few values weigh less: the degrees of freedom add.
    Raises ValueError where they are fewer than three in all.
    """
    dof = sum(len(values) - 1 for values in groups)
    if dof < MIN_VALUES - 1:
        raise ValueError(f"a spread needs {MIN_VALUES} values at least, not {dof + 1}")
    count = len(groups[0])
    pooled = math.fsum((len(values) - 1) * stdev(values) ** 2 for values in groups) / dof
    return math.sqrt(dof / (dof - 2) * pooled / count)


def median_u(values: Sequence[float]) -> float:
    """Return the standard uncertainty of the median of ``values``, four or more. Raises ValueError for fewer.

    The median is the mean, which is independent of s, plus the median's distance from it, which is s times a number
    that is independent of both (D. Basu, Sankhya 15, 1955). So only the mean's part is wider for few values:
    u^2 = s^2 / n x ((n - 1) / (n - 3) + f^2 - 1), with f = ``median_factor(n)``.
    """
    count = len(values)
    width = math.hypot(few_values_factor(count), math.sqrt(max(median_factor(count) ** 2 - 1.0, 0.0)))
    return width * stdev(values) / math.sqrt(count)
