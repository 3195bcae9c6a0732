import json
from pathlib import Path
from typing import Any

import pytest

from collector.analysis.measured import measured_edge
from collector.config import journal_path
from collector.fleet.report import fleet_report
from collector.journal import Journal
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from tests.fakes.windows import JETSON, PI4, DeviceProfile, make_batch

EXAMPLE = str(Path(__file__).parents[3] / "examples" / "compare-keyword-spotting.toml")


def store(state_dir: Path, *profiles: DeviceProfile, fleet: str = "lab") -> Path:
    journal = Journal(journal_path(state_dir))
    for profile in profiles:
        journal.commit_batch(fleet, make_batch(range(1, 7), profile=profile), 1)
    journal.close()
    return state_dir


def compare_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["compare", EXAMPLE, "--draws", "500", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_a_device_measured_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path, PI4, JETSON)
    answer = compare_json(capsys, "--state-dir", str(tmp_path), "--device", "pi4-01")
    (energy,) = (factor for factor in answer["factors"] if factor["id"] == "edge.j_per_inference")
    assert energy["estimate"]["value"] == pytest.approx(0.01)
    assert energy["estimate"]["low"] < 0.01 < energy["estimate"]["high"]
    assert energy["source"] == "measured by pi4-01"
    assert answer["simulated"] is True
    (idle,) = (factor for factor in answer["factors"] if factor["id"] == "edge.idle_power_w")
    assert idle["estimate"]["value"] == pytest.approx(2.9)
    assert {energy["vintage"], idle["vintage"]} == {"measurement"}


def test_without_a_measurement_the_stated_figures_count(capsys: pytest.CaptureFixture[str]) -> None:
    answer = compare_json(capsys)
    assert answer["simulated"] is False
    assert answer["edge"]["energy"]["value"] == pytest.approx(2765.0)


def test_a_person_reads_tables_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", EXAMPLE, "--draws", "500"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "whichever network model is used" in shown
    assert "SCREENING ESTIMATE, NOT A PRODUCT FOOTPRINT" in shown
    assert "break-even, marginal network" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--state-dir", "{}", "--device", "pi5"], "no measurements of device 'pi5'; devices that are there: lab/jet"),
        (["--state-dir", "{}"], "2 devices fit; name one with --device FLEET/ID: lab/jetson-01, lab/pi4-01"),
        (["--device", "pi4-01"], "--device needs --state-dir"),
        (["--state-dir", "{}/nowhere"], "no journal here"),
        (["--draws", "1"], "--draws must lie in"),
    ],
)
def test_faults_are_one_line_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    store(tmp_path, PI4, JETSON)
    assert main(["compare", EXAMPLE, *(word.format(tmp_path) for word in arguments)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_device_that_did_nothing_has_nothing_to_compare(tmp_path: Path) -> None:
    idle = DeviceProfile("idle-01", "x", "tc66c", "m", "usb_dc", 2.0, None, 0.0, 0.01, 0.01)
    journal = Journal(journal_path(store(tmp_path, idle)), read_only=True)
    try:
        report = fleet_report(journal, None, None)
    finally:
        journal.close()
    with pytest.raises(ConfigurationError, match="has no joules per inference yet"):
        measured_edge(report, "lab/idle-01")


def test_carbon_intensity_and_embodied_list_with_sources(capsys: pytest.CaptureFixture[str]) -> None:
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
