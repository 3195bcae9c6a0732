"""``edgejoule refresh``, ``lifecycle`` and ``frontier`` as a user has them: eighty columns, JSON, files, faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.config import journal_path
from collector.journal import Journal
from edgejoule.cli import main
from tests.fakes.windows import commit_rows, make_fleet_rows

EXAMPLES = Path(__file__).parents[3] / "examples"
REFRESH = ["refresh", str(EXAMPLES / "refresh-orin-nano.toml"), "--draws", "200"]
LIFECYCLE = ["lifecycle", str(EXAMPLES / "lifecycle-clothes.toml"), "--draws", "200"]
FRONTIER = ["frontier", "--task", "clothes", "--zone", "DE", "--draws", "200"]
FLAGS = ["refresh", "--old-w", "15", "--new-w", "7", "--new-kg", "27.7", "--age", "2", "--life", "5", "--zones", "DE"]
ALL = [REFRESH, LIFECYCLE, FRONTIER]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def as_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("words", [*ALL, FLAGS], ids=lambda words: words[0])
def test_fits_eighty_columns(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "…" not in text
    assert "\nTo repeat it\n" in text  # a section without a table has its heading, too


@pytest.mark.parametrize("words", ["refresh", "lifecycle", "frontier"])
def test_help_fits_too(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([words, "--help"])
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("words", ALL, ids=lambda words: words[0])
def test_factors_have_their_passports(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    factors = as_json(words, capsys)["factors"]
    assert any(factor["id"] == "DEU" for factor in factors)
    for factor in factors:
        assert all(factor[key].strip() for key in ("scope", "source", "licence", "vintage"))


@pytest.mark.parametrize("words", [[*FLAGS, "--draws", "200"], LIFECYCLE, FRONTIER], ids=lambda words: words[0])
def test_writes_page_figure_and_rows(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, figure, rows = (tmp_path / name for name in ("x.html", "x.svg", "x.csv"))
    assert main([*words, "--html", str(page), "--plot", str(figure), "--csv", str(rows)]) == 0
    assert capsys.readouterr().out.count("written: ") == 3
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert 'aria-label="' in text
    assert "<script" not in text
    assert figure.read_text(encoding="utf-8").startswith("<svg")
    assert len(rows.read_text(encoding="utf-8").splitlines()) > 5


def test_the_same_seed_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(REFRESH, capsys) == as_json(REFRESH, capsys)


def test_a_grid_where_it_pays_and_one_where_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(REFRESH, capsys)
    grids = {(grid["name"], grid["kind"]): grid["verdict"] for grid in found["grids"]}
    assert grids["SWE", "average"].startswith("SWE: keep them")
    assert grids["SWE", "marginal"].startswith("SWE, marginal: ")
    for kind in ("average", "marginal"):
        assert "replace now" in grids["DEU", kind]
        assert "replace now" in grids["IND", kind]
    turned = any("ask for another moment" in note for note in found["notes"])
    waits = {grid["best_wait_years"] for grid in found["grids"] if grid["name"] == "SWE"}
    assert turned == (len(waits) > 1)


def test_power_from_a_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(journal_path(tmp_path / "state"))
    commit_rows(journal, make_fleet_rows(60))
    journal.close()
    scenario = tmp_path / "refresh.toml"
    text = (EXAMPLES / "refresh-orin-nano.toml").read_text(encoding="utf-8")
    measured = 'measured = { devices = ["pi4-01"], start = "2025-10-01", end = "2025-11-01" }\nlifetime_years'
    old, new = text.split("[new]")
    old = "\n".join(line for line in old.splitlines() if not line.startswith("mean_power_w"))
    scenario.write_text(old.replace("lifetime_years", measured, 1) + "\n[new]" + new, encoding="utf-8")
    found = as_json(["refresh", str(scenario), "--state-dir", str(tmp_path / "state"), "--draws", "200"], capsys)
    assert found["old"]["origin"] in {"simulated", "measured"}
    assert found["simulated"] == (found["old"]["origin"] == "simulated")
    assert 1.0 < found["old"]["power"]["value"] < 10.0
    assert main(["refresh", str(scenario)]) == 2
    assert "no lake is named" in capsys.readouterr().err
    scenario.write_text(scenario.read_text(encoding="utf-8").replace("pi4-01", "pi4-77"), encoding="utf-8")
    assert main(["refresh", str(scenario), "--state-dir", str(tmp_path / "state")]) == 2
    assert "pi4-01" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["refresh"], "name a scenario"),
        ([*REFRESH, "--old-w", "3"], "leave --old-w out"),
        ([*REFRESH, "--grid-fall", "0.1", "--horizon", "5"], "leave --grid-fall, --horizon out"),
        ([*FLAGS, "--horizon", "99"], "--horizon: Expected `int` <= 50; correct the flag"),
        ([*FLAGS, "--life", "0"], "--life: "),
        ([*REFRESH, "--draws", "3"], "--draws 3"),
        ([*REFRESH, "--html", "x.txt"], "ends in .html"),
        ([*REFRESH, "--plot", "/no/such/x.svg"], "cannot be written"),
        (["refresh", "nothing.toml"], "nothing.toml"),
        (["lifecycle", "--task", "cooking"], "no task has 'cooking'"),
        (["lifecycle", "--development-zone", "DE"], "give both or none"),
        ([*LIFECYCLE, "--task", "x"], "says task itself"),
        (["lifecycle", "--net"], "give --records DIR"),
        (["frontier", "--zone", "XX"], "no intensity for zone 'XX'"),
        (["frontier", "--inferences", "0"], "--inferences 0"),
        (["frontier", "--records", "/no/such"], "/no/such"),
    ],
)
def test_a_fault_is_one_line(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert expected in out.err
    assert out.err.count("\n") == 1
