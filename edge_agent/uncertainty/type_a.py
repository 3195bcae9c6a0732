"""Type A: what the spread of a few repetitions says about their mean or median (JCGM 100:2008, 4.2). Pure.

The standard deviation s of few values is itself uncertain. A mean of n normal values then has a t-distribution with
n - 1 degrees of freedom, whose standard deviation is s / sqrt(n) x sqrt((n - 1) / (n - 3)) (JCGM 101:2008, 6.4.9.4).
So twice the standard uncertainty holds 95 % of true values for five repetitions as for fifty.

That factor is for a figure that stands alone: ``mean_u``, ``median_u``. Where it is one part of a result, it goes in
as the plain s / sqrt(n) with its degrees of freedom (``Chance``), and the budget applies the factor once, to the whole
(``edge_agent.uncertainty.budget``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import stdev
from typing import Final

import numpy as np

MIN_VALUES: Final = 4
_GRID: Final = 4001
_REACH: Final = 8.0


def few_values_factor(count: int) -> float:
    """Return sqrt((n - 1) / (n - 3)). Raises ValueError below four values, which have no standard uncertainty."""
    _require(count)
    return dof_factor(count - 1.0)


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


@dataclass(frozen=True, slots=True)
class Chance:
    """A type A standard uncertainty s / sqrt(n) without the factor for few values, and its degrees of freedom."""

    plain_u: float
    dof: float

    @property
    def u(self) -> float:
        """Return the standard deviation of the t-distribution: the uncertainty where there is no other part."""
        return self.plain_u * dof_factor(self.dof)


def dof_factor(dof: float) -> float:
    """Return sqrt(dof / (dof - 2)): by how much a t-distribution spreads more than a normal one. ``dof`` above 2."""
    return math.sqrt(dof / (dof - 2.0))


def mean_chance(values: Sequence[float]) -> Chance:
    """Return what the spread of ``values``, four or more, says of their mean. Raises ValueError for fewer."""
    _require(len(values))
    return Chance(stdev(values) / math.sqrt(len(values)), len(values) - 1.0)


def mean_u(values: Sequence[float]) -> float:
    """Return the standard uncertainty of the mean of ``values``, four or more. Raises ValueError for fewer."""
    return mean_chance(values).u


def pooled_mean_chance(groups: Sequence[Sequence[float]]) -> Chance:
    """Return what the spread inside all groups says of the mean of their means.

    Groups of equal size n share one s, the root of their mean variance (JCGM 100:2008, 4.2.4). That is right for the
    mean of their means whether they are equally noisy or not, and few values weigh less: the degrees of freedom add.
    Raises ValueError where they are fewer than three in all.
    """
    dof = sum(len(values) - 1 for values in groups)
    _require(dof + 1)
    pooled = math.fsum((len(values) - 1) * stdev(values) ** 2 for values in groups) / dof
    return Chance(math.sqrt(pooled / (len(groups) * len(groups[0]))), float(dof))


def median_chance(values: Sequence[float]) -> Chance:
    """Return what the spread of ``values``, four or more, says of their median. Raises ValueError for fewer.

    The median is the mean, which is independent of s, plus the median's distance from it, which is s times a number
    that is independent of both (D. Basu, Sankhya 15, 1955). So only the mean's part is wider for few values:
    u^2 = s^2 / n x ((n - 1) / (n - 3) + f^2 - 1), with f = ``median_factor(n)``. The degrees of freedom are those of
    the t-distribution that has this u with f s / sqrt(n) as its scale: 4.9 for five values.
    """
    count = len(values)
    wide, factor = few_values_factor(count) ** 2, median_factor(count) ** 2
    ratio = (wide + factor - 1.0) / factor
    return Chance(math.sqrt(factor) * stdev(values) / math.sqrt(count), 2.0 * ratio / (ratio - 1.0))


def median_u(values: Sequence[float]) -> float:
    """Return the standard uncertainty of the median of ``values``, four or more. Raises ValueError for fewer."""
    return median_chance(values).u


def _require(count: int) -> None:
    if count < MIN_VALUES:
        raise ValueError(f"a spread needs {MIN_VALUES} values at least, not {count}")
