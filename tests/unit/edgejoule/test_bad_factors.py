"""A bad factor is refused with one line that says what, where and what to do, whatever command meets it."""

from pathlib import Path

import pytest

from edgejoule.cli import main

TABLE = """
[[factor]]
id = "DEU"
name = "Germany"
{unit}
value = {value}
low = {low}
high = 400
scope = "generation"
source = "my utility"
licence = "{licence}"
vintage = "2025"
method = "as published"
"""
OVERLAP = """start,end,gco2e_per_kwh
2025-03-01T00:00Z,2025-03-01T01:00Z,200
2025-03-01T00:30Z,2025-03-01T01:30Z,210
"""
NEGATIVE = """start,end,gco2e_per_kwh
2025-03-01T00:00Z,2025-03-01T01:00Z,200
2025-03-01T01:00Z,2025-03-01T02:00Z,-5
"""


def table(
    folder: Path, *, unit: str = 'unit = "gCO2e/kWh"', value: float = 350, low: float = 300, licence: str = "MIT"
) -> str:
    path = folder / "own.toml"
    path.write_text(TABLE.format(unit=unit, value=value, low=low, licence=licence), encoding="utf-8")
    return str(path)


def series(folder: Path, text: str) -> list[str]:
    path = folder / "series.csv"
    path.write_text(text, encoding="utf-8")
    passport = ["--id", "mine", "--name", "my utility", "--licence", "MIT", "--scope", "generation", "--method", "m"]
    return ["carbon", "intensity", "import", str(path), *passport, "--zone", "DE", "--state-dir", str(folder)]


def refused(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    text = err.removeprefix("edgejoule: ") if code == 2 else out
    assert text.count("\n") == 1
    return text


def test_a_negative_factor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, value=-350, low=-400)
    line = refused(["carbon", "intensity", "list", "--table", path], capsys)
    assert line.startswith(f"{path}: factor 'DEU': value is -350: a factor cannot be negative")
    line = refused(series(tmp_path, NEGATIVE), capsys)
    assert "series.csv" in line
    assert "-5" in line


def test_a_missing_unit_and_one_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, unit="")
    line = refused(["carbon", "intensity", "list", "--table", path], capsys)
    assert line == f"{path}: factor 'DEU' does not say its unit; add it to the row\n"
    path = table(tmp_path, unit='unit = "g/kwh"')
    line = refused(["carbon", "intensity", "list", "--table", path], capsys)
    assert "factor 'DEU': the unit 'g/kwh' is none that is computed with; near: kWh" in line


def test_an_unknown_zone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'Germania'; near names: DEU" in refused(["carbon", "intensity", "list", "Germania"], capsys)


def test_overlapping_revisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(series(tmp_path, OVERLAP), capsys)
    assert "series.csv" in line
    assert "overlap" in line


def test_a_licence_that_forbids_shipping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, licence="ODbL-1.0")
    assert main(["carbon", "factors", "check", path]) == 0
    capsys.readouterr()
    line = refused(["carbon", "factors", "check", "--for-shipping", path], capsys, code=1)
    assert line.startswith(f"{path}: factor 'DEU': the licence 'ODbL-1.0' passes its own terms on to the table")
