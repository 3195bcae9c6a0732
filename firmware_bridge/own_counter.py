"""A meter's own energy counter beside the integral of its samples. Pure.

The counter is seen with some samples only, in coarse steps, and began long before the stream. Up to its first reading,
and between two readings, the integral stands in for it; each reading then sets it right.
"""

from dataclasses import dataclass

import numpy as np

from firmware_bridge.samples import F64


@dataclass(frozen=True, slots=True)
class CounterRows:
    """What each sample adds, shape ``(n,)``: joules of the counter, its new beginnings, and what stays open.

    ``open_j`` is what the integral may miss since the counter was read last; reading it takes that back to zero.
    ``doubt_j`` is what it may be off for good: where it stood in up to a counter's first reading nothing sets it
    right, and the steps of two counters add.
    """

    moved_j: F64
    resets: F64
    open_j: F64
    doubt_j: F64


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

    def advance(self, counter_j: F64 | None, energy_j: F64, gap_bound_j: F64, between_j: F64) -> CounterRows:
        """Take samples: the counter at each (NaN where it was not read), and what each adds to the integral."""
        none = np.zeros_like(energy_j)
        rows = CounterRows(energy_j.copy(), none, between_j.copy(), none.copy())
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
            self._read(now_j, i, rows)
            rows.open_j[i] = -self._open_j
            self._since_j, self._open_j, self._between_j, self._open_gap = 0.0, 0.0, 0.0, False
            done_j, done_gap_j, done_open_j, done_between_j = since_j[i], gaps_j[i], opened_j[i], betweens_j[i]
        if len(energy_j):
            self._since_j += since_j[-1] - done_j
            self._open_gap = self._open_gap or bool(gaps_j[-1] > done_gap_j)
            self._open_j += opened_j[-1] - done_open_j
            self._between_j += betweens_j[-1] - done_between_j
        return rows

    def _read(self, now_j: float, i: int, rows: CounterRows) -> None:
        """Set the counter right where it was read."""
        if self._last_j is None or self._new_meter:
            rows.resets[i] = self._new_meter or self._open_gap
            rows.doubt_j[i] = self._between_j + self._step_j * self._new_meter
        elif now_j < self._last_j:
            rows.resets[i] = 1.0
            rows.moved_j[i] += max(now_j - self._since_j, 0.0)
            rows.doubt_j[i] = self._between_j + self._step_j if now_j < self._since_j else 0.0
        else:
            rows.moved_j[i] += now_j - self._last_j - self._since_j
        self._last_j, self._new_meter, self.seen = now_j, False, True
