"""What samples add to the columns of an energy register. Pure.

Formulas are written once, for one sample as a float and for many as an array of shape ``(n,)``: a polled meter brings
one sample at a time, for which plain floats cost a tenth of arrays.
"""

import math
from typing import Final, TypeAlias, TypeVar

import numpy as np

from firmware_bridge.driver import DataSheet
from firmware_bridge.samples import F64

ROUNDING_S: Final = 1e-9
"""Differences of times in float64 are good to about 1e-11 s in the first day; less than this is no gap."""

# Columns of a knot, in the order of EnergyReading's fields.
COLUMNS: Final = 15
T, ENERGY, ENERGY_U, POWER_SQ, COVERED, GAP, COUNT, LOST, RESOLUTION, BOUND, COUNTER, RESETS = range(12)
BETWEEN, OPEN, DOUBT = range(12, COLUMNS)

Number = TypeVar("Number", float, F64)
Many: TypeAlias = dict[int, F64]
"""What each of many samples adds, by column, shape ``(n,)``. Left out: a column that none adds to, a count of 1."""


class Increments:
    """What one meter's samples cover and add. ``limit_w``: the most that the supply can deliver, if known."""

    def __init__(self, sheet: DataSheet, limit_w: float | None) -> None:
        self.is_mean = sheet.sampling == "mean"
        self.alone_s = sheet.sample_interval_s if self.is_mean else 0.0
        self._always_s = sheet.sample_interval_s + ROUNDING_S if self.is_mean else -math.inf
        self._max_s = sheet.max_interval_s
        self._by_arrival = sheet.clock == "host_arrival"
        self.looks_back = not self.is_mean or self._by_arrival or sheet.counter_step_j is not None
        self._mean_s = max(sheet.sample_interval_s, sheet.refresh_interval_s or 0.0)
        self._limit_w = limit_w
        self._max_a = sheet.ranges[-1].max_current_a

    def covered_by_one(self, dt_s: float, *, joined: bool) -> float:
        """Return how much of the time since the last sample this one stands for; ``joined``: it goes on from that."""
        return dt_s if (joined and dt_s <= self._max_s) or dt_s <= self._always_s else self.alone_s

    def covered(self, dt_s: F64, *, joined: bool) -> F64:
        """Return the same for many samples; ``joined`` is of the first. The same array where there is no gap."""
        if joined and dt_s.max() <= self._max_s:
            return dt_s
        in_time = dt_s <= self._max_s
        in_time[0] &= joined
        in_time |= dt_s <= self._always_s
        return np.where(in_time, dt_s, self.alone_s)

    def limit(self, volts: Number) -> Number:
        """Return the most power that there can have been beside these voltages (not below zero)."""
        return volts * self._max_a if self._limit_w is None else volts * 0.0 + self._limit_w

    def hidden_j(self, power_w: Number, covered_s: Number) -> Number:
        """Return what samples at the end of the scale may hide below the declared limit."""
        below_w = (self._limit_w or 0.0) - power_w
        return below_w * (below_w > 0.0) * covered_s

    def added(
        self, covered_s: Number, power_w: Number, before_w: Number, u_w: Number, before_u_w: Number
    ) -> dict[int, Number]:
        """Return what samples add that cover ``covered_s``; ``before``: what the sample before each one said."""
        if not self.is_mean:
            half_s = 0.5 * covered_s
            return {
                ENERGY: (before_w + power_w) * half_s,
                ENERGY_U: (before_u_w + u_w) * half_s,
                POWER_SQ: (before_w * before_w + power_w * power_w) * half_s,
                COVERED: covered_s,
                BETWEEN: abs(power_w - before_w) * half_s,
            }
        energy_j = power_w * covered_s
        sums = {ENERGY: energy_j, ENERGY_U: u_w * covered_s, POWER_SQ: power_w * energy_j, COVERED: covered_s}
        if self._by_arrival:  # a mean counts for longer than it was taken over: an answer is missing
            beyond_s = covered_s - self._mean_s
            sums[BETWEEN] = abs(power_w - before_w) * (beyond_s * (beyond_s > 0.0))
        return sums


def before(column: F64, first: float) -> F64:
    """Return the value before each one, ``first`` before the first."""
    shifted = np.empty_like(column)
    shifted[0], shifted[1:] = first, column[:-1]
    return shifted


def with_gaps(t_s: F64, added: Many, gap_s: F64, bound_j: F64) -> tuple[F64, Many]:
    """Put a row for each gap before the sample that ends it; return when rows end, and what they add."""
    at = np.flatnonzero(gap_s)
    rows = {column: np.insert(values, at, 0.0) for column, values in ({COUNT: np.ones_like(t_s)} | added).items()}
    gaps = at + np.arange(len(at))
    for column, values in ((GAP, gap_s), (BOUND, bound_j), (OPEN, bound_j)):
        if column not in rows:
            rows[column] = np.zeros(len(t_s) + len(at))
        rows[column][gaps] = values[at]
    return np.insert(t_s, at, t_s[at] - added[COVERED][at]), rows
