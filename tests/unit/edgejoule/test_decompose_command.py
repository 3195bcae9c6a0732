"""``edgejoule decompose`` as users call it: table, JSON, CSV, page and figure; faults in a line."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from collector.config import journal_path
from collector.journal import Journal
from edgejoule.cli import main
from tests.fakes.html_page import Page
from tests.fakes.two_months import FEBRUARY, INVENTORY, JANUARY, fleet_rows, hours, write_lake
from tests.fakes.windows import PI4, PI_ZERO, commit_rows

A, B = "2026-01-01..2026-01-03", "2026-02-01..2026-02-03"
MONTHS = (A, B, "--draws", "500")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("decompose")
    write_lake(made / "lake", fleet_rows(2))
    (made / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    return made


@pytest.fixture
def place(folder: Path) -> list[str]:
    return ["--lake", str(folder / "lake"), "--inventory", str(folder / "inventory.toml")]


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["decompose", *words]) == code
    return capsys.readouterr().out


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer(capsys, *words, "--json"))
    return found


def test_a_table_of_eighty_columns(
    folder: Path, place: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    picture = folder / "fall.png"
    options = ("--by", "class", "--by", "zone", "--plot", str(picture))
    said = answer(capsys, *MONTHS, *place, *options).replace("\N{NO-BREAK SPACE}", " ")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert said.startswith("Emissions rose by ")
    for words in ("fleet size", "SIMULATED METERS", "rebound: R = ", "backfire: ", "SCREENING ESTIMATE", "P5 to P95"):
        assert words in said
    assert "raspberry-pi-zero-2-w, SE" in said.replace("\n", "")
    assert [line for line in said.splitlines() if len(line) > 80] == []
    with pytest.raises(SystemExit):
        main(["decompose", "--help"])
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_seconds_of_a_fleet_fit_eighty_columns(
    tmp_path: Path, place: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Micrograms with three digits before the point on both ends, and a side that takes many words."""
    monkeypatch.setenv("COLUMNS", "80")
    rows = [*hours(PI4, JANUARY, 3, duration_s=5.0, energy_j=13.0), *hours(PI_ZERO, JANUARY, 3, 10, duration_s=5.0)]
    lake = write_lake(tmp_path, rows)
    sides = "device=pi4-01,class=raspberry-pi-*,site=hall", "device=zero-01,class=raspberry-pi-*,site=green*"
    said = answer(capsys, *sides, "--period", "2026-01-01", *place, "--lake", str(lake), "--draws", "200")
    assert [line for line in said.splitlines() if len(line) > 80] == []
    for words in ("sent such windows for less than 0.1", "no group made inferences on both sides"):
        assert words in said.replace("\n", " ")
    ranges = [line for line in said.splitlines() if line.startswith((" operational ", " embodied  ", " together "))]
    assert [line.count("g)") for line in ranges] == [2, 2, 2], "a range is cut"


def test_json_sums_and_carries_its_factors(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, *MONTHS, *place)
    effects = [one["gco2e_per_day"]["value"] for one in found["effects"]]
    assert math.fsum(effects) == pytest.approx(found["change"]["value"], rel=1e-9)
    assert {"DEU", "SWE", "logic-silicon"} <= {factor["id"] for factor in found["factors"]}
    for factor in found["factors"]:
        assert all(factor[name] for name in ("source", "licence", "vintage", "scope"))
    assert found["before"]["words"] == A
    assert found["simulated"] is True


def test_csv_page_and_figures(folder: Path, place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    table, page, drawn = folder / "effects.csv", folder / "page.html", folder / "fall.svg"
    words = ("--csv", str(table), "--html", str(page), "--plot", str(drawn))
    found = asked(capsys, *MONTHS, *place, "--by", "device", *words)
    with table.open(encoding="utf-8") as file:
        total, *rows = csv.DictReader(file)
    assert [row["name"] for row in rows] == ["pi4-01", "pi4-02", "zero-01"]
    for name in ("change_gco2e_per_day", "fleet_size_gco2e_per_day", "after_energy_j_per_day"):
        assert math.fsum(float(row[name]) for row in rows) == pytest.approx(float(total[name]), rel=1e-9)
    assert float(total["change_gco2e_per_day"]) == pytest.approx(found["change"]["value"])
    text = page.read_text(encoding="utf-8")
    seen = Page(text)
    assert seen.open == []
    assert all(load.startswith("#") for load in seen.loads)
    assert "script" not in seen.tags
    assert len(seen.ids) == len(set(seen.ids))
    for piece in (
        "Emissions rose by",
        "SIMULATED",
        "backfire",
        "pi4-02",
        "screening",
        'aria-label="Waterfall of CO2e',
    ):
        assert piece in text
    figure = drawn.read_text(encoding="utf-8")
    assert figure.lstrip().startswith("<?xml")
    assert "SIMULATED METERS" in figure


def test_a_second_lake_and_a_period_for_both(
    tmp_path: Path, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_lake(tmp_path / "other", hours(PI4, JANUARY, 48, energy_j=2.05 * 3600.0))
    sides = ("device=pi4-01", "device=pi4*", "--period", A, "--draws", "200")
    found = asked(capsys, *sides, *place, "--lake-b", str(other))
    (efficiency,) = (one for one in found["effects"] if one["name"] == "energy_per_inference")
    assert efficiency["ratio"] is not None
    assert found["after"]["operational"]["value"] == pytest.approx(found["before"]["operational"]["value"] / 2.0)
    same = asked(capsys, *sides, *place)
    assert same["change"]["value"] == 0.0


def test_the_journal_counts_as_the_lake_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(journal_path(tmp_path / "state"))
    commit_rows(journal, [*hours(PI4, JANUARY, 24), *hours(PI4, FEBRUARY, 24, 100, inference_count=2_952_000)])
    journal.close()
    (tmp_path / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    config = tmp_path / "collector.toml"
    config.write_text('state_dir = "state"\n[inventory]\nfile = "inventory.toml"\n', encoding="utf-8")
    found = asked(capsys, "2026-01-01", "2026-02-01", "--config", str(config), "--draws", "200")
    assert found["after"]["levels"]["inferences"] == pytest.approx(2.0 * found["before"]["levels"]["inferences"])
    assert found["change"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert found["rebound"]["ratio"] == pytest.approx(1.0)
    assert found["rebound"]["reading"].startswith("full rebound: more use took back all of the ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((A, "2027-05"), "decompose '2027-05': no windows there; edgejoule fleet ledger shows what is stored"),
        ((A, f"model=kws,period={B}"), "model is there: digits_mlp_int8"),
        ((A, "model=kws"), "of which time? Add period=..., or give --period"),
        ((A, "tomorrow"), "'tomorrow' is no side"),
        ((A, B, "--draws", "5"), "--draws 5: give 100 to"),
        ((A, B, "--by", "all", "--by", "zone"), "leave the other --by out"),
        ((A, "2027-05", "--plot", "fall.gif"), "--plot: fall.gif: a figure is written as .svg or .png"),
        ((A, "2027-05", "--csv", "/nowhere/x.csv"), "--csv /nowhere/x.csv: cannot write it: /nowhere is no directory"),
        ((A, "2027-05", "--html", "/"), "--html /: cannot write it: it is a directory; name another file"),
        ((A, A, "--inventory", "/dev/null"), "nothing is known of what it emitted: no zone"),
        ((A, B, "--lake-b", "/nowhere"), "--lake-b /nowhere: no such directory"),
        ((A, B, "--policy", "by_use"), "cannot be charged by_use"),
    ],
)
def test_a_fault_is_one_line(
    words: tuple[str, ...], said: str, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    draws = () if "--draws" in words else ("--draws", "200")
    assert main(["decompose", *place, *words, *draws]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert error.startswith("edgejoule: ")
    assert len(error.splitlines()) == 1
