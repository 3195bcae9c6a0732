"""Sums of exact coefficients times products of uncertain factors, for many cases and many worlds at once.

A ``Term`` has a coefficient for each case and factors of which each case has one of a few, so its values are worked
out for the distinct combinations only: ``(distinct, worlds)`` instead of ``(cases, worlds)``. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collector.analysis.comparison.problem import I64, Column, MassColumn
from collector.analysis.comparison.world import World
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import PERCENTILES


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """One factor of a product. A mass is in kgCO2e.

    ``less_one``: what it is above 1, as the overhead in a PUE; nothing where it is drawn below 1.
    """

    column: Column | MassColumn
    less_one: bool = False


Product = tuple[Link, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """``coefficient``, shape ``(n,)`` or ``(1,)``, times the sum of ``products``; a product of nothing is 1."""

    coefficient: F64
    products: tuple[Product, ...]

    def times(self, factor: F64 | float, *links: Link) -> "Term":
        """Return this term times an exact number (for each case) and more links."""
        coefficient = np.asarray(self.coefficient * factor, dtype=np.float64)
        return Term(coefficient, tuple((*product, *links) for product in self.products))


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A term in ``c`` cases. ``coefficient``: (c,) or (1,). ``worlds``: (distinct, worlds), ``place``: (c,) in it.

    ``place`` None: the first for all.
    """

    coefficient: F64
    worlds: F64
    place: I64 | None

    def dense(self) -> F64:
        """Return the values, shape ``(c, worlds)``, or ``(1, worlds)`` where all cases are alike."""
        worlds = self.worlds if self.place is None else self.worlds[self.place]
        if self.coefficient.size == 1 and self.coefficient[0] == 1.0:
            return worlds
        return np.asarray(self.coefficient[:, np.newaxis] * worlds, dtype=np.float64)

    def spread(self) -> F64:
        """Return P5, P50 and P95, shape ``(3, c)`` or ``(3, 1)``: those of the distinct worlds, scaled.

        No coefficient of a case that can be is negative.
        """
        of_worlds = spread(self.worlds)
        if self.place is not None:
            of_worlds = of_worlds[:, self.place]
        return np.asarray(of_worlds * self.coefficient, dtype=np.float64)


class Evaluator:
    """Evaluates terms in the cases that their columns have."""

    def __init__(self, world: World) -> None:
        self.world = world

    def value(self, term: Term) -> Value:
        """Return one term."""
        links = [link for product in term.products for link in product]
        looked = [self._worlds(link) for link in links]
        place, chosen = _distinct([(len(worlds), index) for worlds, index in looked])
        rows = iter(worlds if index is None else worlds[index[chosen]] for worlds, index in looked)
        total: F64 | None = None
        for product in term.products:
            made: F64 = np.ones((1, 1))
            for link in product:
                row = next(rows)
                made = made * (np.maximum(row - 1.0, 0.0) if link.less_one else row)
            total = made if total is None else total + made
        assert total is not None, "a term has a product"
        return Value(term.coefficient, total, place)

    def dense(self, terms: Sequence[Term]) -> F64:
        """Return the sum of terms, shape ``(c or 1, worlds or 1)``; zeros for no term."""
        total: F64 = np.zeros((1, 1))
        for term in terms:
            total = total + self.value(term).dense()
        return total

    def spread(self, terms: Sequence[Term], dense: F64) -> F64:
        """Return P5, P50 and P95 of the sum of terms, whose ``dense`` values are known, shape ``(3, c or 1)``."""
        return self.value(terms[0]).spread() if len(terms) == 1 else spread(dense)

    def _worlds(self, link: Link) -> tuple[F64, I64 | None]:
        """Return a link's distinct worlds in these cases, and which each case has (None: the first)."""
        column = link.column
        used, index = np.zeros(1, dtype=np.int64), None
        if column.place is not None:
            used, index = np.unique(column.place, return_inverse=True)
        if isinstance(column, Column):
            worlds = self.world.all_of(column.factors, used)
        else:
            worlds = np.stack([self._mass(column.bills[number]) for number in used])
        return worlds, None if len(used) == 1 else index

    def _mass(self, bill: tuple[Part, ...]) -> F64:
        total = np.zeros(self.world.count)
        for part in bill:
            made = np.full(self.world.count, part.multiplier)
            for factor in part.factors:
                made *= self.world.of(factor)
            total += made
        return total


def spread(values: F64) -> F64:
    """Return P5, P50 and P95 over the worlds of ``(rows, worlds)``, shape ``(3, rows)``.

    Linear between order statistics, as ``numpy.percentile``; NumPy sorts with wide registers, so a full sort takes a
    quarter of the time of selecting six of them.
    """
    last = values.shape[1] - 1
    if last == 0:
        return np.repeat(values.T, len(PERCENTILES), axis=0)
    places = np.array(PERCENTILES) / 100.0 * last
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, last)
    ordered = np.sort(values, axis=1)
    low, high = ordered[:, below], ordered[:, above]
    return np.asarray((low + (high - low) * (places - below)).T, dtype=np.float64)


def _distinct(columns: list[tuple[int, I64 | None]]) -> tuple[I64 | None, I64]:
    """Return which distinct combination each case has (None: there is one), and a case of each combination."""
    key: I64 | None = None
    for size, index in columns:
        if index is not None:
            key = index if key is None else np.unique(key * size + index, return_inverse=True)[1]
    if key is None:
        return None, np.zeros(1, dtype=np.int64)
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return (None if len(first) == 1 else place), first
