"""A baseline that is measured in another range, or on a display that stands still, and gains that are large."""

import math
from dataclasses import replace

import pytest

from edge_agent.bench.evaluate import evaluate
from edge_agent.bench.values import BaselineEnergy, MeterState, WindowEnergy
from edge_agent.uncertainty.budget import Budget, Input
from edge_agent.wire.records import BudgetLine, Measurand
from firmware_bridge.calibration import systematic_parts
from firmware_bridge.driver import DataSheet
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyDelta

PPK2, LPM01A, POWERSENSOR3, WATTSUP, SDM120 = (
    get_driver(name).data_sheet for name in ("ppk2", "lpm01a", "powersensor3", "wattsup", "sdm120")
)
T_S = 0.002


def delta(sheet: DataSheet, power_w: float, seconds: float, volts: float, sd_w: float, step_w: float) -> EnergyDelta:
    parts = systematic_parts(sheet, voltage_v=volts, current_a=power_w / volts)
    return EnergyDelta(
        duration_s=seconds,
        energy_j=power_w * seconds,
        energy_u_systematic_j=math.hypot(*(part.u_w for part in parts)) * seconds,
        covered_s=seconds,
        gap_s=0.0,
        sample_count=seconds / sheet.sample_interval_s,
        lost_count=0.0,
        mean_power_w=power_w,
        power_sd_w=sd_w,
        resolution_j=step_w * seconds,
    )


def net(
    sheet: DataSheet,
    busy_w: float,
    idle_w: float,
    volts: float,
    *,
    idle_sd_w: float = 0.1,
    step_w: float = 1e-4,
    busy_u_w: float | None = None,
) -> dict[str, BudgetLine]:
    powers_w = [busy_w * one for one in (1.0, 1.001, 0.999, 1.0005, 0.9995)]
    each = [delta(sheet, power_w, 10.0, volts, 0.1, step_w) for power_w in powers_w]
    if busy_u_w is not None:
        each = [replace(one, energy_u_systematic_j=busy_u_w * one.covered_s) for one in each]
    windows = [WindowEnergy(one, one, one, 10.0, 5000) for one in each]
    parts = tuple(delta(sheet, idle_w, 2.0, volts, idle_sd_w, step_w) for _ in range(5))
    baseline = BaselineEnergy(parts)
    found = evaluate(windows, baseline, baseline, MeterState(sheet, None, volts, "gpio_marker", 0.0)).net
    assert isinstance(found, Measurand)
    return {line.name: line for line in found.budget}


def test_in_one_range_the_gain_is_one_error_and_acts_on_the_difference() -> None:
    lines = net(PPK2, busy_w=1.0, idle_w=0.4, volts=5.0)
    assert lines["meter, current gain"].contribution_j == pytest.approx(0.15 * 0.6 * T_S, rel=1e-3)
    assert not [name for name in lines if "baseline" in name and name.startswith("meter")]


def test_in_two_ranges_each_shunt_has_its_gain_and_offset() -> None:
    """PPK2: 80 mA in the last range, 40 mA in the one below; 15 % of all of gross, 10 % of all of the baseline."""
    lines = net(PPK2, busy_w=0.4, idle_w=0.2, volts=5.0)
    gain, idle_gain = lines["meter, current gain"], lines["meter, current gain, range of the baseline"]
    assert gain.contribution_j == pytest.approx(0.15 * 0.4 * T_S, rel=1e-3)
    assert idle_gain.contribution_j == pytest.approx(0.10 * 0.2 * T_S, rel=1e-3)
    assert idle_gain.sensitivity < 0.0 < gain.sensitivity
    assert lines["meter, current offset"].contribution_j == pytest.approx(5e-3 / math.sqrt(3.0) * T_S)
    assert "meter, current offset, range of the baseline" in lines
    assert lines["meter, voltage offset"].contribution_j == pytest.approx(0.01 / math.sqrt(3.0) * 0.2 * T_S, rel=1e-3)


@pytest.mark.parametrize(
    ("sheet", "busy_w", "idle_w", "volts"), [(LPM01A, 0.03, 0.006, 3.3), (POWERSENSOR3, 75.0, 25.0, 5.0)]
)
def test_ranges_that_are_no_shunts_of_their_own_share_one_gain(
    sheet: DataSheet, busy_w: float, idle_w: float, volts: float
) -> None:
    lines = net(sheet, busy_w, idle_w, volts)
    assert not [name for name in lines if "range of the baseline" in name]
    assert "meter, current offset" not in lines


def test_a_baseline_on_a_display_that_stands_still_is_uncertain_by_its_step() -> None:
    still, moving = (net(WATTSUP, 9.0, 6.0, 230.0, idle_sd_w=sd_w, step_w=0.1) for sd_w in (0.0, 0.1))
    assert still["baseline, resolution"].contribution_j == pytest.approx(0.1 / math.sqrt(12.0) * T_S, rel=1e-3)
    assert "baseline, resolution" not in moving


def test_a_large_gain_moves_the_upper_end_further_than_the_lower_one() -> None:
    """What shows 1 +- 0.15 of the truth: 97.5 of 100 units show more than 0.706 of it, as many less than 1.294."""
    budget = Budget()
    gain = budget.variable(
        Input(name="gain", evaluation="B", distribution="normal", value=0.0, u=0.15, unit="1", is_gain=True)
    )
    found = budget.measurand(2.0 * (1.0 + gain))
    assert found.low_j == pytest.approx(2.0 / 1.294, rel=0.01)
    assert found.high_j == pytest.approx(2.0 / 0.706, rel=0.01)
    assert found.u_j == pytest.approx(0.3)


def test_a_baseline_below_the_power_at_which_the_meter_starts_may_be_anything_up_to_that() -> None:
    """SDM120: shows 0 W below 4.6 W. The offset that gross has does not take that away again."""
    lines = net(SDM120, busy_w=9.0, idle_w=0.0, volts=230.0)
    line = lines["meter, power below its start, baseline"]
    assert line.u == pytest.approx(4.6 / math.sqrt(3.0), rel=1e-3)
    assert line.sensitivity == pytest.approx(-T_S, rel=1e-3)
    assert lines["meter, power offset"].contribution_j == pytest.approx(4.6 / math.sqrt(3.0) * T_S, rel=1e-3)


def test_bursts_of_a_higher_range_do_not_cancel_against_the_range_of_the_baseline() -> None:
    """PPK2: a mean of 0.185 W from bursts of 1.4 W, told by what the register integrated; idle at 0.05 W."""
    shown_u_w = 0.1 * 0.15 * 1.4 + 0.9 * 0.10 * 0.05
    lines = net(PPK2, busy_w=0.185, idle_w=0.05, volts=5.0, busy_u_w=shown_u_w)
    bursts, idle = lines["meter, current gain, several ranges"], lines["meter, current gain, range of the baseline"]
    assert bursts.contribution_j == pytest.approx(shown_u_w * T_S, rel=0.01)
    assert idle.contribution_j == pytest.approx(0.10 * 0.05 * T_S, rel=0.01)
