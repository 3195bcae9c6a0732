"""edgejoule bench-replay: what it shows, and its exit codes."""

import csv
import io
import json
from pathlib import Path

import pytest

from edgejoule.cli import main
from tests.fakes.mlperf_runs import BinRun, JsonRun, write_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_repository(tmp_path)
    return tmp_path


def test_a_repository_that_comes_out_ends_with_zero(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench-replay", str(repository)])

    shown = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "6 of 6 published results reproduced" in shown
    assert "3 of 3 to every printed digit" in shown
    assert "3 of 3 within 1e-03" in shown
    assert "2 not recomputed" in shown
    assert "3 without energy passed over" in shown
    assert "not here: Acme BOARD_A ic: results.json: a Git LFS pointer" in shown
    assert "not here: Acme BOARD_A vww: no raw trace" in shown
    assert "lpm01a (assumed in 3 runs)" in shown
    assert "lpm01a (named by log.txt in 2 runs)" in shown
    assert "js110 (named by log.txt in 1 run)" in shown
    assert "Acme BOARD_A ad (negative" in shown
    assert "No U without a data sheet" in shown


@pytest.mark.parametrize("more", [[], ["--budget"]])
def test_the_tables_fit_eighty_columns(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main(["bench-replay", str(repository), *more])

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert any("type A" in line for line in lines) == bool(more)


def test_a_figure_that_does_not_come_out_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    JsonRun().write(tmp_path)
    text = tmp_path / "results.txt"
    text.write_text(text.read_text().replace("Inferences    : 40", "Inferences    : 41", 1))

    assert main(["bench-replay", str(tmp_path)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 of 1 published results reproduced" in shown
    assert "window 0, inferences: published 41, recomputed 40" in shown


def test_a_damaged_file_ends_with_one_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    JsonRun().write(tmp_path / "good")
    energy = BinRun().write(tmp_path / "bad")
    energy.write_bytes(energy.read_bytes()[:-2])

    assert main(["bench-replay", str(tmp_path)]) == 1
    assert "DAMAGED: bad: trace1-energy.bin: ends 2 bytes into a sample" in " ".join(capsys.readouterr().out.split())


def test_nothing_recomputed_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    JsonRun().write(tmp_path).unlink()

    assert main(["bench-replay", str(tmp_path)]) == 1
    assert "nothing could be recomputed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{}/nowhere"], "no such file or folder"),
        (["{}", "--meter", "yardstick"], "yardstick"),
        (["{}", "--gain-limit", "0.01"], "belong together"),
        (["{}", "--offset-limit", "1e-6"], "belong together"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    repository: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    code = main(["bench-replay", *(word.format(repository) for word in words)])

    complaint = capsys.readouterr().err
    assert code == 2
    assert said in complaint
    assert complaint.count("\n") == 1


def test_json_has_every_run_window_and_figure(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-replay", str(repository), "--json"]) == 0

    record = json.loads(capsys.readouterr().out)
    runs = {run["run"]: run for run in record["runs"]}
    assert (record["reproduced"], record["compared"], record["good"]) == (6, 6, True)
    assert len(record["problems"]) == 2
    busy = runs["Acme BOARD_A ad"]
    assert busy["net_j_per_inference"] < 0.0
    assert busy["net_flags"] == "negative"
    assert len(busy["windows"]) == 5
    assert all(figure["every_digit"] for figure in busy["figures"])
    assert busy["integrator_j_per_inference"] == pytest.approx(busy["recomputed_j_per_inference"], rel=1e-12)
    assert runs["Widgets native BOARD_C ad"]["expanded_u_j"] is None
    assert runs["Acme BOARD_A sww"]["type_a_u_j"] is None


def test_csv_has_one_line_for_each_run(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-replay", str(repository), "--csv"]) == 0

    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 6
    assert {row["reproduced"] for row in rows} == {"True"}
    assert [row["expanded_u_j"] for row in rows if row["meter"] == "js110"] == [""]


def test_markdown_is_a_table(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-replay", str(repository), "--markdown"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("|---|---:|")
    assert {line.count("|") for line in lines[:8]} == {lines[0].count("|")}


def test_limits_of_ones_own_make_the_uncertainty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    BinRun(meter="js110").write(tmp_path)

    main(["bench-replay", str(tmp_path), "--json", "--gain-limit", "0.003", "--offset-limit", "0"])

    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["meter_u_j"] / run["recomputed_j_per_inference"] == pytest.approx(0.003 / 3.0**0.5, rel=0.01)
