"""Measurement windows: counts and latencies cut at boundaries, then joined with the meter's energy. Pure.

An inference belongs to the window in which it ends; the time spent inside it is split at the boundary. So every
inference and every busy second is in exactly one window.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.uncertainty.energy import EnergyBudget
from edge_agent.wire.records import Boundary, ClockState, InferenceWindow, RuntimeIdentity, SyncMethod
from firmware_bridge.samples import EnergyDelta

LATENCY_MIN_S: Final = 1e-7
LATENCY_MAX_S: Final = 1e3
_BIN_RATIO: Final = 1.01
_LOG_RATIO: Final = math.log(_BIN_RATIO)
_BINS: Final = math.ceil(math.log(LATENCY_MAX_S / LATENCY_MIN_S) / _LOG_RATIO) + 1


class LatencyHistogram:
    """Latency percentiles in 18 kB, however many inferences there are.

    Bins grow by 1 %, so a percentile is within 0.5 % of a value that occurred at its rank (nearest rank, between
    0.1 us and 1000 s); minimum and maximum are exact and bound it.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self.count = 0
        self.min_s = math.inf
        self.max_s = 0.0

    def add(self, latencies_s: NDArray[np.float64]) -> None:
        """Count ``latencies_s``, shape ``(n,)``, n >= 0."""
        if not len(latencies_s):
            return
        clipped = np.clip(latencies_s, LATENCY_MIN_S, LATENCY_MAX_S)
        bins = (np.log(clipped / LATENCY_MIN_S) / _LOG_RATIO).astype(np.int64)
        np.add.at(self._counts, bins, 1)
        self.count += len(latencies_s)
        self.min_s = min(self.min_s, float(latencies_s.min()))
        self.max_s = max(self.max_s, float(latencies_s.max()))

    def quantile_s(self, ratio: float) -> float | None:
        """Return the latency that a share ``ratio`` of the inferences does not exceed, None without any."""
        if self.count == 0:
            return None
        rank = max(1, math.ceil(ratio * self.count))
        number = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle_s = LATENCY_MIN_S * _BIN_RATIO ** (number + 0.5)
        return float(min(max(middle_s, self.min_s), self.max_s))


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What the model did between two host times (CLOCK_BOOTTIME). Latencies are None without inferences."""

    t_start_s: float
    t_end_s: float
    inference_count: int
    busy_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None

    @property
    def duration_s(self) -> float:
        """Return the length of the window."""
        return self.t_end_s - self.t_start_s


@dataclass(frozen=True, slots=True)
class Burst:
    """Inferences run back to back: the first began at ``t_begin_s``, number i ended at ``ends_s[i]``."""

    t_begin_s: float
    ends_s: list[float]


class MeasurementWindow:
    """The window that is open, from ``t_start_s`` on."""

    def __init__(self, t_start_s: float) -> None:
        self.t_start_s = t_start_s
        self._latencies = LatencyHistogram()
        self._busy_s = 0.0

    def add(self, burst: Burst) -> None:
        """Count a burst that ended inside this window; it may have begun before."""
        edges_s = np.array([burst.t_begin_s, *burst.ends_s])
        self._latencies.add(np.diff(edges_s))
        self.add_busy(burst.t_begin_s, burst.ends_s[-1])

    def add_busy(self, t_begin_s: float, t_end_s: float) -> None:
        """Count the time between as busy, as far as it lies after the window's start."""
        self._busy_s += max(0.0, t_end_s - max(t_begin_s, self.t_start_s))

    def close(self, t_end_s: float) -> WindowCounts:
        """Return what was counted up to ``t_end_s``."""
        seen = self._latencies
        return WindowCounts(
            t_start_s=self.t_start_s,
            t_end_s=t_end_s,
            inference_count=seen.count,
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


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same over all windows of one run: whose figures they are."""

    model_id: str
    model_sha256: str
    runtime: RuntimeIdentity
    meter_id: str
    meter_driver: str
    boundary: Boundary
    simulated: bool


@dataclass(frozen=True, slots=True)
class IdleBaseline:
    """Mean power while the agent idled before its workload, with its standard uncertainty."""

    power_w: float
    power_u_w: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """What held during one window; None where unknown. ``frame_error_count``: errors since the window before."""

    t_start_unix_ns: int
    clock_state: ClockState
    frame_error_count: int = 0
    soc_temp_c: float | None = None
    freq_mhz: float | None = None
    throttled: bool | None = None
    idle: IdleBaseline | None = None


@dataclass(frozen=True, slots=True)
class Metering:
    """The energy of one window, what it is worth, and how the meter's clock was aligned."""

    delta: EnergyDelta
    budget: EnergyBudget
    sync_method: SyncMethod
    sync_residual_s: float


def build_window(
    seq: int, counts: WindowCounts, metering: Metering, identity: Identity, conditions: Conditions
) -> InferenceWindow:
    """Join counts, energy and identity into the record that goes on the wire.

    Seconds of the window that the meter did not cover are ``gap_s``, never more than the window has.
    """
    delta, idle = metering.delta, conditions.idle
    return InferenceWindow(
        seq=seq,
        t_start_unix_ns=conditions.t_start_unix_ns,
        clock_state=conditions.clock_state,
        duration_s=counts.duration_s,
        energy_j=delta.energy_j,
        energy_u_j=metering.budget.combined_j,
        energy_u_systematic_j=metering.budget.systematic_j,
        gap_s=min(max(0.0, delta.gap_s), counts.duration_s),
        inference_count=counts.inference_count,
        busy_s=counts.busy_s,
        model_id=identity.model_id,
        model_sha256=identity.model_sha256,
        runtime=identity.runtime,
        meter_id=identity.meter_id,
        meter_driver=identity.meter_driver,
        boundary=identity.boundary,
        sync_method=metering.sync_method,
        sync_residual_s=metering.sync_residual_s,
        simulated=identity.simulated,
        idle_power_w=idle.power_w if idle else None,
        idle_power_u_w=idle.power_u_w if idle else None,
        latency_p50_s=counts.latency_p50_s,
        latency_p95_s=counts.latency_p95_s,
        latency_max_s=counts.latency_max_s,
        sample_count=delta.sample_count,
        lost_count=delta.lost_count,
        frame_error_count=conditions.frame_error_count,
        soc_temp_c=conditions.soc_temp_c,
        freq_mhz=conditions.freq_mhz,
        throttled=conditions.throttled,
    )
