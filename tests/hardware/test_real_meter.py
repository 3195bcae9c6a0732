"""A real meter on a real port: ``make test ARGS="-m hardware --meter-port tc66c=/dev/ttyACM0"``."""

import time

import pytest

from firmware_bridge.energy import energy_between
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver

pytestmark = pytest.mark.hardware
SECONDS = 5.0


def test_a_real_meter_delivers_joules_without_gaps(request: pytest.FixtureRequest) -> None:
    name, _, port = str(request.config.getoption("--meter-port")).partition("=")
    driver = get_driver(name)
    with Meter(driver, port) as meter:
        first = meter.snapshot()
        time.sleep(SECONDS)
        delta = energy_between(first, meter.snapshot())
        health = meter.health()
        simulated = meter.is_simulated
    sheet = driver.data_sheet
    assert delta.duration_s == pytest.approx(SECONDS, abs=0.5)
    assert delta.gap_s < 0.01 * SECONDS
    assert delta.sample_count > 0.8 * SECONDS / sheet.sample_interval_s
    assert delta.energy_j > 0, f"is its load connected? {health}"
    assert delta.energy_u_systematic_j > 0
    assert not simulated, f"{port} is a pseudo-terminal, not a meter"
