"""``edgejoule meter`` as a user types it, in process, against an emulated meter."""

import json
from pathlib import Path

import pytest

from edgejoule.cli import main
from edgejoule.commands.meter.list_verb import find_ports
from edgejoule.commands.meter.live import clock_text
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.registry import all_drivers, driver_names, get_driver
from firmware_bridge.timeline import SyncState


def test_list_names_every_driver_with_its_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [meter["driver"] for meter in listed["meters"]] == list(driver_names())
    for meter in listed["meters"]:
        assert meter["data_sheet"]["accuracy_basis"]
        sheet = meter["data_sheet"]
        assert max(sheet["ranges"][0]["gain_limit_ratio"], sheet["power_gain_limit_ratio"] or 0.0) > 0.0
    assert main(["meter", "list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in driver_names())


def test_ports_have_names() -> None:
    assert all(port.port for port in find_ports(all_drivers()) or ())


def test_read_gives_json_alone_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = tmp_path / "port"
    with MeterEmulator(get_driver("tc66c"), port, ConstantLoad(3.0), EmulatorSettings(seed=2)):
        assert main(["meter", "read", "tc66c", str(port), "--seconds", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["simulated"] is True
    assert result["total"]["mean_power_w"] == pytest.approx(3.0, rel=0.01)
    assert result["total"]["duration_s"] == pytest.approx(1.0, abs=0.3)
    assert 0.0 < result["total"]["energy_u_systematic_j"] < 0.01 * result["total"]["energy_j"]
    assert result["health"]["identity"]["model"] == "TC66"


def test_read_says_simulated_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = tmp_path / "port"
    with MeterEmulator(get_driver("tc66c"), port, ConstantLoad(3.0)):
        assert main(["meter", "read", "tc66c", str(port), "--seconds", "0.5", "--option", "poll_interval_s=0.05"]) == 0
    assert "SIMULATED" in capsys.readouterr().out


def test_record_then_decode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port, file = tmp_path / "port", tmp_path / "x.capture"
    with MeterEmulator(get_driver("powersensor3"), port, ConstantLoad(3.0), EmulatorSettings(voltage_v=12.0)):
        assert main(["meter", "record", "powersensor3", str(port), str(file), "--seconds", "1", "--json"]) == 0
    recorded = json.loads(capsys.readouterr().out)
    assert main(["meter", "decode", "powersensor3", str(file), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["received_bytes"] == recorded["received_bytes"]
    assert summary["total"]["mean_power_w"] == pytest.approx(3.0, rel=0.2)
    assert main(["meter", "decode", "powersensor3", str(file)]) == 0
    assert "mean power" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["read", "tc66", "/dev/x"], "there is no meter driver 'tc66'; did you mean tc66c?"),
        (["read", "tc66c", "/dev/no-such-meter"], "/dev/no-such-meter: there is no such port"),
        (["read", "tc66c", "/dev/null", "--option", "x=1"], "no option 'x'"),
        (["decode", "tc66c", "/dev/null"], "/dev/null: empty, there is nothing to decode"),
        (["replay", "/dev/null"], "/dev/null: not a capture file"),
        (["show", "ppk"], "there is no meter driver 'ppk'; did you mean ppk2"),
        (["read", "tc66c", "/dev/null", "--csv", "/tmp/x.txt"], "ends in .csv or .parquet"),
        (["read", "tc66c", "/dev/null", "--csv", "/no/such/folder/x.csv"], "cannot write it"),
        (["emulate", "tc66c", "--unplug-at", "1:5", "--unplug-at", "2:1"], "must follow one another"),
        (["record", "tc66c", "/dev/null", "/no/such/folder/file", "--seconds", "1"], "cannot write it"),
        (
            ["emulate", "tc66c", "--link", "/tmp/x", "--profile", "a.csv", "--cpu-of-pid-file", "b"],
            "exclude each other",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["read", "a", "b", "--seconds", "-1"],
        ["read", "a", "b", "--option", "x"],
        ["replay", "a", "--fast", "--speed", "2"],
        ["emulate", "a", "--loss", "1.5"],
        ["emulate", "a", "--unplug-at", "3"],
        [],
    ],
)
def test_wrong_usage_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["meter", *words])
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("residual_s", "text"), [(0.1, "within 100 ms"), (1.5, "within 1.5 s"), (45.0, "within 45 s")]
)
def test_a_slow_clock_is_told_in_seconds(residual_s: float, text: str) -> None:
    assert clock_text(SyncState("host_clock", residual_s), None) == f"host clock, {text}"
