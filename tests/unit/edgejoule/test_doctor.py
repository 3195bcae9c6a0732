"""The doctor's judgements, from facts that are given, and its report over this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_agent.model_catalog import file_sha256, find_model, list_models, models_dir
from edgejoule.cli import main
from edgejoule.doctor import serial_ports
from edgejoule.doctor.examination import Subject, examine
from edgejoule.doctor.finding import Finding
from edgejoule.doctor.machine import (
    ClockFacts,
    DirectoryFacts,
    check_clock,
    check_directory,
    check_sqlite,
    gather_directory_facts,
)
from edgejoule.doctor.models import check_catalog
from edgejoule.doctor.runtimes import EngineFacts, check_engine, check_packages, check_python, parse_version
from edgejoule.doctor.serial_ports import PortFacts, check_configured_port, check_ports, gather_port
from firmware_bridge.usb import UsbPort
from tests.fakes.agent import agent_toml

NOW_UNIX_S = 1_790_000_000.0


def _levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def _engine(**facts: object) -> Finding:
    known: dict[str, object] = {"machine": "aarch64", "python": (3, 11, 2), "glibc": (2, 36), "numpy": "2.1.0"}
    (finding,) = check_engine(EngineFacts(**(known | facts)), required=True)  # type: ignore[arg-type]  # by name
    return finding


@pytest.mark.parametrize(
    ("text", "version"),
    [("2.3.0", (2, 3, 0)), ("2.1.0rc1", (2, 1, 0)), ("2.20.0.dev2025", (2, 20, 0)), ("2.36", (2, 36)), ("", ())],
)
def test_version_numbers(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_python_must_be_recent() -> None:
    assert check_python((3, 11, 0)).level == "ok"
    assert check_python((3, 10, 12)).level == "failure"


def test_litert_that_imports_is_fine() -> None:
    assert _engine(litert="2.3.0") == Finding("ok", "engine", "LiteRT 2.3.0")


def test_litert_on_an_old_c_library_gets_the_version_that_works() -> None:
    finding = _engine(litert="2.3.0", litert_error="GLIBC_2.34 not found", glibc=(2, 31))

    assert finding.level == "failure"
    assert "needs glibc 2.34, this system has 2.31" in finding.text
    assert "ai-edge-litert==2.1.0" in finding.remedy


@pytest.mark.parametrize(
    ("machine", "version", "glibc"), [("x86_64", "2.3.0", (2, 31)), ("aarch64", "2.1.0", (2, 31))]
)
def test_another_import_error_is_told_as_it_is(machine: str, version: str, glibc: tuple[int, int]) -> None:
    finding = _engine(machine=machine, litert=version, litert_error="no such symbol", glibc=glibc)

    assert finding.level == "failure"
    assert "no such symbol" in finding.text


def test_tflite_runtime_with_numpy_2() -> None:
    finding = _engine(machine="armv7l", tflite_runtime="2.14.0", tflite_runtime_error="initialization failed")

    assert (finding.level, finding.remedy) == ("failure", "pip install 'numpy<2'")


def test_tflite_runtime_is_right_on_32_bit_arm_and_slow_elsewhere() -> None:
    assert _engine(machine="armv7l", tflite_runtime="2.14.0", numpy="1.26.4").level == "ok"
    assert _engine(machine="aarch64", tflite_runtime="2.14.0", numpy="1.26.4").level == "warning"


@pytest.mark.parametrize(
    ("machine", "python", "words"),
    [("armv6l", (3, 11, 2), "Pi Zero 2 W"), ("armv7l", (3, 13, 0), "bookworm"), ("aarch64", (3, 13, 0), "[agent]")],
)
def test_without_an_engine_the_remedy_fits_the_machine(machine: str, python: tuple[int, int, int], words: str) -> None:
    assert words in _engine(machine=machine, python=python).remedy


def test_a_machine_without_an_agent_needs_no_engine() -> None:
    facts = EngineFacts(machine="aarch64", python=(3, 11, 2))

    assert _levels(check_engine(facts, required=False)) == ["warning"]
    assert _levels(check_engine(facts, required=True)) == ["failure"]


def _onnx(**facts: object) -> Finding:
    known: dict[str, object] = {"machine": "aarch64", "python": (3, 11, 2), "litert": "2.3.0"}
    found = EngineFacts(**(known | facts))  # type: ignore[arg-type]  # by name
    (finding,) = check_engine(found, required=True, suffix=".onnx")
    return finding


def test_an_onnx_model_needs_onnx_runtime_whatever_else_is_here() -> None:
    assert _onnx(onnxruntime="1.27.0") == Finding("ok", "engine", "ONNX Runtime 1.27.0, for .onnx models")
    assert (_onnx().level, _onnx().remedy) == ("failure", "pip install 'edgejoule[onnx]'")
    assert "use a .tflite model" in _onnx(machine="armv7l").remedy
    broken = _onnx(onnxruntime="1.27.0", onnxruntime_error="libc.musl: no such file")
    assert broken.level == "failure"
    assert "libc.musl" in broken.text


def test_onnx_runtime_is_named_beside_the_other_engine() -> None:
    both = EngineFacts(machine="x86_64", python=(3, 11, 2), litert="2.3.0", onnxruntime="1.27.0", numpy="2.1.0")
    assert [finding.text.split(",")[0] for finding in check_engine(both, required=True)] == [
        "LiteRT 2.3.0",
        "ONNX Runtime 1.27.0",
    ]


def _model_finding(directory: Path, model: str, **tables: str) -> Finding:
    report = examine(Subject(agent_config=agent_toml(directory, model=model, **tables)))
    return next((one for one in report.findings if one.topic == "model"), Finding("ok", "model", "not looked at"))


def test_the_configured_model_is_loaded_as_the_agent_would(tmp_path: Path) -> None:
    fine = _model_finding(tmp_path, 'id = "digits_mlp_int8"\ndelegate = "none"')
    assert fine.level == "ok"
    assert "litert" in fine.text
    assert fine.text.endswith("delegate none, threads 1")
    absent = _model_finding(tmp_path, 'id = "digits_mlp_int8"\ndelegate = "libabsent.so.1"')
    assert absent.level == "failure"
    assert "delegate = 'libabsent.so.1': the library cannot be loaded" in absent.text
    unknown = _model_finding(tmp_path, 'id = "digits_mlp_int8"\nengine = "tensorrt"')
    assert "'tensorrt' is not known" in unknown.text
    (tmp_path / "own.onnx").write_bytes(b"no model")
    broken = _model_finding(
        tmp_path, f'id = "own"\npath = "own.onnx"\nsha256 = "{file_sha256(tmp_path / "own.onnx")}"'
    )
    assert broken.level == "failure"
    np.savez(tmp_path / "check.npz", x=np.zeros((2, 3), np.int8))
    source = find_model("digits_mlp_int8")
    own = f'id = "own"\npath = "{source.path}"\nsha256 = "{source.sha256}"\ncheck_set = "check.npz"'
    assert "make the check set for this very model" in _model_finding(tmp_path, own).text
    other = {"input": 'source = "application"', "input.runtime": 'runtime="a"\nversion="1"\ndelegate="-"\nthreads=1'}
    assert _model_finding(tmp_path, 'id = "digits_mlp_int8"', **other).text == "not looked at"


def test_a_catalogue_that_is_not_whole_is_a_failure_with_the_file_s_name(tmp_path: Path) -> None:
    shutil.copytree(models_dir(), tmp_path / "models", ignore=shutil.ignore_patterns("recipes"))
    count = len(list_models())
    assert check_catalog(tmp_path / "models").text.startswith(f"{count} come along")
    file = tmp_path / "models/digits_mlp/check_set.npz"
    file.write_bytes(file.read_bytes() + b"x")
    finding = check_catalog(tmp_path / "models")
    assert (finding.level, "check_set.npz: sha256 is" in finding.text) == ("failure", True)
    assert "reinstall" in finding.remedy
    file.unlink()
    assert check_catalog(tmp_path / "models").level == "failure"
    assert "catalog.toml" in check_catalog(tmp_path / "nowhere").text
    (tmp_path / "models" / "catalog.toml").write_bytes(b"")
    assert check_catalog(tmp_path / "models").level == "failure", "an emptied catalogue is not whole"


def test_missing_packages_name_their_extra() -> None:
    findings = check_packages({"agent": [], "collector": ["pyarrow"]})

    assert _levels(findings) == ["ok", "warning"]
    assert "edgejoule[collector]" in findings[1].remedy


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        (ClockFacts(synchronised=True, unix_s=NOW_UNIX_S), "ok"),
        (ClockFacts(synchronised=False, unix_s=NOW_UNIX_S), "warning"),
        (ClockFacts(synchronised=None, unix_s=NOW_UNIX_S), "warning"),
        (ClockFacts(synchronised=True, unix_s=100.0), "failure"),
    ],
)
def test_clock(facts: ClockFacts, level: str) -> None:
    assert check_clock(facts).level == level


@pytest.mark.parametrize(
    ("fault", "free_mib", "file_system", "levels"),
    [
        ("", 10_000, "ext4", ["ok", "ok"]),
        ("", 200, "ext4", ["ok", "warning"]),
        ("", 20, "ext4", ["ok", "failure"]),
        ("", 10_000, "nfs4", ["failure", "ok"]),
        ("", 10_000, "tmpfs", ["warning", "ok"]),
        ("this user may not write in /var/lib", 10_000, "ext4", ["failure"]),
    ],
)
def test_directories(fault: str, free_mib: int, file_system: str, levels: list[str]) -> None:
    facts = DirectoryFacts(path="/var/lib/x", fault=fault, free_bytes=free_mib * 2**20, file_system=file_system)

    assert _levels(check_directory("state", facts)) == levels


def test_a_directory_is_looked_at_where_it_will_be(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"root / ext4 rw 0 0\nx {tmp_path} nfs4 rw 0 0\nshort\n", encoding="utf-8")

    facts = gather_directory_facts(tmp_path / "not" / "yet", mounts)

    assert (facts.fault, facts.file_system) == ("", "nfs4")
    assert facts.free_bytes > 0
    assert list(tmp_path.iterdir()) == [mounts]
    assert gather_directory_facts(Path("/elsewhere"), mounts).file_system == "ext4"


def test_a_file_in_the_way_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="utf-8")

    assert "is not a directory" in gather_directory_facts(tmp_path / "state").fault


def test_sqlite_must_know_what_the_journal_says() -> None:
    assert check_sqlite().level == "ok"
    assert check_sqlite((3, 34, 1)).level == "failure"


def _port(*, exists: bool = True, may_open: bool = True, is_terminal: bool = False, active: bool = False) -> PortFacts:
    return PortFacts(
        path="/dev/ttyACM0",
        description="USB meter",
        exists=exists,
        may_open=may_open,
        is_terminal=is_terminal,
        user_in_group=not may_open,
        active=active,
        user="ada",
    )


def test_ports_of_the_machine() -> None:
    assert _levels(check_ports([])) == ["warning"]
    assert _levels(check_ports([_port()])) == ["ok"]
    assert _levels(check_ports([_port(may_open=False)])) == ["warning"]


def test_the_configured_port() -> None:
    assert check_configured_port(_port()).level == "ok"
    assert check_configured_port(_port(may_open=False)).level == "failure"
    assert check_configured_port(_port(exists=False)).level == "failure"
    assert check_configured_port(PortFacts(path="socket://host:1", description="", exists=False)).level == "ok"


def test_the_remedy_for_permission_follows_from_the_groups() -> None:
    stranger = PortFacts(path="/dev/ttyUSB0", description="x", may_open=False, user="ada")

    assert "sudo usermod -aG dialout ada" in check_configured_port(stranger).remedy
    assert "log out and in again" in check_configured_port(_port(may_open=False)).remedy
    assert "udev rule" in check_configured_port(_port(may_open=False, active=True)).remedy


def test_a_pseudo_terminal_is_said_to_be_simulated(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    try:
        link = tmp_path / "meter"
        link.symlink_to(os.ttyname(terminal))
        finding = check_configured_port(gather_port(str(link)))
    finally:
        os.close(controller)
        os.close(terminal)

    assert finding.level == "warning"
    assert "simulated" in finding.text


def test_a_usb_port_is_looked_up_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "ttyACM3"
    device.touch()
    monkeypatch.setattr(serial_ports, "list_usb_ports", lambda: (UsbPort(str(device), 0x1915, 0xC00A, "E5"),))
    there, away = gather_port("usb://E5"), gather_port("usb://F6")

    assert there.path == str(device)
    assert check_configured_port(there).level == "ok"
    assert check_configured_port(away).level == "failure"
    assert "usb://1915:c00a:E5" in check_configured_port(away).text
    assert check_configured_port(gather_port("usb://1915:zz")).level == "failure"


def test_report_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])

    report = json.loads(capsys.readouterr().out)
    levels = [finding["level"] for finding in report["findings"]]
    assert code == (1 if "failure" in levels else 0)
    assert report["failures"] == levels.count("failure")
    assert report["warnings"] == levels.count("warning")
    assert all(finding.get("remedy") for finding in report["findings"] if finding["level"] != "ok")
    assert {"python", "engine", "models", "sqlite", "clock"} <= {finding["topic"] for finding in report["findings"]}


def test_failures_are_exit_1_and_shown_with_their_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mosquitto.conf"
    config.write_text("listener 1883\nallow_anonymous true\n", encoding="utf-8")

    assert main(["doctor", "--mosquitto-conf", str(config)]) == 1

    shown = capsys.readouterr().out
    assert "failure  mosquitto.conf: listener 1883 on every interface lets anybody in" in shown
    assert "remedy: allow_anonymous false" in shown


def test_a_file_that_is_not_there_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--agent-config", "/nowhere/agent.toml"]) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_it_runs_where_only_the_base_packages_are(tmp_path: Path) -> None:
    """The doctor is for machines where something is missing: the optional packages are hidden from it here."""
    hidden = ("serial", "paho", "psutil", "iotcore", "pyarrow", "influxdb_client", "matplotlib", "jinja2")
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = staticmethod(\n"
        f"    lambda name, *rest: None if name.split('.')[0] in {hidden!r} else find(name, *rest))\n",
        encoding="utf-8",
    )
    outcome = subprocess.run(
        [sys.executable, "-m", "edgejoule", "doctor", "--json"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    findings = {finding["topic"]: finding["level"] for finding in json.loads(outcome.stdout)["findings"]}
    assert findings["extra [collector]"] == "warning"
