"""Uncertainty of power from a data sheet's limits, checked against a simulation, and user certificates."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.calibration import Calibration, apply_calibration, power_step_w, power_u_w
from firmware_bridge.driver import MeterDriver, MeterRange
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.registry import all_drivers
from firmware_bridge.samples import SampleBlock
from firmware_bridge.timeline import Timeline
from tests.fakes.counter_meter import sheet_like

RANGES = (MeterRange(0.1, 0.01, 1e-4, 1e-6), MeterRange(5.0, 0.03, 2e-3, 1e-5))
SHEET = sheet_like(ranges=RANGES, voltage_gain_limit_ratio=0.005, voltage_offset_limit_v=0.02)


def block_of(volts: float, amperes: float, range_index: int | None = None) -> SampleBlock:
    return SampleBlock(
        t_device_s=np.array([1.0]),
        voltage_v=np.array([volts]),
        current_a=np.array([amperes]),
        power_w=np.array([volts * amperes]),
        range_index=None if range_index is None else np.array([range_index], dtype=np.int8),
    )


@pytest.mark.parametrize(("volts", "amperes", "index"), [(5.0, 0.05, 0), (5.0, 0.8, 1), (12.0, 4.0, 1), (5.0, 0.0, 0)])
def test_agrees_with_units_drawn_from_the_limits(volts: float, amperes: float, index: int) -> None:
    rng = np.random.default_rng(1)
    n = 200_000
    one = RANGES[index]
    shown_v = volts * (1 + rng.uniform(-0.005, 0.005, n)) + rng.uniform(-0.02, 0.02, n)
    gain = rng.uniform(-one.gain_limit_ratio, one.gain_limit_ratio, n)
    shown_a = amperes * (1 + gain) + rng.uniform(-one.offset_limit_a, one.offset_limit_a, n)
    u_w = power_u_w(SHEET, block_of(volts, amperes, index))[0]
    assert u_w == pytest.approx(float(np.std(shown_v * shown_a)), rel=0.01)


def test_one_value_by_hand() -> None:
    sheet = sheet_like(
        ranges=(MeterRange(5.0, 0.03, 0.0, 0.0),), voltage_gain_limit_ratio=0.0, voltage_offset_limit_v=0.0
    )
    assert power_u_w(sheet, block_of(5.0, 2.0))[0] == pytest.approx(10.0 * 0.03 / 3**0.5)


def test_the_step_of_power_is_that_of_the_range_and_the_voltage_in_use() -> None:
    sheet = replace(SHEET, voltage_resolution_v=1e-3)
    assert power_step_w(sheet, block_of(5.0, 0.05, 0))[0] == pytest.approx(np.hypot(5.0 * 1e-6, 0.05 * 1e-3))
    assert power_step_w(sheet, block_of(5.0, 0.05, 1))[0] == pytest.approx(np.hypot(5.0 * 1e-5, 0.05 * 1e-3))
    assert power_step_w(sheet, block_of(5.0, -0.05))[0] == power_step_w(sheet, block_of(5.0, 0.05, 1))[0]


def test_a_certificate_replaces_the_limits_of_current() -> None:
    sheet = replace(SHEET, voltage_gain_limit_ratio=0.0, voltage_offset_limit_v=0.0)
    certificate = Calibration(gain_u_ratio=0.001, offset_u_a=0.0002)
    u_w = power_u_w(sheet, block_of(5.0, 2.0, 1), certificate)[0]
    assert u_w == pytest.approx(5.0 * np.hypot(0.002, 0.0002))
    assert u_w < power_u_w(sheet, block_of(5.0, 2.0, 1))[0]


@given(st.floats(0.5, 20.0), st.floats(-5.0, 5.0), st.floats(0.5, 2.0), st.floats(-0.1, 0.1))
def test_correction_is_consistent(volts: float, amperes: float, gain_ratio: float, offset_a: float) -> None:
    block = apply_calibration(block_of(volts, amperes), Calibration(gain_ratio=gain_ratio, offset_a=offset_a))
    assert block.current_a[0] == pytest.approx(gain_ratio * amperes + offset_a)
    assert block.power_w[0] == pytest.approx(float(block.voltage_v[0] * block.current_a[0]), abs=1e-9)


def test_no_certificate_changes_nothing() -> None:
    block = block_of(5.0, 1.0)
    assert apply_calibration(block, None) is block


@pytest.mark.parametrize("figures", [{"gain_ratio": 0.0}, {"gain_u_ratio": -0.1}, {"offset_u_a": float("nan")}])
def test_impossible_certificates_are_refused(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"zero|negative"):
        Calibration(**figures)  # type: ignore[arg-type]  # figures are floats


def test_a_meter_of_power_itself_has_limits_of_power() -> None:
    """0.1 % of reading and 0.05 % of a 300 V x 0.5 A range, whatever volts and amperes multiply to (AC)."""
    ranges = (replace(SHEET.ranges[0], power_offset_limit_w=0.075),)
    sheet = sheet_like(ranges=ranges, power_gain_limit_ratio=0.001, power_resolution_w=0.001)
    block = SampleBlock(np.array([1.0]), np.array([230.0]), np.array([0.4]), np.array([50.0]))
    assert power_u_w(sheet, block) == pytest.approx([math.hypot(0.05, 0.075) / 3**0.5])
    assert power_step_w(sheet, block) == pytest.approx([0.001])


@pytest.mark.parametrize("power_gain", [None, 0.02])
@pytest.mark.parametrize("certificate", [None, Calibration(gain_u_ratio=0.001)])
def test_a_meter_that_has_not_started_does_not_know_that_nothing_flows(
    power_gain: float | None, certificate: Calibration | None
) -> None:
    sheet = sheet_like(
        ranges=(MeterRange(80.0, 0.02, 0.0, 0.0),), power_gain_limit_ratio=power_gain, starting_power_w=10.0
    )
    for amperes in (0.0, 0.04, -0.04):
        assert power_u_w(sheet, block_of(230.0, amperes), certificate)[0] == pytest.approx(10.0 / 3**0.5)
    at_200_w = power_u_w(replace(sheet, starting_power_w=0.0), block_of(230.0, 0.87), certificate)[0]
    assert power_u_w(sheet, block_of(230.0, 0.87), certificate)[0] == at_200_w


@pytest.mark.parametrize(
    "driver", [one for one in all_drivers() if one.data_sheet.starting_power_w], ids=lambda one: one.name
)
def test_no_meter_is_sure_of_zero_below_its_start(driver: MeterDriver) -> None:
    sheet = driver.data_sheet
    zero = block_of(sheet.nominal_voltage_v, 0.0, 0)
    assert 3.0**0.5 * power_u_w(sheet, zero)[0] >= 0.999 * sheet.starting_power_w


@pytest.mark.parametrize(("gain_ratio", "offset_a"), [(1.02, 0.0), (0.97, 0.0), (1.0, 0.05), (1.01, -0.03)])
def test_a_corrected_meter_and_its_counter_tell_the_same(gain_ratio: float, offset_a: float) -> None:
    sheet = sheet_like(sample_interval_s=1.0, max_interval_s=3.0, clock="host_arrival", counter_step_j=100.0)
    timeline = Timeline(sheet, Calibration(gain_ratio, offset_a))
    for second in range(1, 2001):
        shown_j = 100.0 * np.floor(10.0 * second / 100.0)
        block = replace(block_of(10.0, 1.0), t_device_s=np.array([float(second)]), counter_j=np.array([shown_j]))
        timeline.add(block, float(second))
    first = timeline.first()
    assert first is not None
    delta = energy_between(first, timeline.latest())
    low_j, high_j = energy_limits_j(delta, sheet)
    assert delta.energy_j == pytest.approx(2000.0 * (gain_ratio * 10.0 + offset_a * 10.0))
    assert low_j <= delta.energy_j <= high_j
    assert (delta.counter_j is None) == (offset_a != 0.0)
