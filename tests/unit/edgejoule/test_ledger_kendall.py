"""Kendall's tau-b, its interval and its p-value, beside SciPy's and beside what theory says."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, norm
from scipy.stats import t as student

from edgejoule.compute_ledger.kendall import F64, Blocks, Pairs, intervals, p_value, tail_ratio, tau_b

VALUES = st.integers(min_value=0, max_value=6)


def by_name(names: list[str]) -> Blocks:
    return Blocks(names, [""] * len(names))


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
    found, exact = p_value(figure, quantity, by_name([str(row) for row in order]), np.random.default_rng(0))
    assert exact
    # At tau = 0 SciPy's exact p is 1 as well: every way is as far out.
    assert found == pytest.approx(float(kendalltau(figure, quantity, method="exact").pvalue), abs=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_many_rows_have_nearly_scipys_p(slope: float) -> None:
    rng = np.random.default_rng(5)
    figure = rng.standard_normal(40)
    quantity = slope * figure + rng.standard_normal(40)
    found, exact = p_value(figure, quantity, by_name([str(row) for row in range(40)]), np.random.default_rng(1))
    assert not exact
    assert found == pytest.approx(float(kendalltau(figure, quantity).pvalue), abs=0.02)


def test_rows_of_one_unit_are_no_independent_evidence() -> None:
    """Three models of four rows each, in perfect order: six ways to give three values away, two of them as extreme."""
    figure = np.repeat([1.0, 2.0, 3.0], 4)
    quantity = np.arange(12.0)
    found, exact = p_value(figure, quantity, by_name([str(row // 4) for row in range(12)]), np.random.default_rng(0))
    assert exact
    assert found == pytest.approx(2.0 / 6.0)
    assert float(kendalltau(figure, quantity).pvalue) < 0.001, "what rows counted as independent would have claimed"


def test_what_belongs_to_a_unit_is_exchanged_together() -> None:
    """Three units with values under keys a and b in perfect order: 3! ways, where six free values had 6! ways."""
    figure = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    units, keys = list("uuvvww"), list("ababab")
    found, exact = p_value(figure, figure, Blocks(units, keys), np.random.default_rng(0))
    assert exact
    assert found == pytest.approx(1.0 / 6.0)


def test_units_with_other_keys_are_not_exchanged() -> None:
    figure = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    rng = np.random.default_rng(0)
    assert p_value(figure, figure, Blocks(list("uuvvw"), list("ababa")), rng) == (0.5, True)
    assert p_value(figure, figure, Blocks(list("uuvwx"), list("abcde")), rng) == (None, False)


def test_kin_rows_do_not_make_chance_significant() -> None:
    """A figure that says nothing, three rows of each unit alike in figure and quantity: p < 0.05 in one case of 20."""
    rng, units = np.random.default_rng(4), 6
    names, keys = [str(row // 3) for row in range(3 * units)], [str(row % 3) for row in range(3 * units)]
    small = 0
    for _ in range(60):
        figure, quantity = (
            np.repeat(rng.standard_normal(units), 3) + 0.1 * rng.standard_normal(3 * units) for _ in range(2)
        )
        found, _ = p_value(figure, quantity, Blocks(names, keys), rng)
        small += found is not None and found <= 0.05
    assert small <= 9, "rows counted one by one come to 18 and more"


@pytest.mark.parametrize("clusters", [5, 6, 9, 20, 200])
def test_few_clusters_have_students_width(clusters: int) -> None:
    wider = math.sqrt(clusters / (clusters - 1)) * float(student.ppf(0.975, clusters - 1))
    assert tail_ratio(clusters) == pytest.approx(float(norm.cdf(-wider)), rel=0.05)


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
