"""The emulator as its own process and as an object: hosts come and go, slow hosts lose samples, truth is written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.emulate import EmulatorSettings, MeterEmulator, draw_instrument_error
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.loads import ConstantLoad, Load
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import SampleBlock
from firmware_bridge.stream import open_port
from tests.fakes import counter_meter
from tests.fakes.metered import measure, true_energy_j


@contextmanager
def emulator_process(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "edgejoule", "meter", "emulate", *words], stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def one_second_of_cpu() -> None:
    until_s = time.process_time() + 1.0
    while time.process_time() < until_s:
        pass


def wait_for(path: Path, timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not path.exists():
        assert time.monotonic() < deadline_s, f"{path} did not appear"
        time.sleep(0.02)


def test_a_process_that_follows_another_ones_cpu(tmp_path: Path) -> None:
    port, truth, pid_file = tmp_path / "port", tmp_path / "truth.csv", tmp_path / "pid"
    words = ["tc66c", "--link", str(port), "--truth", str(truth), "--cpu-of-pid-file", str(pid_file)]
    words += ["--idle-w", "2.5", "--busy-w", "6.5", "--noise-w", "0.05", "--seed", "4"]
    with emulator_process(*words) as process:
        wait_for(port)
        with Meter(get_driver("tc66c"), str(port)) as meter:
            idle, _, _ = measure(meter, 1.0)
            pid_file.write_text(str(os.getpid()))
            time.sleep(0.7)
            busy, begin_ns, end_ns = measure(meter, 0.5, work=one_second_of_cpu)
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5.0) == 0
    assert not port.is_symlink()
    assert idle.mean_power_w == pytest.approx(2.5, abs=0.1)
    assert busy.energy_j == pytest.approx(true_energy_j(truth, begin_ns, end_ns), rel=0.03)
    lines = truth.read_text().splitlines()
    assert lines[0] == "t_unix_ns,energy_true_j"
    times_ns, energies_j = np.array([[float(field) for field in line.split(",")] for line in lines[1:]]).T
    powers_w = np.diff(energies_j) / np.diff(times_ns) * 1e9
    assert np.all(np.diff(times_ns) > 0)
    assert np.median(np.diff(times_ns)) == pytest.approx(20e6, rel=0.5)
    assert powers_w.max() > 5.0
    assert (energies_j[-1] - energies_j[0]) / (times_ns[-1] - times_ns[0]) * 1e9 > 2.7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ppk3", "--link", "port"], "did you mean ppk2"),
        (["ppk2", "--link", "no/such/folder/port"], "cannot make the link"),
        (["ppk2", "--link", "port", "--option", "colour=red"], "no option 'colour'"),
        (["sdm120", "--link", "port", "--option", "parity=mark"], "give one of none, even, odd"),
        (["ppk2", "--link", "port", "--garbage", "1e9"], "rates of faults must be at most 1,000,000 a second"),
        (["ppk2", "--link", "port", "--drift-ppm", "2e5"], "a clock's drift must be within 100,000 ppm"),
        (["ppk2", "--link", "port", "--truth", "no/such/truth.csv"], "cannot write the truth file"),
        (["ppk2", "--link", "port", "--profile", "nowhere.csv"], "cannot read the load profile"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(words: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgejoule", "meter", "emulate", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_hosts_may_come_and_go(tmp_path: Path) -> None:
    port = tmp_path / "port"
    for driver in (counter_meter.DRIVER, get_driver("ppk2")):
        with MeterEmulator(driver, port, ConstantLoad(2.0)):
            for _ in range(3):
                with Meter(driver, str(port)) as meter:
                    delta, _, _ = measure(meter, 0.2)
                assert delta.covered_s == pytest.approx(0.2, abs=0.05)
            with open_port(str(port), driver.serial) as rude:
                rude.write(b"G\x06S")
            with Meter(driver, str(port)) as meter:
                delta, _, _ = measure(meter, 0.2)
            assert delta.covered_s == pytest.approx(0.2, abs=0.05)


def test_a_host_that_does_not_read_loses_samples_and_blocks_nothing(tmp_path: Path) -> None:
    driver, port = get_driver("ppk2"), tmp_path / "port"
    with MeterEmulator(driver, port, ConstantLoad(2.0)) as emulator:
        with Meter(driver, str(port)):
            pass
        with open_port(str(port), driver.serial) as host:
            host.write(b"\x06")
            deadline_s = time.monotonic() + 5.0
            while not emulator.dropped_bytes and time.monotonic() < deadline_s:
                time.sleep(0.02)
            assert emulator.dropped_bytes > 0
            assert emulator.dropped_bytes % 4 == 0
            energy_j = emulator.energy_true_j
            time.sleep(0.2)
            assert emulator.energy_true_j > energy_j
        with Meter(driver, str(port)) as meter:
            delta, _, _ = measure(meter, 0.5)
        assert delta.covered_s + delta.gap_s == pytest.approx(0.5, abs=0.02)
        assert delta.covered_s > 0.4


def test_a_file_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    port = tmp_path / "port"
    port.write_text("precious")
    with (
        pytest.raises(ConfigurationError, match="not a symbolic link"),
        MeterEmulator(counter_meter.DRIVER, port, ConstantLoad(1.0)),
    ):
        pass
    assert port.read_text() == "precious"


def test_a_stale_link_is_replaced(tmp_path: Path) -> None:
    port = tmp_path / "port"
    port.symlink_to("/dev/pts/999999")
    with MeterEmulator(counter_meter.DRIVER, port, ConstantLoad(1.0)), Meter(counter_meter.DRIVER, str(port)) as meter:
        assert meter.health().connected
    assert not port.is_symlink()


@pytest.mark.parametrize("name", ["tc66c", "ppk2", "powersensor3"])
def test_units_differ_by_seed_within_their_data_sheet(name: str) -> None:
    sheet = get_driver(name).data_sheet
    errors = [draw_instrument_error(sheet, seed) for seed in range(300)]
    assert errors[0] == draw_instrument_error(sheet, 0)
    for index, one in enumerate(sheet.ranges):
        gains = np.array([error.gain_ratio[index] for error in errors])
        is_limit = sheet.gain_distribution == "rectangular"
        assert is_limit == bool(np.all(np.abs(gains) <= one.gain_limit_ratio))
        assert np.std(gains) == pytest.approx(one.gain_limit_ratio / (3**0.5 if is_limit else 1.0), rel=0.15)
    assert draw_instrument_error(sheet, 0, 0.5).gain_ratio == (0.5,) * len(sheet.ranges)


def test_the_truth_is_what_the_load_drew(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    settings = EmulatorSettings(noise_w=0.0, truth=truth)
    with MeterEmulator(counter_meter.DRIVER, tmp_path / "port", ConstantLoad(3.0), settings):
        time.sleep(0.5)
    first, *_, last = (line.split(",") for line in truth.read_text().splitlines()[1:])
    seconds = (int(last[0]) - int(first[0])) / 1e9
    assert float(last[1]) - float(first[1]) == pytest.approx(3.0 * seconds, abs=0.01)


def test_the_truth_begins_with_the_emulation(tmp_path: Path) -> None:
    """A meter may answer before the first tick: the question how much it drew until then has an answer."""
    truth = tmp_path / "truth.csv"
    before_ns = time.time_ns()
    with MeterEmulator(get_driver("tc66c"), tmp_path / "port", ConstantLoad(2.0), EmulatorSettings(truth=truth)):
        rows = truth.read_text(encoding="ascii").splitlines()
    t_unix_ns, energy_j = rows[1].split(",")
    assert before_ns <= int(t_unix_ns) <= time.time_ns()
    assert float(energy_j) == 0.0


class RisingLoad:
    """20 mW more with each second."""

    def step(self, begin_s: float, end_s: float) -> Load:
        return Load(0.01 * (begin_s + end_s))


def test_a_stream_of_one_sample_a_second_has_the_second_that_is_just_over(tmp_path: Path) -> None:
    driver, options = get_driver("lpm01a"), {"frequency_hz": 1}
    settings = EmulatorSettings(options=options, gain_error_ratio=0.0)
    arrived: list[tuple[float, float]] = []
    with MeterEmulator(driver, tmp_path / "tty", RisingLoad(), settings) as emulator:

        def note(block: SampleBlock) -> None:
            arrived.append((emulator.seconds, float(block.power_w[-1])))

        with Meter(driver, str(tmp_path / "tty"), options=options, on_block=note) as meter:
            time.sleep(2.2)
            assert meter.health().resets == 0
    assert len(arrived) >= 3
    for t_s, power_w in arrived:
        assert power_w == pytest.approx(0.02 * (t_s - 0.5), abs=0.005)
