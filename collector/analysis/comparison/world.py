"""The worlds in which a comparison is computed: drawn ones, or a single one in which each factor has a fixed value.

A world is asked for a factor and answers with its value in each of ``count`` worlds, shape ``(count,)``. Factors with
the same id are one cause: they move together, on both sides and in all cases.
"""

from typing import Literal, Protocol

import numpy as np

from collector.analysis.comparison.problem import I64
from collector.carbon.estimate import F64
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws

End = Literal["low", "high"]


class World(Protocol):
    """Whatever gives factors values."""

    def all_of(self, factors: tuple[Factor, ...], used: I64) -> F64:
        """Return the values of some factors of a tuple, shape ``(len(used), count)``."""

    @property
    def count(self) -> int:
        """Return how many worlds there are."""

    def of(self, factor: Factor) -> F64:
        """Return the factor's value in each world, shape ``(count,)``."""


class Drawn:
    """Monte Carlo worlds."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws

    @property
    def count(self) -> int:
        """Return the number of draws."""
        return self._draws.count

    def of(self, factor: Factor) -> F64:
        """Return the draws of a factor."""
        return self._draws.of(factor.id, factor.estimate)

    def all_of(self, factors: tuple[Factor, ...], used: I64) -> F64:
        """Return the draws of several."""
        return np.stack([self.of(factors[number]) for number in used])


class Medians:
    """One world in which every factor has its median; ``moved``: by id, those that lie at an end of their range."""

    count = 1

    def __init__(self, moved: dict[str, End] | None = None) -> None:
        self._moved = moved or {}
        self._known: dict[int, tuple[tuple[Factor, ...], F64]] = {}

    def of(self, factor: Factor) -> F64:
        """Return the one value."""
        end = self._moved.get(factor.id)
        estimate = factor.estimate
        value = estimate.value if end is None else estimate.low if end == "low" else estimate.high
        return np.array([value], dtype=np.float64)

    def all_of(self, factors: tuple[Factor, ...], used: I64) -> F64:
        """Return the value of several; those of a tuple that was asked for before are remembered."""
        known = self._known.get(id(factors))
        if known is None:
            values = np.concatenate([self.of(factor) for factor in factors])
            known = self._known[id(factors)] = (factors, values)
        return known[1][used, np.newaxis]


class OneDrawn:
    """Worlds in which one cause is drawn, and every other factor has the mean of its draws.

    A sum of products of independent factors has in them its mean given that cause (Saltelli et al. 2008, Global
    Sensitivity Analysis, 1.2.5), the variance of which is the cause's first-order share.
    """

    def __init__(self, draws: Draws, cause: str) -> None:
        self._draws = draws
        self._cause = cause

    @property
    def count(self) -> int:
        """Return the number of draws."""
        return self._draws.count

    def of(self, factor: Factor) -> F64:
        """Return the draws of the cause, or the mean of those of another factor."""
        drawn = self._draws.of(factor.id, factor.estimate)
        return drawn if factor.id == self._cause else np.full_like(drawn, drawn.mean())

    def all_of(self, factors: tuple[Factor, ...], used: I64) -> F64:
        """Return the same of several."""
        return np.stack([self.of(factors[number]) for number in used])
