import json

import pytest

from edgejoule.cli import main


def test_the_audit_as_text_fits_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    assert main(["carbon", "audit", "--explain"]) == 0

    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    for word in ("1,175.8", "1,176.802", "one kilogram is lost", "2 TB", "626,155", "88.75", "break-even"):
        assert word in text
    assert "clemm-total (Table I): sum of the four rows" in text


def test_the_audit_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["carbon", "audit", "clemm-2024", "--lifetime-years", "4", "--gco2e-per-kwh", "25", "100", "--json"]
    assert main(words) == 0

    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is True
    assert [(one["machine"], one["gco2e_per_kwh"]) for one in report["variants"]] == [
        ("server", 25.0), ("server", 100.0), ("GPU", 25.0), ("GPU", 100.0),
    ]  # fmt: skip
    total = next(one for one in report["findings"] if one["id"] == "clemm-total")
    assert (total["printed"], total["verdict"], total["unit"]) == (1175.8, "slip", "kgCO2e")
    assert total["difference"] == pytest.approx(-1.0016)


def test_slips_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "audit", "--slips"]) == 0

    text = capsys.readouterr().out
    assert "agrees" not in text
    assert "11 figures: 11 slip" in text


def test_wrong_words_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "audit", "clemm"]) == 2

    line = capsys.readouterr().err
    assert line.startswith("edgejoule: audit: unknown publication 'clemm'; known: clemm-2024, ")
    assert line.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["carbon", "audit", "--lifetime-years", "0"])
    assert "must be above zero" in capsys.readouterr().err
