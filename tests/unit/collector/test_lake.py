"""The Parquet lake: nothing twice, nothing torn, every field of the wire."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.sinks.lake import SCHEMA, LakeSink, read_lake, rows_to_table
from edge_agent.wire.records import InferenceWindow
from tests.fakes.windows import T0_UNIX_NS, make_fleet_rows, make_stored

DAY_NS = 86_400_000_000_000


def row_ids(directory: Path) -> list[int]:
    return sorted(read_lake(directory, ["row_id"])["row_id"].to_pylist())


def test_every_field_of_the_wire_has_a_column() -> None:
    fields = set(InferenceWindow.__struct_fields__) - {"runtime"}
    runtime = {"runtime", "runtime_version", "runtime_delegate", "runtime_threads"}
    assert set(SCHEMA.names) == fields | runtime | {"row_id", "fleet", "device_id", "boot_id", "received_unix_ns"}


def test_what_is_written_is_read_back_with_nulls_for_unknown(tmp_path: Path) -> None:
    row = make_stored(7, idle_power_w=None, throttled=None, soc_temp_c=61.25)
    assert LakeSink(tmp_path / "lake").write([row]).accepted == 1
    (read,) = read_lake(tmp_path / "lake").to_pylist()
    assert read["row_id"] == 7
    assert read["idle_power_w"] is None
    assert read["throttled"] is None
    assert read["soc_temp_c"] == 61.25
    assert read["energy_j"] == row.window.energy_j
    assert (read["runtime"], read["runtime_threads"]) == ("litert", 1)
    assert read == rows_to_table([row]).to_pylist()[0]


def test_an_absent_lake_is_an_empty_table(tmp_path: Path) -> None:
    assert read_lake(tmp_path / "nothing").num_rows == 0
    assert read_lake(tmp_path / "nothing", ["energy_j"]).column_names == ["energy_j"]


def test_a_day_boundary_splits_files_by_utc_day(tmp_path: Path) -> None:
    rows = [make_stored(1), make_stored(2, t_start_unix_ns=T0_UNIX_NS + DAY_NS), make_stored(3)]
    LakeSink(tmp_path).write(rows)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet"))
    assert files == [
        "date=2025-10-09/windows-00000000000000000001.parquet",
        "date=2025-10-10/windows-00000000000000000002.parquet",
    ]
    assert row_ids(tmp_path) == [1, 2, 3]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    first_batch=st.integers(1, 40),
    second_batch=st.integers(1, 40),
)
def test_a_crash_before_the_cursor_moved_duplicates_nothing(
    tmp_path_factory: pytest.TempPathFactory, days: list[int], first_batch: int, second_batch: int
) -> None:
    """The first batch is written, the cursor is not; the second run takes shorter or longer batches from the start."""
    directory = tmp_path_factory.mktemp("lake")
    rows = [make_stored(i + 1, t_start_unix_ns=T0_UNIX_NS + i + day * DAY_NS) for i, day in enumerate(days)]
    LakeSink(directory).write(rows[:first_batch])
    sink = LakeSink(directory)
    for start in range(0, len(rows), second_batch):
        sink.write(rows[start : start + second_batch])
    assert row_ids(directory) == [row.row_id for row in rows]


def test_a_torn_temporary_file_is_not_read_and_is_replaced(tmp_path: Path) -> None:
    rows = make_fleet_rows(4)
    folder = tmp_path / "date=2025-10-09"
    folder.mkdir()
    torn = folder / ".windows-00000000000000000001.parquet.tmp"
    torn.write_bytes(b"PAR1 and then the power went")
    assert read_lake(tmp_path).num_rows == 0
    LakeSink(tmp_path).write(rows)
    assert row_ids(tmp_path) == list(range(1, 13))
    assert not torn.exists()


def test_rows_of_another_journal_are_not_overwritten(tmp_path: Path) -> None:
    LakeSink(tmp_path).write([make_stored(1, boot_id="boot-old", seq=40)])
    outcome = LakeSink(tmp_path).write([make_stored(1, boot_id="boot-new", seq=1)])
    assert (outcome.accepted, outcome.kept) == (0, 1)
    assert "another journal" in outcome.retry_reason
    assert read_lake(tmp_path)["boot_id"].to_pylist() == ["boot-old"]


def test_a_lake_of_another_journal_is_noticed_on_another_day_too(tmp_path: Path) -> None:
    LakeSink(tmp_path).write([make_stored(1, boot_id="boot-old", seq=40)])
    today = [make_stored(1, t_start_unix_ns=T0_UNIX_NS + DAY_NS), make_stored(2)]
    outcome = LakeSink(tmp_path).write(today)
    assert (outcome.accepted, outcome.kept) == (0, 2)
    assert "another journal" in outcome.retry_reason
    assert read_lake(tmp_path)["boot_id"].to_pylist() == ["boot-old"]


@pytest.mark.parametrize("blocker", ["file", "dangling_link"])
def test_a_store_that_cannot_be_written_keeps_the_rows_and_says_why(tmp_path: Path, blocker: str) -> None:
    place = tmp_path / "lake"
    if blocker == "file":
        place.write_text("not a directory")
    else:
        place.symlink_to(tmp_path / "gone" / "away")
    outcome = LakeSink(place).write([make_stored(1), make_stored(2)])
    assert (outcome.accepted, outcome.kept) == (0, 2)
    assert str(place) in outcome.retry_reason


def test_reading_stops_at_the_row_that_is_asked_for(tmp_path: Path) -> None:
    LakeSink(tmp_path).write(make_fleet_rows(5))
    assert sorted(read_lake(tmp_path, ["row_id"], last_row_id=6)["row_id"].to_pylist()) == [1, 2, 3, 4, 5, 6]


def test_a_damaged_file_in_the_way_keeps_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "date=2025-10-09"
    folder.mkdir()
    (folder / "windows-00000000000000000001.parquet").write_bytes(b"not parquet")
    outcome = LakeSink(tmp_path).write([make_stored(1)])
    assert outcome.kept == 1
    assert "damaged" in outcome.retry_reason


def test_files_of_an_earlier_version_are_read_with_nulls_for_the_columns_that_they_lack(tmp_path: Path) -> None:
    """What version 0.1 wrote: all columns but those that came after it."""
    later = (
        *("systematic_id", "governor", "net_energy_j", "net_energy_u_j", "freq_min_mhz", "freq_max_mhz", "flags"),
        *("soc_temp_max_c", "agent_cpu_ratio", "overhead_cpu_ratio", "other_cpu_ratio"),
    )
    LakeSink(tmp_path).write([make_stored(2, net_energy_j=1.5, flags=("gap",), systematic_id="tc66c")])
    old = rows_to_table([make_stored(1)]).drop_columns(later)
    pq.write_table(old, tmp_path / "date=2025-10-09" / "windows-00000000000000000001.parquet")
    first, second = sorted(read_lake(tmp_path).to_pylist(), key=lambda row: int(row["row_id"]))
    assert first == rows_to_table([make_stored(1)]).to_pylist()[0] | dict.fromkeys(later)
    assert (second["net_energy_j"], second["flags"], second["systematic_id"]) == (1.5, ["gap"], "tc66c")
    assert read_lake(tmp_path, ["row_id", "systematic_id"], last_row_id=1).to_pylist() == [
        {"row_id": 1, "systematic_id": None}
    ]
