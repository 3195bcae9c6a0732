"""The cable is pulled, the name changes, another meter takes the place: nothing is counted that was not measured."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.energy import energy_between
from firmware_bridge.errors import ConfigurationError, MeterUnavailableError
from firmware_bridge.faults import Faults
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import host_time_s
from firmware_bridge.usb import UsbPort
from tests.fakes import counter_meter
from tests.fakes.metered import wait_for_reading
from tests.fakes.scripted_meter import ScriptedMeter

DRIVER = counter_meter.DRIVER
POWER_W = 3.0
BACK_WITHIN_S = 2.0


@contextmanager
def opened(meter: Meter, unit: ScriptedMeter) -> Iterator[Meter]:
    """Open a meter whose first samples this thread has to send."""
    with opening(meter) as one:
        unit.wait_for_host()
        unit.stream(0.1, POWER_W)
        wait_until_connected(one)
        yield one


@contextmanager
def opening(meter: Meter) -> Iterator[Meter]:
    """Start a meter without waiting for samples: ``open`` would, and nobody sends any yet."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(meter.open)
        try:
            yield meter
            done.result()
        finally:
            done.exception()
            meter.close()


def wait_until_connected(meter: Meter, timeout_s: float = 10.0) -> float:
    began_s = host_time_s()
    while not meter.health().connected:
        if host_time_s() > began_s + timeout_s:
            raise AssertionError(f"not connected after {timeout_s} s: {meter.health()}")
        time.sleep(0.005)
    return host_time_s() - began_s


def test_seconds_without_the_cable_from_the_middle_of_a_frame_on(tmp_path: Path) -> None:
    """Back within two seconds; the outage is gap; every joule outside it is there, to the last frame.

    Pauses between attempts that went on doubling would have the reader asleep until 12.7 s.
    """
    with ScriptedMeter(tmp_path / "port") as unit, opened(Meter(DRIVER, str(tmp_path / "port")), unit) as meter:
        unit.stream(1.0, POWER_W)
        unit.send_part_of_a_frame()
        unit.unplug()
        away_s = host_time_s()
        cpu_s = time.process_time()
        time.sleep(6.5)
        cpu_s = time.process_time() - cpu_s
        unit.plug()
        away_s = host_time_s() - away_s
        back_s = unit.wait_for_host()
        unit.stream(1.0, 2.0 * POWER_W)
        time.sleep(0.2)
        reading, health = meter.snapshot(), meter.health()
        first = meter.first()
    assert back_s < BACK_WITHIN_S
    assert cpu_s < 0.25
    assert reading.energy_j == pytest.approx(unit.energy_j, rel=1e-12)
    assert reading.sample_count == unit.frames
    assert reading.covered_s == pytest.approx(unit.frames * counter_meter.INTERVAL_S, rel=1e-9)
    assert first is not None
    delta = energy_between(first, reading)
    assert away_s <= delta.gap_s <= away_s + back_s + 0.5
    assert delta.gap_bound_j == pytest.approx(25.0 * delta.gap_s)
    assert health.reconnects == 1
    assert health.received_bytes >= unit.frames * counter_meter.FRAME.size
    assert "went away" in health.last_error or "no such port" in health.last_error


def test_a_port_that_stays_open_and_falls_silent_is_opened_again(tmp_path: Path) -> None:
    with ScriptedMeter(tmp_path / "port") as unit, opened(Meter(DRIVER, str(tmp_path / "port")), unit) as meter:
        time.sleep(4.0)
        assert meter.health().reconnects == 0
        unit.wait_for_host(4.0)
        unit.stream(0.5, POWER_W)
        time.sleep(0.2)
        assert meter.health().reconnects == 1
        assert "no samples for 5 s" in meter.health().last_error
        assert meter.snapshot().energy_j == pytest.approx(unit.energy_j, rel=1e-12)


# --- USB devices under changing names ------------------------------------------------------------------------------


class Bus:
    """What the machine's USB ports are now."""

    def __init__(self, *ports: UsbPort) -> None:
        self.ports: Sequence[UsbPort] = ports

    def __call__(self) -> Sequence[UsbPort]:
        return self.ports


def usb_port(link: Path, serial_number: str) -> UsbPort:
    return UsbPort(str(link), 0x1915, 0xC00A, serial_number, 1)


@pytest.mark.parametrize("form", ["path", "usb"])
def test_a_device_is_found_again_under_another_name_though_another_has_its_own(form: str, tmp_path: Path) -> None:
    """ttyACM0 is pulled; a stranger comes as ttyACM0; the meter comes back as ttyACM1."""
    first, second = tmp_path / "ttyACM0", tmp_path / "ttyACM1"
    bus = Bus(usb_port(first, "MINE"))
    url = str(first) if form == "path" else "usb://mine"
    with ScriptedMeter(first) as unit, opened(Meter(DRIVER, url, usb_ports=bus), unit) as meter:
        assert meter.health().usb_url == "usb://1915:c00a:MINE/1"
        assert meter.health().device == str(first)
        unit.unplug()
        with ScriptedMeter(first) as stranger:
            bus.ports = (usb_port(first, "OTHER"),)
            with pytest.raises(AssertionError, match="did not come"):
                stranger.wait_for_host(2.5)
            assert "waiting for" in meter.health().last_error or "no such port" in meter.health().last_error
            assert "usb://1915:c00a:OTHER/1" in meter.health().last_error
            with ScriptedMeter(second) as again:
                bus.ports = (*bus.ports, usb_port(second, "MINE"))
                assert again.wait_for_host() < BACK_WITHIN_S
                again.stream(0.3, POWER_W)
                wait_until_connected(meter)
                time.sleep(0.1)
                assert meter.health().device == str(second)
                assert meter.snapshot().energy_j == pytest.approx(unit.energy_j + again.energy_j, rel=1e-12)


def test_a_link_by_id_leads_to_the_device(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyACM0", tmp_path / "usb-Somebody_Meter_MINE-if01"
    link.symlink_to(device)
    bus = Bus(usb_port(device, "MINE"))
    with ScriptedMeter(device) as unit, opened(Meter(DRIVER, str(link), usb_ports=bus), unit) as meter:
        assert meter.health().usb_url == "usb://1915:c00a:MINE/1"


def test_two_devices_of_one_kind_have_to_be_told_apart(tmp_path: Path) -> None:
    bus = Bus(usb_port(tmp_path / "a", "A"), usb_port(tmp_path / "b", "B"))
    with pytest.raises(ConfigurationError, match="2 ports are such; name one of usb://1915:c00a:A/1"):
        Meter(DRIVER, "usb://1915:C00A", usb_ports=bus).open()


def test_a_usb_device_that_is_not_there_may_come(tmp_path: Path) -> None:
    with pytest.raises(MeterUnavailableError, match="no USB serial port is there at all"):
        Meter(DRIVER, "usb://MINE", usb_ports=Bus()).open()


def test_another_meter_at_the_same_port_shows(tmp_path: Path) -> None:
    driver, port = get_driver("tc66c"), tmp_path / "port"
    with MeterEmulator(driver, port, ConstantLoad(2.0), EmulatorSettings(seed=1)):
        meter = Meter(driver, str(port))
        meter.open()
    try:
        before = meter.health().identity
        time.sleep(0.5)
        with MeterEmulator(driver, port, ConstantLoad(2.0), EmulatorSettings(seed=2)):
            wait_until_connected(meter)
            health = meter.health()
    finally:
        meter.close()
    assert before is not None
    assert health.identity is not None
    assert before.serial_number != health.identity.serial_number
    assert health.meter_changes == 1


COVERED_S = 2.5
"""More than the meter can have sent before its reset at 1.5 s."""


@pytest.mark.parametrize("name", ["ppk2", "powersensor3", "tc66c"])
def test_a_meter_that_begins_anew_goes_on_in_the_same_register(name: str, tmp_path: Path) -> None:
    """Its clock starts again at zero, its stream stops until it is asked again; the time in between is gap."""
    driver, port = get_driver(name), tmp_path / "port"
    settings = EmulatorSettings(gain_error_ratio=0.0, faults=Faults(reset_at_s=(1.5,)))
    with MeterEmulator(driver, port, ConstantLoad(2.0), settings), Meter(driver, str(port)) as meter:
        first = wait_for_reading(meter, begin_s := host_time_s())
        deadline_s = begin_s + 40.0
        while True:
            time.sleep(0.2)
            delta = energy_between(first, wait_for_reading(meter, host_time_s() - 0.3, timeout_s=30.0))
            health = meter.health()
            if delta.covered_s > COVERED_S and (driver.data_sheet.clock == "host_arrival" or delta.gap_s > 0.1):
                break
            assert host_time_s() < deadline_s, f"the stream goes on after the reset: {delta}, {health}"
    assert delta.covered_s + delta.gap_s == pytest.approx(delta.duration_s, abs=1e-6)
    assert delta.energy_j == pytest.approx(2.0 * delta.covered_s, rel=0.1)
    assert health.connected
    assert health.reconnects == 0
    if driver.data_sheet.clock != "host_arrival":
        assert delta.gap_s > 0.1
        assert health.resets + health.clock_steps >= 1
