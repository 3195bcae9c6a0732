"""Carbon of making and bringing the hardware: parts, each an amount of something times what that amount emits.

Bottom-up (Pirson & Bol 2021, doi 10.1016/j.jclepro.2021.128966; Gupta et al., ISCA 2022): a chip is its area times
the mass per area, a memory its gigabytes times the mass per gigabyte. Parts that use one coefficient share its error.
"""

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from collector.carbon.estimate import Estimate, Range
from collector.carbon.factors import Factor
from collector.carbon.units import G_PER_KG, GCO2E, J_PER_KWH, KGCO2E, s_from_years

PER: Final = f"{KGCO2E}/"
"""Units of coefficients begin so; what follows is the unit of the quantity: cm2, GB, kg, unit."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a device. Mass in kgCO2e: ``factor x quantity x share_ratio``, times ``amount`` if there is one.

    ``factor``: kgCO2e of a whole, or per cm2, GB, kg, unit. ``quantity``: in the factor's denominator; 1 for a whole.
    ``amount``: a quantity that is itself uncertain, such as a die area nobody published, in the factor's denominator;
    ``quantity`` then counts such amounts. ``share_ratio``: which part of it this device answers for.
    Raises ValueError for another unit, or for a quantity or share below zero or not finite.
    """

    name: str
    factor: Factor
    quantity: float = 1.0
    share_ratio: float = 1.0
    amount: Factor | None = None

    def __post_init__(self) -> None:
        unit = self.factor.estimate.unit
        if unit != KGCO2E and not unit.startswith(PER):
            raise ValueError(f"{self.name}: embodied factors are in {KGCO2E} or {KGCO2E} per something, not {unit}")
        for name in ("quantity", "share_ratio"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{self.name}: a {name} is a finite number from 0, not {getattr(self, name)}")
        if self.amount is not None and unit != f"{PER}{self.amount.estimate.unit}":
            raise ValueError(f"{self.name}: {self.amount.estimate.unit} of something in {unit}")
        if any(factor.estimate.low < 0.0 for factor in self.factors):
            raise ValueError(f"{self.name}: making something cannot emit less than nothing")

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Return what is uncertain in it: the factor, and the amount if there is one. Their ids are the causes."""
        return (self.factor,) if self.amount is None else (self.factor, self.amount)

    @property
    def multiplier(self) -> float:
        """Return the exact number by which the product of ``factors`` is multiplied to give kgCO2e."""
        return self.quantity * self.share_ratio

    def mass_kgco2e(self, value_of: Callable[[Factor], float] = lambda factor: factor.estimate.value) -> float:
        """Return the mass, each factor having the value that ``value_of`` says (by default its median)."""
        return self.multiplier * math.prod(value_of(factor) for factor in self.factors)

    def shared(self, share_ratio: float) -> "Part":
        """Return the same part, of which this share (times the old one) is answered for."""
        return msgspec.structs.replace(self, share_ratio=self.share_ratio * share_ratio)


def embodied_gco2e(parts: tuple[Part, ...]) -> Estimate:
    """Return the mass of all ``parts`` in grams, with P5 and P95.

    The errors of one factor id are the same error wherever it is used (correlation 1), those of different ids are
    independent. Each cause is moved alone to its low and its high end; the log distances add in quadrature, as for a
    product of lognormals, but never beyond where all causes together would get. Raises ValueError for no part.
    """
    if not parts:
        raise ValueError("the mass of no parts is unknown, not zero; leave it out")
    value = _mass(parts)
    causes = {factor.id: factor for part in parts for factor in part.factors}
    lows = [_mass(parts, cause.id, cause.estimate.low) for cause in causes.values()]
    highs = [_mass(parts, cause.id, cause.estimate.high) for cause in causes.values()]
    _, all_low, all_high = corners_kgco2e(parts)
    low, high = max(_combined(value, lows), all_low), min(_combined(value, highs), all_high)
    sources = dict.fromkeys(cause.source for cause in causes.values())
    return Estimate(value, min(low, value), max(high, value), KGCO2E, "; ".join(sources)).scaled(G_PER_KG, unit=GCO2E)


def corners_kgco2e(parts: Iterable[Part]) -> Range:
    """Return value, low and high in kgCO2e with every factor at its median, at its low end, and at its high end.

    This is how screening tables are made. It is wider than P5 and P95, since all coefficients are wrong together.
    """
    items = tuple(parts)
    return (
        math.fsum(part.mass_kgco2e() for part in items),
        math.fsum(part.mass_kgco2e(lambda factor: factor.estimate.low) for part in items),
        math.fsum(part.mass_kgco2e(lambda factor: factor.estimate.high) for part in items),
    )


def break_even_intensity_gco2e_per_kwh(
    embodied_mass_gco2e: float, mean_power_w: float, lifetime_years: float
) -> float:
    """Return the grid intensity at which use over the life emits as much as making the hardware did.

    ``I* = M / (P * life)``. Below it the embodied part is the larger one. Raises ValueError unless power and
    lifetime are positive.
    """
    if mean_power_w <= 0.0 or lifetime_years <= 0.0:
        raise ValueError("a break-even intensity needs a positive power and lifetime")
    return embodied_mass_gco2e * J_PER_KWH / (mean_power_w * s_from_years(lifetime_years))


def embodied_share_ratio(embodied: float, operational: float) -> float | None:
    """Return embodied / (embodied + operational), or None when there is nothing to share."""
    both = embodied + operational
    return embodied / both if both > 0.0 else None


def _mass(parts: tuple[Part, ...], cause: str = "", moved_to: float = 0.0) -> float:
    def value_of(factor: Factor) -> float:
        return moved_to if factor.id == cause else factor.estimate.value

    return math.fsum(part.mass_kgco2e(value_of) for part in parts)


def _combined(value: float, moved: list[float]) -> float:
    """Return where ``value`` gets to when independent causes move it alone to each of ``moved``."""
    if value > 0.0 and all(mass > 0.0 for mass in moved):
        distance = math.hypot(*(math.log(mass / value) for mass in moved))
        sign = 1.0 if math.fsum(mass - value for mass in moved) > 0.0 else -1.0
        return value * math.exp(sign * distance)
    below_or_above = math.hypot(*(mass - value for mass in moved))
    sign = 1.0 if math.fsum(mass - value for mass in moved) > 0.0 else -1.0
    return max(value + sign * below_or_above, 0.0)
