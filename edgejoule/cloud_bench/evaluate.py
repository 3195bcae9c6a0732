"""From windows to joules per inference of each batch size, and whether they may be used. Pure.

A figure is all joules of its windows over all their inferences, as the busy seconds are. Its uncertainty is that of
the windows' mean (type A) and that of the source's gain, which all windows share (type B, rectangular), added as
variances: JCGM 100:2008, 4.2, 4.3.7 and 5.1. Type A is no less than what a counter's steps make: at both ends of a
window its figure may be ``update_s`` old, which spread shows only by luck among few windows (F.2.2.1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

import numpy as np

from collector.analysis.cloud_record import CloudBatch, CloudFigure, CloudIdle
from edge_agent.latency import LatencyHistogram
from edge_agent.uncertainty.type_a import MIN_VALUES, mean_u
from edgejoule.cloud_bench.joules import Boundary
from edgejoule.cloud_bench.measure import IdlePart, Measured, Window

MAX_GAP_RATIO: Final = 0.1
"""Of a window; what is not seen of less is taken to be like the rest of it."""
MAX_DRIFT_RATIO: Final = 0.1
DRIFT_ERRORS: Final = 3.0
"""A trend counts where it is more than so many of its standard errors."""
WARN_SPREAD_RATIO: Final = 0.1
MAX_IDLE_CHANGE_RATIO: Final = 0.2
WARN_IDLE_CHANGE_RATIO: Final = 0.05
WARN_OTHER_CPU: Final = 0.1
"""Cores of other processes."""
_SQRT_3: Final = math.sqrt(3.0)
_SQRT_6: Final = math.sqrt(6.0)


@dataclass(frozen=True, slots=True)
class Results:
    """What a bench found. ``rejections``: why it must not be used; ``warnings``: what a reader should know."""

    batches: tuple[CloudBatch, ...]
    idle_before: CloudIdle | None
    idle_after: CloudIdle | None
    rejections: tuple[str, ...]
    warnings: tuple[str, ...]


def evaluate(measured: Measured, boundary: Boundary) -> Results:
    """Return joules per inference of each batch size, smallest first, and the verdict."""
    before, after = (_idle(parts, boundary) for parts in (measured.idle_before, measured.idle_after))
    by_size: dict[int, list[Window]] = {}
    for window in measured.windows:
        by_size.setdefault(window.batch_size, []).append(window)
    idle = _mean_idle(measured, boundary)
    batches = tuple(_batch(by_size[size], measured.latencies[size], idle, boundary) for size in sorted(by_size))
    rejections = [*_unseen(measured, boundary), *_idle_change(before, after, MAX_IDLE_CHANGE_RATIO, "")]
    warnings = [] if rejections else _idle_change(before, after, WARN_IDLE_CHANGE_RATIO, " may")
    for size in sorted(by_size):
        rejections += _drift(by_size[size])
    warnings += [_spread(one) for one in batches if one.spread_ratio > WARN_SPREAD_RATIO]
    return Results(batches, before, after, tuple(rejections), (*warnings, *_disturbances(measured, boundary)))


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Return how much a straight line through ``values``, three or more, changes from first to last, and its error.

    Least squares; the error is the standard one of the slope times the length.
    """
    count = len(values)
    x = np.arange(count, dtype=np.float64) - (count - 1) / 2.0
    y = np.asarray(values, np.float64)
    squares = float(x @ x)
    slope = float(x @ (y - y.mean())) / squares
    rest = y - y.mean() - slope * x
    error = math.sqrt(float(rest @ rest) / (count - 2) / squares)
    return slope * (count - 1), error * (count - 1)


def _batch(
    windows: Sequence[Window], latencies: LatencyHistogram, idle: tuple[float, float] | None, boundary: Boundary
) -> CloudBatch:
    inferences = sum(one.inferences for one in windows)
    duration_s = math.fsum(one.duration_s for one in windows)
    values_j = [_per_inference_j(one) for one in windows]
    value_j = math.fsum(map(_whole_j, windows)) / inferences
    steps_ratio = _steps_ratio(boundary, duration_s, len(windows))
    chance_j = max(mean_u(values_j), steps_ratio * value_j)
    gain = boundary.limit_ratio / _SQRT_3
    busy_s = duration_s / inferences
    net = None
    if idle is not None:
        idle_w, noise_w = idle
        net_j = value_j - idle_w * busy_s
        net = CloudFigure(value_j=net_j, u_j=math.hypot(chance_j, noise_w * busy_s, gain * net_j))
    return CloudBatch(
        batch_size=windows[0].batch_size,
        windows=len(windows),
        inferences=inferences,
        duration_s=duration_s,
        busy_s_per_inference=busy_s,
        gross=CloudFigure(value_j=value_j, u_j=math.hypot(chance_j, gain * value_j)),
        net=net,
        spread_ratio=stdev(values_j) / value_j if value_j > 0.0 else 0.0,
        latency_p50_s=latencies.quantile_s(0.50) or 0.0,
        latency_p95_s=latencies.quantile_s(0.95) or 0.0,
        cpu_s_per_inference=math.fsum(one.cpu_s for one in windows) / inferences,
    )


def _steps_ratio(boundary: Boundary, duration_s: float, spans: int) -> float:
    """Return the standard uncertainty of joules over ``spans`` of ``duration_s`` together, by a counter's steps.

    Each end is off by a time from 0 to ``update_s``: the difference of two is triangular, u = update_s / sqrt(6).
    """
    return boundary.update_s * math.sqrt(spans) / (_SQRT_6 * duration_s)


def _whole_j(window: Window) -> float:
    """Return the window's joules; the part that was not seen is like the rest."""
    seen_s = window.duration_s - window.gap_s
    return window.energy_j * window.duration_s / seen_s if seen_s > 0.0 else 0.0


def _per_inference_j(window: Window) -> float:
    return _whole_j(window) / window.inferences


def _power_w(part: IdlePart) -> float | None:
    seen_s = part.duration_s - part.gap_s
    return part.energy_j / seen_s if seen_s > 0.5 * part.duration_s else None


def _powers_w(parts: Sequence[IdlePart]) -> list[float]:
    return [power_w for power_w in map(_power_w, parts) if power_w is not None]


def _idle(parts: Sequence[IdlePart], boundary: Boundary) -> CloudIdle | None:
    powers_w = _powers_w(parts)
    if len(powers_w) < MIN_VALUES:
        return None
    power_w = fmean(powers_w)
    return CloudIdle(
        power_w=max(0.0, power_w),
        power_u_w=math.hypot(_idle_u_w(parts, boundary), boundary.limit_ratio / _SQRT_3 * power_w),
        duration_s=math.fsum(one.duration_s for one in parts),
    )


def _idle_u_w(parts: Sequence[IdlePart], boundary: Boundary) -> float:
    """Return the uncertainty of the parts' mean by chance. They follow each other, so that steps count once."""
    powers_w = _powers_w(parts)
    steps_w = _steps_ratio(boundary, math.fsum(one.duration_s for one in parts), 1) * fmean(powers_w)
    return max(mean_u(powers_w), steps_w)


def _mean_idle(measured: Measured, boundary: Boundary) -> tuple[float, float] | None:
    """Return the idle power of before and after, W, and its uncertainty by chance: spread and change between them."""
    each = (measured.idle_before, measured.idle_after)
    known = [parts for parts in each if len(_powers_w(parts)) >= MIN_VALUES]
    if not known:
        return None
    means = [fmean(_powers_w(parts)) for parts in known]
    change_w = 0.5 * (max(means) - min(means)) / _SQRT_3
    return fmean(means), math.hypot(max(_idle_u_w(parts, boundary) for parts in known), change_w)


def _unseen(measured: Measured, boundary: Boundary) -> list[str]:
    found = []
    blind = sum(one.gap_s > MAX_GAP_RATIO * one.duration_s for one in measured.windows)
    if blind:
        found.append(f"{boundary.method} saw less than 90 % of {blind} windows: see that nothing else holds it")
    if any(one.energy_j <= 0.0 and one.gap_s < one.duration_s for one in measured.windows):
        found.append(
            f"the {boundary.method} counter stands still, as in some virtual machines: measure on the machine itself, "
            "or model the joules with --cpu-watts table"
        )
    return found


def _drift(windows: Sequence[Window]) -> list[str]:
    values_j = [_per_inference_j(one) for one in windows]
    mean_j = fmean(values_j)
    change_j, error_j = trend(values_j)
    if mean_j <= 0.0 or abs(change_j) <= max(MAX_DRIFT_RATIO * mean_j, DRIFT_ERRORS * error_j):
        return []
    said = (
        f"batch {windows[0].batch_size}: joules per inference drift by {change_j / mean_j:+.0%} from the first window "
        "to the last: let the machine settle, with a longer --warm-up, and measure again"
    )
    return [said]


def _spread(batch: CloudBatch) -> str:
    return (
        f"batch {batch.batch_size}: windows differ by {batch.spread_ratio:.0%} (standard deviation): longer --seconds "
        "or a quieter machine narrow it"
    )


def _idle_change(before: CloudIdle | None, after: CloudIdle | None, limit_ratio: float, may: str) -> list[str]:
    if before is None or after is None:
        return []
    change_w, larger_w = after.power_w - before.power_w, max(before.power_w, after.power_w)
    if larger_w <= 0.0 or abs(change_w) <= limit_ratio * larger_w:
        return []
    said = (
        f"idle power was {before.power_w:.3g} W before and {after.power_w:.3g} W after: something else{may} "
        f"{'have run' if may else 'ran'}, or the machine had not settled"
    )
    return [said]


def _disturbances(measured: Measured, boundary: Boundary) -> list[str]:
    found = []
    others = [one.other_cpu_ratio for one in measured.windows if one.other_cpu_ratio is not None]
    if others and max(others) > WARN_OTHER_CPU:
        too = ", and these counters see them too" if boundary.method == "rapl" else ""
        found.append(f"other processes used up to {max(others):.1f} cores: latencies are longer for it{too}")
    hot = sum(one.too_hot is True for one in measured.windows)
    if hot:
        found.append(f"heat slowed the machine in {hot} of {len(measured.windows)} windows")
    return found
