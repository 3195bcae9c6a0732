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
    """
    alone: dict[str, F64] = {}
    together: dict[str, float] = {}
    contributions: dict[str, float] = {}
    for cell in cells:
        _first_order(cell, draws, alone, contributions)
        _interactions(cell, draws, together)
    variances = {cause: float(np.var(drawn)) + together.get(cause, 0.0) for cause, drawn in alone.items()}
    if independent_variance > 0.0:
        variances[INDEPENDENT] = independent_variance
    whole = math.fsum(variances.values())
    if whole <= 0.0:
        return ()
    shares = (
        CauseShare(cause=cause, share_ratio=one / whole, contribution=contributions.get(cause, 0.0))
        for cause, one in variances.items()
        if one > 0.0
    )
    return tuple(sorted(shares, key=lambda share: (-share.share_ratio, share.cause)))


def _first_order(cell: Cell, draws: Draws, alone: dict[str, F64], contributions: dict[str, float]) -> None:
    """Add the cell's mean given each cause to ``alone``, and its value to the causes that multiply it."""
    samples = {name: draws.of(name, estimate) for name, estimate in cell.factors}
    means = {name: float(np.mean(drawn)) for name, drawn in samples.items()}
    for name, drawn in samples.items():
        others = math.prod(mean for other, mean in means.items() if other != name)
        _add(alone, name, cell.coefficient * others * drawn)
        contributions[name] = contributions.get(name, 0.0) + cell.value
    mean = cell.coefficient * math.prod(means.values())
    for error in cell.errors:
        _add(alone, error.cause, error.u * (mean / cell.value if cell.value else 1.0) * draws.normal(error.cause))


def _interactions(cell: Cell, draws: Draws, together: dict[str, float]) -> None:
    """Add to each cause its part of the variance that no cause of the cell has alone."""
    samples = [draws.of(name, estimate) for name, estimate in cell.factors]
    means_squared = [float(np.mean(drawn)) ** 2 for drawn in samples]
    variances = [float(np.var(drawn)) for drawn in samples]
    squares = math.prod(m + v for m, v in zip(means_squared, variances, strict=True))
    firsts = math.fsum(v * math.prod(means_squared[:i] + means_squared[i + 1 :]) for i, v in enumerate(variances))
    joint = cell.coefficient**2 * (squares - math.prod(means_squared) - firsts)
    if len(samples) > 1 and joint > 0.0:
        for name in cell.causes:
            together[name] = together.get(name, 0.0) + joint / len(samples)
    if not cell.errors or not cell.value:
        return
    spread = cell.coefficient**2 * (squares - math.prod(means_squared)) / cell.value**2
    for error in cell.errors:
        share = error.u**2 * spread / (1 + len(cell.causes))
        for name in (error.cause, *cell.causes):
            together[name] = together.get(name, 0.0) + share


def _product(cell: Cell, draws: Draws) -> F64:
    product = np.full(draws.count, cell.coefficient)
    for name, estimate in cell.factors:
        product = product * draws.of(name, estimate)
    return product


def _relative(product: F64, value: float) -> F64:
    """Return how far the factors are from their middle in each world; 1 where there is no middle to compare with."""
    return product / value if value else np.ones_like(product)


def _add(sums: dict[str, F64], cause: str, drawn: F64) -> None:
    known = sums.get(cause)
    sums[cause] = drawn if known is None else known + drawn
