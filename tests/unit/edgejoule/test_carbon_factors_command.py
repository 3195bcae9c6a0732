import json
from pathlib import Path

import pytest

from collector.data.tables import SHIPPED
from edgejoule.cli import main

BAD = """
[common]
scope = "s"
source = "s"
licence = "ODbL-1.0"
vintage = "2025"
method = "m"

[[factor]]
id = "minus"
name = "a saving"
unit = "kgCO2e"
value = -1
low = -2
high = 0

[[factor]]
id = "naked"
name = "no unit"
value = 1
low = 1
high = 1
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(BAD, encoding="utf-8")
    return path


def test_the_list_names_every_table_and_its_licences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["carbon", "factors", "list"]) == 0
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    for table in SHIPPED:
        assert table.removesuffix(".toml") in text
    assert "CC-BY-4.0: asks for the author" in text
    assert main(["carbon", "factors", "list", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["tables"]) == list(SHIPPED)
    for factor in (one for rows in report["tables"].values() for one in rows):
        assert {"id", "estimate", "scope", "source", "licence", "vintage", "method"} <= set(factor)
        assert factor["licence"] in report["may_be_shipped"]


def test_one_table_or_one_factor_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "factors", "show", "network_energy", "network-average-fixed", "--json"]) == 0
    (factor,) = json.loads(capsys.readouterr().out)
    assert (factor["estimate"]["value"], factor["estimate"]["unit"]) == (0.0065, "kWh/GB")
    assert main(["carbon", "factors", "show", "nothing"]) == 2
    assert "no table 'nothing'; name a file, or one that is shipped: grid_intensity" in capsys.readouterr().err


def test_the_shipped_tables_have_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "factors", "check"]) == 0
    assert capsys.readouterr().out.count("no fault") == len(SHIPPED)


def test_each_fault_of_a_table_is_one_line(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "factors", "check", str(own), "--for-shipping"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix(f"{own}: ")[:40] for line in lines] == [
        "factor 'minus': value is -1: a factor ca",
        "factor 'minus': the licence 'ODbL-1.0' p",
        "factor 'naked' does not say its unit; ad",
    ]
    assert main(["carbon", "factors", "check", str(own), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert len(report["tables"][str(own)]) == 2


def test_a_bad_table_stops_what_would_use_it(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "factors", "show", str(own)]) == 2
    assert capsys.readouterr().err == (f"edgejoule: {own}: factor 'naked' does not say its unit; add it to the row\n")
