"""A case among many is what it is alone, whatever the others are."""

import itertools
import math
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.analysis.comparison.counts import count_cases, no_counts, tally
from collector.analysis.comparison.document import GivenCases, field_types
from collector.analysis.comparison.field_words import field_words
from collector.analysis.comparison.problem import Pair, Problem
from collector.analysis.comparison.rows import case_rows
from collector.analysis.comparison.run import answer
from collector.analysis.comparison.scenario import (
    CloudTable,
    EdgeTable,
    NetworkTable,
    PricesTable,
    ThinClientTable,
    UnitTable,
)
from collector.analysis.comparison.sweep import between
from collector.carbon.montecarlo import Draws
from collector.web.comparison_cases import axis_tables
from tests.fakes.comparison_problem import column, grid, one_pair, problem_of
from tests.fakes.scenarios import THIN_CLIENT, problem

DRAWS: Final = 40
MARGINAL: Final = {
    "name": "dam", "value": 40.0, "low": 20.0, "high": 60.0, "kind": "marginal", "source": "a test",
}  # fmt: skip
VALUES: Final[dict[str, list[Any]]] = {
    "unit.inferences_per_day": [10.0, 5_000.0, 86_400.0, 9e6],
    "edge.grid": ["DE", "SE", 123.0, MARGINAL],
    "edge.attribution": ["dedicated", "shared"],
    "edge.lifetime_years": [2.0, 5.0],
    "edge.policy": ["linear_in_time", "sunk"],
    "cloud.grid": ["IE", 300.0],
    "cloud.pue": ["pue-aws", 1.3],
    "cloud.utilisation_ratio": [0.1, 1.0],
    "network.access": ["fixed", "wifi", "mobile"],
    "network.payload_up_bytes": [0, 500_000],
    "network.payload_down_bytes": [0, 400],
    "network.grid": ["FR", 50.0],
}
TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "unit": UnitTable, "edge": EdgeTable, "cloud": CloudTable, "network": NetworkTable,
    "thin_client": ThinClientTable, "prices": PricesTable,
}  # fmt: skip
CLIENTS: Final[list[object]] = [
    "none",
    THIN_CLIENT,
    {"same_board": True},
    {**THIN_CLIENT, "hardware": "raspberry-pi-4b-4gb"},
]


def table(of: Problem, cases_at_once: int = 1_000) -> pa.Table:
    return pa.concat_tables(case_rows(of, seed=3, draws=DRAWS, memory_bytes=8 * 10 * DRAWS * cases_at_once))


@settings(deadline=None, max_examples=12)
@given(st.sets(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3), st.sampled_from(CLIENTS), st.data())
def test_each_row_is_the_scenario_with_its_values_alone(paths: set[str], client: object, data: st.DataObject) -> None:
    fixed = {"thin_client": client, "cloud.wue_l_per_kwh": "wue-aws"}
    varied = {path: VALUES[path] for path in VALUES if path in paths}
    many = problem({**fixed, **varied})
    whole = table(many, data.draw(st.sampled_from([1, 3, 1_000])))
    by_case: dict[int, list[dict[str, Any]]] = {}
    for row in whole.to_pylist():
        by_case.setdefault(row["case"], []).append(row)
    combinations = list(itertools.product(*(varied[axis.name] for axis in many.axes)))
    assert sorted(by_case) == list(range(many.case_count)) == list(range(len(combinations)))
    case = data.draw(st.integers(0, many.case_count - 1))
    values = dict(zip((axis.name for axis in many.axes), combinations[case], strict=True))
    alone = table(problem({**fixed, **values})).to_pylist()
    for mine, expected in zip(by_case[case], alone, strict=True):
        for name in expected.keys() - {"case"}:
            ours, theirs = mine[name], expected[name]
            assert ours == (pytest.approx(theirs, rel=1e-9) if isinstance(theirs, float) else theirs), name
    counts = no_counts()
    tally(counts, whole)
    assert counts == count_cases(many, Draws(seed=3, count=DRAWS))


def test_fields_are_named_in_words() -> None:
    for table, into in TABLES.items():
        for key in field_types(into).keys() - {"name", "currency", "task", "words", "inferences"}:
            if not key.startswith(("minimum_", "maximum_")):
                assert field_words(f"{table}.{key}").endswith(f"({table}.{key})")
    assert field_words("edge.grid") == "The grid of the edge (edge.grid)"
    assert field_words("cloud.t4-big.pue") == "The PUE of t4-big (cloud.t4-big.pue)"
    assert field_words("unit.inferences_per_day") == "The number of inferences a day (unit.inferences_per_day)"


def test_of_a_file_of_cases_those_that_turn_the_verdict_are_named() -> None:
    """Rows that differ in several fields at once have no field that turns the verdict by itself."""
    rates = (10.0, 86_400.0, 10.0)
    columns: dict[str, tuple[tuple[object, ...], Any]] = {
        "unit.inferences_per_day": ((10.0, 86_400.0), np.array([0, 1, 0])),
        "network.payload_up_bytes": ((100, 10**7, 50), np.array([0, 1, 2])),
    }
    many = problem({"thin_client": "none"}, given=GivenCases(len(rates), columns, "cases.csv"))
    (one,) = answer(many, seed=1, draws=DRAWS).pairs
    (said,) = (flip for flip in one.flips if flip.startswith("The case (numbered from 0)") and "inventory" in flip)
    assert said.endswith("the cloud is ahead with 0; the edge is ahead with 1.")
    assert not any(flip.startswith("The payload") for flip in one.flips)


def test_a_case_without_a_view_has_a_row_that_says_why() -> None:
    many = problem({"edge.grid": ["DE", MARGINAL], "cloud.grid": 300.0})
    whole = table(many)
    assert whole["case"].to_pylist() == [0, 0, 1]
    assert whole["network_model"].to_pylist() == ["average", "marginal", None]
    assert whole["admissible"].to_pylist() == [True, True, False]
    assert "no kind of grid intensity is known" in whole["faults"].to_pylist()[2]
    assert count_cases(many, Draws(seed=3, count=DRAWS))["inadmissible"] == 1


def test_water_is_unknown_only_where_something_is_moved_on_a_grid_without_a_figure() -> None:
    still = {"network.grid": 50.0, "network.payload_down_bytes": 0, "cloud.wue_l_per_kwh": "wue-aws"}
    litres = table(problem({**still, "network.payload_up_bytes": [0, 500]}))["cloud_water_l"].to_pylist()
    assert [one is None for one in litres] == [False, False, True, True]


def test_an_axis_of_names_and_numbers_is_one_of_texts_in_the_table_and_on_the_page() -> None:
    many = problem({"cloud.pue": ["pue-aws", 1.3]})
    whole = table(many)
    assert set(whole["cloud.pue"].to_pylist()) == {"pue-aws", "1.3"}
    (shown,) = axis_tables(answer(many, seed=3, draws=DRAWS), whole)
    assert len(shown.rows) == 2
    assert all(tally.count == 1 for row in shown.rows for tally in row.tallies)


def test_another_board_of_the_same_kind_keeps_its_own_life() -> None:
    """Whether it is the same board is what the scenario says, not whether its figures happen to be alike."""
    own = {**THIN_CLIENT, "hardware": "raspberry-pi-4b-4gb", "sd_card_gb": 32}
    outcomes = [
        problem_rows["break_even_edge_lifetime_outcome"].to_pylist()[0]
        for problem_rows in (
            table(problem({"thin_client": own})), table(problem({"thin_client": {"same_board": True}})),
        )
    ]  # fmt: skip
    assert outcomes[0] != "not_asked"
    assert outcomes[1] == "not_asked"


def nothing_emits() -> Pair:
    base = one_pair()
    clean = replace(grid("clean", 1.0, 1.0), average=column("zero", 0.0, "gCO2e/kWh"), marginal=None)
    return replace(
        base,
        edge=replace(base.edge, grid=clean, life=replace(base.edge.life, policy="sunk")),
        cloud=replace(base.cloud, grid=clean, life=replace(base.cloud.life, policy="sunk")),
        network=replace(base.network, grid=clean),
        thin_client=None,
    )


def test_where_both_sides_emit_the_same_neither_is_ahead() -> None:
    alike = problem_of(nothing_emits())
    (one,) = answer(alike, seed=1, draws=DRAWS).pairs
    assert {view.winner for view in one.views} == {"open"}
    assert "the edge emits the same as the cloud" in one.verdict
    assert set(table(alike)["winner"].to_pylist()) == {"open"}
    assert math.isclose(one.views[0].edge_minus_cloud.p95, 0.0)


def test_a_chunk_carries_what_its_own_cases_have() -> None:
    """Else the work and the memory of each chunk hang on the number of all cases."""
    grids = [float(number) for number in range(100, 140)]
    many = problem({"edge.grid": grids})
    (pair,) = many.pairs
    part = between(pair, 7, 11)
    for held in (part.edge.grid.average, part.network.grid.average):
        assert held is not None
        assert [factor.estimate.value for factor in held.factors] == grids[7:11]
    assert part.edge.grid.zones == ("107 g/kWh", "108 g/kWh", "109 g/kWh", "110 g/kWh")
    assert table(many, 4).equals(table(many))
