"""Recording and reading as processes: killed, interrupted, unplugged, and off a terminal."""

import json
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.capture_file import read_capture
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.faults import Faults
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import host_time_s, open_port
from tests.fakes import counter_meter
from tests.fakes.captured import summarise
from tests.fakes.meter_command import COMMAND, running


@pytest.mark.parametrize(("name", "least_bytes"), [("ppk2", 400_000), ("tc66c", 1500)])
def test_a_capture_survives_the_death_of_its_recorder(name: str, least_bytes: int, tmp_path: Path) -> None:
    """SIGKILL in the middle: all but the last quarter of a second is there, and whole."""
    driver, port, path = get_driver(name), tmp_path / "port", tmp_path / "x.capture"
    with MeterEmulator(driver, port, ConstantLoad(2.0)):
        with running("record", name, str(port), str(path)) as recorder:
            deadline_s = time.monotonic() + 20.0
            while not (path.exists() and path.stat().st_size > least_bytes) and time.monotonic() < deadline_s:
                time.sleep(0.05)
            time.sleep(1.2)
            recorder.kill()
            killed_s = host_time_s()
            recorder.wait()
        with Meter(driver, str(port)) as meter:
            assert meter.health().connected, "the port is free for the next one"
    capture = read_capture(path)
    times_s = [frame.t_host_s for frame in capture.frames]
    assert all(later >= earlier for earlier, later in pairwise(times_s))
    assert killed_s - times_s[-1] < 0.6
    summary, _ = summarise(driver, path)
    assert summary.total is not None
    assert summary.total.duration_s > 0.5


def test_ctrl_c_ends_a_recording_in_order(tmp_path: Path) -> None:
    port, path = tmp_path / "port", tmp_path / "x.capture"
    with (
        MeterEmulator(get_driver("tc66c"), port, ConstantLoad(2.0)),
        running("record", "tc66c", str(port), str(path), "--json") as recorder,
    ):
        deadline_s = time.monotonic() + 20.0
        while not (path.exists() and path.stat().st_size > 2000) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        recorder.send_signal(signal.SIGINT)
        out, _ = recorder.communicate(timeout=10)
    recorded = json.loads(out)
    assert recorder.returncode == 0
    assert recorded["samples"] > 3
    assert read_capture(path).notes[-1] == {"ended": "over", "received_bytes": recorded["received_bytes"]}


def test_a_recording_ends_with_the_meter_and_is_good_up_to_there(tmp_path: Path) -> None:
    port, path = tmp_path / "port", tmp_path / "x.capture"
    with (
        MeterEmulator(
            get_driver("tc66c"), port, ConstantLoad(2.0), EmulatorSettings(faults=Faults(unplug_at_s=((2.0, 60.0),)))
        ),
        running("record", "tc66c", str(port), str(path)) as recorder,
    ):
        _, err = recorder.communicate(timeout=20)
    assert recorder.returncode == 1
    assert "is good up to here" in err.splitlines()[-1]
    assert sum(len(frame.data) for frame in read_capture(path).frames) > 1000


def test_off_a_terminal_there_are_no_control_codes(tmp_path: Path) -> None:
    port, rows = tmp_path / "port", tmp_path / "x.csv"
    words = ["read", "tc66c", str(port), "--seconds", "1.2", "--limit-w", "15", "--csv", str(rows)]
    with MeterEmulator(get_driver("tc66c"), port, ConstantLoad(2.0)), running(*words) as reader:
        out, err = reader.communicate(timeout=30)
    assert reader.returncode == 0
    assert "\x1b" not in out + err
    assert "SIMULATED" in out
    table = rows.read_text().splitlines()
    assert table[0].startswith("t_device_s,voltage_v")
    assert len(table) > 6


def test_a_port_in_use_is_exit_1(tmp_path: Path) -> None:
    driver, port = counter_meter.DRIVER, tmp_path / "port"
    with MeterEmulator(driver, port, ConstantLoad(2.0)), open_port(str(port), driver.serial):
        done = subprocess.run(
            [*COMMAND, "read", "tc66c", str(port)], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert "another process has it open" in done.stderr
    assert done.stderr.count("\n") == 1
