"""Runs are found by the names of their files, whatever the folders are called; what is not here is listed."""

from pathlib import Path

import pytest

from edge_agent.mlperf.errors import TraceError, TraceMissingError
from edge_agent.mlperf.replay import MeterChoice, Replay, replay
from edge_agent.mlperf.repository import RunFiles, find_runs, read_run
from firmware_bridge.driver import DataSheet
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.registry import driver_names, get_driver
from tests.fakes.mlperf_runs import LFS_POINTER, BinRun, JsonRun, write_repository


def sheet_of(name: str) -> DataSheet | None:
    return get_driver(name).data_sheet if name in driver_names() else None


CHOICE = MeterChoice(sheet_of)


def replayed(*paths: Path) -> Replay:
    return replay(find_runs(paths), CHOICE)


def only_run(folder: Path) -> RunFiles:
    (run,) = find_runs([folder])
    return run


def test_a_repository_is_walked(tmp_path: Path) -> None:
    write_repository(tmp_path)
    result = replayed(tmp_path)

    assert [row.label for row in result.rows] == [
        "Acme BOARD-B ic",
        "Acme BOARD-B vww",
        "Acme BOARD_A ad",
        "Acme BOARD_A kws",
        "Acme BOARD_A sww",
        "Widgets native BOARD_C ad",
    ]
    assert all(row.reproduced for row in result.rows)
    assert [(one.label, one.is_missing) for one in result.problems] == [
        ("Acme BOARD_A ic", True),
        ("Acme BOARD_A vww", True),
    ]
    assert "results.json: a Git LFS pointer" in result.problems[0].reason
    assert "no raw trace beside results.txt" in result.problems[1].reason
    assert result.passed_over == 3
    assert result.is_good


def test_the_log_names_the_meter_else_it_is_assumed(tmp_path: Path) -> None:
    write_repository(tmp_path)
    meters = {row.label: row.meter for row in replayed(tmp_path).rows}

    assert (meters["Acme BOARD-B ic"].name, meters["Acme BOARD-B ic"].origin) == ("lpm01a", "named by log.txt")
    assert meters["Acme BOARD-B ic"].voltage_v == 1.8
    assert (meters["Acme BOARD_A kws"].name, meters["Acme BOARD_A kws"].origin) == ("lpm01a", "assumed")
    unknown = meters["Widgets native BOARD_C ad"]
    assert (unknown.name, unknown.limits_known) == ("js110", False)


def test_a_given_meter_is_taken_over_the_log(tmp_path: Path) -> None:
    BinRun(meter="js110").write(tmp_path)
    (row,) = replay(find_runs([tmp_path]), MeterChoice(sheet_of, given="ppk2")).rows

    assert (row.meter.name, row.meter.origin, row.meter.limits_known) == ("ppk2", "given", True)


def test_own_limits_are_taken_over_any_meters(tmp_path: Path) -> None:
    BinRun(meter="js110").write(tmp_path)
    own = get_driver("ppk2").data_sheet
    (row,) = replay(find_runs([tmp_path]), MeterChoice(sheet_of, own_limits=own)).rows

    assert (row.meter.name, row.meter.limits_known) == ("js110", True)
    assert row.budget.expanded_j is not None


def test_an_unstated_supply_is_the_meters_highest(tmp_path: Path) -> None:
    JsonRun(voltage=None).write(tmp_path)
    (row,) = replayed(tmp_path).rows

    assert (row.meter.voltage_v, row.meter.voltage_known) == (3.3, False)


@pytest.mark.parametrize("name", ["results.txt", "trace1-energy.bin", "trace1-timestamps.json"])
def test_any_file_of_a_run_names_the_run(tmp_path: Path, name: str) -> None:
    BinRun().write(tmp_path)
    JsonRun().write(tmp_path, "other_")
    result = replayed(tmp_path / name)

    assert [row.reproduced for row in result.rows] == [True]
    assert [len(row.run.windows) for row in result.rows] == [5]


def test_a_pair_is_one_run(tmp_path: Path) -> None:
    energy = BinRun().write(tmp_path)

    assert len(find_runs([energy, tmp_path / "trace1-timestamps.json", tmp_path])) == 1


def test_runs_that_share_a_folder_are_told_by_how_their_names_begin(tmp_path: Path) -> None:
    JsonRun(seed=1).write(tmp_path, "BOARD_kws.")
    BinRun(seed=2).write(tmp_path, "v1.2_BOARD_ad_energy.")
    result = replayed(tmp_path)

    assert [row.label for row in result.rows] == ["BOARD_kws", "v1.2_BOARD_ad_energy"]
    assert result.is_good


def test_several_traces_of_one_run_are_read_together(tmp_path: Path) -> None:
    BinRun(seed=5, before_samples=700, meter=None).write(tmp_path, number=1)
    BinRun(seed=6, meter=None).write(tmp_path, number=2)
    run = read_run(only_run(tmp_path))
    result = replayed(tmp_path)

    assert run is not None
    assert len(run.traces) == 2
    assert [row.reproduced for row in result.rows] == [True]
    assert [len(row.run.windows) for row in result.rows] == [5]


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("trace1-energy.bin", "no trace1-energy.bin beside its timestamps"),
        ("trace1-timestamps.json", "no trace1-timestamps.json beside its samples"),
        ("results.txt", "no results.txt beside the trace"),
    ],
)
def test_half_a_run_is_not_here(tmp_path: Path, gone: str, words: str) -> None:
    BinRun().write(tmp_path)
    (tmp_path / gone).unlink()

    with pytest.raises(TraceMissingError, match=words):
        read_run(only_run(tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("trace1-energy.bin", b"\xf0\x00\x00\x7aD\x00\x00\x00\x00", r"^trace1-energy\.bin: begins with the byte 0xF0"),
        ("trace1-timestamps.json", b"[3, 2, 1]", r"^trace1-timestamps\.json: the list of events"),
        ("results.txt", b"Energy data for window 2 at time 1.0 for 1.0 sec.:\n", r"^results\.txt: does not say"),
    ],
)
def test_a_damaged_file_is_named_and_no_success(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    BinRun().write(tmp_path)
    (tmp_path / name).write_bytes(data)

    with pytest.raises(TraceError, match=words):
        read_run(only_run(tmp_path))
    result = replayed(tmp_path)
    assert [one.is_missing for one in result.problems] == [False]
    assert not result.is_good


@pytest.mark.parametrize("name", ["trace1-energy.bin", "trace1-timestamps.json", "results.txt"])
def test_a_pointer_in_any_place_is_named_as_such(tmp_path: Path, name: str) -> None:
    BinRun().write(tmp_path)
    (tmp_path / name).write_bytes(LFS_POINTER)

    with pytest.raises(TraceMissingError, match=f"^{name}: a Git LFS pointer"):
        read_run(only_run(tmp_path))


def test_a_trace_without_published_figures_is_recomputed_but_not_compared(tmp_path: Path) -> None:
    JsonRun().write(tmp_path / "energy")
    (tmp_path / "energy" / "results.txt").unlink()
    result = replayed(tmp_path)

    assert [row.reproduced for row in result.rows] == [None]
    assert result.compared == []
    assert result.is_good


def test_a_results_json_of_something_else_is_passed_over_unless_named(tmp_path: Path) -> None:
    path = tmp_path / "quantised_results.json"
    path.write_text('{"accuracy": 0.9}')

    assert replayed(tmp_path).passed_over == 1
    (problem,) = replayed(path).problems
    assert problem.reason.startswith("quantised_results.json: not the results.json of an energy run")


def test_a_wrong_figure_is_not_reproduced(tmp_path: Path) -> None:
    JsonRun().write(tmp_path)
    text = tmp_path / "results.txt"
    text.write_text(text.read_text().replace("Median energy cost is ", "Median energy cost is 1"))
    result = replayed(tmp_path)

    assert [row.reproduced for row in result.rows] == [False]
    assert not result.is_good


@pytest.mark.parametrize("what", ["nothing", "other.txt", "empty"])
def test_a_path_without_runs_is_refused_with_the_remedy(tmp_path: Path, what: str) -> None:
    (tmp_path / "other.txt").write_text("hello")
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigurationError, match=r"a copy of a results repository|name a results\.json"):
        find_runs([tmp_path / what])


def test_progress_is_told_for_every_run_also_a_bad_one(tmp_path: Path) -> None:
    write_repository(tmp_path)
    runs = find_runs([tmp_path])
    done: list[int] = []

    replay(runs, CHOICE, lambda: done.append(1))

    assert len(done) == len(runs)
