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
Range = tuple[float, float, float]
"""Value, low and high, as in ``Estimate``."""

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
        return Estimate(
            *scaled(self.range, factor),
            unit=self.unit if unit is None else unit,
            source=self.source if source is None else source,
        )

    @property
    def range(self) -> "Range":
        """Return value, low and high."""
        return self.value, self.low, self.high


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
    otherwise first-order propagation, each side for itself; a product of what cannot be negative cannot be, either.
    """
    return Estimate(*product(a.range, b.range), unit, source)


def product(a: Range, b: Range) -> Range:
    """Return ``a * b`` for independent errors, as ``times`` does, on plain numbers: for a row at a time."""
    value_a, low_a, high_a = a
    value_b, low_b, high_b = b
    value = value_a * value_b
    if low_a > 0.0 and low_b > 0.0:
        below = math.hypot(math.log(value_a / low_a), math.log(value_b / low_b))
        above = math.hypot(math.log(high_a / value_a), math.log(high_b / value_b))
        return value, value * math.exp(-below), value * math.exp(above)
    _, first_low, first_high = scaled(a, value_b)
    _, second_low, second_high = scaled(b, value_a)
    low = value - math.hypot(value - first_low, value - second_low)
    if low_a >= 0.0 and low_b >= 0.0:
        low = max(low, low_a * low_b)
    return value, low, value + math.hypot(first_high - value, second_high - value)


def scaled(a: Range, factor: float) -> Range:
    """Return ``a`` times an exact number; a negative one swaps the ends."""
    value, low, high = a[0] * factor, a[1] * factor, a[2] * factor
    if low > high:
        low, high = high, low
    return min(max(value, low), high), low, high


def sample(estimate: Estimate, z: F64) -> F64:
    """Return draws for standard normal ``z`` (same shape), so that P5, P50 and P95 are low, value and high.

    Two-piece lognormal where ``low > 0``; else two-piece normal, cut at zero where ``low`` is zero, because a
    quantity whose range starts at zero cannot be negative.
    """
    side_low, side_high = np.minimum(z, 0.0) / Z95, np.maximum(z, 0.0) / Z95
    if estimate.low > 0.0:
        log_low = math.log(estimate.value) - math.log(estimate.low)
        log_high = math.log(estimate.high) - math.log(estimate.value)
        return np.asarray(estimate.value * np.exp(side_low * log_low + side_high * log_high), dtype=np.float64)
    width_low, width_high = estimate.value - estimate.low, estimate.high - estimate.value
    drawn = estimate.value + side_low * width_low + side_high * width_high
    return np.asarray(np.maximum(drawn, 0.0) if estimate.low == 0.0 else drawn, dtype=np.float64)


def _combined(distances: list[float], correlation: float) -> float:
    squares = math.fsum(d * d for d in distances)
    linear = math.fsum(distances)
    return math.sqrt((1.0 - correlation) * squares + correlation * linear * linear)
