"""What a fleet's figure is made of, kept by cause, so that what is common to many devices stays common in their sum.

A figure is a sum of ranges (energy times an intensity) and of products of factors times exact coefficients (square
centimetres of silicon, kilowatt-hours). Terms with the same cause, on one device or on a thousand, move together: they
add linearly and are kept as one. So memory grows with groups times causes, never with windows or with draws times
devices. Pure.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np

from collector.carbon.development import Development
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64, Estimate, Range
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED, Draws, Percentiles, estimate_of, percentiles
from collector.carbon.operational import IntensityKind, gram_unit
from collector.carbon.units import G_PER_KG
from collector.carbon.variance import INDEPENDENT, CauseShare, Cell, Error, cause_shares, cell_draws

Side = Literal["operational", "embodied", "development"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)
RATIO: Final = "ratio"
_NAMED: Final = 12
"""So many causes are named as the source of an estimate; ``causes`` gives all."""


@dataclass(slots=True)
class _Side:
    """One side of one group: ranges by cause, errors by (cause, systematic id), coefficients by factors."""

    ranges: dict[str, Range] = field(default_factory=dict)
    errors: dict[tuple[str, str], float] = field(default_factory=dict)
    products: dict[tuple[tuple[str, Estimate], ...], float] = field(default_factory=dict)
    variance: float = 0.0


class LinearModel:
    """Sums in one ``unit`` for any number of groups (a device, a month of a site, the fleet).

    Causes are factor ids, zones' intensity ids and systematic ids of meters; the same id anywhere is the same draw.
    ``draws``: the worlds that ranges come from, by default 20,000 with a fixed seed. Where a method takes ``sides``,
    none means all that the group has, and a named one that the group has not makes the figure unknown: None.
    """

    def __init__(self, unit: str, *, draws: Draws | None = None) -> None:
        self.unit = unit
        self.draws = Draws(seed=DEFAULT_SEED, count=DEFAULT_DRAWS) if draws is None else draws
        self._groups: dict[str, dict[Side, _Side]] = {}
        self._drawn: tuple[str, dict[Side, F64]] = ("", {})

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups that something was added to, in that order."""
        return tuple(self._groups)

    def sides(self, group: str) -> tuple[Side, ...]:
        """Return what is known of a group."""
        return tuple(self._groups.get(group, {}))

    def add_energy(
        self,
        group: str,
        amount: Range,
        *,
        cause: str,
        systematic_id: str = "",
        u_systematic: float = 0.0,
        variance: float = 0.0,
        side: Side = "operational",
    ) -> None:
        """Add energy times a factor that has a range.

        ``amount``: value, low and high, the sum of (energy x value), (energy x low), (energy x high) of the factor.
        ``cause``: the factor's id. ``u_systematic``: standard uncertainty (k = 1) from the meters of
        ``systematic_id``, summed linearly, at the factor's value. ``variance``: of the readings' independent errors,
        summed, at the factor's value, in the unit squared. Raises ValueError for a number that is not finite, a range
        out of order or a negative uncertainty.
        """
        value, low, high = amount
        if not all(map(math.isfinite, (*amount, u_systematic, variance))) or not low <= value <= high:
            raise ValueError(f"{group}: an amount needs finite low <= value <= high, not {low}, {value}, {high}")
        if u_systematic < 0.0 or variance < 0.0:
            raise ValueError(f"{group}: an uncertainty cannot be negative: {u_systematic}, variance {variance}")
        cells = self._side(group, side)
        cells.ranges[cause] = _plus(cells.ranges.get(cause), amount)
        if u_systematic > 0.0:
            key = (cause, systematic_id)
            cells.errors[key] = cells.errors.get(key, 0.0) + u_systematic
        cells.variance += variance

    def add_factor(self, group: str, factor: Factor, coefficient: float, *, side: Side = "embodied") -> None:
        """Add ``coefficient`` x factor, the coefficient in (unit of this model) per (unit of the factor).

        Raises ValueError for a coefficient that is not finite.
        """
        self.add_product(group, (factor,), coefficient, side=side)

    def add_product(
        self, group: str, factors: tuple[Factor, ...], coefficient: float, *, side: Side = "embodied"
    ) -> None:
        """Add ``coefficient`` x the product of ``factors``, whose errors are independent of each other.

        Raises ValueError for no factor, for one that stands in it twice, and for a coefficient that is not finite.
        """
        key = tuple(sorted(((factor.id, factor.estimate) for factor in factors), key=lambda pair: pair[0]))
        if not key or len({name for name, _ in key}) < len(key):
            raise ValueError(f"{group}: a product needs factors, each of them once, not {[name for name, _ in key]}")
        if not math.isfinite(coefficient):
            raise ValueError(f"{group}: the coefficient of {key[0][0]!r} must be a finite number, not {coefficient}")
        products = self._side(group, side).products
        products[key] = products.get(key, 0.0) + coefficient

    def add_parts(self, group: str, parts: Iterable[Part], charged_ratio: float, *, side: Side = "embodied") -> None:
        """Add hardware, in a model of grams: ``charged_ratio`` is what the policy charges of its whole mass."""
        for part in parts:
            self.add_product(group, part.factors, part.multiplier * charged_ratio * G_PER_KG, side=side)

    def add_development(self, group: str, made: Development, charged_ratio: float) -> None:
        """Add the making of a model, in a model of grams: ``charged_ratio`` is what ``development_charge`` says."""
        self.add_product(group, made.factors, made.multiplier * charged_ratio, side="development")

    def combine(self, group: str, members: Iterable[str]) -> None:
        """Add to ``group`` all that its members are made of; a member without anything adds nothing.

        Raises ValueError when the group is its own member.
        """
        for member in members:
            if member == group:
                raise ValueError(f"{group}: a group cannot be a member of itself")
            for side, cells in self._groups.get(member, {}).items():
                _merge(self._side(group, side), cells)

    def value(self, group: str, *sides: Side) -> float | None:
        """Return the figure with each factor at its middle; None when unknown."""
        chosen = self._chosen(group, sides)
        return (
            None if chosen is None else math.fsum(cell.value for side in chosen for cell in self._cells(group, side))
        )

    def estimate(self, group: str, *sides: Side, per: float = 1.0) -> Estimate | None:
        """Return ``value`` with P5 and P95 of the draws, over ``per`` functional units; None when unknown.

        Raises ValueError unless ``per`` is positive.
        """
        if per <= 0.0:
            raise ValueError(f"{group}: a figure per unit needs a positive number of units, not {per}")
        value, drawn = self.value(group, *sides), self.drawn(group, *sides)
        if value is None or drawn is None:
            return None
        causes = self.causes(group, *sides)
        more = f"; and {len(causes) - _NAMED} more" if len(causes) > _NAMED else ""
        return estimate_of(value, drawn, self.unit, "; ".join(causes[:_NAMED]) + more).scaled(1.0 / per)

    def spread(self, group: str, *sides: Side) -> Percentiles | None:
        """Return P5, P50 and P95 of the draws alone; None when unknown."""
        drawn = self.drawn(group, *sides)
        return None if drawn is None else percentiles(drawn, self.unit)

    def causes(self, group: str, *sides: Side) -> tuple[str, ...]:
        """Return the ids of the factors in the figure, in order of first use."""
        chosen = self._chosen(group, sides) or ()
        return tuple(dict.fromkeys(n for side in chosen for cell in self._cells(group, side) for n in cell.causes))

    def drawn(self, group: str, *sides: Side) -> F64 | None:
        """Return the figure in each drawn world, shape ``(count,)``: to compare groups world by world."""
        chosen = self._chosen(group, sides)
        if chosen is None:
            return None
        drawn = np.zeros(self.draws.count)
        for side in chosen:
            drawn += self._side_drawn(group, side)
        return drawn

    def share(self, group: str, side: Side, of: tuple[Side, ...] = ("operational", "embodied")) -> Estimate | None:
        """Return ``side`` over the sum of ``of`` with its range, world by world; unit "ratio".

        None when one of them is unknown, or when there is nothing to share in some world.
        """
        drawn = [self.drawn(group, one) for one in of]
        values = [self.value(group, one) for one in of]
        known, middles = [one for one in drawn if one is not None], [one for one in values if one is not None]
        if side not in of:
            raise ValueError(f"{side} is no part of {', '.join(of)}")
        if len(known) < len(of):
            return None
        whole = np.sum(known, axis=0)
        if math.fsum(middles) <= 0.0 or np.any(whole <= 0.0):
            return None
        place = of.index(side)
        return estimate_of(middles[place] / math.fsum(middles), known[place] / whole, RATIO, self.unit)

    def variance_shares(self, group: str, *sides: Side) -> tuple[CauseShare, ...]:
        """Return who explains the variance, largest first: what to measure next. Empty when nothing varies.

        First-order shares (Saltelli et al. 2008, Global Sensitivity Analysis, 1.2.5), with what causes do only
        together given to each of them in equal parts, so that the shares sum to 1.
        """
        chosen = self._chosen(group, sides)
        if chosen is None:
            return ()
        cells = [cell for side in chosen for cell in self._cells(group, side)]
        return cause_shares(cells, math.fsum(self._groups[group][side].variance for side in chosen), self.draws)

    def _side_drawn(self, group: str, side: Side) -> F64:
        """Return one side's draws; those of the group asked for last are kept."""
        if self._drawn[0] != group:
            self._drawn = (group, {})
        kept = self._drawn[1]
        if side not in kept:
            drawn = np.zeros(self.draws.count)
            for cell in self._cells(group, side):
                drawn += cell_draws(cell, self.draws)
            variance = self._groups[group][side].variance
            if variance > 0.0:
                drawn += math.sqrt(variance) * self.draws.normal(f"{INDEPENDENT}: {side} of {group}")
            kept[side] = drawn
        return kept[side]

    def _side(self, group: str, side: Side) -> _Side:
        self._drawn = ("", {})
        return self._groups.setdefault(group, {}).setdefault(side, _Side())

    def _chosen(self, group: str, sides: tuple[Side, ...]) -> tuple[Side, ...] | None:
        known = self._groups.get(group, {})
        chosen = tuple(dict.fromkeys(sides)) or tuple(known)
        return chosen if chosen and all(side in known for side in chosen) else None

    def _cells(self, group: str, side: Side) -> list[Cell]:
        """Return what one side of a group is the sum of."""
        kept = self._groups[group][side]
        errors: dict[str, list[Error]] = {}
        for (cause, systematic_id), u in kept.errors.items():
            errors.setdefault(cause, []).append(Error(systematic_id, u))
        ranges = [
            Cell(1.0, ((cause, Estimate(*amount, self.unit, cause)),), tuple(errors.get(cause, ())))
            for cause, amount in kept.ranges.items()
        ]
        return [*ranges, *(Cell(coefficient, factors) for factors, coefficient in kept.products.items())]


class GramModel(LinearModel):
    """A ``LinearModel`` in grams of CO2e of one kind of intensity: average and marginal never meet in one model."""

    def __init__(self, kind: IntensityKind = "average", *, draws: Draws | None = None) -> None:
        super().__init__(gram_unit(kind), draws=draws)
        self.kind = kind


def _plus(a: Range | None, b: Range) -> Range:
    return b if a is None else (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _merge(into: _Side, cells: _Side) -> None:
    for cause, amount in cells.ranges.items():
        into.ranges[cause] = _plus(into.ranges.get(cause), amount)
    for pair, u in cells.errors.items():
        into.errors[pair] = into.errors.get(pair, 0.0) + u
    for factors, coefficient in cells.products.items():
        into.products[factors] = into.products.get(factors, 0.0) + coefficient
    into.variance += cells.variance
