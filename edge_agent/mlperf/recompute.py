"""A trace and its windows become joules per inference, by two independent ways. Pure.

The plain rule, which the published figures follow: the sum of the whole samples between the two edges of a window,
divided by its inferences; the median over the windows is the result. Edges that stand as times are put to the nearest
sample.

Our own path, the one that a metered device goes: samples as ``SampleBlock`` on a device clock into an
``EnergyRegister``, a reading at each edge as soon as the stream has passed it, and ``energy_between``. There an edge
within a sample takes a part of that sample. Both have to agree.

Gross is what counts in the published results. Net is gross minus the power before the window times its duration. The
published runs declare no idle state: what is before a window is whatever the runner did, such as loading the next
input, so net may be negative. It is shown as it is, and flagged.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from edge_agent.mlperf.traces import Trace, TraceWindow
from firmware_bridge.calibration import power_u_w
from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import EnergyRegister, energy_between
from firmware_bridge.samples import F64, EnergyReading, SampleBlock

BASELINE_S: Final = 1.4
"""How long before a window its baseline is taken: the least that the published runs leave (trials of v1.3)."""

UNSTABLE_RATIO: Final = 0.1
"""A baseline whose middle half of samples spreads over more than this share of their median is unstable."""

_LEAST_BASELINE_SAMPLES: Final = 100
_BLOCK_SAMPLES: Final = 1000
_BESIDE_SAMPLES: Final = 10
_ROUNDING_S: Final = 1e-9

NetFlag = Literal["negative", "unstable"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The state before a window: the median of its power, and the spread of its middle half of samples."""

    power_w: float
    spread_ratio: float


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """One window. ``plain_j``: whole samples; ``register_j``: our own path.

    ``systematic_u_j``: the register's integral of the meter's standard uncertainty (gain, offset); None where the
    meter's limits are unknown. ``edge_u_j``: standard uncertainty from edges that are known to one sample.
    ``baseline``: None where too little was recorded before the window.
    """

    inferences: int
    duration_s: float
    plain_j: float
    register_j: float
    systematic_u_j: float | None
    edge_u_j: float
    baseline: Baseline | None

    @property
    def mean_power_w(self) -> float:
        """Return the mean power in the window."""
        return self.plain_j / self.duration_s

    @property
    def plain_per_inference_j(self) -> float:
        """Return joules per inference by the plain rule."""
        return self.plain_j / self.inferences

    @property
    def register_per_inference_j(self) -> float:
        """Return joules per inference by our own path."""
        return self.register_j / self.inferences

    @property
    def net_per_inference_j(self) -> float | None:
        """Return joules per inference above the baseline; negative where the state before drew more."""
        if self.baseline is None:
            return None
        return (self.register_j - self.baseline.power_w * self.duration_s) / self.inferences


@dataclass(frozen=True, slots=True)
class RunEnergy:
    """All windows of one published result."""

    windows: tuple[WindowEnergy, ...]

    @property
    def plain_j(self) -> float:
        """Return the result by the plain rule: the median over the windows, joules per inference."""
        return statistics.median(one.plain_per_inference_j for one in self.windows)

    @property
    def register_j(self) -> float:
        """Return the result by our own path, joules per inference."""
        return statistics.median(one.register_per_inference_j for one in self.windows)

    @property
    def cv_ratio(self) -> float | None:
        """Return the spread of gross energy per inference over the windows, relative; None for one window."""
        return _cv_ratio([one.register_per_inference_j for one in self.windows])

    @property
    def net_j(self) -> float | None:
        """Return the median of net energy per inference, None unless each window has a baseline."""
        values = self._nets()
        return None if values is None else statistics.median(values)

    @property
    def net_cv_ratio(self) -> float | None:
        """Return the spread of net energy per inference, relative to the size of its mean."""
        values = self._nets()
        return None if values is None else _cv_ratio(values)

    @property
    def net_flags(self) -> tuple[NetFlag, ...]:
        """Return why net is not to be relied on: negative in a window, or over an unstable baseline."""
        nets = self._nets()
        if nets is None:
            return ()
        spreads = [one.baseline.spread_ratio for one in self.windows if one.baseline is not None]
        found: list[tuple[NetFlag, bool]] = [
            ("negative", min(nets) < 0.0),
            ("unstable", max(spreads) > UNSTABLE_RATIO),
        ]
        return tuple(flag for flag, holds in found if holds)

    def _nets(self) -> list[float] | None:
        values = [one.net_per_inference_j for one in self.windows]
        known = [value for value in values if value is not None]
        return known if len(known) == len(values) else None


def _cv_ratio(values: Sequence[float]) -> float | None:
    mean = statistics.fmean(values)
    return abs(statistics.stdev(values) / mean) if len(values) > 1 and mean else None


def recompute(
    windows: Sequence[tuple[Trace, TraceWindow, int]], sheet: DataSheet, *, voltage_v: float, limits_known: bool = True
) -> RunEnergy:
    """Return the energies of ``windows``: each in its trace, with its inferences, in order of time in each trace.

    ``sheet``: the data sheet whose limits hold for the meter; with ``limits_known`` False only its register is used.
    ``voltage_v``: the supply, which an offset of current is multiplied with.
    """
    readings = {
        id(trace): _readings(trace, [one for other, one, _ in windows if other is trace], sheet, voltage_v)
        for trace in {id(trace): trace for trace, _, _ in windows}.values()
    }
    energies = []
    for trace, window, inferences in windows:
        begin, end = (readings[id(trace)][edge_s] for edge_s in (window.start_s, window.end_s))
        delta = energy_between(begin, end)
        energies.append(
            WindowEnergy(
                inferences=inferences,
                duration_s=window.duration_s,
                plain_j=plain_energy_j(trace, window),
                register_j=delta.energy_j,
                systematic_u_j=delta.energy_u_systematic_j if limits_known else None,
                edge_u_j=_edge_u_j(trace, window),
                baseline=_baseline(trace, window),
            )
        )
    return RunEnergy(tuple(energies))


def plain_energy_j(trace: Trace, window: TraceWindow, shift: tuple[int, int] = (0, 0)) -> float:
    """Return the sum of the samples between the edges, each moved by ``shift`` samples (positive: later)."""
    first, last = (max(edge + by, 0) for edge, by in zip(_edges(trace, window), shift, strict=True))
    return float(np.sum(trace.samples_j[first:last]))


def _edges(trace: Trace, window: TraceWindow) -> tuple[int, int]:
    return round(window.start_s * trace.rate_hz), round(window.end_s * trace.rate_hz)


def _readings(
    trace: Trace, windows: Sequence[TraceWindow], sheet: DataSheet, voltage_v: float
) -> dict[float, EnergyReading]:
    """Return the register at each edge, read as the stream passes it.

    The device clock stands half a sample after zero at the first sample. Where a clock begins is of no account, and
    so no sample falls on the limit between two of the register's milliseconds.
    """
    interval_s = 1.0 / trace.rate_hz
    start_s = 0.5 * interval_s
    register = EnergyRegister(_sheet_at(sheet, interval_s))
    waiting = sorted({edge_s for window in windows for edge_s in (window.start_s, window.end_s)}, reverse=True)
    readings: dict[float, EnergyReading] = {}
    power_w = trace.samples_j * trace.rate_hz
    t_s: F64 = start_s + np.arange(1.0, len(power_w) + 1.0) / trace.rate_hz
    for first in range(0, len(power_w), _BLOCK_SAMPLES):
        part = slice(first, first + _BLOCK_SAMPLES)
        block = _block(t_s[part], power_w[part], voltage_v)
        register.add(block, power_u_w(sheet, block))
        while waiting and (reading := register.reading_at(start_s + waiting[-1])) is not None:
            readings[waiting.pop()] = reading
    for edge_s in waiting:
        readings[edge_s] = register.latest()
    return readings


def _block(t_s: F64, power_w: F64, voltage_v: float) -> SampleBlock:
    return SampleBlock(t_s, np.full(len(t_s), voltage_v), power_w / voltage_v, power_w)


def _sheet_at(sheet: DataSheet, interval_s: float) -> DataSheet:
    """Return the sheet as the register needs it for energies of one interval each, without a gap."""
    return replace(
        sheet,
        sample_interval_s=interval_s,
        max_interval_s=1.5 * interval_s,
        refresh_interval_s=None,
        counter_step_j=None,
        sampling="mean",
        clock="sample_counter",
    )


def _edge_u_j(trace: Trace, window: TraceWindow) -> float:
    """Return the standard uncertainty from edges that may each be a sample early or late (limits, +-).

    A sample too many or too few has the larger of the powers beside the edge. JCGM 100:2008, 4.3.7, for each edge.
    """
    limits_j = []
    for edge in _edges(trace, window):
        sides = trace.samples_j[max(edge - _BESIDE_SAMPLES, 0) : edge], trace.samples_j[edge : edge + _BESIDE_SAMPLES]
        limits_j.append(max((abs(float(np.mean(side))) for side in sides if len(side)), default=0.0))
    return math.hypot(*limits_j) / math.sqrt(3.0)


def _baseline(trace: Trace, window: TraceWindow) -> Baseline | None:
    """Return the state in the last ``BASELINE_S`` before the window, back to the window before it at most."""
    earlier_s = max((one.end_s for one in trace.windows if one.end_s <= window.start_s + _ROUNDING_S), default=0.0)
    end = _edges(trace, window)[0]
    first = max(end - round(BASELINE_S * trace.rate_hz), round(earlier_s * trace.rate_hz))
    before_w = trace.samples_j[first:end] * trace.rate_hz
    if len(before_w) < _LEAST_BASELINE_SAMPLES:
        return None
    low_w, middle_w, high_w = (float(one) for one in np.quantile(before_w, (0.25, 0.5, 0.75)))
    return Baseline(middle_w, (high_w - low_w) / abs(middle_w) if middle_w else math.inf)
