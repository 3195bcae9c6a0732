import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.comparison.cases_file import read_cases
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.scenarios import SCENARIO, problem

TWO_CLOUDS = {"cloud": [SCENARIO["cloud"] | {"name": "t4"}, SCENARIO["cloud"] | {"name": "small"}]}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_row_is_a_case(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "edge.grid,unit.inferences_per_day,network.access,cloud.t4.utilisation_ratio,edge.idle_power_w\n"
        "DE,86400,fixed,0.3,2.7\nFR,1000,mobile,0.1,t4-idle\nDE,1000,fixed,0.3,2.7\n",
    )
    found = problem(TWO_CLOUDS, given=read_cases(path))
    assert (found.case_count, found.reference_case) == (3, 0)
    assert {axis.name: axis.values for axis in found.axes} == {
        "unit.inferences_per_day": (86400.0, 1000.0),
        "edge.grid": ("DE", "FR"),
        "edge.idle_power_w": (2.7, "t4-idle"),
        "cloud.t4.utilisation_ratio": (0.3, 0.1),
        "network.access": ("fixed", "mobile"),
    }
    fixed = found.pairs[0]
    assert (fixed.cases.tolist(), fixed.per_day.tolist()) == ([0, 2], [86400.0, 1000.0])
    assert fixed.cloud.utilisation_ratio.tolist() == [0.3]
    assert {pair.cloud.name: pair.cloud.utilisation_ratio.tolist() for pair in found.pairs[1:]} == {
        "t4": [0.1],
        "small": [0.3],
    }


def test_parquet_holds_the_same_cases(tmp_path: Path) -> None:
    table = pa.table(
        {
            "edge.grid": pa.array(["DE", "FR", "DE"]).dictionary_encode(),
            "edge.latency_s": [0.1, 0.2, 0.1],
            "network.payload_up_bytes": pa.array([1, 2, 3], pa.int32()),
        }
    )
    path = tmp_path / "cases.parquet"
    pq.write_table(table, path)
    found = problem(given=read_cases(path))
    assert {axis.name: axis.values for axis in found.axes} == {
        "edge.grid": ("DE", "FR"), "edge.latency_s": (0.1, 0.2), "network.payload_up_bytes": (1, 2, 3),
    }  # fmt: skip
    assert found.pairs[0].network.sent_bytes.tolist() == [1.0, 2.0, 3.0]


def test_truth_values_and_whole_numbers_are_read_as_such(tmp_path: Path) -> None:
    text = "thin_client.same_board,network.payload_up_bytes\ntrue,1e3\nTrue,2000\n"
    found = problem({"thin_client": {"same_board": False}}, given=read_cases(written(tmp_path, text)))
    assert [axis.values for axis in found.axes] == [(1000, 2000), (True,)]
    assert found.pairs[0].thin_client is not None


def test_two_ways_to_write_a_number_are_one_value(tmp_path: Path) -> None:
    text = "network.payload_up_bytes\n1000\n1e3\n2000\n1000.0\n"
    found = problem(given=read_cases(written(tmp_path, text)))
    assert found.axes[0].values == (1000, 2000)
    assert found.pairs[0].network.sent_bytes.tolist() == [1000.0, 1000.0, 2000.0, 1000.0]


def test_a_column_of_edge_holds_for_all_edges(tmp_path: Path) -> None:
    edges = {"edge": [SCENARIO["edge"] | {"name": "a"}, SCENARIO["edge"] | {"name": "b"}]}
    found = problem(edges, given=read_cases(written(tmp_path, "edge.grid,edge.b.lifetime_years\nDE,3\nFR,4\n")))
    assert [pair.edge.grid.zones for pair in found.pairs] == [("DEU", "FRA"), ("DEU", "FRA")]
    assert [pair.edge.life.lifetime_years.tolist() for pair in found.pairs] == [[5.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("", {}, "there is no header|cannot read"),
        ("edge.grid\n", {}, "there is no row in it"),
        ("edge.grid,edge.grid\nDE,FR\n", {}, "'edge.grid' stands twice"),
        ("edge.grid\nDE\n\nFR\n,\n", {}, "cannot read it"),
        ("edge.grid,edge.latency_s\nDE,0.1\nFR,\n", {}, "row 2: 'edge.latency_s' is empty"),
        ("grid\nDE\n", {}, "the column 'grid' is in no table of the scenario: unit, edge, cloud, network"),
        ("edge.gird\nDE\n", {}, "the column 'edge.gird' is no field of edge; did you mean grid"),
        ("edge.grid\nDUE\n", {}, "edge.grid: no intensity for zone 'DUE'"),
        ("edge.lifetime_years\nfive\n", {}, "cases.csv: row 1: edge.lifetime_years = 'five': Expected `float`"),
        ("edge.lifetime_years\n5\n5\n-1\n", {}, "row 3: edge.lifetime_years = -1: Expected `float` >= 1e-12"),
        ("edge.lifetime_years\n5\nnan\n", {}, "edge.lifetime_years: nan is not a usable number"),
        ("network.payload_up_bytes\n1\n1.5\n", {}, "row 2: network.payload_up_bytes = 1.5: Expected `int`"),
        ("edge.name\nx\n", {}, "edge.name: it is the same in all cases"),
        ("unit.inferences\n1\n", {}, "unit.inferences: it is the same in all cases"),
        ("edge.grid\nDE\n", {"edge.lifetime_years": [1.0, 2.0]}, "edge.lifetime_years: it varies, beside"),
        ("cloud.t4.pue,cloud.pue\n1.1,1.2\n", TWO_CLOUDS, "both give it; remove one"),
    ],
)
def test_a_fault_of_the_file_is_one_line(tmp_path: Path, text: str, changes: dict[str, Any], message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        problem(changes, given=read_cases(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.csv: cannot read it"):
        read_cases(tmp_path / "gone.csv")
    path = tmp_path / "cases.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(ConfigurationError, match=r"cases\.parquet: cannot read it"):
        read_cases(path)
    pq.write_table(pa.table({"edge.grid": [["DE"], ["FR"]]}), path)
    with pytest.raises(ConfigurationError, match=r"'edge\.grid' holds list"):
        read_cases(path)


CELLS = st.text(st.characters(exclude_characters='\0\r\n"', exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_cells_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("cases") / "cases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("edge.grid", "cloud.grid"), *rows])
    found = read_cases(path)
    assert found.count == len(rows)
    for index, name in enumerate(("edge.grid", "cloud.grid")):
        values, place = found.columns[name]
        assert [values[i] for i in place] == [row[index] for row in rows]
