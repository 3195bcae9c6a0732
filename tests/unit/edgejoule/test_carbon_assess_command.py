"""``edgejoule carbon roll-up`` and ``assess``, as users call them."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from collector.sinks.lake import LakeSink
from edgejoule.cli import main
from tests.fakes.windows import make_fleet_rows

INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "pi4-01"
[[device]]
id = "zero-01"
[[device]]
id = "jetson-01"
"""
YEAR = ("--year", "2025", "--draws", "500")


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    sink = LakeSink(tmp_path / "lake", journal="0123456789abcdef")
    sink.write(make_fleet_rows(50))
    sink.close()
    (tmp_path / "inventory.toml").write_text(INVENTORY)
    return ["--lake", str(tmp_path / "lake"), "--inventory", str(tmp_path / "inventory.toml")]


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["carbon", *words]) == code
    return capsys.readouterr().out


def test_a_year_in_one_command(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, "assess", *place, *YEAR, "--by", "device")
    for words in (
        "pi4-01",
        "jetson-01",
        "total",
        "yearly averages",
        "SIMULATED METERS",
        "SCREENING ESTIMATE",
        "grid, Germany",
    ):
        assert words in said
    assert "Water, to generate the electricity" in said
    assert "water_grid_l" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_json_is_alone_on_stdout_and_the_same_from_roll_ups(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before: dict[str, Any] = json.loads(answer(capsys, "assess", *place, *YEAR, "--json"))
    assert "rolled up 1 day: 150 windows became 6 rows" in answer(capsys, "roll-up", *place[:2])
    (again,) = json.loads(answer(capsys, "roll-up", *place[:2], "--json"))
    assert again["action"] == "up_to_date"
    after: dict[str, Any] = json.loads(answer(capsys, "assess", *place, *YEAR, "--json"))
    assert after["reading"]["rolled_up_days"] == 1
    for name in ("operational", "embodied", "total"):
        assert after["total"]["grams"][name]["value"] == pytest.approx(before["total"]["grams"][name]["value"])
    assert {factor["id"] for factor in after["factors"]} >= {"DEU", "logic-silicon"}
    assert all(factor["licence"] for factor in after["factors"])


def test_csv_and_page(place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, page = tmp_path / "figures.csv", tmp_path / "page.html"
    answer(capsys, "assess", *place, *YEAR, "--by", "device", "--csv", str(table), "--html", str(page))
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["total", "jetson-01", "pi4-01", "zero-01"]
    assert page.read_text().startswith("<!doctype html>")


def test_now_is_a_time_and_nothing_but_json_and_errors_is_written_where_nobody_looks(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before_unix_ns = time.time_ns()
    assert main(["carbon", "assess", *place, "--from", "2025-01-01", "--to", "now", "--draws", "500", "--json"]) == 0
    said = capsys.readouterr()
    end_unix_ns = json.loads(said.out)["end_unix_ns"]
    assert end_unix_ns % (300 * 10**9) == 0
    assert end_unix_ns > before_unix_ns, "what was measured a moment ago counts"
    assert said.err == ""


def test_a_directory_without_days_is_no_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("assess", "roll-up"):
        assert main(["carbon", verb, "--lake", str(tmp_path)]) == 2
        assert f"--lake {tmp_path}: no date=... folders in it" in capsys.readouterr().err


def test_nothing_there_is_the_answer_no(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, "assess", *place, "--from", "2020-01-01", "--to", "2020-02-01", code=1)
    assert "no windows in this period" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--year", "2025", "--from", "7d"], "give --year, or --from and --to, not both"),
        (["--memory-mb", "1"], "--memory-mb 1 is too little to read a lake with duckdb; give at least 100"),
        (["--draws", "3"], "give 100 or more"),
        (["--draws", "1000000000"], "do not fit into memory; give 1000000"),
        (["--threads", "100000"], "give 1 to 256"),
        (["--from", "2025-01-01T00:01"], "full five minutes"),
        (["--year", "2025", "--temp-dir", "/nonexistent/x"], "cannot write there"),
        (["--csv", "/nonexistent/x.csv"], "cannot write it"),
    ],
)
def test_what_is_wrong_is_one_line(
    place: list[str], words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["carbon", "assess", *place, *words]) == 2
    said = capsys.readouterr().err.strip()
    assert told in said
    assert said.startswith("edgejoule: ")
    assert "\n" not in said


def test_nothing_named_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "assess"]) == 2
    assert "give --config collector.toml, --state-dir DIR or --lake DIR" in capsys.readouterr().err
