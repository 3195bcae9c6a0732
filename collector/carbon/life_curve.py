"""The share of a mass that has been charged by each moment of a life: straight between knots, flat outside them.

Times are seconds of Unix time, shares lie in 0..1.
"""

import math
from bisect import bisect_right
from typing import Final

import numpy as np

from collector.carbon.estimate import F64
from collector.carbon.units import S_PER_YEAR

Knot = tuple[float, float]
"""A moment, and what has been charged by then."""

_SLIVER_YEARS: Final = 1e-9
"""A last year shorter than this is a rounding error of the lifetime, not a year."""


def linear_knots(start_s: float, lifetime_s: float, amount: float) -> list[Knot]:
    """Return the knots of an amount that is charged evenly over a life."""
    return [(start_s, 0.0), (start_s + lifetime_s, amount)]


def front_loaded_knots(start_s: float, lifetime_s: float, amount: float, decline_ratio: float) -> list[Knot]:
    """Return the knots of a declining balance by years of 8760 h; the last year takes what is left."""
    years = max(math.ceil(lifetime_s / S_PER_YEAR - _SLIVER_YEARS), 1)
    left = (1.0 - decline_ratio) ** np.arange(years)
    knots = [(start_s + k * S_PER_YEAR, amount * (1.0 - float(left[k]))) for k in range(years)]
    return [*knots, (start_s + lifetime_s, amount)]


def sunk_knots(start_s: float, lifetime_s: float, amount: float) -> list[Knot]:
    """Return the knots of an amount that falls on the first moment; the step lies just after it."""
    return [(start_s, 0.0), (math.nextafter(start_s, math.inf), amount), (start_s + lifetime_s, amount)]


def continued(knots: list[Knot], moment_s: float, more: list[Knot]) -> list[Knot]:
    """Return ``knots`` up to a moment, and after it ``more``, whose shares count from there."""
    reached = share_at(knots, moment_s)
    before = [knot for knot in knots if knot[0] < moment_s]
    return [*before, *((time_s, reached + share) for time_s, share in more)]


def ended(knots: list[Knot], moment_s: float) -> list[Knot]:
    """Return ``knots`` up to a moment; nothing is charged after it."""
    return [*(knot for knot in knots if knot[0] < moment_s), (moment_s, share_at(knots, moment_s))]


def share_at(knots: list[Knot] | tuple[Knot, ...], time_s: float) -> float:
    """Return what has been charged by a moment."""
    after = bisect_right(knots, (time_s, math.inf))
    if after == 0:
        return knots[0][1]
    if after == len(knots):
        return knots[-1][1]
    (left_s, left), (right_s, right) = knots[after - 1], knots[after]
    return left + (right - left) * ((time_s - left_s) / (right_s - left_s))


def shares_at(knots: tuple[Knot, ...], times_s: F64) -> F64:
    """Return what has been charged by each moment; arrays of shape ``(n,)``."""
    moments, shares = np.array(knots, dtype=np.float64).T
    return np.asarray(np.interp(times_s, moments, shares), dtype=np.float64)


def overlap_s(start_s: float, end_s: float, since_s: float, until_s: float) -> float:
    """Return for how long a stretch lies between two moments."""
    return max(min(end_s, until_s) - max(start_s, since_s), 0.0)


def overlaps_s(starts_s: F64, ends_s: F64, since_s: float, until_s: float) -> F64:
    """Return the same for many stretches, shape ``(n,)``."""
    inside = np.minimum(ends_s, until_s) - np.maximum(starts_s, since_s)
    return np.asarray(np.maximum(inside, 0.0), dtype=np.float64)
