"""A figure with its range, and the arithmetic that keeps the range honest.

``low`` and ``high`` are the 5th and 95th percentile of what is believed about the figure, ``value`` its median.
All functions are pure; those on arrays take and return float64 arrays.
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

Z95: Final = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""


class Estimate(msgspec.Struct, frozen=True):
    """``value`` (median) with P5 ``low`` and P95 ``high``, all in ``unit``; ``source`` says where it comes from.

    Raises ValueError unless all three are finite and ``low <= value <= high``.
    """

    value: float
    low: float
    high: float
    unit: str
    source: str

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise ValueError(f"an estimate needs finite numbers, not {self.low}, {self.value}, {self.high}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"an estimate needs low <= value <= high, not {self.low}, {self.value}, {self.high}")

    def scaled(self, factor: float, *, unit: str | None = None, source: str | None = None) -> "Estimate":
        """Return this estimate times an exact number; a negative one swaps the ends."""
        ends = sorted((self.low * factor, self.high * factor))
        return Estimate(
            value=min(max(self.value * factor, ends[0]), ends[1]),
            low=ends[0],
            high=ends[1],
            unit=self.unit if unit is None else unit,
            source=self.source if source is None else source,
        )


def exactly(value: float, unit: str, source: str) -> Estimate:
    """Return an estimate without range: a definition, or an input whose author states none."""
    return Estimate(value, value, value, unit, source)


def from_standard_uncertainty(value: float, u: float, unit: str, source: str) -> Estimate:
    """Return value and P5/P95 of a normal distribution with standard uncertainty ``u`` (k = 1)."""
    if u < 0.0:
        raise ValueError(f"a standard uncertainty cannot be negative: {u}")
    return Estimate(value, value - Z95 * u, value + Z95 * u, unit, source)


def add(a: Estimate, b: Estimate, *, correlation: float, source: str | None = None) -> Estimate:
    """Return ``a + b`` for the stated correlation of their errors (0 independent, 1 the same cause).

    Raises ValueError when the units differ: joules are not grams, and marginal grams are not average grams.
    """
    return total((a, b), correlation=correlation, source=source)


def total(estimates: Iterable[Estimate], *, correlation: float, source: str | None = None) -> Estimate:
    """Return the sum, each pair of errors having the same ``correlation`` (0..1).

    The distances value-low and high-value are combined as standard deviations are:
    ``d^2 = (1 - r) * sum(d_i^2) + r * sum(d_i)^2``. Raises ValueError for no estimate, or for units that differ.
    """
    items = list(estimates)
    if not items:
        raise ValueError("a sum of no estimates has no unit")
    if not 0.0 <= correlation <= 1.0:
        raise ValueError(f"a correlation for a sum lies in 0..1, not {correlation}")
    units = sorted({item.unit for item in items})
    if len(units) > 1:
        raise ValueError(f"cannot add {' and '.join(units)}: they are different quantities")
    value = math.fsum(item.value for item in items)
    below = _combined([item.value - item.low for item in items], correlation)
    above = _combined([item.high - item.value for item in items], correlation)
    sources = "; ".join(dict.fromkeys(item.source for item in items)) if source is None else source
    return Estimate(value, value - below, value + above, units[0], sources)


def times(a: Estimate, b: Estimate, *, unit: str, source: str) -> Estimate:
    """Return ``a * b`` for independent errors.

    Where both ranges are positive the log distances combine in quadrature (a product of lognormals);
    otherwise first-order propagation, each side for itself.
    """
    value = a.value * b.value
    if a.low > 0.0 and b.low > 0.0:
        below = math.hypot(math.log(a.value / a.low), math.log(b.value / b.low))
        above = math.hypot(math.log(a.high / a.value), math.log(b.high / b.value))
        return Estimate(value, value * math.exp(-below), value * math.exp(above), unit, source)
    ends_a = a.scaled(b.value)
    ends_b = b.scaled(a.value)
    low = value - math.hypot(value - ends_a.low, value - ends_b.low)
    high = value + math.hypot(ends_a.high - value, ends_b.high - value)
    return Estimate(value, low, high, unit, source)


def sample(estimate: Estimate, z: F64) -> F64:
    """Return draws for standard normal ``z`` (same shape), so that P5, P50 and P95 are low, value and high.

    Two-piece lognormal where ``low > 0``; else two-piece normal, cut at zero where ``low`` is zero, because a
    quantity whose range starts at zero cannot be negative.
    """
    side_low, side_high = np.minimum(z, 0.0) / Z95, np.maximum(z, 0.0) / Z95
    if estimate.low > 0.0:
        log_low = math.log(estimate.value / estimate.low)
        log_high = math.log(estimate.high / estimate.value)
        return np.asarray(estimate.value * np.exp(side_low * log_low + side_high * log_high), dtype=np.float64)
    width_low, width_high = estimate.value - estimate.low, estimate.high - estimate.value
    drawn = estimate.value + side_low * width_low + side_high * width_high
    return np.asarray(np.maximum(drawn, 0.0) if estimate.low == 0.0 else drawn, dtype=np.float64)


def _combined(distances: list[float], correlation: float) -> float:
    squares = math.fsum(d * d for d in distances)
    linear = math.fsum(distances)
    return math.sqrt((1.0 - correlation) * squares + correlation * linear * linear)
