from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.comparison.fields import Field, groups, joined, numbers
from collector.analysis.comparison.grid import labels, product, variation
from collector.analysis.comparison.problem import Axis
from collector.analysis.comparison.scenario import GridTable, Range
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.scenarios import problem


def test_lists_and_ranges_make_the_product_of_their_values() -> None:
    found = problem(
        {
            "edge.grid": ["DEU", "FRA", "SWE"],
            "cloud.utilisation_ratio": {"from": 0.1, "to": 0.5, "steps": 5, "reference": 0.3},
            "unit.inferences_per_day": {"from": 1, "to": 10000, "steps": 5, "scale": "log"},
        }
    )
    assert [(axis.name, axis.values) for axis in found.axes] == [
        ("unit.inferences_per_day", (1.0, 10.0, 100.0, 1000.0, 10000.0)),
        ("edge.grid", ("DEU", "FRA", "SWE")),
        ("cloud.utilisation_ratio", (0.1, 0.2, 0.3, 0.4, 0.5)),
    ]
    assert found.case_count == 75
    combinations = set(zip(*(found.case_values[axis.name].tolist() for axis in found.axes), strict=True))
    assert len(combinations) == 75
    (pair,) = found.pairs
    reference = found.reference_case
    assert pair.per_day[reference] == 100.0
    assert pair.cloud.utilisation_ratio[reference] == 0.3
    assert pair.edge.grid.average is not None
    assert pair.edge.grid.average.place is not None
    assert pair.edge.grid.zones[pair.edge.grid.average.place[reference]] == "DEU"
    for case in (0, 17, 74):
        axes = {axis.name: axis.values[found.case_values[axis.name][case]] for axis in found.axes}
        assert pair.per_day[case] == axes["unit.inferences_per_day"]
        assert pair.cloud.utilisation_ratio[case] == axes["cloud.utilisation_ratio"]
        assert pair.edge.grid.zones[pair.edge.grid.average.place[case]] == axes["edge.grid"]


def test_a_reference_that_is_no_step_joins_the_values() -> None:
    found = problem({"edge.time_per_inference_s": {"from": 0.01, "to": 0.04, "steps": 4, "reference": 0.025}})
    (axis,) = found.axes
    assert axis.values == (0.01, 0.02, 0.025, 0.03, 0.04)
    assert axis.values[axis.reference] == 0.025
    assert found.reference_case == 2


def test_steps_of_whole_numbers_are_whole_and_different() -> None:
    found = problem({"network.payload_up_bytes": {"from": 1, "to": 3, "steps": 9}})
    (axis,) = found.axes
    assert axis.values == (1, 2, 3)
    assert found.pairs[0].network.sent_bytes.tolist() == [1.0, 2.0, 3.0]


def test_steps_that_lie_close_stay_apart() -> None:
    varied = variation({"from": 1.0, "to": 1.0001, "steps": 1000}, "x")
    assert varied is not None
    assert len(set(varied.values)) == 1000


def test_a_million_cases_are_the_limit() -> None:
    with pytest.raises(ConfigurationError, match=r"make 1,002,000 cases.*edge\.lifetime_years \(1,002\); shorten"):
        problem(
            {
                "unit.inferences_per_day": {"from": 1, "to": 1000, "steps": 1000},
                "edge.lifetime_years": {"from": 1, "to": 1002, "steps": 1002},
            }
        )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the list is empty"),
        (["DE", "DE"], "'DE' stands twice"),
        ({"from": 1, "to": 1, "steps": 3}, "from one number to another"),
        ({"from": 0, "to": 1, "steps": 3, "scale": "log"}, "numbers above 0"),
        ({"from": 1, "to": 2, "steps": 1}, "Expected `int` >= 2"),
        ({"from": 1, "to": 2, "steps": 3, "step": 4}, "unknown key `step`; did you mean steps"),
        ({"from": 1, "to": 2, "steps": 3, "reference": 7}, "reference 7 lies outside"),
        ({"from": -1e308, "to": 1e308, "steps": 3}, "lie within 1e\\+12"),
        ({"from": 1, "to": 2, "steps": 3, "scale": "cubic"}, "Invalid enum value 'cubic'"),
    ],
)
def test_a_fault_of_a_list_or_a_range_names_the_key_and_the_remedy(value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^edge\.grid: .*{message}"):
        problem({"edge.grid": value})


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    st.integers(2, 60),
    st.sampled_from(["linear", "log"]),
    st.none() | st.floats(-1e6, 1e6),
)
def test_a_range_holds_its_ends_and_its_reference_in_order(
    start: float, to: float, steps: int, scale: str, reference: float | None
) -> None:
    table = {"from": start, "to": to, "steps": steps, "scale": scale}
    if reference is not None:
        table["reference"] = reference
    try:
        varied = variation(table, "x")
    except ConfigurationError:
        return
    assert varied is not None
    values: list[Any] = list(varied.values)
    assert (values[0], values[-1]) == (start, to)
    assert values == sorted(values, reverse=start > to)
    assert len(values) <= steps + 1
    if reference is not None:
        assert values[varied.reference] == reference


@given(st.lists(st.integers(1, 6), max_size=5))
def test_the_product_numbers_each_combination_once(lengths: list[int]) -> None:
    axes = [Axis(f"a{i}", tuple(range(length)), length - 1) for i, length in enumerate(lengths)]
    cases = product(axes)
    rows = np.array([cases.values[axis.name] for axis in axes]).reshape(len(axes), cases.count)
    assert len(np.unique(rows, axis=1).T) == cases.count
    assert rows[:, cases.reference].tolist() == [axis.reference for axis in axes]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=40),
    st.data(),
)
def test_fields_keep_their_values_through_groups_and_joins(rows: list[tuple[int, int, int]], data: Any) -> None:
    names = "abcd"
    fields = [
        Field(f"f{i}", tuple(names[v] for v in range(4)), np.array([row[i] for row in rows], dtype=np.int64))
        for i in range(3)
    ]
    whole = joined(*fields)
    assert whole.place is not None
    assert [whole.values[place] for place in whole.place] == [tuple(names[v] for v in row) for row in rows]
    found = groups(fields[:2], len(rows))
    assert sorted(case for group in found for case in group) == list(range(len(rows)))
    for group in found:
        assert group.tolist() == sorted(group)
        assert len({rows[case][:2] for case in group}) == 1
        only = fields[2].at(group)
        got = [only.values[place] for place in only.place] if only.place is not None else [only.only] * len(group)
        assert got == [names[rows[case][2]] for case in group]
    assert [group[0] for group in found] == sorted(group[0] for group in found)
    assert len(found) == len({row[:2] for row in rows})
    short = data.draw(st.sampled_from(fields)).mapped(lambda name: name in "ab").distinct()
    assert len(set(short.values)) == len(short.values)


def test_numbers_are_one_for_all_or_one_for_each() -> None:
    assert np.isnan(numbers(None)).tolist() == [True]
    assert numbers(Field("x", (2,))).tolist() == [2.0]
    assert numbers(Field("x", (2, 3), np.array([1, 0, 1]))).tolist() == [3.0, 2.0, 3.0]


def test_tables_in_a_list_get_names_of_their_own() -> None:
    ranges = [Range(value=1.0, low=0.5, high=2.0, source=text) for text in ("a", "b")]
    places = [
        GridTable(zone="GB", start="2026-03-01", to="2026-04-01", hours=(16, 22)),
        GridTable(name="roof", value=1.0, low=1.0, high=1.0, kind="average", source="s"),
    ]
    assert labels([*ranges, *places, "DE", 3, True]) == (
        "1.0 (0.5 to 2.0)", "1.0 (0.5 to 2.0) (2)", "GB 2026-03-01 to 2026-04-01, 16 to 22 h", "roof", "DE", 3, True,
    )  # fmt: skip
