"""What the register leaves open between samples, where answers are missing, and where another meter answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.samples import F64, SampleBlock
from tests.fakes.counter_meter import sheet_like

MAX_INTERVAL_S = 0.025
MEAN = sheet_like(sample_interval_s=0.01, max_interval_s=MAX_INTERVAL_S, sampling="mean")
POINT = sheet_like(sample_interval_s=0.01, max_interval_s=MAX_INTERVAL_S, sampling="point")
COUNTING = sheet_like(sample_interval_s=1.0, max_interval_s=1.5, sampling="point", counter_step_j=3600.0)


def register_of(sheet: DataSheet, t_s: F64, power_w: F64) -> EnergyRegister:
    register = EnergyRegister(sheet)
    register.add(SampleBlock(t_s, np.ones_like(t_s), power_w, power_w), np.zeros(len(t_s)))
    return register


@given(
    times=st.lists(st.floats(0.001, 0.0249), min_size=1, max_size=30),
    step_s=st.floats(0.0, 1.0),
    levels_w=st.tuples(st.floats(0.0, 50.0), st.floats(0.0, 50.0)),
)
def test_one_step_of_the_load_is_within_what_instants_leave_open(
    times: list[float], step_s: float, levels_w: tuple[float, float]
) -> None:
    t_s = np.concatenate(([0.0], np.cumsum(times)))
    at_s = step_s * float(t_s[-1])
    register = register_of(POINT, t_s, np.where(t_s < at_s, *levels_w))
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    true_j = levels_w[0] * at_s + levels_w[1] * (float(t_s[-1]) - at_s)
    low_j, high_j = energy_limits_j(delta, POINT)
    assert low_j - 1e-9 <= true_j <= high_j + 1e-9
    assert high_j - low_j <= abs(levels_w[1] - levels_w[0]) * MAX_INTERVAL_S + 1e-9


def test_means_leave_nothing_open_between_samples() -> None:
    register = register_of(MEAN, np.array([0.01, 0.02]), np.array([1.0, 9.0]))
    assert register.latest().between_bound_j == 0.0


def test_a_mean_that_counts_for_a_missing_one_may_be_off() -> None:
    sheet = sheet_like(
        sample_interval_s=0.5, max_interval_s=3.0, sampling="mean", clock="host_arrival", refresh_interval_s=1.0
    )
    register = register_of(sheet, np.array([1.0, 2.0, 4.5]), np.array([5.0, 7.0, 3.0]))
    assert register.latest().between_bound_j == pytest.approx(4.0 * 1.5)
    assert register.latest().gap_s == 0.0


def test_another_meter_is_not_joined_to_the_last_one() -> None:
    register = EnergyRegister(COUNTING)
    volts, power_w = np.full(2, 230.0), np.full(2, 2.0)
    for t_s, counter_j in (([0.0, 1.0], [7200.0, 10_800.0]), ([2.0, 3.0], [360_000.0, 363_600.0])):
        register.begin_anew()
        block = SampleBlock(np.array(t_s), volts, power_w / 230.0, power_w, counter_j=np.array(counter_j))
        register.add(block, np.zeros(2))
    reading = register.latest()
    assert (reading.counter_j, reading.counter_resets) == (7200.0, 1.0)
    assert (reading.covered_s, reading.gap_s, reading.energy_j) == (2.0, 1.0, 4.0)
