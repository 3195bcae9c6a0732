"""What a fleet's figure is made of, kept by cause, so that what is common to many devices stays common in their sum.

A figure is a sum of ranges (energy times an intensity) and of factors times exact coefficients (square centimetres of
silicon, kilowatt-hours). Terms with the same cause, on one device or on a thousand, move together: they add linearly
and are kept as one. So memory grows with groups times causes, never with windows or with draws times devices. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from collector.carbon.estimate import F64, Estimate, Range
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED, Draws, Percentiles
from collector.carbon.operational import IntensityKind, gram_unit

Side = Literal["operational", "embodied", "development"]
SIDES: Final[tuple[Side, ...]] = ("operational", "embodied", "development")
INDEPENDENT: Final = "independent errors of readings"
"""The cause under which everything stands that is each window's own; more windows average it out."""


class CauseShare(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a figure's variance one cause explains alone (first order), 0..1; ``unit`` is the figure's.

    ``contribution``: the part of the figure's value that this cause multiplies, 0 for an error around it.
    """

    cause: str
    share_ratio: float
    contribution: float
    unit: str


@dataclass(slots=True)
class _Cells:
    """One group: ranges by (side, cause), errors by (side, cause, error's cause), coefficients by (side, factor)."""

    ranges: dict[tuple[Side, str], Range] = field(default_factory=dict)
    errors: dict[tuple[Side, str, str], float] = field(default_factory=dict)
    coefficients: dict[tuple[Side, str, Estimate], float] = field(default_factory=dict)
    variances: dict[Side, float] = field(default_factory=dict)


class LinearModel:
    """Sums in one ``unit`` for any number of groups (a device, a month of a site, the fleet).

    Causes are factor ids, zones' intensity ids and systematic ids of meters; the same id anywhere is the same draw.
    ``draws``: the worlds that ranges come from, by default 20,000 with a fixed seed.
    """

    def __init__(self, unit: str, *, draws: Draws | None = None) -> None:
        self.unit = unit
        self.draws = Draws(seed=DEFAULT_SEED, count=DEFAULT_DRAWS) if draws is None else draws
        self._groups: dict[str, _Cells] = {}

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups that something was added to, in that order."""
        return tuple(self._groups)

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
        raise NotImplementedError

    def add_factor(self, group: str, factor: Factor, coefficient: float, *, side: Side = "embodied") -> None:
        """Add ``coefficient`` x factor, the coefficient in (unit of this model) per (unit of the factor).

        Of an embodied part: quantity x share x charged ratio x grams per kilogram. Raises ValueError for a coefficient
        that is not finite.
        """
        raise NotImplementedError

    def combine(self, group: str, members: Iterable[str]) -> None:
        """Add to ``group`` all that its members are made of. Raises ValueError for a member that has nothing."""
        raise NotImplementedError

    def value(self, group: str, *sides: Side) -> float | None:
        """Return the figure with each factor at its middle; None unless each of ``sides`` (all known) is known."""
        raise NotImplementedError

    def estimate(self, group: str, *sides: Side, per: float = 1.0) -> Estimate | None:
        """Return ``value`` with P5 and P95 of the draws, over ``per`` (functional units); None as ``value`` does."""
        raise NotImplementedError

    def spread(self, group: str, *sides: Side) -> Percentiles | None:
        """Return P5, P50 and P95 of the draws alone; None as ``value`` does."""
        raise NotImplementedError

    def drawn(self, group: str, *sides: Side) -> F64 | None:
        """Return the figure in each drawn world, shape ``(count,)``: to compare groups world by world."""
        raise NotImplementedError

    def share(self, group: str, side: Side, of: tuple[Side, ...] = ("operational", "embodied")) -> Estimate | None:
        """Return ``side`` over the sum of ``of`` with its range, unit "ratio"; None when unknown or nothing to share."""
        raise NotImplementedError

    def variance_shares(self, group: str, *sides: Side) -> tuple[CauseShare, ...]:
        """Return who explains the variance, largest first: what to measure next. Empty when nothing varies.

        First-order shares in the draws (Saltelli et al. 2008, 1.2.6); what a factor and a meter do only together is
        given to both in equal parts, so the shares sum to 1.
        """
        raise NotImplementedError


class GramModel(LinearModel):
    """A ``LinearModel`` in grams of CO2e of one kind of intensity: average and marginal never meet in one model."""

    def __init__(self, kind: IntensityKind = "average", *, draws: Draws | None = None) -> None:
        super().__init__(gram_unit(kind), draws=draws)
        self.kind = kind
