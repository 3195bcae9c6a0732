"""Carbon of the electricity used: energy times grid intensity, each with its uncertainty."""

import math
from typing import Final, Literal, NamedTuple

import msgspec

from collector.carbon.estimate import Estimate, Range, product, scaled, times
from collector.carbon.factors import Factor
from collector.carbon.units import GCO2E, GCO2E_MARGINAL, GCO2E_PER_KWH, J_PER_KWH, JOULE

IntensityKind = Literal["average", "marginal"]
INTENSITY_KINDS: Final[tuple[IntensityKind, ...]] = ("average", "marginal")


class CarbonIntensity(msgspec.Struct, frozen=True, kw_only=True):
    """Grid carbon intensity of one zone, gCO2e per kWh.

    ``kind``: the average of all generation (for inventories) or the marginal plant (for decisions). The two answer
    different questions: grams of different kinds carry different units, and adding them raises ValueError.
    """

    zone: str
    kind: IntensityKind
    factor: Factor
    is_estimated: bool = False
    is_forecast: bool = False


def gram_unit(kind: IntensityKind) -> str:
    """Return the unit of grams that this kind of intensity gives; the two kinds never share one."""
    return GCO2E if kind == "average" else GCO2E_MARGINAL


def operational_gco2e(energy: Estimate, intensity: CarbonIntensity) -> Estimate:
    """Return ``energy`` (J) times ``intensity``, in grams; the two uncertainties are independent.

    Raises ValueError when ``energy`` is not in joules or the intensity not in gCO2e/kWh.
    """
    per_kwh = intensity.factor.estimate
    if energy.unit != JOULE or per_kwh.unit != GCO2E_PER_KWH:
        raise ValueError(f"operational carbon is J times {GCO2E_PER_KWH}, not {energy.unit} times {per_kwh.unit}")
    source = f"{energy.source} x {intensity.kind} intensity of {intensity.zone}"
    return times(energy.scaled(1.0 / J_PER_KWH), per_kwh, unit=gram_unit(intensity.kind), source=source)


class GramRate(NamedTuple):
    """An intensity made ready for many windows. ``g_per_j``; ``below``, ``above``: log distances of its range.

    The distances are None for a range that reaches zero.
    """

    per_kwh: Range
    g_per_j: float
    below: float | None
    above: float | None


def rate_of(per_kwh: Range) -> GramRate:
    """Return what ``gram_range`` needs of an intensity: value, low and high, gCO2e/kWh."""
    value, low, high = per_kwh
    if low <= 0.0:
        return GramRate(per_kwh, value / J_PER_KWH, None, None)
    return GramRate(per_kwh, value / J_PER_KWH, math.log(value / low), math.log(high / value))


def gram_range(energy_j: float, half_width_j: float, rate: GramRate) -> Range:
    """Return the grams of ``energy_j`` as ``operational_gco2e`` does, only faster. P5, P95: ``half_width_j`` away."""
    low_j = energy_j - half_width_j
    if low_j <= 0.0 or rate.below is None or rate.above is None:
        energy_kwh = scaled((energy_j, low_j, energy_j + half_width_j), 1.0 / J_PER_KWH)
        return product(energy_kwh, rate.per_kwh)
    value = energy_j * rate.g_per_j
    below = math.hypot(math.log(energy_j / low_j), rate.below)
    above = math.hypot(math.log1p(half_width_j / energy_j), rate.above)
    return value, value * math.exp(-below), value * math.exp(above)


_MOST_G_PER_J: Final = 1e3
"""No electricity emits so much; where a sum of energies of both signs nearly vanishes, the quotient can say so."""


def summed_gco2e(energy: Estimate, slots: Range, *, kind: IntensityKind, zone: str) -> Estimate:
    """Return the grams of ``energy`` (J) that was used over many slots, with the uncertainty of both.

    ``slots``: the sums over slots of energy times value, low and high of the intensity, in grams. Within one zone the
    slots' errors are taken as one error: its range is that of the energy-weighted mean intensity. The energy's own
    error is independent of it. Raises ValueError when ``energy`` is not in joules.
    """
    if energy.unit != JOULE:
        raise ValueError(f"operational carbon needs energy in {JOULE}, not {energy.unit}")
    source = f"{energy.source} x {kind} intensity of {zone}"
    value, low, high = slots[0], min(slots), max(slots)
    if energy.value > 0.0 and low >= 0.0 and high <= energy.value * _MOST_G_PER_J:
        _, low, high = product(energy.range, (value / energy.value, low / energy.value, high / energy.value))
    return Estimate(value, min(low, value), max(high, value), gram_unit(kind), source)
