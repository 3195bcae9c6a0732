"""``edgejoule meter internal``: a board's sensors on the command line, with their warnings, against a real reader."""

import json
from pathlib import Path

import pytest

from edgejoule.cli import main
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.registry import get_driver


def jetson(root: Path, labels: tuple[str, ...]) -> None:
    folder = root / "sys/class/hwmon/hwmon3"
    folder.mkdir(parents=True)
    (folder / "name").write_text("ina3221\n")
    for n, label in enumerate(labels, 1):
        (folder / f"in{n}_label").write_text(label + "\n")
        (folder / f"in{n}_input").write_text("5000\n")
        (folder / f"curr{n}_input").write_text("400\n")


def test_the_total_rail_becomes_joules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jetson(tmp_path, ("VDD_IN", "VDD_SOC"))
    assert main(["meter", "internal", "--root", str(tmp_path), "--seconds", "0.5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (sensor,) = result["sensors"]
    assert sensor["kind"] == "jetson_ina"
    total = sensor["total"]
    assert total["energy_j"] == pytest.approx(2.0 * total["covered_s"])
    assert 0.2 < total["covered_s"] <= 0.6
    assert result["warnings"] == []


def test_rails_without_a_total_are_a_named_warning_and_no_joule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jetson(tmp_path, ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
    assert main(["meter", "internal", "--root", str(tmp_path), "--seconds", "0.3", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in result["warnings"]] == ["SummedRailsWarning"]
    assert result["sensors"][0]["total"]["energy_j"] == 0.0
    assert main(["meter", "internal", "--root", str(tmp_path), "--seconds", "0.3"]) == 1
    shown = capsys.readouterr()
    assert "VIN_SYS_5V0" in shown.out
    assert "SummedRailsWarning: ina3221:hwmon3: no rail holds the whole" in " ".join(shown.err.split())


def test_a_machine_without_a_sensor_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "internal", "--root", str(tmp_path)]) == 2
    assert "no internal power sensor was found" in capsys.readouterr().err


def test_more_inside_than_outside_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The board says 2 W, the meter in front of it 1 W: a supply path goes round the meter, or rails were summed."""
    jetson(tmp_path, ("VDD_IN",))
    port = tmp_path / "port"
    with MeterEmulator(get_driver("tc66c"), port, ConstantLoad(1.0), EmulatorSettings(seed=2)):
        command = ["meter", "internal", "--root", str(tmp_path), "--seconds", "3", "--window-s", "0.4", "--json"]
        assert main([*command, "--against", "tc66c", str(port)]) == 0
    (sensor,) = json.loads(capsys.readouterr().out)["sensors"]
    assert sensor["cross_check"]["windows"] >= 5
    assert "internal_above_external" in sensor["cross_check"]["findings"]
    assert sensor["cross_check"]["share_ratio"] == pytest.approx(2.0, rel=0.05)
