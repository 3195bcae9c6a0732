"""Kendall's tau-b of several figures against one quantity: value, interval, p-value. Pure.

tau-b = (concordant - discordant pairs) / sqrt(pairs untied in x * pairs untied in y) (Kendall, The treatment of ties
in ranking problems, Biometrika 33, 1945). Every pair is looked at: a ledger has hundreds of rows, and thousands of
draws of them are then a few matrix products, where an algorithm of n log n would be a loop in Python.

A draw of the interval takes clusters with replacement (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 8) and the quantity anew within its uncertainty; a row that is taken twice is a tie with itself, and counts for
nothing. Percentiles of few clusters lie too near together; they are moved outwards as far as Student's t asks for
(Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015, 5.3). The p-value is
that of a permutation test: exact where all ways can be tried, else (1 + as far out) / (1 + tried) (Davison and
Hinkley, Bootstrap Methods and their Application, 1997, 4.3).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Indices = NDArray[np.intp]
EXACT_WAYS: Final = math.factorial(7)
RANDOM_WAYS: Final = 4999
LEAST_CLUSTERS: Final = 5
NORMAL_95: Final = NormalDist().inv_cdf(0.975)
_CELLS: Final = 4_000_000
_ROUNDING: Final = 1e-9


class Pairs:
    """All pairs of rows, and how figures order them.

    ``figures``: shape ``(n, k)``; NaN: not known, and then no pair with that row counts for that figure.
    """

    def __init__(self, figures: F64) -> None:
        self._count = len(figures)
        self._first, self._second = np.triu_indices(self._count, 1)
        difference = figures[self._first] - figures[self._second]
        self._known = np.isfinite(difference).astype(np.float64)
        self._signs = np.sign(np.nan_to_num(difference))

    def taus(self, quantity: F64, weights: F64 | None = None) -> F64:
        """Return tau-b of each figure, shape ``(draws, k)``, NaN where one side has no order.

        ``quantity``: shape ``(draws, n)``. ``weights``: how often each row is taken, the same shape; None: once.
        """
        taken = np.ones_like(quantity) if weights is None else weights
        step = max(1, _CELLS // max(1, len(self._first)))
        parts = [
            self._part(quantity[begin : begin + step], taken[begin : begin + step])
            for begin in range(0, len(quantity), step)
        ]
        return np.concatenate(parts)

    def _part(self, quantity: F64, taken: F64) -> F64:
        weights = taken[:, self._first] * taken[:, self._second]
        order = weights * np.sign(quantity[:, self._first] - quantity[:, self._second])
        agreeing = order @ self._signs
        untied = (weights @ np.abs(self._signs)) * (np.abs(order) @ self._known)
        return _ratio(agreeing, untied)


def tau_b(figure: Sequence[float], quantity: Sequence[float]) -> float | None:
    """Return tau-b of two sequences of the same length, None where either is the same throughout."""
    found = Pairs(np.array(figure, dtype=np.float64)[:, None]).taus(np.array([quantity], dtype=np.float64))
    return None if math.isnan(found[0, 0]) else float(found[0, 0])


def intervals(
    figures: F64, draws: F64, clusters: Sequence[str], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return the 95 % interval (percentiles, expanded) of tau-b of each figure; NaN where draws have no order.

    ``figures``: shape ``(n, k)``. ``draws``: of the quantity, shape ``(draws, n)``. ``clusters``: which rows are taken
    together, one name for each; two at least.
    """
    _, cluster_of_row = np.unique(np.array(clusters), return_inverse=True)
    cluster_count = int(cluster_of_row.max()) + 1
    even = np.full(cluster_count, 1.0 / cluster_count)
    weights = rng.multinomial(cluster_count, even, size=len(draws))[:, cluster_of_row].astype(np.float64)
    taus = Pairs(figures).taus(draws, weights)
    tail = 100.0 * tail_ratio(cluster_count)
    return [_percentiles(column[np.isfinite(column)], tail) for column in taus.T]


def tail_ratio(clusters: int) -> float:
    """Return the ratio of draws beyond each end of the interval: 0.025 for many clusters, less for few.

    Percentiles are short by sqrt(1 - 1 / clusters), and by the normal's quantile in place of Student's (its expansion
    of Abramowitz and Stegun, 26.7.5, is good to 0.3 % from four degrees of freedom).
    """
    z, dof = NORMAL_95, clusters - 1
    student = z + (
        (z**3 + z) / (4 * dof)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * dof**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * dof**3)
    )
    return NormalDist().cdf(-student * math.sqrt(clusters / dof))


def _percentiles(values: F64, tail: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    low, high = np.percentile(values, (tail, 100.0 - tail))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Blocks:
    """What is exchanged: the values of a figure that belong to one unit, all together.

    ``units``: one name for each row. ``keys``: which of its unit's values a row has; rows of one unit and key share a
    value. Only units with the same keys are exchanged for one another.
    """

    units: Sequence[str]
    keys: Sequence[str]


def p_value(figure: F64, quantity: F64, blocks: Blocks, rng: np.random.Generator) -> tuple[float | None, bool]:
    """Return the two-sided p-value of tau-b, None where nothing can be exchanged, and whether every way was tried."""
    known = np.isfinite(figure)
    values, quantity = figure[known], quantity[known]
    if tau_b(values.tolist(), quantity.tolist()) is None:
        return None, False
    _, units = np.unique(np.array(blocks.units)[known], return_inverse=True)
    key_names, keys = np.unique(np.array(blocks.keys)[known], return_inverse=True)
    table = np.full((int(units.max()) + 1, len(key_names)), np.nan)
    table[units, keys] = values
    filled, cell_of_row = np.unique(units * len(key_names) + keys, return_inverse=True)
    strata = _strata(np.isfinite(table))
    way_count = math.prod(math.factorial(len(one)) for one in strata)
    if way_count < 2:
        return None, False
    cells = _Cells(cell_of_row, quantity)
    observed = abs(cells.taus(table.reshape(1, -1)[:, filled])[0])
    further = tried = 0
    for ways in _ways(strata, way_count, max(1, _CELLS // max(1, len(filled) ** 2)), rng):
        taus = np.abs(cells.taus(table[ways].reshape(len(ways), -1)[:, filled]))
        further += int(np.count_nonzero(taus >= observed - _ROUNDING))
        tried += len(ways)
    exact = way_count <= EXACT_WAYS
    return (further / tried if exact else (1 + further) / (1 + tried)), exact


def _strata(has_key: NDArray[np.bool_]) -> list[Indices]:
    """Return which units have the same keys, each of them once."""
    _, stratum_of_unit = np.unique(has_key, axis=0, return_inverse=True)
    flat = stratum_of_unit.reshape(-1)
    return [np.flatnonzero(flat == number) for number in range(int(flat.max()) + 1)]


def _ways(strata: Sequence[Indices], way_count: int, step: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Yield whose values each unit gets, shape ``(some, units)``: all ways if they are few."""
    place = np.argsort(np.concatenate(strata))
    if way_count <= EXACT_WAYS:
        each = (permutations(one.tolist()) for one in strata)
        every = np.array([[unit for part in way for unit in part] for way in product(*each)], dtype=np.intp)
        yield from (every[begin : begin + step][:, place] for begin in range(0, len(every), step))
        return
    for begin in range(0, RANDOM_WAYS, step):
        count = min(step, RANDOM_WAYS - begin)
        yield np.hstack([rng.permuted(np.tile(one, (count, 1)), axis=1) for one in strata])[:, place]


class _Cells:
    """The pairs of rows, added up by the cells (unit and key) that the rows are in: rows of one cell are ties."""

    def __init__(self, cell_of_row: Indices, quantity: F64) -> None:
        count = int(cell_of_row.max()) + 1
        first, second = np.triu_indices(len(quantity), 1)
        order = np.sign(quantity[first] - quantity[second])
        one, other = cell_of_row[first], cell_of_row[second]
        ordered, paired = np.zeros((count, count)), np.zeros((count, count))
        np.add.at(ordered, (one, other), order)
        np.add.at(paired, (one, other), 1.0)
        self._first, self._second = np.triu_indices(count, 1)
        self._ordered = (ordered - ordered.T)[self._first, self._second]
        self._paired = (paired + paired.T)[self._first, self._second]
        self._untied = float(np.abs(order).sum())

    def taus(self, values: F64) -> F64:
        """Return tau-b of each of ``values`` (``(some, cells)``), 0 where there is none."""
        signs = np.sign(values[:, self._first] - values[:, self._second])
        return np.nan_to_num(_ratio(signs @ self._ordered, (np.abs(signs) @ self._paired) * self._untied))


def _ratio(agreeing: F64, untied: F64) -> F64:
    return np.divide(agreeing, np.sqrt(untied), out=np.full_like(agreeing, np.nan), where=untied > 0.0)
