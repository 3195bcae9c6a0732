"""A meter's own energy counter beside the integral of its samples. Pure.

The counter is seen with some samples only, in coarse steps, and began long before the stream. Up to its first reading,
and between two readings, the integral stands in for it; each reading then sets it right.
"""

import math
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from firmware_bridge.samples import F64

_Number = TypeVar("_Number", float, F64)


class Counted(NamedTuple, Generic[_Number]):
    """What a sample, or each of many, adds: joules of the counter, its new beginnings, and what stays open.

    ``open_j`` is what the integral may miss since the counter was read last; reading it takes that back to zero.
    ``doubt_j`` is what it may be off for good: where it stood in up to a counter's first reading nothing sets it
    right, and the steps of two counters add.
    """

    moved_j: _Number
    resets: _Number
    open_j: _Number
    doubt_j: _Number


class OwnCounter:
    """Follows one counter of steps ``step_j``; one that steps back began anew at zero."""

    def __init__(self, step_j: float) -> None:
        self._step_j = step_j
        self._last_j: float | None = None
        self._new_meter = False
        self._since_j = 0.0
        self._open_j = 0.0
        self._between_j = 0.0
        self._open_gap = False
        self.seen = False

    def begin_anew(self) -> None:
        """Say that the next reading is another counter's, or one that was set back: it goes on from no other."""
        self._new_meter = self._last_j is not None

    def gap(self, bound_j: float) -> None:
        """Take note of a gap that no sample ends yet."""
        self._open_j += bound_j
        self._open_gap = True

    def advance_one(self, counter_j: float, energy_j: float, gap_bound_j: float, between_j: float) -> Counted[float]:
        """Take one sample: the counter (NaN where it was not read), and what the sample adds to the integral."""
        self._since_j += energy_j
        self._open_gap = self._open_gap or gap_bound_j > 0.0
        self._open_j += gap_bound_j
        self._between_j += between_j
        if not math.isfinite(counter_j):
            self._open_j += between_j
            return Counted(energy_j, 0.0, between_j, 0.0)
        beyond_j, resets, doubt_j = self._read(counter_j)
        open_j = -self._open_j
        self._since_j, self._open_j, self._between_j, self._open_gap = 0.0, 0.0, 0.0, False
        return Counted(energy_j + beyond_j, resets, open_j, doubt_j)

    def advance(
        self, counter_j: F64 | None, energy_j: F64, gap_bound_j: F64 | None, between_j: F64 | None
    ) -> Counted[F64]:
        """Take samples: the counter at each (NaN where it was not read), and what each adds to the integral."""
        none = np.zeros_like(energy_j)
        gap_bound_j = none if gap_bound_j is None else gap_bound_j
        between_j = none if between_j is None else between_j
        rows = Counted(energy_j.copy(), none.copy(), between_j.copy(), none.copy())
        shown = np.empty(0, dtype=np.intp) if counter_j is None else np.flatnonzero(np.isfinite(counter_j))
        since_j, gaps_j, betweens_j = np.cumsum(energy_j), np.cumsum(gap_bound_j), np.cumsum(between_j)
        opened_j = gaps_j + betweens_j
        done_j = done_gap_j = done_open_j = done_between_j = 0.0
        counts_j = [] if counter_j is None else counter_j[shown].tolist()
        for i, now_j in zip(shown.tolist(), counts_j, strict=True):
            self._since_j += since_j[i] - done_j
            self._open_gap = self._open_gap or bool(gaps_j[i] > done_gap_j)
            self._open_j += opened_j[i] - between_j[i] - done_open_j
            self._between_j += betweens_j[i] - done_between_j
            beyond_j, rows.resets[i], rows.doubt_j[i] = self._read(now_j)
            rows.moved_j[i] += beyond_j
            rows.open_j[i] = -self._open_j
            self._since_j, self._open_j, self._between_j, self._open_gap = 0.0, 0.0, 0.0, False
            done_j, done_gap_j, done_open_j, done_between_j = since_j[i], gaps_j[i], opened_j[i], betweens_j[i]
        if len(energy_j):
            self._since_j += since_j[-1] - done_j
            self._open_gap = self._open_gap or bool(gaps_j[-1] > done_gap_j)
            self._open_j += opened_j[-1] - done_open_j
            self._between_j += betweens_j[-1] - done_between_j
        return rows

    def _read(self, now_j: float) -> tuple[float, float, float]:
        """Set the counter right: what it adds beyond the sample's own energy, new beginnings, and doubt."""
        last_j, is_new = self._last_j, self._new_meter
        self._last_j, self._new_meter, self.seen = now_j, False, True
        if last_j is None or is_new:
            return 0.0, float(is_new or self._open_gap), self._between_j + self._step_j * is_new
        if now_j < last_j:
            doubt_j = self._between_j + self._step_j if now_j < self._since_j else 0.0
            return max(now_j - self._since_j, 0.0), 1.0, doubt_j
        return now_j - last_j - self._since_j, 0.0, 0.0
