"""Net energy against simulated meters: each draws its gain and offset, and measures the window and the idle state."""

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.uncertainty.energy import EnergyBudget
from edge_agent.uncertainty.net import IdlePower, MeterLimits, net_energy, net_systematic_u_w
from firmware_bridge.calibration import Calibration
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyDelta

SHEET = get_driver("tc66c").data_sheet
LIMITS = MeterLimits(SHEET)
VOLTS = 5.0
IDLE_W = 2.5
BUSY_W = 3.1
SECONDS = 10.0


def delta(power_w: float, covered_s: float = SECONDS) -> EnergyDelta:
    mean_w = power_w if covered_s else None
    return EnergyDelta(covered_s, power_w * covered_s, 0.1, covered_s, 0.0, 20.0, 0.0, mean_w, 0.1)


def test_gain_acts_on_the_net_alone_and_the_offset_cancels() -> None:
    budget = EnergyBudget(0.3, 0.0, 0.0, 0.0)
    found = net_energy(delta(BUSY_W), budget, IdlePower(IDLE_W, 0.0, VOLTS), LIMITS, VOLTS)
    assert found is not None
    assert found.energy_j == pytest.approx((BUSY_W - IDLE_W) * SECONDS)
    amps = (BUSY_W - IDLE_W) / VOLTS
    span = SHEET.ranges[0]
    limits_w = (
        SHEET.voltage_gain_limit_ratio * VOLTS * amps,
        SHEET.voltage_offset_limit_v * amps,
        span.gain_limit_ratio * VOLTS * amps,
    )
    assert found.u_j == pytest.approx(float(np.hypot.reduce(limits_w)) / 3**0.5 * SECONDS)
    assert found.u_j == found.systematic_u_j


def test_the_stated_uncertainty_is_the_spread_of_many_meters() -> None:
    rng = np.random.default_rng(1)
    span, count = SHEET.ranges[0], 40_000
    v_gain = rng.uniform(-1, 1, count) * SHEET.voltage_gain_limit_ratio
    v_offset = rng.uniform(-1, 1, count) * SHEET.voltage_offset_limit_v
    i_gain = rng.uniform(-1, 1, count) * span.gain_limit_ratio
    i_offset = rng.uniform(-1, 1, count) * span.offset_limit_a
    noise_j, noise_w = rng.normal(0.0, 0.05, count), rng.normal(0.0, 0.003, count)

    def shown_w(power_w: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        shown: np.ndarray[tuple[int], np.dtype[np.float64]] = (VOLTS * (1 + v_gain) + v_offset) * (
            power_w / VOLTS * (1 + i_gain) + i_offset
        )
        return shown

    net_j = shown_w(BUSY_W) * SECONDS + noise_j - (shown_w(IDLE_W) + noise_w) * SECONDS
    found = net_energy(
        delta(BUSY_W), EnergyBudget(9.9, 0.05, 0.0, 0.0), IdlePower(IDLE_W, 0.003, VOLTS), LIMITS, VOLTS
    )
    assert found is not None
    assert float(net_j.std()) == pytest.approx(found.u_j, rel=0.02)


def test_below_idle_the_net_is_negative_and_as_certain_as_above() -> None:
    idle = IdlePower(BUSY_W, 0.01, VOLTS)
    below = net_energy(delta(IDLE_W), EnergyBudget(0.1, 0.02, 0.0, 0.0), idle, LIMITS, VOLTS)
    above = net_energy(delta(BUSY_W), EnergyBudget(0.1, 0.02, 0.0, 0.0), replace(idle, power_w=IDLE_W), LIMITS, VOLTS)
    assert below is not None
    assert above is not None
    assert below.energy_j == -above.energy_j
    assert below.u_j == pytest.approx(above.u_j)


def test_a_certificate_replaces_the_current_channels_limits() -> None:
    certificate = Calibration(1.0, 0.0, 0.002, 0.0005, "lab", "2026-01-31")
    u_w = net_systematic_u_w(BUSY_W, VOLTS, IdlePower(IDLE_W, 0.0, VOLTS), MeterLimits(SHEET, certificate))
    net_w = BUSY_W - IDLE_W
    volt_parts_w = (
        np.hypot(SHEET.voltage_gain_limit_ratio * net_w, SHEET.voltage_offset_limit_v * net_w / VOLTS) / 3**0.5
    )
    assert u_w == pytest.approx(float(np.hypot(volt_parts_w, 0.002 * net_w)))


def test_what_two_ranges_get_wrong_does_not_cancel() -> None:
    sheet = get_driver("ppk2").data_sheet
    small_a, large_a = sheet.ranges[0].max_current_a, sheet.ranges[-1].max_current_a
    idle = IdlePower(0.5 * small_a * VOLTS, 0.0, VOLTS)
    apart = net_systematic_u_w(0.5 * large_a * VOLTS, VOLTS, idle, MeterLimits(sheet))
    same = net_systematic_u_w(
        0.5 * large_a * VOLTS, VOLTS, replace(idle, power_w=0.5 * large_a * VOLTS), MeterLimits(sheet)
    )
    assert same == 0.0
    assert apart >= sheet.ranges[-1].gain_limit_ratio * 0.49 * large_a * VOLTS / 3**0.5


def test_nothing_covered_is_no_net_energy() -> None:
    assert net_energy(delta(0.0, 0.0), EnergyBudget(0.0, 0.0, 0.0, 0.0), IdlePower(1.0, 0.1), LIMITS) is None


def test_the_rounding_of_a_steady_power_is_in_net_as_in_gross() -> None:
    idle = IdlePower(IDLE_W, 0.0, VOLTS)
    without, with_it = (
        net_energy(delta(BUSY_W), EnergyBudget(0.3, 0.0, 0.0, 0.0, rounding_j), idle, LIMITS, VOLTS)
        for rounding_j in (0.0, 0.2)
    )
    assert without is not None
    assert with_it is not None
    assert with_it.u_j == pytest.approx(float(np.hypot(without.u_j, 0.2)))


def test_a_load_in_bursts_of_a_higher_range_has_that_ranges_gain() -> None:
    """PPK2: bursts of 1.4 W in a tenth of the time, at 15 %; their mean is in the range of the idle state's 10 %."""
    sheet = get_driver("ppk2").data_sheet
    low_w, burst_w, share = 0.05, 1.4, 0.1
    limits, idle = MeterLimits(sheet), IdlePower(low_w, 0.0, VOLTS)
    power_w = share * burst_w + (1.0 - share) * low_w
    shown_u_w = share * 0.15 * burst_w + (1.0 - share) * 0.10 * low_w
    found_w = net_systematic_u_w(power_w, VOLTS, idle, limits, shown_u_w)
    by_hand_w = float(np.hypot(share * 0.15 * burst_w, 0.10 * share * low_w))
    assert net_systematic_u_w(power_w, VOLTS, idle, limits) < 0.7 * by_hand_w
    assert by_hand_w < found_w < 1.3 * by_hand_w


def test_what_a_meter_does_not_show_below_its_start_does_not_cancel() -> None:
    """SDM120: a board of 3 W idles below the 4.6 W at which the meter starts. It shows 0: net may be 4.6 W less."""
    sheet = get_driver("sdm120").data_sheet
    limits = MeterLimits(sheet)
    u_w = net_systematic_u_w(8.0, 230.0, IdlePower(0.0, 0.0, 230.0), limits)
    assert u_w >= sheet.starting_power_w / 3**0.5
    both_w = net_systematic_u_w(0.0, 230.0, IdlePower(0.0, 0.0, 230.0), limits)
    assert both_w == pytest.approx(sheet.starting_power_w * (2.0 / 3.0) ** 0.5, rel=0.01)
