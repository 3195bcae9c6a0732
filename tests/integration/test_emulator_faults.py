"""An emulated meter that loses, drifts, restarts and is unplugged: what the host then measures, against the truth."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

from firmware_bridge.driver import MeterDriver, Options, SerialSettings
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator, draw_instrument_error
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.faults import Faults
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import all_drivers, get_driver
from firmware_bridge.samples import F64, U8
from firmware_bridge.stream import open_port
from tests.fakes import counter_meter
from tests.fakes.meter_command import running
from tests.fakes.meter_talk import Conversation, steady

POWER_METERS = [one for one in all_drivers() if one.data_sheet.power_gain_limit_ratio is not None]


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def exact(**faults: Any) -> EmulatorSettings:
    """A unit whose clock runs with the host's, with these faults."""
    return EmulatorSettings(seed=3, faults=Faults(**{"drift_ratio": 0.0, **faults}))


def watched(emulator: MeterEmulator, driver: MeterDriver, port: str, seconds: float) -> tuple[Any, Any]:
    """Read the emulated meter for a while; return what the register says and the health."""
    with emulator, Meter(driver, port or emulator.port) as meter:
        first = meter.snapshot()
        time.sleep(seconds)
        return energy_between(first, meter.snapshot()), meter.health()


def test_the_port_is_the_first_line_and_the_truth_the_last() -> None:
    with running("emulate", "tc66c", "--seconds", "0.9", "--idle-w", "3") as process:
        port = line_of(process)
        assert port.startswith("/dev/pts/")
        with Meter(get_driver("tc66c"), port) as meter:
            assert meter.is_simulated
        assert process.wait(timeout=10) == 0
        assert line_of(process) == "the load drew 2.700000 J in 0.900 s"


def test_json_lines_name_port_and_truth(tmp_path: Path) -> None:
    link, truth = tmp_path / "port", tmp_path / "truth.csv"
    words = ["--link", str(link), "--truth", str(truth), "--loss", "0.2", "--jitter-ms", "5", "--json"]
    with running("emulate", "powersensor3", "--idle-w", "3", *words) as process:
        began = json.loads(line_of(process))
        assert (began["driver"], began["link"]) == ("powersensor3", str(link))
        assert os.path.realpath(link) == began["port"]
        with Meter(get_driver("powersensor3"), str(link)):
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        ended = json.loads(line_of(process))
        assert process.wait(timeout=10) == 0
    assert ended["energy_true_j"] == pytest.approx(3.0 * ended["seconds"], rel=1e-6)
    assert float(truth.read_text().splitlines()[-1].split(",")[1]) == pytest.approx(ended["energy_true_j"], abs=1e-6)
    assert ended["faults"]["lost_samples"] > 100
    assert ended["instrument_error"]["gain_ratio"]


def test_lost_samples_are_counted_by_the_driver_as_by_the_line(tmp_path: Path) -> None:
    driver = counter_meter.DRIVER
    emulator = MeterEmulator(driver, tmp_path / "port", ConstantLoad(3.0), exact(loss_ratio=0.1))
    delta, _ = watched(emulator, driver, str(tmp_path / "port"), 1.0)
    assert delta.lost_count == pytest.approx(0.1 * 1000, rel=0.5)
    assert delta.gap_s == pytest.approx(delta.lost_count * counter_meter.INTERVAL_S, abs=0.01)
    low_j, high_j = energy_limits_j(delta, driver.data_sheet)
    assert low_j < 3.0 * delta.duration_s < high_j


def test_lost_answers_are_gap_and_their_bound_holds_the_truth(tmp_path: Path) -> None:
    driver = get_driver("tc66c")
    emulator = MeterEmulator(driver, tmp_path / "port", ConstantLoad(3.0), exact(loss_ratio=0.3))
    delta, health = watched(emulator, driver, str(tmp_path / "port"), 2.5)
    assert 0 < health.frame_errors["stale"] <= emulator.fault_counts.lost_answers + 2
    low_j, high_j = energy_limits_j(delta, driver.data_sheet)
    assert low_j - 0.1 < 3.0 * delta.duration_s < high_j + 0.1


def test_flips_and_garbage_are_survived(tmp_path: Path) -> None:
    driver = counter_meter.DRIVER
    settings = exact(bit_flips_hz=20.0, garbage_bytes_hz=200.0)
    emulator = MeterEmulator(driver, tmp_path / "port", ConstantLoad(3.0), settings)
    delta, health = watched(emulator, driver, str(tmp_path / "port"), 1.0)
    assert health.frame_errors["desync"] >= 80
    assert emulator.fault_counts.flipped_bits > 5
    assert delta.covered_s > 0.3


def test_jitter_delays_and_loses_nothing(tmp_path: Path) -> None:
    driver = counter_meter.DRIVER
    emulator = MeterEmulator(driver, tmp_path / "port", ConstantLoad(3.0), exact(jitter_s=0.1))
    delta, health = watched(emulator, driver, str(tmp_path / "port"), 1.0)
    assert health.frame_errors == {}
    assert delta.gap_s == 0.0
    assert delta.mean_power_w == pytest.approx(3.0, rel=0.02)


class NotedEncoder(counter_meter.CounterEncoder):
    """Keeps the device times that it was given."""

    times_s: ClassVar[list[list[float]]] = []

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__(options, seed)
        self.times_s.append([])

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:
        self.times_s[-1] += t_device_s.tolist()
        return super().emit(t_device_s, voltage_v, current_a, logic)


def test_a_drifting_clock_is_slower_in_device_time(tmp_path: Path) -> None:
    """What was sent never runs ahead of the slow clock, and comes up to it however late a busy machine sends."""
    NotedEncoder.times_s.clear()
    driver = replace(counter_meter.DRIVER, make_encoder=NotedEncoder)
    with MeterEmulator(driver, tmp_path / "port", ConstantLoad(3.0), exact(drift_ratio=-0.1)) as emulator:
        deadline_s = time.monotonic() + 15.0
        reached_ratio = 0.0
        while reached_ratio < 0.87 and time.monotonic() < deadline_s:
            time.sleep(0.05)
            sent_s, passed_s = NotedEncoder.times_s[-1][-1:], emulator.seconds
            assert not sent_s or sent_s[0] <= 0.9 * passed_s + 1e-6
            reached_ratio = sent_s[0] / passed_s if sent_s and passed_s > 1.0 else 0.0
    assert reached_ratio >= 0.87


def test_a_reset_begins_the_devices_clock_anew(tmp_path: Path) -> None:
    NotedEncoder.times_s.clear()
    driver = replace(counter_meter.DRIVER, make_encoder=NotedEncoder)
    with MeterEmulator(driver, tmp_path / "port", ConstantLoad(2.0), exact(reset_at_s=(0.3, 0.5))):
        time.sleep(0.8)
    assert len(NotedEncoder.times_s) == 3
    for times_s in NotedEncoder.times_s:
        assert times_s[0] == pytest.approx(counter_meter.INTERVAL_S)
        assert all(later > earlier for earlier, later in pairwise(times_s))
    assert NotedEncoder.times_s[0][-1] == pytest.approx(0.3, abs=0.1)
    assert NotedEncoder.times_s[1][-1] == pytest.approx(0.2, abs=0.1)


def test_a_reset_begins_the_meter_anew(tmp_path: Path) -> None:
    """A stream stops with it, the driver asks again, and the silence is gap."""
    driver = get_driver("ppk2")
    emulator = MeterEmulator(driver, tmp_path / "port", ConstantLoad(2.0), exact(reset_at_s=(0.8,)))
    with emulator, Meter(driver, str(tmp_path / "port")) as meter:
        first = meter.snapshot()
        deadline_s = time.monotonic() + 15.0
        while (delta := energy_between(first, meter.snapshot())).gap_s == 0.0 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert emulator.fault_counts.resets == 1
    assert 1.0 < delta.gap_s < 8.0


def test_unplugged_and_plugged_again_behind_the_same_link(tmp_path: Path) -> None:
    driver, link, ports = counter_meter.DRIVER, tmp_path / "port", list[str]()
    emulator = MeterEmulator(driver, link, ConstantLoad(3.0), exact(unplug_at_s=((0.8, 0.7),)), on_port=ports.append)
    with emulator, Meter(driver, str(link)) as meter:
        first = meter.snapshot()
        deadline_s = time.monotonic() + 15.0
        while not meter.health().reconnects and time.monotonic() < deadline_s:
            time.sleep(0.05)
        time.sleep(0.5)
        delta = energy_between(first, meter.snapshot())
    assert emulator.fault_counts.unplugs == 1
    assert len(ports) == 2
    assert 0.6 < delta.gap_s < 2.5
    assert not link.is_symlink()


def test_a_load_beyond_the_meter_is_noted() -> None:
    with running("emulate", "ppk2", "--seconds", "0.1", "--idle-w", "10") as process:
        _, err = process.communicate(timeout=15)
    assert err == "note: 10 W at 5 V are 2 A; a ppk2 measures up to 1 A\n"


def test_without_a_link_the_new_port_is_said() -> None:
    with running("emulate", "tc66c", "--seconds", "1.0", "--unplug-at", "0.3:0.2") as process:
        out, _ = process.communicate(timeout=15)
    first, second, truth = out.splitlines()
    assert first.startswith("/dev/pts/")
    assert second.startswith("/dev/pts/")
    assert truth.endswith("unplugs 1")


def test_a_meter_with_seven_bits_and_parity_can_be_opened_again(tmp_path: Path) -> None:
    settings = SerialSettings(baud_hz=300, bytesize=7, parity="E")
    with MeterEmulator(counter_meter.DRIVER, tmp_path / "port", ConstantLoad(1.0)):
        for _ in range(3):
            with open_port(str(tmp_path / "port"), settings) as port:
                port.write(b"G")
                deadline_s = time.monotonic() + 5.0
                while not (data := port.read(0.1)) and time.monotonic() < deadline_s:
                    pass
                assert data[0] == 0xA5


@pytest.mark.parametrize("driver", all_drivers(), ids=lambda driver: driver.name)
@pytest.mark.parametrize(("voltage_v", "current_a"), [(0.0, 0.0), (5.0, -0.01), (5.0, 1e3), (1e4, 1e3), (230.0, -5.0)])
def test_no_load_is_too_much_for_an_emulated_meter(driver: MeterDriver, voltage_v: float, current_a: float) -> None:
    """A load beyond the meter's range, or a unit whose offset is below zero, ends no emulation."""
    talk = Conversation(driver)
    talk.run(2.0, steady(voltage_v, current_a)).check_blocks()


@pytest.mark.parametrize("driver", POWER_METERS, ids=lambda driver: driver.name)
def test_a_unit_of_a_power_meter_is_off_by_its_limits_on_power(driver: MeterDriver) -> None:
    sheet = driver.data_sheet
    assert sheet.power_gain_limit_ratio is not None
    drawn = [draw_instrument_error(sheet, seed) for seed in range(200)]
    gains = [error.power_gain_ratio for error in drawn if error.power_gain_ratio is not None]
    assert len(gains) == 200
    assert 0.8 * sheet.power_gain_limit_ratio < max(gains) <= sheet.power_gain_limit_ratio
    assert min(gains) < -0.8 * sheet.power_gain_limit_ratio
    assert draw_instrument_error(sheet, 0, 0.5).power_gain_ratio == 0.5


@pytest.mark.parametrize("driver", POWER_METERS[:1], ids=lambda driver: driver.name)
def test_a_power_meter_reads_its_own_error_of_power(driver: MeterDriver, tmp_path: Path) -> None:
    settings = EmulatorSettings(seed=5, gain_error_ratio=0.2)
    with (
        MeterEmulator(driver, tmp_path / "port", ConstantLoad(1000.0), settings) as emulator,
        Meter(driver, str(tmp_path / "port")) as meter,
    ):
        time.sleep(0.5)
        block = meter.latest_block()
    assert block is not None
    assert block.power_w[-1] == pytest.approx(1200.0 + emulator.error.power_offset_w[0], rel=2e-3)
    assert block.voltage_v[-1] == pytest.approx(driver.data_sheet.nominal_voltage_v, rel=0.02)
