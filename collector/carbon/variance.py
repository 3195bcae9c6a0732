"""Which cause a figure's uncertainty comes from. Pure; arrays have shape ``(draws,)``.

A figure is a sum of cells; a cell is an exact coefficient times independent factors, with errors of meters around it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from collector.carbon.estimate import F64, Estimate
from collector.carbon.montecarlo import Draws

INDEPENDENT: Final = "independent errors of readings"
"""The cause under which everything stands that is each window's own; more windows average it out."""


class CauseShare(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a figure's variance one cause explains, 0..1.

    ``contribution``: the part of the figure's value that this cause multiplies; 0 for an error around a value.
    """

    cause: str
    share_ratio: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Error:
    """An error of all meters of one systematic id: ``u`` in the cell's unit (k = 1), at the factors' values."""

    cause: str
    u: float


@dataclass(frozen=True, slots=True)
class Cell:
    """``coefficient`` times the product of ``factors`` (id and range), plus ``errors`` that scale with the factors."""

    coefficient: float
    factors: tuple[tuple[str, Estimate], ...]
    errors: tuple[Error, ...] = ()

    @property
    def value(self) -> float:
        """Return the cell with each factor at its middle."""
        return self.coefficient * math.prod(estimate.value for _, estimate in self.factors)

    @property
    def causes(self) -> tuple[str, ...]:
        """Return the factors' ids."""
        return tuple(name for name, _ in self.factors)


def cell_draws(cell: Cell, draws: Draws) -> F64:
    """Return the cell in each drawn world."""
    product = _product(cell, draws)
    drawn = product
    for error in cell.errors:
        drawn = drawn + error.u * draws.normal(error.cause) * _relative(product, cell.value)
    return drawn


def cause_shares(cells: Iterable[Cell], independent_variance: float, draws: Draws) -> tuple[CauseShare, ...]:
    """Return the share of each cause, largest first; they sum to 1. Empty when nothing varies.

    A cause's own part is the variance of the sum's conditional mean, in all cells together; what the causes of a cell
    do only together goes to each of them in equal parts. Exact in the draws as long as no two cells share two causes.
    Of the draws, those of one cause at a time are in memory.
    """
    parts = _Parts(draws)
    for cell in cells:
        parts.add(cell)
    variances = parts.variances()
    if independent_variance > 0.0:
        variances[INDEPENDENT] = independent_variance
    whole = math.fsum(variances.values())
    if whole <= 0.0:
        return ()
    shares = (
        CauseShare(cause=cause, share_ratio=one / whole, contribution=parts.contributions.get(cause, 0.0))
        for cause, one in variances.items()
        if one > 0.0
    )
    return tuple(sorted(shares, key=lambda share: (-share.share_ratio, share.cause)))


class _Parts:
    """The parts of a sum's variance. ``slopes``: by cause, how much of which of its ranges is in the conditional mean.

    An error's range is a standard normal one.
    """

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.slopes: dict[str, dict[Estimate | None, float]] = {}
        self.together: dict[str, float] = {}
        self.contributions: dict[str, float] = {}
        self._moments: dict[tuple[str, Estimate], tuple[float, float]] = {}

    def add(self, cell: Cell) -> None:
        """Add what each cause of a cell does alone, and what they do only together."""
        moments = [self._moments_of(name, estimate) for name, estimate in cell.factors]
        means = [mean for mean, _ in moments]
        for i, (name, estimate) in enumerate(cell.factors):
            self._slope(name, estimate, cell.coefficient * math.prod(means[:i] + means[i + 1 :]))
            self.contributions[name] = self.contributions.get(name, 0.0) + cell.value
        mean = cell.coefficient * math.prod(means)
        relative = mean / cell.value if cell.value else 1.0
        for error in cell.errors:
            self._slope(error.cause, None, error.u * relative)
        self._interactions(cell, [m * m for m in means], [variance for _, variance in moments])

    def variances(self) -> dict[str, float]:
        """Return the variance that each cause answers for."""
        return {cause: self._alone(cause) + self.together.get(cause, 0.0) for cause in self.slopes}

    def _alone(self, cause: str) -> float:
        slopes = self.slopes[cause]
        if len(slopes) == 1:
            estimate, slope = next(iter(slopes.items()))
            return slope * slope * (1.0 if estimate is None else self._moments_of(cause, estimate)[1])
        drawn = np.zeros(self.draws.count)
        for estimate, slope in slopes.items():
            drawn += slope * (self.draws.normal(cause) if estimate is None else self.draws.of(cause, estimate))
        return float(np.var(drawn))

    def _interactions(self, cell: Cell, squared_means: list[float], variances: list[float]) -> None:
        mean_squared = math.prod(squared_means)
        whole = math.prod(m + v for m, v in zip(squared_means, variances, strict=True)) - mean_squared
        alone = math.fsum(v * math.prod(squared_means[:i] + squared_means[i + 1 :]) for i, v in enumerate(variances))
        if len(cell.causes) > 1:
            self._share(cell.causes, max(whole - alone, 0.0) * cell.coefficient**2)
        for error in cell.errors if cell.value else ():
            self._share((error.cause, *cell.causes), error.u**2 * whole * cell.coefficient**2 / cell.value**2)

    def _share(self, causes: tuple[str, ...], variance: float) -> None:
        for cause in causes:
            self.together[cause] = self.together.get(cause, 0.0) + variance / len(causes)

    def _slope(self, cause: str, estimate: Estimate | None, slope: float) -> None:
        of_cause = self.slopes.setdefault(cause, {})
        of_cause[estimate] = of_cause.get(estimate, 0.0) + slope

    def _moments_of(self, name: str, estimate: Estimate) -> tuple[float, float]:
        """Return mean and variance of a range's draws."""
        known = self._moments.get((name, estimate))
        if known is None:
            drawn = self.draws.of(name, estimate)
            known = self._moments[name, estimate] = (float(np.mean(drawn)), float(np.var(drawn)))
        return known


def _product(cell: Cell, draws: Draws) -> F64:
    product = np.full(draws.count, cell.coefficient)
    for name, estimate in cell.factors:
        product = product * draws.of(name, estimate)
    return product


def _relative(product: F64, value: float) -> F64:
    """Return how far the factors are from their middle in each world; 1 where there is no middle to compare with."""
    return product / value if value else np.ones_like(product)
