"""A real meter on a real port: ``make test ARGS="-m hardware --meter-port tc66c=/dev/ttyACM0"``.

Joules while it runs, and then the common suite's checks on what it said: a recording of a few seconds. That recording
stays in the folder of pytest's temporary files; a copy of it in tests/data/captures is a test for everybody.
"""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.capture import record
from firmware_bridge.capture_file import CaptureHeader, CaptureWriter, read_capture
from firmware_bridge.driver import MeterDriver
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from tests.fakes.driver_checks import (
    check_clock_jumps,
    check_cut,
    check_damaged,
    check_garbage,
    check_known_first,
    check_listening,
)
from tests.fakes.meter_talk import Said, decode_again

pytestmark = pytest.mark.hardware
LEAST_S = 5.0
INTERVALS = 20
DAMAGED = 300


@pytest.fixture(scope="module")
def driver_and_port(request: pytest.FixtureRequest) -> tuple[MeterDriver, str]:
    name, _, port = str(request.config.getoption("--meter-port")).partition("=")
    return get_driver(name), port


def seconds_for(driver: MeterDriver) -> float:
    return max(LEAST_S, INTERVALS * driver.data_sheet.sample_interval_s)


@pytest.fixture(scope="module")
def recorded(driver_and_port: tuple[MeterDriver, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of the meter: as a stream brings much, only its begin goes through the slow checks."""
    driver, port = driver_and_port
    path = tmp_path_factory.mktemp("meter") / f"{driver.name}.capture"
    with path.open("wb") as file:
        writer = CaptureWriter(file, CaptureHeader(driver.name, {}, port, time.time_ns(), simulated=False))
        record(driver, port, {}, writer, seconds=seconds_for(driver), stop=threading.Event())
    return path


@pytest.fixture(scope="module")
def said(driver_and_port: tuple[MeterDriver, str], recorded: Path) -> list[Said]:
    """The handshake and the first reads with samples."""
    driver, _ = driver_and_port
    frames = [Said(one.t_host_s, one.from_meter, one.data) for one in read_capture(recorded).frames]
    reads = 0
    decoder = driver.make_decoder({})
    for i, one in enumerate(frames):
        if one.from_meter:
            reads += bool(decoder.feed(one.data, one.t_host_s))
        else:
            decoder.bytes_to_send(one.t_host_s)
        if reads == INTERVALS:
            return frames[: i + 1]
    return frames


def test_a_real_meter_delivers_joules_without_gaps(driver_and_port: tuple[MeterDriver, str]) -> None:
    driver, port = driver_and_port
    seconds = seconds_for(driver)
    with Meter(driver, port) as meter:
        first = meter.snapshot()
        time.sleep(seconds)
        delta = energy_between(first, meter.snapshot())
        health = meter.health()
        simulated = meter.is_simulated
    sheet = driver.data_sheet
    assert delta.duration_s == pytest.approx(seconds, abs=0.5 + 2.0 * sheet.sample_interval_s)
    assert delta.gap_s < 0.01 * seconds
    assert delta.sample_count > 0.4 * seconds / max(sheet.sample_interval_s, sheet.refresh_interval_s or 0.0)
    assert delta.energy_j > 0, f"is its load connected? {health}"
    assert delta.energy_u_systematic_j > 0
    low_j, high_j = energy_limits_j(delta, sheet)
    assert low_j <= high_j, f"its own counter does not agree with its samples: {delta}"
    assert not simulated, f"{port} is a pseudo-terminal, not a meter"


def test_a_real_meter_samples_as_its_sheet_says(driver_and_port: tuple[MeterDriver, str], recorded: Path) -> None:
    driver, _ = driver_and_port
    sheet = driver.data_sheet
    decoded = decode_again(
        driver, [Said(one.t_host_s, one.from_meter, one.data) for one in read_capture(recorded).frames]
    )
    decoded.check_blocks()
    steps_s = np.diff(decoded.column("t_device_s"))
    assert np.median(steps_s) == pytest.approx(sheet.sample_interval_s, rel=0.5)
    assert np.quantile(steps_s, 0.99) <= sheet.max_interval_s
    volts = decoded.column("voltage_v")
    assert volts.min() >= 0.8 * sheet.min_voltage_v
    assert volts.max() <= 1.1 * sheet.max_voltage_v


def test_what_a_real_meter_said_passes_the_common_suite(
    driver_and_port: tuple[MeterDriver, str], said: list[Said]
) -> None:
    driver, _ = driver_and_port
    check_known_first(driver, said)
    check_cut(driver, said, None)
    check_cut(driver, said, [1, 3, 17, 64, 191])
    check_clock_jumps(driver, said)
    check_listening(driver, said)
    for junk in (b"\0" * 300, b"\xff" * 41, bytes(range(256))):
        check_garbage(driver, said, junk)
    check_damaged(driver, said, times=DAMAGED)
