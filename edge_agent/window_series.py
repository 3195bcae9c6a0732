"""Measurement windows: counts and latencies cut at boundaries. Pure.

An inference belongs to the window in which it ends; the time spent inside it is split at the boundary. So every
inference and every busy second is in exactly one window.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.latency import LatencyHistogram
from edge_agent.window import WindowCounts


@dataclass(frozen=True, slots=True)
class Burst:
    """Inferences run back to back: the first began at ``t_begin_s``, number i ended at ``ends_s[i]``.

    ``cpu_s``: what the thread that ran them spent on the processor for all of them.
    """

    t_begin_s: float
    ends_s: list[float]
    cpu_s: float = 0.0


class MeasurementWindow:
    """The window that is open, from ``t_start_s`` on."""

    def __init__(self, t_start_s: float) -> None:
        self.t_start_s = t_start_s
        self._latencies = LatencyHistogram()
        self._busy_s = 0.0
        self._untimed = 0

    def add(self, burst: Burst) -> None:
        """Count a burst that ended inside this window; it may have begun before."""
        edges_s = np.array([burst.t_begin_s, *burst.ends_s])
        self._latencies.add(np.diff(edges_s))
        self.add_busy(burst.t_begin_s, burst.ends_s[-1])

    def count(self, number: int, latencies_s: NDArray[np.float64]) -> None:
        """Count ``number`` inferences that ended inside this window and were not seen from inside.

        ``latencies_s``, shape ``(n,)``, n <= ``number``: of those whose latency is known; only they count as busy.
        """
        self._latencies.add(latencies_s)
        self._untimed += number - len(latencies_s)
        self._busy_s += float(latencies_s.sum())

    def add_busy(self, t_begin_s: float, t_end_s: float) -> None:
        """Count the time between as busy, as far as it lies after the window's start."""
        self._busy_s += max(0.0, t_end_s - max(t_begin_s, self.t_start_s))

    def close(self, t_end_s: float) -> WindowCounts:
        """Return what was counted up to ``t_end_s``."""
        seen = self._latencies
        return WindowCounts(
            t_start_s=self.t_start_s,
            t_end_s=t_end_s,
            inference_count=seen.count + self._untimed,
            busy_s=min(self._busy_s, t_end_s - self.t_start_s),
            latency_p50_s=seen.quantile_s(0.50),
            latency_p95_s=seen.quantile_s(0.95),
            latency_max_s=seen.max_s if seen.count else None,
        )


class WindowSeries:
    """Consecutive windows on the boundaries ``t_first_s + k * window_s``.

    After a pause longer than a window (suspend, one very long inference) the windows that nothing happened in are
    one long window, which ends on a boundary too.
    """

    def __init__(self, t_first_s: float, window_s: float) -> None:
        self._t_first_s = t_first_s
        self._window_s = window_s
        self._open = MeasurementWindow(t_first_s)
        self._later: list[Burst] = []
        self._number = 1

    @property
    def t_next_s(self) -> float:
        """Return where the open window ends at the earliest."""
        return self._boundary_s(self._number)

    def add(self, burst: Burst) -> None:
        """Take a burst, in order of time. Call ``advance`` before the next one."""
        self._take(burst, self.t_next_s)

    def advance(self, now_s: float) -> WindowCounts | None:
        """Close the open window if a boundary is at or before ``now_s`` and open the next one there."""
        if now_s < self.t_next_s:
            return None
        elapsed = math.floor((now_s - self._t_first_s) / self._window_s)
        number = max(self._number, elapsed if self._boundary_s(elapsed) <= now_s else elapsed - 1)
        t_cut_s = self._boundary_s(number)
        self._number = number + 1
        return self._cut(t_cut_s)

    def close(self, now_s: float) -> WindowCounts | None:
        """Close the partial window at ``now_s``, None if it would have no length. Call ``advance`` before."""
        return self._cut(now_s) if now_s > self._open.t_start_s else None

    def count(self, number: int, latencies_s: NDArray[np.float64]) -> None:
        """Count inferences in the open window, see ``MeasurementWindow.count``. Call ``advance`` before."""
        self._open.count(number, latencies_s)

    def restart(self, now_s: float) -> WindowCounts | None:
        """Close the partial window like ``close``; the boundaries count from ``now_s`` on. Not with bursts open."""
        counts = self.close(now_s)
        self._t_first_s, self._number = now_s, 1
        return counts

    def _boundary_s(self, number: int) -> float:
        return self._t_first_s + number * self._window_s

    def _take(self, burst: Burst, t_cut_s: float) -> None:
        inside = bisect_right(burst.ends_s, t_cut_s)
        if inside:
            self._open.add(Burst(burst.t_begin_s, burst.ends_s[:inside]))
        if inside < len(burst.ends_s):
            t_begin_s = burst.ends_s[inside - 1] if inside else burst.t_begin_s
            self._later.append(Burst(t_begin_s, burst.ends_s[inside:]))

    def _cut(self, t_cut_s: float) -> WindowCounts:
        for burst in self._taken_later():
            self._take(burst, t_cut_s)
        for burst in self._later:
            self._open.add_busy(burst.t_begin_s, min(t_cut_s, burst.ends_s[-1]))
        counts = self._open.close(t_cut_s)
        self._open = MeasurementWindow(t_cut_s)
        for burst in self._taken_later():
            self.add(burst)
        return counts

    def _taken_later(self) -> list[Burst]:
        later, self._later = self._later, []
        return later
