"""One zone's intensity over time as steps, and the exact mean over any stretch. Pure; arrays are float64 and int64.

The integral of the steps is kept at their edges, so the mean over a stretch costs two look-ups however many slots it
touches, and stretches that follow one another share their edge: what one loses at it the other gains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from collector.carbon.estimate import F64

I64 = npt.NDArray[np.int64]
Quality = Literal["actual", "estimated", "forecast", "yearly"]
QUALITIES: Final[tuple[Quality, ...]] = ("actual", "estimated", "forecast", "yearly")
"""What a moment's intensity rests on: a published value, one that its source calls estimated, a forecast, or the
yearly average that stands in where nothing finer is known."""


@dataclass(frozen=True, slots=True)
class MeanIntensity:
    """What a timeline says of stretches of time; arrays of shape ``(n,)``, one entry for each stretch.

    ``gco2e_per_kwh``, ``low``, ``high``: mean over the part of the stretch that is known, NaN where none is.
    ``known_ratio``: that part. ``quality_ratio``: the part that rests on each quality; they sum to ``known_ratio``.
    """

    gco2e_per_kwh: F64
    low: F64
    high: F64
    known_ratio: F64
    quality_ratio: dict[Quality, F64]


class IntensityTimeline:
    """Steps without overlap, in order of time. Outside them, and in holes between them, nothing is known.

    ``starts_unix_ns``, ``ends_unix_ns``: shape ``(n,)``, int64. ``gco2e_per_kwh``, ``low``, ``high``: shape ``(n,)``.
    ``quality``: one for each step. Raises ValueError for steps that overlap or have no length, or for arrays of
    different lengths.
    """

    def __init__(
        self,
        starts_unix_ns: I64,
        ends_unix_ns: I64,
        gco2e_per_kwh: F64,
        *,
        low: F64,
        high: F64,
        quality: Sequence[Quality],
    ) -> None:
        sizes = {len(a) for a in (starts_unix_ns, ends_unix_ns, gco2e_per_kwh, low, high)} | {len(quality)}
        if len(sizes) > 1:
            raise ValueError("the steps of a timeline need as many ends, values, ranges and qualities as starts")
        if np.any(ends_unix_ns <= starts_unix_ns) or np.any(starts_unix_ns[1:] < ends_unix_ns[:-1]):
            raise ValueError("the steps of a timeline must follow one another: none empty, none overlapping")
        self.starts_unix_ns = starts_unix_ns
        self.ends_unix_ns = ends_unix_ns
        self.gco2e_per_kwh = gco2e_per_kwh
        self.low = low
        self.high = high
        self.quality = tuple(quality)
        self._origin_ns = int(starts_unix_ns[0]) if len(starts_unix_ns) else 0
        self._seconds = (ends_unix_ns - starts_unix_ns) / 1e9
        self._value_sums = _running(gco2e_per_kwh * self._seconds)
        self._low_sums = _running(low * self._seconds)
        self._high_sums = _running(high * self._seconds)
        self._known_sums = _running(self._seconds)
        of = np.asarray(self.quality)
        self._rests_on: dict[Quality, F64] = {name: np.where(of == name, 1.0, 0.0) for name in QUALITIES}
        self._quality_sums = {name: _running(rests * self._seconds) for name, rests in self._rests_on.items()}

    def __len__(self) -> int:
        return len(self.starts_unix_ns)

    def without_yearly(self) -> "IntensityTimeline":
        """Return the steps that rest on something finer than the yearly average; holes where none does."""
        finer = np.asarray([one != "yearly" for one in self.quality], dtype=bool)
        return IntensityTimeline(
            self.starts_unix_ns[finer],
            self.ends_unix_ns[finer],
            self.gco2e_per_kwh[finer],
            low=self.low[finer],
            high=self.high[finer],
            quality=[one for one in self.quality if one != "yearly"],
        )

    def mean_over(self, starts_unix_ns: I64, ends_unix_ns: I64) -> MeanIntensity:
        """Return the mean over each ``[start, end)``; arrays of shape ``(n,)``. Raises ValueError if one is empty."""
        span_s = (ends_unix_ns - starts_unix_ns) / 1e9
        if np.any(span_s <= 0.0):
            raise ValueError("a mean needs a stretch of time with a length")
        first, last = self._place(starts_unix_ns), self._place(ends_unix_ns)
        known_s = self._between(self._known_sums, np.ones_like(self.gco2e_per_kwh), first, last)
        divisor = np.where(known_s > 0.0, known_s, np.nan)
        value = self._between(self._value_sums, self.gco2e_per_kwh, first, last) / divisor
        low = self._between(self._low_sums, self.low, first, last) / divisor
        high = self._between(self._high_sums, self.high, first, last) / divisor
        return MeanIntensity(
            gco2e_per_kwh=value,
            low=np.minimum(low, value),  # of nanoseconds the sums know little more than that there are some
            high=np.maximum(high, value),
            known_ratio=np.minimum(known_s / span_s, 1.0),
            quality_ratio={
                name: self._between(sums, self._rests_on[name], first, last) / span_s
                for name, sums in self._quality_sums.items()
            },
        )

    def _place(self, t_unix_ns: I64) -> tuple[I64, F64]:
        """Return the step at or before each moment (-1: before all), and the seconds of it that lie before."""
        index = np.searchsorted(self.starts_unix_ns, t_unix_ns, side="right") - 1
        if not len(self):
            return index, np.zeros(len(t_unix_ns))
        step = np.maximum(index, 0)
        inside_s = np.minimum(
            t_unix_ns - self.starts_unix_ns[step], self.ends_unix_ns[step] - self.starts_unix_ns[step]
        )
        return index, np.where(index < 0, 0.0, inside_s / 1e9)

    @staticmethod
    def _between(sums: F64, values: F64, first: tuple[I64, F64], last: tuple[I64, F64]) -> F64:
        """Return the integral of the steps between two places."""
        if not len(values):
            return np.zeros(len(first[0]))
        at = [sums[np.maximum(i, 0)] + np.where(i < 0, 0.0, values[np.maximum(i, 0)] * s) for i, s in (first, last)]
        same = first[0] == last[0]
        inside = values[np.maximum(first[0], 0)] * (last[1] - first[1])
        return np.asarray(np.where(same, np.where(first[0] < 0, 0.0, inside), at[1] - at[0]), dtype=np.float64)


def _running(steps: F64) -> F64:
    """Return the sum of all steps before each, shape ``(n,)``."""
    return np.concatenate(([0.0], np.cumsum(steps)[:-1])) if len(steps) else np.zeros(0)
