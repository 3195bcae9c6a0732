"""Intensities made ready for windows, one at a time: a window that lies inside one step costs two comparisons.

Steps come from the provider a UTC day at a time and are kept until ``forget``, or until they are many. Threads may
share one.
"""

import threading
from bisect import bisect_right
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collector.carbon.estimate import F64
from collector.carbon.operational import GramRate, rate_of
from collector.carbon.timeline import I64, QUALITIES, IntensityTimeline, MeanIntensity, Quality
from collector.carbon.units import J_PER_KWH
from collector.intensity.provider import IntensityProvider

DAY_NS: Final = 86_400_000_000_000
LAST_UNIX_NS: Final = 2**63 - DAY_NS
"""What ends later, in the year 2262, has no int64 and no intensity."""
KEPT_STEPS: Final = 60_000
"""So many steps are kept, of some hundred bytes each: 200 days of one zone by five minutes."""
_ROUNDING_S: Final = 1e-6
"""A timeline adds up seconds in float64: over years, what it says of a short stretch is off by less than this."""


class Step(NamedTuple):
    """A stretch of time in one zone with one intensity. ``rate``: None where nothing is known, for a part of it too.

    ``quality``: the weakest that the intensity rests on, "" for unknown. ``shares``: the part that rests on each.
    ``yearly_g_per_j``: the yearly average beside it, None for none.
    """

    start_unix_ns: int
    end_unix_ns: int
    rate: GramRate | None
    quality: Quality | None
    shares: tuple[tuple[Quality, float], ...]
    yearly_g_per_j: float | None


class _Day(NamedTuple):
    """A day of one zone: steps without holes, by their starts; and what they were made of."""

    starts_unix_ns: list[int]
    steps: list[Step]
    timeline: IntensityTimeline


class ZoneSteps:
    """The steps of one provider of any number of zones."""

    def __init__(self, provider: IntensityProvider, kept_steps: int = KEPT_STEPS) -> None:
        self._provider = provider
        self._kept_steps = kept_steps
        self._asking = threading.Lock()
        self._last: dict[str, Step] = {}
        self._days: dict[tuple[str, int], _Day] = {}

    def over(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> Step:
        """Return what holds over ``[start, end)``, which has a length: a step around it, else the mean of several."""
        step = self._last.get(zone)
        if step is not None and step.start_unix_ns <= start_unix_ns and end_unix_ns <= step.end_unix_ns:
            return step
        return self._find(zone, start_unix_ns, end_unix_ns)

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        """Return the provider's steps that touch the stretch."""
        with self._asking:
            return self._provider.timeline(zone, start_unix_ns, end_unix_ns)

    def mean_over(self, zone: str, starts_unix_ns: I64, ends_unix_ns: I64) -> MeanIntensity:
        """Return the mean over each ``[start, end)``, a stretch longer than nothing; shape ``(n,)``.

        What it gives of one stretch does not hang, in any digit, on the others that are asked for with it: sums run
        from the start of its own UTC day. Nothing is known of what ends after ``LAST_UNIX_NS``.
        """
        columns = {name: np.full(len(starts_unix_ns), np.nan) for name in ("gco2e_per_kwh", "low", "high")}
        known_ratio = np.zeros(len(starts_unix_ns))
        quality_ratio = {name: np.zeros(len(starts_unix_ns)) for name in QUALITIES}
        in_range = (ends_unix_ns <= LAST_UNIX_NS) & (ends_unix_ns > starts_unix_ns)
        days = starts_unix_ns // DAY_NS
        last_days = np.where(in_range, (ends_unix_ns - 1) // DAY_NS, days)
        for number, last in np.unique(np.stack((days, last_days))[:, in_range], axis=1).T.tolist():
            rows = np.flatnonzero(in_range & (days == number) & (last_days == last))
            timeline = self.timeline(zone, number * DAY_NS, (last + 1) * DAY_NS)
            mean = timeline.mean_over(starts_unix_ns[rows], ends_unix_ns[rows])
            for name, column in columns.items():
                column[rows] = getattr(mean, name)
            known_ratio[rows] = mean.known_ratio
            for quality, ratio in mean.quality_ratio.items():
                quality_ratio[quality][rows] = ratio
        return MeanIntensity(**columns, known_ratio=known_ratio, quality_ratio=quality_ratio)

    def forget(self) -> None:
        """Ask the provider anew from now on: it may have learned something. What another thread began is not kept."""
        self._last = {}
        self._days = {}

    def _find(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> Step:
        last, days = self._last, self._days
        number = start_unix_ns // DAY_NS
        if end_unix_ns > (number + 1) * DAY_NS:
            return self._mean(zone, self.timeline(zone, start_unix_ns, end_unix_ns), start_unix_ns, end_unix_ns)
        day = days.get((zone, number))
        if day is None:
            day = self._day(zone, number)
            if sum(len(kept.steps) for kept in tuple(days.values())) + len(day.steps) > self._kept_steps:
                days.clear()
            days[zone, number] = day
        step = day.steps[bisect_right(day.starts_unix_ns, start_unix_ns) - 1]
        if end_unix_ns > step.end_unix_ns:
            return self._mean(zone, day.timeline, start_unix_ns, end_unix_ns)
        last[zone] = step
        return step

    def _day(self, zone: str, number: int) -> _Day:
        start_unix_ns, end_unix_ns = number * DAY_NS, (number + 1) * DAY_NS
        timeline = self.timeline(zone, start_unix_ns, end_unix_ns)
        yearly = self._yearly_g_per_j(zone)
        steps: list[Step] = []
        at = start_unix_ns
        for i in range(len(timeline)):
            first = max(int(timeline.starts_unix_ns[i]), start_unix_ns)
            end = min(int(timeline.ends_unix_ns[i]), end_unix_ns)
            if end <= first:
                continue
            if first > at:
                steps.append(Step(at, first, None, None, (), yearly))
            per_kwh = (float(timeline.gco2e_per_kwh[i]), float(timeline.low[i]), float(timeline.high[i]))
            quality = timeline.quality[i]
            steps.append(Step(first, end, rate_of(per_kwh), quality, ((quality, 1.0),), yearly))
            at = end
        if at < end_unix_ns:
            steps.append(Step(at, end_unix_ns, None, None, (), yearly))
        return _Day([step.start_unix_ns for step in steps], steps, timeline)

    def _mean(self, zone: str, timeline: IntensityTimeline, start_unix_ns: int, end_unix_ns: int) -> Step:
        yearly = self._yearly_g_per_j(zone)
        mean = timeline.mean_over(np.array([start_unix_ns]), np.array([end_unix_ns]))
        if not wholly_known(mean, (end_unix_ns - start_unix_ns) / 1e9)[0]:
            return Step(start_unix_ns, end_unix_ns, None, None, (), yearly)
        value, low, high = float(mean.gco2e_per_kwh[0]), float(mean.low[0]), float(mean.high[0])
        shares = tuple((name, float(mean.quality_ratio[name][0])) for name in QUALITIES)
        known = tuple((name, share) for name, share in shares if share > 0.0)
        rate = rate_of((value, min(low, value), max(high, value)))
        return Step(start_unix_ns, end_unix_ns, rate, known[-1][0], known, yearly)

    def _yearly_g_per_j(self, zone: str) -> float | None:
        with self._asking:
            yearly = self._provider.yearly(zone)
        return None if yearly is None else yearly.factor.estimate.value / J_PER_KWH


def wholly_known(mean: MeanIntensity, span_s: F64 | float) -> npt.NDArray[np.bool_]:
    """Return of which stretches, ``span_s`` long, no part is unknown; shape ``(n,)``."""
    missing_s = (1.0 - mean.known_ratio) * span_s
    return np.asarray((missing_s <= _ROUNDING_S) & (mean.known_ratio > 0.5), dtype=np.bool_)
