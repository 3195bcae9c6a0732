"""Emulator, pseudo-terminal, reader and register in a closed loop, for every driver there is."""

import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.errors import ConfigurationError, MeterUnavailableError
from firmware_bridge.loads import ConstantLoad, ProfileLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import all_drivers, driver_names, get_driver
from firmware_bridge.samples import Event, FrameError
from firmware_bridge.stream import host_time_s, open_port
from tests.fakes import counter_meter
from tests.fakes.meter_talk import levels_a
from tests.fakes.metered import measure, true_energy_j, wait_for_reading

EVERY_DRIVER = [counter_meter.DRIVER, *all_drivers()]
FAST_DRIVERS = [driver for driver in EVERY_DRIVER if driver.data_sheet.sample_interval_s < 0.2]
SLOW_DRIVERS = {
    (sheet.sampling, sheet.refresh_interval_s, sheet.sample_interval_s): driver
    for driver in EVERY_DRIVER
    if 0.2 <= (sheet := driver.data_sheet).sample_interval_s <= 1.0
}
"""One of each pace: real seconds pass here. What all of them do in simulated time is in tests/contract."""
EDGE_S = 0.03
"""The host stamps a window's edge, the emulator its tick: both are good to a few milliseconds on a busy machine."""


def by_name(driver: MeterDriver) -> str:
    return driver.name


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def levels_w(driver: MeterDriver) -> tuple[float, float]:
    """Two powers that this meter measures well."""
    sheet = driver.data_sheet
    _, low_a, high_a = levels_a(sheet)
    return low_a * sheet.nominal_voltage_v, high_a * sheet.nominal_voltage_v


@pytest.mark.parametrize("driver", [*FAST_DRIVERS, *SLOW_DRIVERS.values()], ids=by_name)
def test_measured_energy_is_the_true_one_within_its_uncertainty(driver: MeterDriver, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    interval_s = driver.data_sheet.sample_interval_s
    step_s, window_s = max(0.5, 1.5 * interval_s), max(3.0, 4.0 * interval_s)
    low_w, high_w = levels_w(driver)
    load = ProfileLoad([(step_s * i, high_w if i % 2 else low_w, None) for i in range(40)])
    settings = EmulatorSettings(seed=11, noise_w=0.02 * low_w, truth=truth)
    with MeterEmulator(driver, tmp_path / "port", load, settings), Meter(driver, str(tmp_path / "port")) as meter:
        delta, begin_unix_ns, end_unix_ns = measure(meter, window_s)
        time.sleep(0.1)
        health = meter.health()
        assert meter.is_simulated
        power_w = meter.latest_power_w()
        sync = meter.sync()
    true_j = true_energy_j(truth, begin_unix_ns, end_unix_ns)
    edge_u_j = delta.power_sd_w * (EDGE_S + sync.residual_s)
    u_j = (delta.energy_u_systematic_j**2 + edge_u_j**2) ** 0.5
    low_j, high_j = energy_limits_j(delta, driver.data_sheet)
    assert low_j - 3.0 * u_j < true_j < high_j + 3.0 * u_j
    assert u_j < 0.2 * true_j
    assert delta.duration_s == pytest.approx(window_s, abs=0.1)
    assert delta.covered_s + delta.gap_s == pytest.approx(delta.duration_s, abs=1e-6)
    assert delta.gap_s < 0.1
    assert health.connected
    assert health.reconnects == 0
    assert health.received_bytes > 0
    assert health.identity is not None
    assert power_w == pytest.approx(0.5 * (low_w + high_w), rel=0.6)
    assert sync.residual_s <= max(0.1, 1.5 * (driver.data_sheet.refresh_interval_s or interval_s))


@pytest.mark.parametrize("driver", FAST_DRIVERS, ids=by_name)
def test_a_unit_far_out_of_its_data_sheet_is_found_out(driver: MeterDriver, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    settings = EmulatorSettings(seed=11, gain_error_ratio=1.5, truth=truth)
    load = ConstantLoad(levels_w(driver)[0])
    with MeterEmulator(driver, tmp_path / "port", load, settings), Meter(driver, str(tmp_path / "port")) as meter:
        delta, begin_unix_ns, end_unix_ns = measure(meter, 1.0)
        time.sleep(0.1)
    true_j = true_energy_j(truth, begin_unix_ns, end_unix_ns)
    assert abs(delta.energy_j - true_j) > 3.0 * delta.energy_u_systematic_j


@pytest.mark.parametrize("driver", FAST_DRIVERS, ids=by_name)
def test_an_unplugged_meter_comes_back_and_the_outage_is_gap(driver: MeterDriver, tmp_path: Path) -> None:
    port = tmp_path / "port"
    power_w = levels_w(driver)[0]
    load = ConstantLoad(power_w)
    with MeterEmulator(driver, port, load, EmulatorSettings(seed=3)):
        meter = Meter(driver, str(port))
        meter.open()
    try:
        begin_s = host_time_s() - 0.2
        first = wait_for_reading(meter, begin_s)
        time.sleep(2.5)
        silent_at_s = host_time_s()
        in_silence = wait_for_reading(meter, silent_at_s)
        assert not meter.health().connected
        assert meter.latest_power_w() is None
        assert "no such port" in meter.health().last_error
        with MeterEmulator(driver, port, load, EmulatorSettings(seed=3)):
            deadline_s = host_time_s() + 10.0
            while not meter.health().connected and host_time_s() < deadline_s:
                time.sleep(0.02)
            time.sleep(1.0)
            last = wait_for_reading(meter, host_time_s() - 0.2)
    finally:
        meter.close()
    outage, after = energy_between(first, in_silence), energy_between(in_silence, last)
    assert outage.gap_s == pytest.approx(2.5, abs=0.5)
    assert after.covered_s > 0.5
    for delta in (outage, after):
        assert delta.covered_s + delta.gap_s == pytest.approx(delta.duration_s, abs=1e-6)
        assert delta.energy_j == pytest.approx(power_w * delta.covered_s, rel=0.2)
    assert meter.health().reconnects >= 1


def test_a_certificate_corrects_the_reading(tmp_path: Path) -> None:
    driver, port = counter_meter.DRIVER, tmp_path / "port"
    certificate = Calibration(gain_ratio=1.0 / 1.2, gain_u_ratio=0.001, certificate="K-1")
    settings = EmulatorSettings(seed=5, gain_error_ratio=0.2)
    with (
        MeterEmulator(driver, port, ConstantLoad(3.0), settings),
        Meter(driver, str(port), calibration=certificate) as meter,
    ):
        delta, _, _ = measure(meter, 0.5)
    assert delta.mean_power_w == pytest.approx(3.0, rel=0.01)
    assert delta.energy_u_systematic_j < 0.005 * delta.energy_j


def test_nothing_is_left_after_close(tmp_path: Path) -> None:
    port = tmp_path / "port"
    with MeterEmulator(counter_meter.DRIVER, port, ConstantLoad(1.0)):
        before, threads = open_descriptors(), threading.active_count()
        for _ in range(3):
            with Meter(counter_meter.DRIVER, str(port)) as meter:
                assert meter.health().connected
            meter.close()
        assert open_descriptors() == before
        assert threading.active_count() == threads
        open_port(str(port), counter_meter.DRIVER.serial).close()


def test_a_silent_meter_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    port = tmp_path / "port"
    settings = EmulatorSettings(options={"mute": True})
    with MeterEmulator(counter_meter.DRIVER, port, ConstantLoad(1.0), settings):
        before, threads = open_descriptors(), threading.active_count()
        with pytest.raises(MeterUnavailableError, match="nothing came from the meter"):
            Meter(counter_meter.DRIVER, str(port)).open(timeout_s=0.3)
        assert open_descriptors() == before
        assert threading.active_count() == threads
        open_port(str(port), counter_meter.DRIVER.serial).close()


def test_the_wrong_driver_is_named_as_a_reason(tmp_path: Path) -> None:
    class Chatter(counter_meter.CounterEncoder):
        def receive(self, data: bytes, t_device_s: float) -> bytes:
            del t_device_s
            return b"hello there, I speak something else entirely" if data else b""

    other = MeterDriver("chatter", "", counter_meter.SHEET, counter_meter.CounterDecoder, Chatter)
    port = tmp_path / "port"
    with (
        MeterEmulator(other, port, ConstantLoad(1.0)),
        pytest.raises(MeterUnavailableError, match="none of them a sample of a counter; wrong driver"),
    ):
        Meter(counter_meter.DRIVER, str(port)).open(timeout_s=0.5)


def test_what_the_meter_complains_of_is_passed_on(tmp_path: Path) -> None:
    class Unhappy(counter_meter.CounterDecoder):
        def feed(self, data: bytes, t_host_s: float) -> list[Event]:
            del data
            return [FrameError("protocol", 1, t_host_s, "no pair of sensors is switched on")]

    port = tmp_path / "port"
    with (
        MeterEmulator(counter_meter.DRIVER, port, ConstantLoad(1.0)),
        pytest.raises(MeterUnavailableError, match="answers, but: no pair of sensors is switched on"),
    ):
        Meter(replace(counter_meter.DRIVER, make_decoder=Unhappy), str(port)).open(timeout_s=0.5)


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    port = str(tmp_path / "port")
    with (
        MeterEmulator(counter_meter.DRIVER, Path(port), ConstantLoad(1.0)),
        Meter(counter_meter.DRIVER, port),
        pytest.raises(MeterUnavailableError, match="another process has it open"),
    ):
        Meter(counter_meter.DRIVER, port).open()


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("/dev/no-such-meter", "there is no such port"),
        ("/etc/hostname", "not a serial device"),
        ("/tmp", "not a serial device"),
        ("socket://host", "socket://HOST:PORT"),
        ("rfc2217://host:99999", "rfc2217://HOST:PORT"),
        ("gopher://x", "not a port that can be opened"),
    ],
)
def test_ports_that_cannot_be_are_configuration_errors(port: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Meter(counter_meter.DRIVER, port).open()
    assert "\n" not in str(caught.value)


def test_an_unknown_option_is_refused_before_the_port_is_touched() -> None:
    with pytest.raises(ConfigurationError, match="no option"):
        Meter(get_driver(driver_names()[0]), "/dev/no-such-meter", options={"colour": "red"}).open()


def test_a_meter_behind_a_socket(tmp_path: Path) -> None:
    """``socket://`` ports work the same way: here a small bridge between a TCP port and the emulated meter."""
    driver, port = counter_meter.DRIVER, tmp_path / "port"
    with MeterEmulator(driver, port, ConstantLoad(3.0)), socket.create_server(("127.0.0.1", 0)) as server:
        bridge = threading.Thread(target=bridge_once, args=(server, port))
        bridge.start()
        with Meter(driver, f"socket://127.0.0.1:{server.getsockname()[1]}") as meter:
            delta, _, _ = measure(meter, 0.5)
            assert not meter.is_simulated
        bridge.join()
    assert delta.mean_power_w == pytest.approx(3.0, rel=0.05)


def bridge_once(server: socket.socket, port: Path) -> None:
    client, _ = server.accept()
    with client, open_port(str(port), counter_meter.DRIVER.serial) as serial_port:
        client.settimeout(0.005)
        while True:
            try:
                data = client.recv(4096)
            except TimeoutError:
                data = None
            if data == b"":
                return
            serial_port.write(data or b"")
            try:
                client.sendall(serial_port.read(0.005))
            except OSError:
                return


def test_a_decoder_that_breaks_is_replaced_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[int] = []

    class BreaksFirst(counter_meter.CounterDecoder):
        def __init__(self, options: Options) -> None:
            super().__init__(options)
            attempts.append(len(attempts))
            self._breaks = len(attempts) == 1

        def feed(self, data: bytes, t_host_s: float) -> list[Event]:
            if self._breaks:
                raise ZeroDivisionError("a bug")
            return super().feed(data, t_host_s)

    driver = replace(counter_meter.DRIVER, make_decoder=BreaksFirst)
    port = tmp_path / "port"
    with MeterEmulator(driver, port, ConstantLoad(1.0)), Meter(driver, str(port)) as meter:
        assert meter.health().connected
        assert meter.health().reconnects == 1
    assert "the reader failed" in caplog.text


def test_without_pyserial_the_remedy_is_named() -> None:
    script = (
        "import sys; sys.modules['serial'] = None\n"
        "from firmware_bridge.stream import open_port\n"
        "from firmware_bridge.driver import SerialSettings\n"
        "from firmware_bridge.errors import ConfigurationError\n"
        "try: open_port('/dev/ttyACM0', SerialSettings())\n"
        "except ConfigurationError as error: sys.exit(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "pyserial is not installed; pip install 'edgejoule[serial]'\n"
