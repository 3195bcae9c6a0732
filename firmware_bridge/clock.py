"""Align a meter's clock with the host's from arrival times alone. Pure: times are arguments.

Every arrival is late by an unknown delay >= 0, so the lower envelope of (host - device) is the offset plus the
smallest delay. Skew is the slope of that envelope: the line below all points that lies closest to them
(Moon, Skelly, Towsley: Estimation and removal of clock skew from network delay measurements, INFOCOM 1999), which is
the edge of the lower convex hull at the mean time. A least-squares line goes through the middle of the delays
instead: it is late by their mean, and its stated uncertainty does not hold it (tests/unit, test_clock_estimate).

That a delay which every arrival has cannot be seen from here is a limit of the method, not of this fit: markers
(``firmware_bridge.markers``) see it.
"""

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

BUCKET_S: Final = 1.0
WINDOW_S: Final = 120.0
SLOPE_AFTER_S: Final = 20.0
"""Below this span the two clocks are taken to run alike: delays would be read as skew."""
MAX_SKEW_RATIO: Final = 1e-3
MIN_DELAY_S: Final = 1e-3
"""The smallest delay cannot be seen from one side; one full-speed USB frame stands in for it."""
EARLY_DELAY_S: Final = 0.1
"""Delays of a busy host, in size: the smallest of n is about the n-th part of them (exponential delays)."""
LAG_BUCKETS: Final = 6
"""Longer than a driver needs to find the loss itself against the host's clock: then there is none left here."""

CRYSTAL_U_RATIO: Final = 1e-4 / 3.0**0.5
"""Before a slope can be read: two crystals within 100 ppm of each other, as a rectangular distribution."""
ENVELOPE_RANK: Final = 7
OFFSET_SPREAD: Final = 1.3
SLOPE_SPREAD: Final = 2.0
"""How well the envelope of n points is known follows from how densely points lie just above it, whatever the delays:
standard error at its end = ``OFFSET_SPREAD`` x height of the seventh lowest, of its slope = ``SLOPE_SPREAD`` x that
/ span. Found by simulation with exponential and gamma delays, so that two of them hold 95 of 100 true values."""
LEAD_AFTER_S: Final = 10.0
MIN_LEAD_S: Final = 0.050
"""No arrival can be early: one this much before the envelope of ten seconds means that the device clock jumped."""

_Point: TypeAlias = tuple[float, float]
Line: TypeAlias = tuple[float, float, float]
"""Reference device time, offset there, skew."""


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """How a device clock stands to the host's, with standard uncertainties (k = 1).

    ``offset_s``: host minus device time, at the device time ``t_device_s`` of the last observation.
    ``drift_ratio``: what the host's clock gains on the device's, in seconds per second: above zero the device is slow.
    It is the mean over ``span_s``, and its uncertainty is that of the mean: a crystal that warms up ends elsewhere.
    ``observed``: arrivals since this fit began. ``span_s``: the device time that it looks back from the last one.
    ``steps``: how often the device clock jumped, fell behind for good, or went back; each time the fit began anew.
    """

    offset_s: float
    offset_u_s: float
    drift_ratio: float
    drift_u_ratio: float
    observed: int
    span_s: float
    steps: int
    t_device_s: float


class ClockFit:
    """Online fit of host time against device time by a minimum-delay filter over the last two minutes.

    ``steps``: how many steps of the clock there were before this fit. ``unseen_delay_s``: the most that every arrival
    may be late by.
    """

    def __init__(self, *, steps: int = 0, unseen_delay_s: float = MIN_DELAY_S) -> None:
        self.steps = steps
        self._unseen_delay_s = unseen_delay_s
        self._last_s = 0.0
        self._minima: deque[_Point] = deque()
        self._bucket = -math.inf
        self._observed = 0
        self._line: Line | None = None

    def observe(self, t_device_s: float, t_host_s: float) -> None:
        """Take note that the sample of ``t_device_s`` arrived at ``t_host_s``."""
        point = (t_device_s, t_host_s - t_device_s)
        self._last_s = t_device_s
        self._observed += 1
        bucket = t_host_s // BUCKET_S
        if bucket > self._bucket:
            self._bucket = bucket
            self._minima.append(point)
            while self._minima[0][0] < t_device_s - WINDOW_S:
                self._minima.popleft()
        elif point[1] < self._minima[-1][1]:
            self._minima[-1] = point
        else:
            return
        self._line = None

    @property
    def ready(self) -> bool:
        """Is there anything to go by?"""
        return bool(self._minima)

    def to_device(self, t_host_s: float) -> float:
        """Return the device time of a host time. Raises ValueError before the first observation."""
        reference_s, offset_s, skew_ratio = self.line
        return reference_s + (t_host_s - reference_s - offset_s) / (1.0 + skew_ratio)

    @property
    def residual_s(self) -> float:
        """Return how far the offset may be wrong.

        The envelope's scatter, or what the last whole second is above it (late arrivals, or samples lost unseen);
        the smallest delay, which cannot be seen, and by how much it may be missed after few arrivals. A host that
        has been late for every single one of them cannot be told from a slower clock.
        """
        if not self._minima:
            return math.inf
        buckets = self._whole_buckets()
        above_s = max(self._scatter_s(buckets), self._excess_s(buckets[-1]))
        return self._unseen_delay_s + above_s + EARLY_DELAY_S / self._observed

    @property
    def late_s(self) -> float:
        """Return by how much every arrival of the last whole second is later than nine in ten seconds before were.

        A host that was busy, or samples that went missing unseen: until more is known, the clock may be off by it.
        """
        buckets = self._whole_buckets()
        if len(buckets) < 2:
            return 0.0
        return max(self._excess_s(buckets[-1]) - self._scatter_s(buckets[:-1]), 0.0)

    @property
    def lag_s(self) -> float:
        """Return by how much the device clock has fallen behind for good: samples that nobody saw go missing.

        The smallest delay of the last whole seconds, above the line; 0 while there is too little to say, or where
        the seconds before scatter as much.
        """
        buckets = self._whole_buckets()
        if len(buckets) < 2 * LAG_BUCKETS:
            return 0.0
        lag_s = min(map(self._excess_s, buckets[-LAG_BUCKETS:]))
        return lag_s if lag_s > 4.0 * self._scatter_s(buckets[:-LAG_BUCKETS]) else 0.0

    def lead_s(self, t_device_s: float, t_host_s: float) -> float:
        """Return by how much the device clock must have jumped forward for this arrival to be possible, 0 if none.

        Ask before ``observe``. There is nothing to say in the first ten seconds, nor within what the fit leaves open.
        """
        if not self._minima or t_device_s - self._minima[0][0] < LEAD_AFTER_S:
            return 0.0
        lead_s = -self._excess_s((t_device_s, t_host_s - t_device_s))
        if lead_s <= MIN_LEAD_S:
            return 0.0
        return lead_s if lead_s > 4.0 * self._scatter_s(self._whole_buckets()) else 0.0

    def estimate(self) -> ClockEstimate:
        """Return offset and drift with their uncertainty. Raises ValueError before the first observation.

        In the offset's: the smallest delay, which cannot be seen, is at most ``unseen_delay_s``; few arrivals miss
        it by more; the envelope has an error of its own; and what the last second is late by may be a step.
        """
        reference_s, offset_s, skew_ratio = self.line
        points = list(self._minima)
        span_s = self._last_s - points[0][0]
        height_s = self._height_s(points)
        envelope_s = OFFSET_SPREAD * height_s
        drift_u_ratio = CRYSTAL_U_RATIO
        if points[-1][0] - points[0][0] >= SLOPE_AFTER_S:
            drift_u_ratio = SLOPE_SPREAD * height_s / span_s + _beyond_limit(points, skew_ratio)
        else:
            envelope_s = math.hypot(envelope_s, drift_u_ratio * span_s)
        unseen_s = self._unseen_delay_s * 3.0**-0.5 + EARLY_DELAY_S / self._observed
        late_s = self._excess_s(self._whole_buckets()[-1]) * 3.0**-0.5
        return ClockEstimate(
            offset_s=offset_s + skew_ratio * (self._last_s - reference_s),
            offset_u_s=math.hypot(unseen_s, envelope_s, late_s),
            drift_ratio=skew_ratio,
            drift_u_ratio=drift_u_ratio,
            observed=self._observed,
            span_s=span_s,
            steps=self.steps,
            t_device_s=self._last_s,
        )

    def _height_s(self, points: list[_Point]) -> float:
        """Return the height of the seventh lowest point above the envelope.

        Where heights come in runs (a host that was busy for seconds), n points are worth n (1 - r) / (1 + r), r
        being the correlation of neighbours (Bayley and Hammersley 1946): the rank rises accordingly.
        """
        excess_s = [self._excess_s(point) for point in points]
        mean_s = math.fsum(excess_s) / len(points)
        around_s = [one - mean_s for one in excess_s]
        variance = math.fsum(one * one for one in around_s)
        r = math.fsum(a * b for a, b in pairwise(around_s)) / variance if variance else 0.0
        r = min(max(r, 0.0), 0.9)
        rank = min(math.ceil(ENVELOPE_RANK * (1.0 + r) / (1.0 - r)), len(points))
        return sorted(excess_s)[rank - 1]

    def _whole_buckets(self) -> list[_Point]:
        """Return the minima of the buckets that are over; of the only one if there is but one."""
        return list(self._minima)[:-1] or list(self._minima)

    def _scatter_s(self, points: list[_Point]) -> float:
        """Return the ninth decile of the points' distance above the line."""
        excess_s = sorted(map(self._excess_s, points))
        return excess_s[int(0.9 * (len(excess_s) - 1))]

    def _excess_s(self, point: _Point) -> float:
        reference_s, offset_s, skew_ratio = self.line
        return point[1] - offset_s - skew_ratio * (point[0] - reference_s)

    @property
    def line(self) -> Line:
        """Return the line in force, the same object until it moves. Raises ValueError before the first observation."""
        if self._line is None:
            if not self._minima:
                raise ValueError("no arrival was observed yet")
            self._line = _envelope(list(self._minima))
        return self._line


def _envelope(points: list[_Point]) -> Line:
    reference_s = points[-1][0]
    skew_ratio = 0.0
    if reference_s - points[0][0] >= SLOPE_AFTER_S:
        skew_ratio = min(max(_mean_slope(points), -MAX_SKEW_RATIO), MAX_SKEW_RATIO)
    offset_s = min(delta - skew_ratio * (t - reference_s) for t, delta in points)
    return reference_s, offset_s, skew_ratio


def _mean_slope(points: list[_Point]) -> float:
    return _hull_slope(points, math.fsum(t for t, _ in points) / len(points))


def _beyond_limit(points: list[_Point], skew_ratio: float) -> float:
    """Return by how much the slope that was found is beyond the largest that is believed."""
    return abs(_mean_slope(points) - skew_ratio) if abs(skew_ratio) >= MAX_SKEW_RATIO else 0.0


def _hull_slope(points: list[_Point], at_s: float) -> float:
    """Return the slope of the lower convex hull's edge over ``at_s`` (Andrew's monotone chain)."""
    hull: list[_Point] = []
    for point in points:
        while len(hull) >= 2 and _cross(hull[-2], hull[-1], point) <= 0.0:
            hull.pop()
        hull.append(point)
    for left, right in pairwise(hull):
        if left[0] <= at_s <= right[0]:
            return (right[1] - left[1]) / (right[0] - left[0])
    return 0.0


def _cross(a: _Point, b: _Point, c: _Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
