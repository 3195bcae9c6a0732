"""Grid intensities as they became known: each value with the time it holds for and the moment it was learned. Pure.

A source revises what it said: a forecast becomes an estimate, an estimate becomes an actual value, and actual values
are corrected for days. So nothing is overwritten, and an account can say "as known at T".
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from collector.carbon.operational import IntensityKind

FIRST_UNIX_NS: Final = -(2**62)
LAST_UNIX_NS: Final = 2**63 - 2 * 86_400_000_000_000
"""Moments that intensities are kept of: the years 1823 to 2262, so that whole days around them fit into int64."""
MOST_GCO2E_PER_KWH: Final = 100_000.0
"""Far above anything that generates (coal emits about 1,000): what says more is in another unit."""
RANGE_RATIO: Final = math.sqrt(1.38)
"""P95 over the value, and the value over P5, where a source states no range: what independent sources of the same
grid's average differ by. 1.38 is the median over countries of the largest over the smallest of five published tables
of yearly averages (Ember, Our World in Data, EcoLogits, Boavizta, Electricity Maps), our own comparison."""


class IntensityRevision(msgspec.Struct, frozen=True, kw_only=True):
    """What one source said of one stretch of time: ``[valid_from_unix_ns, valid_to_unix_ns)``.

    ``source``: the id of its ``SourcePassport``. ``low``, ``high``: P5 and P95 where the source states them, else
    None. ``fetched_at_unix_ns``: when it became known here. ``is_estimated``, ``is_forecast``: what the source says of
    the value. ``scope``: what the value contains, where it differs from the passport's. Raises ValueError for a value
    that is negative, not finite or above ``MOST_GCO2E_PER_KWH``, a range around something else, a stretch without
    length, or one that lies before ``FIRST_UNIX_NS`` or after ``LAST_UNIX_NS``.
    """

    source: str
    zone: str
    kind: IntensityKind
    valid_from_unix_ns: int
    valid_to_unix_ns: int
    gco2e_per_kwh: float
    fetched_at_unix_ns: int
    low: float | None = None
    high: float | None = None
    is_estimated: bool = False
    is_forecast: bool = False
    scope: str = ""

    def __post_init__(self) -> None:
        if self.valid_to_unix_ns <= self.valid_from_unix_ns:
            raise ValueError("an intensity holds for a stretch of time: valid_to after valid_from")
        moments = self.valid_from_unix_ns, self.valid_to_unix_ns, self.fetched_at_unix_ns
        if not FIRST_UNIX_NS <= min(moments) <= max(moments) <= LAST_UNIX_NS:
            raise ValueError("the time of an intensity lies in the years 1823 to 2262")
        low = self.gco2e_per_kwh if self.low is None else self.low
        high = self.gco2e_per_kwh if self.high is None else self.high
        if not all(map(math.isfinite, (self.gco2e_per_kwh, low, high))) or self.gco2e_per_kwh < 0.0 or low < 0.0:
            raise ValueError(f"an intensity is a finite number of g/kWh, 0 or more, not {self.gco2e_per_kwh}")
        if max(self.gco2e_per_kwh, high) > MOST_GCO2E_PER_KWH:
            raise ValueError(
                f"{max(self.gco2e_per_kwh, high):g} is no intensity, which is {MOST_GCO2E_PER_KWH:g} g/kWh at most; "
                "give it in grams for a kilowatt-hour"
            )
        if not low <= self.gco2e_per_kwh <= high:
            raise ValueError(f"an intensity needs low <= value <= high, not {low}, {self.gco2e_per_kwh}, {high}")


class SourcePassport(msgspec.Struct, frozen=True, kw_only=True):
    """Where a source's values come from, for every output that uses them.

    ``licence``: of the data. ``may_ship``: whether that licence allows the data to be shipped with this package;
    where not, users fetch them for themselves. ``method``: how the value is found. ``low_ratio``, ``high_ratio``: P5
    and P95 over the value, for values of which the source states no range; both None: ``RANGE_RATIO``.
    Raises ValueError for ratios that do not hold the value between them.
    """

    id: str
    name: str
    url: str
    scope: str
    licence: str
    method: str
    may_ship: bool = False
    low_ratio: float | None = None
    high_ratio: float | None = None

    def __post_init__(self) -> None:
        low, high = self.range_ratio
        if not (0.0 <= low <= 1.0 <= high and math.isfinite(high)):
            raise ValueError(f"a range holds its value: low_ratio <= 1 <= high_ratio, not {low} and {high}")

    @property
    def range_ratio(self) -> tuple[float, float]:
        """Return P5 and P95 over the value."""
        low = 1.0 / RANGE_RATIO if self.low_ratio is None else self.low_ratio
        return low, RANGE_RATIO if self.high_ratio is None else self.high_ratio


def known_at(revisions: Iterable[IntensityRevision], t_unix_ns: int | None) -> list[IntensityRevision]:
    """Return what was known at that moment, None for all that is known; in no order, superseded ones included."""
    return [one for one in revisions if t_unix_ns is None or one.fetched_at_unix_ns <= t_unix_ns]


def rank(revision: IntensityRevision) -> tuple[bool, int, bool]:
    """Return by what a revision supersedes another of the same moment: the highest rank holds.

    A value that is no forecast goes before any forecast, whenever it was learned; then what was learned last; then,
    of one fetch, what is no estimate.
    """
    return not revision.is_forecast, revision.fetched_at_unix_ns, not revision.is_estimated
