"""A comparison on a terminal: the verdict first, every figure whole in eighty columns, nothing left unsaid."""

import io

import msgspec
import pytest
from rich.console import Console

from collector.analysis.comparison.answers import AxisAnswer, Comparison
from edgejoule.comparison_tables import MOST_PAIRS, comparison_parts
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
    assert "9 from 100 to 25600" in text
    assert "DE, SE" in text


def test_one_case_has_no_table_of_cases(comparison: Comparison) -> None:
    assert "cases" not in shown(msgspec.structs.replace(comparison, case_count=1, axes=()))
