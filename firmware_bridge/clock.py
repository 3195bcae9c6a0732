"""Align a meter's clock with the host's from arrival times alone. Pure: times are arguments.

Every arrival is late by an unknown delay >= 0, so the lower envelope of (host - device) is the offset plus the
smallest delay. Skew is the slope of that envelope: the line below all points that lies closest to them
(Moon, Skelly, Towsley: Estimation and removal of clock skew from network delay measurements, INFOCOM 1999), which is
the edge of the lower convex hull at the mean time.
"""

import math
from collections import deque
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

_Point: TypeAlias = tuple[float, float]


class ClockFit:
    """Online fit of host time against device time by a minimum-delay filter over the last two minutes."""

    def __init__(self) -> None:
        self._minima: deque[_Point] = deque()
        self._bucket = -math.inf
        self._observed = 0
        self._line: tuple[float, float, float] | None = None

    def observe(self, t_device_s: float, t_host_s: float) -> None:
        """Take note that the sample of ``t_device_s`` arrived at ``t_host_s``."""
        point = (t_device_s, t_host_s - t_device_s)
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
        reference_s, offset_s, skew_ratio = self._fit()
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
        return MIN_DELAY_S + above_s + EARLY_DELAY_S / self._observed

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

    def _whole_buckets(self) -> list[_Point]:
        """Return the minima of the buckets that are over; of the only one if there is but one."""
        return list(self._minima)[:-1] or list(self._minima)

    def _scatter_s(self, points: list[_Point]) -> float:
        """Return the ninth decile of the points' distance above the line."""
        excess_s = sorted(map(self._excess_s, points))
        return excess_s[int(0.9 * (len(excess_s) - 1))]

    def _excess_s(self, point: _Point) -> float:
        reference_s, offset_s, skew_ratio = self._fit()
        return point[1] - offset_s - skew_ratio * (point[0] - reference_s)

    def _fit(self) -> tuple[float, float, float]:
        """Return (reference device time, offset there, skew)."""
        if self._line is None:
            if not self._minima:
                raise ValueError("no arrival was observed yet")
            self._line = _envelope(list(self._minima))
        return self._line


def _envelope(points: list[_Point]) -> tuple[float, float, float]:
    reference_s = points[-1][0]
    skew_ratio = 0.0
    if reference_s - points[0][0] >= SLOPE_AFTER_S:
        mean_s = math.fsum(t for t, _ in points) / len(points)
        skew_ratio = min(max(_hull_slope(points, mean_s), -MAX_SKEW_RATIO), MAX_SKEW_RATIO)
    offset_s = min(delta - skew_ratio * (t - reference_s) for t, delta in points)
    return reference_s, offset_s, skew_ratio


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
