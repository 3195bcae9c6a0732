"""Whether a bench may be used, and if not, why: each reason in one line with what to do. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, stdev

from edge_agent.bench.evaluate import Results, joules_per_inference
from edge_agent.bench.values import BaselineEnergy, WindowEnergy
from edge_agent.config import BenchSection

TREND_STEPS = 4
"""A trend is told from chance by rank: every window above the one before it, or every one below."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a bench saw beside energy. ``throttled``: in any window, None where the device does not say.

    ``other_cpu_ratio``: the most cores that other processes used in a window, None if unknown.
    """

    throttled: bool | None
    other_cpu_ratio: float | None
    meter_reconnects: int
    clock_steps: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """``rejections`` make a result invalid, ``warnings`` do not."""

    rejections: tuple[str, ...]
    warnings: tuple[str, ...]


def lost_ratio(window: WindowEnergy) -> float:
    """Return the share of a window that the meter missed: by lost samples or by time, whichever is more."""
    delta = window.delta
    seen = delta.sample_count + delta.lost_count
    by_count = delta.lost_count / seen if seen > 0.0 else 1.0
    by_time = max(0.0, delta.gap_s) / delta.duration_s if delta.duration_s > 0.0 else 1.0
    return max(by_count, by_time)


def judge(
    windows: Sequence[WindowEnergy],
    baselines: tuple[BaselineEnergy | None, BaselineEnergy | None],
    results: Results,
    observed: Observed,
    limits: BenchSection,
) -> Verdict:
    """Return why the result is not to be used, and what a reader should know. ``windows``: four or more."""
    rejections = [
        *_polarity(results),
        *_device(observed, limits),
        *_meter(windows, observed, limits),
        *_steadiness(windows, limits),
        *_baseline(baselines, limits),
    ]
    return Verdict(tuple(rejections), tuple(_warnings(results, observed)))


def _polarity(results: Results) -> list[str]:
    reason = (
        "gross energy is not above zero: see that the meter is not connected the wrong way round, that it is this "
        "device's meter, and that it shows so little power, and bench again"
    )
    return [] if results.gross.value_j > 0.0 else [reason]


def _device(observed: Observed, limits: BenchSection) -> list[str]:
    found = []
    if observed.throttled:
        found.append("the device throttled: cool it, check its power supply, and bench again")
    if observed.other_cpu_ratio is not None and observed.other_cpu_ratio > limits.max_other_cpu_ratio:
        found.append(
            f"other processes used {observed.other_cpu_ratio:.2f} cores, more than {limits.max_other_cpu_ratio:g}: "
            "stop them (top shows which) and bench again"
        )
    return found


def _meter(windows: Sequence[WindowEnergy], observed: Observed, limits: BenchSection) -> list[str]:
    found = []
    worst = max(lost_ratio(window) for window in windows)
    if worst > limits.max_lost_ratio:
        found.append(
            f"the meter missed {100.0 * worst:.3g} % of a window, more than {100.0 * limits.max_lost_ratio:g} %: "
            "check cable and port (edgejoule meter read), and bench again"
        )
    if observed.meter_reconnects:
        found.append(f"the meter was lost {observed.meter_reconnects} times: check its cable, and bench again")
    if observed.clock_steps:
        found.append(f"the meter's clock stepped {observed.clock_steps} times: bench again")
    return found


def _steadiness(windows: Sequence[WindowEnergy], limits: BenchSection) -> list[str]:
    each_j = [joules_per_inference(window) for window in windows]
    found = []
    middle_j = median(each_j)
    spread = stdev(each_j) / abs(middle_j) if middle_j else float("inf")
    if spread > limits.max_spread_ratio:
        found.append(
            f"the windows differ by {100.0 * spread:.3g} % (standard deviation), more than "
            f"{100.0 * limits.max_spread_ratio:g} %: choose longer windows, or find what else the device does"
        )
    steps = [later - earlier for earlier, later in pairwise(each_j)]
    half = len(each_j) // 2
    drift = abs(fmean(each_j[-half:]) - fmean(each_j[:half])) / abs(middle_j) if middle_j else 0.0
    one_way = len(steps) >= TREND_STEPS and (min(steps) > 0.0 or max(steps) < 0.0)
    if one_way and drift > 0.5 * limits.max_spread_ratio:
        found.append(
            f"the windows drift by {100.0 * drift:.3g} % one way: warm up longer ([bench] warm_up_s), and bench again"
        )
    return found


def _baseline(baselines: tuple[BaselineEnergy | None, BaselineEnergy | None], limits: BenchSection) -> list[str]:
    before, after = baselines
    if before is None or after is None:
        return []
    first_w, last_w = before.power_w, after.power_w
    if first_w is None or last_w is None:
        return ["the meter saw nothing of a baseline: check the meter's connection, and bench again"]
    found = []
    drift = abs(last_w - first_w) / max(abs(first_w), abs(last_w)) if first_w or last_w else 0.0
    if drift > limits.max_baseline_drift_ratio:
        found.append(
            f"the baseline moved by {100.0 * drift:.3g} % (from {first_w:.4g} W to {last_w:.4g} W), more than "
            f"{100.0 * limits.max_baseline_drift_ratio:g} %: let the device settle, and bench again"
        )
    for when, baseline in (("before", before), ("after", after)):
        missed = baseline.gap_s / baseline.duration_s if baseline.duration_s > 0.0 else 1.0
        if missed > limits.max_lost_ratio:
            found.append(f"the meter missed {100.0 * missed:.3g} % of the baseline {when}: check cable and port")
    return found


def _warnings(results: Results, observed: Observed) -> list[str]:
    found = []
    net = results.net
    if net is None:
        found.append("no baseline was measured: there is no net figure ([bench] baseline_s)")
    elif net.value_j < 0.0:
        found.append("net energy is negative: the device drew more in its baseline than while it ran the model")
    elif net.value_j < net.expanded_u_j:
        found.append("net energy is less than its own U: it cannot be told from zero")
    if observed.throttled is None:
        found.append("this device does not say whether it throttled")
    if observed.other_cpu_ratio is None:
        found.append("the load of other processes is not known")
    return found
