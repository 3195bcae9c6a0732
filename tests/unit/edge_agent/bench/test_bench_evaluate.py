"""Joules per inference from windows and baselines: what is common cancels, what is not adds up."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.bench.evaluate import TIME_BASE_LIMIT_RATIO, Results, evaluate, joules_per_inference
from edge_agent.bench.values import BaselineEnergy, MeterState, WindowEnergy
from edge_agent.uncertainty.type_a import median_chance, pooled_mean_chance
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import BudgetLine, Measurand
from firmware_bridge.calibration import Calibration, systematic_parts
from firmware_bridge.driver import DataSheet
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyDelta

SHEET: DataSheet = get_driver("powersensor3").data_sheet
VOLTS = 5.0
SECONDS = 10.0
COUNT = 5000
POWERS_W = (4.00, 4.01, 3.99, 4.02, 3.98)
IDLE_W = (2.50, 2.51, 2.49, 2.50, 2.50)
T_S = SECONDS / COUNT


def systematic_u_w(power_w: float) -> float:
    parts = systematic_parts(SHEET, voltage_v=VOLTS, current_a=power_w / VOLTS)
    return math.hypot(*(part.u_w for part in parts))


def delta(power_w: float, seconds: float = SECONDS, **changes: float) -> EnergyDelta:
    made = EnergyDelta(
        duration_s=seconds,
        energy_j=power_w * seconds,
        energy_u_systematic_j=systematic_u_w(power_w) * seconds,
        covered_s=seconds,
        gap_s=0.0,
        sample_count=seconds * 1000.0,
        lost_count=0.0,
        mean_power_w=power_w,
        power_sd_w=0.1,
        resolution_j=0.001 * seconds,
    )
    return replace(made, **changes)


def window(
    power_w: float, early_w: float | None = None, late_w: float | None = None, **changes: float
) -> WindowEnergy:
    early = delta(power_w if early_w is None else early_w)
    late = delta(power_w if late_w is None else late_w)
    return WindowEnergy(delta(power_w, **changes), early, late, SECONDS, COUNT)


def baseline(powers_w: tuple[float, ...] = IDLE_W) -> BaselineEnergy:
    return BaselineEnergy(tuple(delta(power_w, 2.0) for power_w in powers_w))


def meter(residual_s: float = 0.0, calibration: Calibration | None = None) -> MeterState:
    return MeterState(SHEET, calibration, VOLTS, "arrival_fit", residual_s)


def results(*, residual_s: float = 0.0, calibration: Calibration | None = None, **changes: float) -> Results:
    windows = [window(power_w, **changes) for power_w in POWERS_W]
    return evaluate(windows, baseline(), baseline(), meter(residual_s, calibration))


def lines(result: Measurand | None) -> dict[str, BudgetLine]:
    assert result is not None
    return {line.name: line for line in result.budget}


def test_gross_is_the_median_and_net_is_what_is_above_the_baseline() -> None:
    found = results()
    assert found.gross.value_j == pytest.approx(4.00 * T_S)
    assert found.net is not None
    assert found.net.value_j == pytest.approx((4.00 - 2.50) * T_S)


def test_the_offset_cancels_in_net_and_the_gain_acts_on_the_difference() -> None:
    found = results()
    gross, net = lines(found.gross), lines(found.net)
    offset, gain = "meter, current offset", "meter, current gain"
    assert offset in gross
    assert offset not in net
    assert net[gain].contribution_j / gross[gain].contribution_j == pytest.approx(1.5 / 4.0)
    assert net[gain].u == gross[gain].u


def test_the_meters_parts_are_those_of_its_sheet() -> None:
    gross = lines(results().gross)
    expected = {
        f"meter, {part.name}": part.u_w * T_S
        for part in systematic_parts(SHEET, voltage_v=VOLTS, current_a=4.00 / VOLTS)
    }
    found = {name: line.contribution_j for name, line in gross.items() if name.startswith("meter, ")}
    assert found == pytest.approx(expected, rel=1e-3)


def test_every_line_by_hand() -> None:
    found = results()
    gross, net = lines(found.gross), lines(found.net)
    each_j = [power_w * T_S for power_w in POWERS_W]
    assert gross["spread of the windows"].contribution_j == pytest.approx(median_chance(each_j).plain_u)
    assert gross["spread of the windows"].evaluation == "A"
    assert gross["time base of the host"].contribution_j == pytest.approx(
        4.00 * T_S * TIME_BASE_LIMIT_RATIO / math.sqrt(3.0)
    )
    line = net["baseline, noise"]
    assert line.contribution_j == pytest.approx(pooled_mean_chance([IDLE_W, IDLE_W]).plain_u * T_S)
    assert line.sensitivity < 0.0
    assert found.gross.u_j == pytest.approx(math.hypot(*(line.contribution_j for line in gross.values())))


def test_baselines_that_differ_are_a_drift_within_their_difference() -> None:
    windows = [window(power_w) for power_w in POWERS_W]
    before, after = baseline((2.4,) * 5), baseline((2.6,) * 5)
    net = evaluate(windows, before, after, meter()).net
    assert net is not None
    assert net.value_j == pytest.approx(1.5 * T_S)
    assert lines(net)["baseline, drift"].contribution_j == pytest.approx(0.1 / math.sqrt(3.0) * T_S)


@given(st.floats(0.001, 0.2), st.floats(-0.2, 0.2))
def test_alignment_counts_as_what_a_shift_really_does(residual_s: float, step_w: float) -> None:
    found = results(residual_s=residual_s, early_w=4.00 - step_w, late_w=4.00 + step_w)
    line = lines(found.gross).get("alignment of the clocks")
    expected = abs(step_w) * T_S / math.sqrt(3.0)
    assert (0.0 if line is None else line.contribution_j) == pytest.approx(expected, abs=1e-12)
    if line is not None:
        assert line.distribution == "rectangular"
        assert line.shared_by == "run"


def test_an_alignment_that_grew_worse_counts_with_its_limit_of_then() -> None:
    windows = [window(power_w, 3.9, 4.1) for power_w in POWERS_W]
    now, then = (
        evaluate(windows, None, None, replace(meter(residual_s), shift_s=0.01)).gross for residual_s in (0.01, 0.05)
    )
    name = "alignment of the clocks"
    assert lines(then)[name].contribution_j == pytest.approx(5.0 * lines(now)[name].contribution_j)


def test_seconds_without_samples_count_with_the_mean_power_and_an_uncertainty() -> None:
    gap = {"covered_s": 9.0, "gap_s": 1.0, "energy_j": 9.0 * 4.00}
    windows = [window(4.00, **gap), *(window(power_w) for power_w in POWERS_W[1:])]
    assert joules_per_inference(windows[0]) == pytest.approx(4.00 * T_S)
    found = evaluate(windows, None, None, meter())
    assert found.net is None
    assert lines(found.gross)["gaps"].contribution_j == pytest.approx(1.0 * 0.1 / COUNT / len(windows))


def test_resolution_counts_only_where_the_power_hardly_moves() -> None:
    still = [window(power_w, power_sd_w=0.0) for power_w in POWERS_W]
    assert lines(evaluate(still, None, None, meter()).gross)["resolution"].contribution_j == pytest.approx(
        0.001 / math.sqrt(12.0) * T_S
    )
    assert "resolution" not in lines(results().gross)


def test_a_certificate_takes_the_place_of_the_sheets_current_limits() -> None:
    certificate = Calibration(1.0, 0.0, 0.001, 0.0, "C-17", "2026-01-01")
    gross = lines(results(calibration=certificate).gross)
    line = gross["meter, current gain (certificate)"]
    assert line.shared_by == "meter"
    assert line.distribution == "normal"
    assert "C-17" in line.basis
    assert all(one.shared_by == "meter_type" for one in lines(results().gross).values() if "meter," in one.name)


@given(st.floats(0.1, 10.0), st.integers(1, 10_000))
def test_the_figure_scales_with_power_and_with_the_count(scale: float, count: int) -> None:
    windows = [replace(window(scale * power_w), inference_count=count) for power_w in POWERS_W]
    assert evaluate(windows, None, None, meter()).gross.value_j == pytest.approx(scale * 4.00 * SECONDS / count)


def test_negative_net_energy_is_not_clipped() -> None:
    windows = [window(power_w) for power_w in POWERS_W]
    busier = baseline((5.0, 5.01, 4.99, 5.0, 5.0))
    net = evaluate(windows, busier, busier, meter()).net
    assert net is not None
    assert net.value_j == pytest.approx(-1.0 * T_S)


def test_a_window_without_a_sample_is_no_result() -> None:
    empty = replace(delta(4.0), mean_power_w=None, covered_s=0.0)
    windows = [WindowEnergy(empty, empty, empty, SECONDS, COUNT)] * 5
    with pytest.raises(RejectedRecordError, match="check the meter's connection"):
        evaluate(windows, None, None, meter())


def test_fewer_than_four_windows_have_no_spread() -> None:
    with pytest.raises(ValueError, match="needs 4 values"):
        evaluate([window(4.0)] * 3, None, None, meter())


@pytest.mark.parametrize(
    ("each_w", "net_is_steadier"),
    [((4.0,) * 5, True), (tuple(8.0 / ms for ms in (2.0, 2.02, 1.98, 2.04, 1.96)), False)],
    ids=["waits for others at equal power", "does with less power more slowly"],
)
def test_nets_chance_is_in_its_own_spread(each_w: tuple[float, ...], *, net_is_steadier: bool) -> None:
    """By hand: n_i = (P_i - 2.5 W) t_i. At 4 W for t_i it moves by 1.5 W x t_i; at 8 mJ each by 2.5 W x t_i."""
    seconds = (2.0e-3, 2.02e-3, 1.98e-3, 2.04e-3, 1.96e-3)
    windows = [replace(window(power_w), duration_s=COUNT * t_s) for power_w, t_s in zip(each_w, seconds, strict=True)]
    found = evaluate(windows, baseline(), baseline(), meter())
    net_j = [(power_w - 2.5) * t_s for power_w, t_s in zip(each_w, seconds, strict=True)]
    assert found.net is not None
    assert found.net.value_j == pytest.approx(sorted(net_j)[2])
    spread_j = lines(found.net)["spread of the windows"].contribution_j
    assert spread_j == pytest.approx(median_chance(net_j).plain_u)
    gross_line = lines(found.gross).get("spread of the windows")
    assert (spread_j < (0.0 if gross_line is None else gross_line.contribution_j)) == net_is_steadier


def test_a_display_that_goes_to_and_fro_between_two_values_is_rounding_too() -> None:
    """Two neighbouring values, each half of the time, spread by half a step; noise of half a step by 0.58 steps."""
    to_and_fro, noisy = (
        lines(evaluate([window(power_w, power_sd_w=sd_w) for power_w in POWERS_W], None, None, meter()).gross)
        for sd_w in (0.5 * 0.001, 0.58 * 0.001)
    )
    assert to_and_fro["resolution"].contribution_j == pytest.approx(0.001 / math.sqrt(12.0) * T_S)
    assert "resolution" not in noisy
