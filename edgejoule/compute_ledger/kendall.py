"""Kendall's tau-b of several figures against one quantity: value, interval, p-value. Pure.

tau-b = (concordant - discordant pairs) / sqrt(pairs untied in x * pairs untied in y) (Kendall, The treatment of ties
in ranking problems, Biometrika 33, 1945). Every pair is looked at: a ledger has hundreds of rows, and thousands of
draws of them are then a few matrix products, where an algorithm of n log n would be a loop in Python.

A draw of the interval takes clusters with replacement (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 8) and the quantity anew within its uncertainty; a row that is taken twice is a tie with itself, and counts for
nothing. The p-value is that of a permutation test: exact where all ways can be tried, else (1 + as far out) /
(1 + tried) (Davison and Hinkley, Bootstrap Methods and their Application, 1997, 4.3).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Indices = NDArray[np.intp]
EXACT_UNITS: Final = 7
"""7! = 5040 ways."""
RANDOM_WAYS: Final = 4999
LEAST_CLUSTERS: Final = 5
INTERVAL_RATIO: Final = 0.95
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
    """Return the 95 % interval (percentiles) of tau-b of each figure; NaN where draws have no order.

    ``figures``: shape ``(n, k)``. ``draws``: of the quantity, shape ``(draws, n)``. ``clusters``: which rows are taken
    together, one name for each.
    """
    _, cluster_of_row = np.unique(np.array(clusters), return_inverse=True)
    cluster_count = int(cluster_of_row.max()) + 1
    even = np.full(cluster_count, 1.0 / cluster_count)
    weights = rng.multinomial(cluster_count, even, size=len(draws))[:, cluster_of_row].astype(np.float64)
    taus = Pairs(figures).taus(draws, weights)
    tail = 50.0 * (1.0 - INTERVAL_RATIO)
    return [_percentiles(column[np.isfinite(column)], tail) for column in taus.T]


def _percentiles(values: F64, tail: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    low, high = np.percentile(values, (tail, 100.0 - tail))
    return float(low), float(high)


def p_value(figure: F64, quantity: F64, units: Sequence[str], rng: np.random.Generator) -> tuple[float | None, bool]:
    """Return the two-sided p-value of tau-b, None where there is none, and whether every way was tried.

    ``units``: one name for each row; rows of one unit have the same value of ``figure``, and keep a common one.
    """
    known = np.isfinite(figure)
    values, quantity = figure[known], quantity[known]
    observed = tau_b(values.tolist(), quantity.tolist())
    if observed is None:
        return None, False
    _, first_row, unit_of_row = np.unique(np.array(units)[known], return_index=True, return_inverse=True)
    unit_values, exact = values[first_row], len(first_row) <= EXACT_UNITS
    further = tried = 0
    for ways in _ways(len(first_row), max(1, _CELLS // len(values) ** 2), rng):
        taus = np.abs(_taus_of(unit_values[ways][:, unit_of_row], quantity))
        further += int(np.count_nonzero(taus >= abs(observed) - _ROUNDING))
        tried += len(ways)
    return (further / tried if exact else (1 + further) / (1 + tried)), exact


def _ways(units: int, step: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Yield ways to give the units' values away, shape ``(some, units)``: all of them if there are few."""
    if units <= EXACT_UNITS:
        every = np.array(list(permutations(range(units))), dtype=np.intp)
        yield from (every[begin : begin + step] for begin in range(0, len(every), step))
        return
    for begin in range(0, RANDOM_WAYS, step):
        yield rng.permuted(np.tile(np.arange(units), (min(step, RANDOM_WAYS - begin), 1)), axis=1)


def _taus_of(figures: F64, quantity: F64) -> F64:
    """Return tau-b of each of ``figures`` (``(some, n)``) against ``quantity`` (``(n,)``), 0 where there is none."""
    first, second = np.triu_indices(len(quantity), 1)
    order = np.sign(quantity[first] - quantity[second])
    signs = np.sign(figures[:, first] - figures[:, second])
    found = _ratio(signs @ order, np.abs(signs).sum(axis=1) * np.abs(order).sum())
    return np.nan_to_num(found)


def _ratio(agreeing: F64, untied: F64) -> F64:
    return np.divide(agreeing, np.sqrt(untied), out=np.full_like(agreeing, np.nan), where=untied > 0.0)
