"""The rows of a comparison's cases arrive in their files whole, in order, or not at all."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.case_files import MOST_KEPT_ROWS, CaseFiles, write_cases

COLUMNS = ("case", "edge.grid", "edge_g_p50", "admissible")


def chunk(first: int, count: int) -> pa.Table:
    cases = list(range(first, first + count))
    return pa.table(
        {
            "case": pa.array(cases, pa.int64()),
            "edge.grid": pa.array([f'D"E, {case}' for case in cases], pa.string()),
            "edge_g_p50": pa.array([None if case % 3 == 0 else case / 7 for case in cases], pa.float64()),
            "admissible": pa.array([case % 2 == 0 for case in cases], pa.bool_()),
        }
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kept_of(sizes: list[int], files: CaseFiles) -> pa.Table:
    kept = write_cases(chunks(sizes), files, COLUMNS)
    assert kept is not None
    return kept


def chunks(sizes: list[int]) -> Iterator[pa.Table]:
    first = 0
    for size in sizes:
        yield chunk(first, size)
        first += size


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_both_files_hold_every_row_in_order(sizes: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cases")
    files = CaseFiles(csv=folder / "cases.csv", parquet=folder / "cases.parquet")
    kept = kept_of(sizes, files)
    whole = chunk(0, sum(sizes))
    assert kept.equals(whole)
    assert pyarrow.parquet.read_table(files.parquet).equals(whole)
    types = pyarrow.csv.ConvertOptions(column_types=whole.schema)
    assert pyarrow.csv.read_csv(files.csv, convert_options=types).equals(whole)
    assert names_in(folder) == ["cases.csv", "cases.parquet"]


def test_no_file_is_asked_for() -> None:
    assert kept_of([2, 1], CaseFiles()).num_rows == 3
    assert write_cases(chunks([2, 1]), CaseFiles()) is None
    some = write_cases(chunks([2, 1]), CaseFiles(), ("admissible", "case", "absent"))
    assert some is not None
    assert some.to_pydict() == {"case": [0, 1, 2], "admissible": [True, False, True]}


def test_many_rows_are_written_but_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    assert kept_of([MOST_KEPT_ROWS], CaseFiles()).num_rows == MOST_KEPT_ROWS
    assert write_cases(chunks([MOST_KEPT_ROWS, 1]), CaseFiles(parquet=path), COLUMNS) is None
    assert pyarrow.parquet.read_metadata(path).num_rows == MOST_KEPT_ROWS + 1


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("of yesterday", encoding="utf-8")

    def failing() -> Iterator[pa.Table]:
        yield chunk(0, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cases(failing(), CaseFiles(csv=path))
    assert path.read_text(encoding="utf-8") == "of yesterday"
    assert names_in(tmp_path) == ["cases.csv"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "cases.csv", tmp_path):
        with pytest.raises(ConfigurationError, match=r"--csv .*: cannot write it: .*; name a file"):
            write_cases(chunks([1]), CaseFiles(csv=path))
    assert names_in(tmp_path) == []


def test_a_pipe_is_written_as_rows_come(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_cases(chunks([1, 1]), CaseFiles(csv=pipe))
    reader.join()
    assert read[0].count(b"\n") == 3
