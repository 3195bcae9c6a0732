"""Every output that shows carbon carries its factors: id, value, unit, scope, source, licence, vintage."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.config import journal_path
from collector.journal import Journal
from edgejoule.cli import main
from tests.fakes.windows import commit_rows, make_fleet_rows

EXAMPLE = Path(__file__).parents[3] / "examples" / "compare-keyword-spotting.toml"
INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
zone = "SE"
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    journal = Journal(journal_path(tmp_path / "state"))
    commit_rows(journal, make_fleet_rows(6))
    journal.close()
    (tmp_path / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    path = tmp_path / "collector.toml"
    path.write_text('state_dir = "state"\n[inventory]\nfile = "inventory.toml"\n', encoding="utf-8")
    return str(path)


def factors_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """Return the factors of an output by id, from wherever they stand in it; each of them has to be complete."""
    assert main([*words, "--json"]) == 0
    found: dict[str, dict[str, Any]] = {}
    waiting = [json.loads(capsys.readouterr().out)]
    while waiting:
        one = waiting.pop()
        children = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        waiting.extend(children)
        if isinstance(one, dict) and {"id", "licence", "vintage"} <= set(one):
            found[one["id"]] = one
    assert found
    for factor in found.values():
        assert factor["estimate"]["low"] <= factor["estimate"]["value"] <= factor["estimate"]["high"]
        for text in (
            factor["estimate"]["unit"],
            *(factor[name] for name in ("scope", "source", "licence", "vintage")),
        ):
            assert text.strip()
    return found


@pytest.mark.parametrize(
    "words",
    [
        ["fleet", "report"],
        ["carbon", "assess", "--from", "2025-10-01", "--to", "2025-11-01", "--draws", "200", "--by", "device"],
    ],
    ids=["fleet report", "carbon assess"],
)
def test_a_fleets_carbon(words: list[str], config: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = factors_of([*words, "--config", config], capsys)
    assert {"DEU", "SWE", "logic-silicon", "dram"} <= set(found)


def test_a_comparison_a_board_and_a_zone(capsys: pytest.CaptureFixture[str]) -> None:
    compared = factors_of(["compare", str(EXAMPLE), "--draws", "200"], capsys)
    assert {"network-average-fixed", "network-marginal-fixed"} & set(compared)
    board = factors_of(["carbon", "embodied", "raspberry-pi-4b-4gb"], capsys)
    assert {"logic-silicon", "dram", "circuit-board"} <= set(board)
    assert set(factors_of(["carbon", "intensity", "list", "DE"], capsys)) == {"DEU"}


def test_zones_and_boards_are_listed_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "intensity", "DE", "gbr", "--json"]) == 0
    zones = json.loads(capsys.readouterr().out)
    assert [zone["id"] for zone in zones] == ["DEU", "GBR"]
    assert zones[0]["licence"] == "CC-BY-4.0"
    assert main(["carbon", "embodied"]) == 0
    shown = capsys.readouterr().out
    assert "raspberry-pi-zero-2-w" in shown
    assert "SCREENING ESTIMATE, NOT A PRODUCT FOOTPRINT" in shown
    assert main(["carbon", "embodied", "pi4b"]) == 2
    assert "near names: raspberry-pi-4b-4gb" in capsys.readouterr().err
