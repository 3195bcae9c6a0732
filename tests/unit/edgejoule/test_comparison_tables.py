"""A comparison on a terminal: the verdict first, every figure whole in eighty columns, nothing left unsaid."""

import io
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from collector.analysis.comparison.answers import AxisAnswer, Comparison
from edgejoule.comparison_tables import MOST_PAIRS, comparison_parts
from edgejoule.wrapped import Wrapped
from tests.fakes.comparisons import make_comparison, make_inadmissible, make_pair


def shown(comparison: Comparison, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    for part in comparison_parts(comparison):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert [line for line in text.splitlines() if len(line) > width] == []
    return text


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    rates = AxisAnswer(name="unit.inferences_per_day", values=tuple(100.0 * 2**n for n in range(9)), reference=100.0)
    grids = AxisAnswer(name="edge.grid", values=("DE", "SE"), reference="DE")
    return make_comparison((make_pair(), make_inadmissible()), axes=(rates, grids))


def test_no_figure_is_cut(comparison: Comparison) -> None:
    text = shown(comparison)
    assert "…" not in text
    assert all(word in text for word in comparison.pairs[0].verdict.split())


def test_the_verdict_stands_before_the_tables(comparison: Comparison) -> None:
    text = shown(comparison, width=500)
    assert text.index(comparison.pairs[0].verdict) < text.index("CO2e per functional unit")


def test_a_candidate_that_misses_the_unit_is_named_with_the_reason(comparison: Comparison) -> None:
    text = shown(comparison, width=500)
    missed = [(side, fault) for pair in comparison.pairs for side, faults in pair.faults.items() for fault in faults]
    assert missed
    for side, fault in missed:
        assert f"{side} inadmissible: {fault}" in text


def test_a_simulated_meter_is_said_loudly(comparison: Comparison) -> None:
    for simulated in (True, False):
        assert ("SIMULATED METER" in shown(msgspec.structs.replace(comparison, simulated=simulated))) is simulated


def test_words_of_a_scenario_are_no_markup(comparison: Comparison) -> None:
    odd = "[/bold] a [red]title[/] [link=x]"
    text = shown(msgspec.structs.replace(comparison, title=odd, functional_unit=odd, notes=(odd,)), width=200)
    assert text.count(odd) == 3


def test_many_pairs_are_listed(comparison: Comparison) -> None:
    pairs = tuple(msgspec.structs.replace(comparison.pairs[0], edge=f"edge-{number}") for number in range(7))
    text = shown(msgspec.structs.replace(comparison, pairs=pairs), width=500)
    assert f"{7 - MOST_PAIRS} more pairs" in text
    assert all(f"edge-{number}" in text for number in range(7))


def test_what_varies_is_said(comparison: Comparison) -> None:
    text = shown(comparison)
    assert "All 18 cases" in text
    assert "9 from 100 to 25\N{NO-BREAK SPACE}600" in text
    assert "DE, SE" in text


def test_one_case_has_no_table_of_cases(comparison: Comparison) -> None:
    assert "cases" not in shown(msgspec.structs.replace(comparison, case_count=1, axes=()))


@pytest.mark.parametrize(
    ("probability", "words"),
    [(1.0, "all"), (0.0, "none"), (0.99996, ">99.9"), (0.0004, "<0.1"), (0.5, "50.0")],
)
def test_what_is_not_quite_all_or_none_never_reads_so(comparison: Comparison, probability: float, words: str) -> None:
    pair = comparison.pairs[0]
    views = tuple(msgspec.structs.replace(view, probability_edge_lower=probability) for view in pair.views)
    text = shown(msgspec.structs.replace(comparison, pairs=(msgspec.structs.replace(pair, views=views),)))
    assert f" {words}" in text
    assert "100.0" not in text
    assert not re.search(r"\b0\.0\s%", text)


@pytest.mark.parametrize(("share", "words"), [(1.02, "over 99"), (0.004, "under 1"), (0.5, "50")])
def test_a_share_of_the_variance_is_no_more_than_all(comparison: Comparison, share: float, words: str) -> None:
    pair = comparison.pairs[0]
    tornados = tuple(
        msgspec.structs.replace(
            one, swings=tuple(msgspec.structs.replace(swing, variance_ratio=share) for swing in one.swings)
        )
        for one in pair.tornados
    )
    alone = msgspec.structs.replace(
        comparison, pairs=(msgspec.structs.replace(pair, tornados=tornados),), case_count=1, axes=()
    )
    assert f" {words}\N{NO-BREAK SPACE}%" in shown(alone)
    assert "102" not in shown(alone)


@given(number=st.integers(1_000, 10**9), width=st.integers(30, 100))
def test_a_number_is_never_broken_between_lines(number: int, width: int) -> None:
    said = f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(
        Wrapped(f"it stays open with [{said}] to {said} inferences a day " * 3, lead="!", lead_style="yellow")
    )
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert sum(line.count(said) for line in lines) == 6
    assert max(map(len, lines)) <= width
