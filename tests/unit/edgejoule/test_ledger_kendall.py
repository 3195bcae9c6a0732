"""Kendall's tau-b, its interval and its p-value, beside SciPy's and beside what theory says."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from edgejoule.compute_ledger.kendall import F64, Pairs, intervals, p_value, tau_b

VALUES = st.integers(min_value=0, max_value=6)
PAIRED = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30)


@given(PAIRED)
def test_it_is_scipys_with_ties(pairs: list[tuple[int, int]]) -> None:
    figure, quantity = zip(*pairs, strict=True)
    expected = float(kendalltau(figure, quantity).statistic)
    found = tau_b(figure, quantity)
    if math.isnan(expected):
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25)
@given(st.permutations(range(7)))
def test_few_rows_without_ties_have_scipys_exact_p(order: list[int]) -> None:
    figure, quantity = np.arange(7.0), np.array(order, dtype=np.float64)
    found, exact = p_value(figure, quantity, [str(row) for row in order], np.random.default_rng(0))
    assert exact
    # At tau = 0 SciPy's exact p is 1 as well: every way is as far out.
    assert found == pytest.approx(float(kendalltau(figure, quantity, method="exact").pvalue), abs=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_many_rows_have_nearly_scipys_p(slope: float) -> None:
    rng = np.random.default_rng(5)
    figure = rng.standard_normal(40)
    quantity = slope * figure + rng.standard_normal(40)
    found, exact = p_value(figure, quantity, [str(row) for row in range(40)], np.random.default_rng(1))
    assert not exact
    assert found == pytest.approx(float(kendalltau(figure, quantity).pvalue), abs=0.02)


def test_rows_of_one_unit_are_no_independent_evidence() -> None:
    """Three models of four rows each, in perfect order: six ways to give three values away, two of them as extreme."""
    figure = np.repeat([1.0, 2.0, 3.0], 4)
    quantity = np.arange(12.0)
    found, exact = p_value(figure, quantity, [str(row // 4) for row in range(12)], np.random.default_rng(0))
    assert exact
    assert found == pytest.approx(2.0 / 6.0)
    assert float(kendalltau(figure, quantity).pvalue) < 0.001, "what rows counted as independent would have claimed"


@given(st.lists(st.tuples(VALUES, VALUES, st.integers(min_value=1, max_value=3)), min_size=2, max_size=8))
def test_a_row_taken_twice_is_a_tie_with_itself(rows: list[tuple[int, int, int]]) -> None:
    figure, quantity, taken = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    once = tau_b(np.repeat(figure, taken.astype(int)).tolist(), np.repeat(quantity, taken.astype(int)).tolist())
    found = Pairs(figure[:, None]).taus(quantity[None, :], taken[None, :])[0, 0]
    # Repeated rows with equal values in both are ties in both, which tau-b leaves out of both sides of the root.
    assert once == pytest.approx(found) if once is not None else math.isnan(found)


@given(PAIRED, st.integers(min_value=0, max_value=29))
def test_what_is_not_known_of_a_row_leaves_that_row_out(pairs: list[tuple[int, int]], place: int) -> None:
    assume(place < len(pairs))
    figure, quantity = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    kept = np.arange(len(pairs)) != place
    unknown = np.where(kept, figure, np.nan)
    both: F64 = np.stack([unknown, figure], axis=1)
    found = Pairs(both).taus(quantity[None, :])[0]
    for value, expected in (
        (found[0], tau_b(figure[kept].tolist(), quantity[kept].tolist())),
        (found[1], tau_b(figure.tolist(), quantity.tolist())),
    ):
        assert value == pytest.approx(expected) if expected is not None else math.isnan(value)


def test_the_interval_holds_the_true_tau_as_often_as_it_says() -> None:
    """For two normal variables with correlation r, tau is 2 / pi arcsin r (Kruskal, 1958)."""
    rng = np.random.default_rng(3)
    correlation, inside, trials = 0.6, 0, 80
    true_tau = 2.0 / math.pi * math.asin(correlation)
    for _ in range(trials):
        figure = rng.standard_normal((40, 1))
        quantity = correlation * figure[:, 0] + math.sqrt(1.0 - correlation**2) * rng.standard_normal(40)
        draws = np.broadcast_to(quantity, (200, 40))
        ((low, high),) = intervals(figure, draws, [str(row) for row in range(40)], rng)
        inside += low <= true_tau <= high
    assert 0.88 <= inside / trials <= 0.99


def test_many_draws_are_worked_through_in_parts_alike() -> None:
    rng = np.random.default_rng(1)
    figures, quantity = rng.standard_normal((80, 2)), rng.standard_normal((2600, 80))
    whole = Pairs(figures).taus(quantity)
    assert whole.shape == (2600, 2)
    for draw in (0, 1265, 1266, 2599):
        assert whole[draw, 0] == pytest.approx(tau_b(figures[:, 0].tolist(), quantity[draw].tolist()))
