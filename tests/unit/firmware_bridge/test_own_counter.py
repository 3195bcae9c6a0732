"""A meter's own energy counter beside the integral: it bounds what gaps hide, and is followed over its resets."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.history import KnotHistory
from firmware_bridge.samples import EnergyReading, SampleBlock
from tests.fakes.counter_meter import sheet_like

COUNTING = sheet_like(sample_interval_s=1.0, max_interval_s=1.5, sampling="point", counter_step_j=3600.0)


def counting(t_s: list[float], counter_j: list[float], power_w: float = 2.0) -> EnergyRegister:
    register = EnergyRegister(COUNTING)
    times_s, power = np.array(t_s), np.full(len(t_s), power_w)
    block = SampleBlock(times_s, np.full(len(t_s), 230.0), power / 230.0, power, counter_j=np.array(counter_j))
    register.add(block, np.zeros(len(t_s)))
    return register


def test_the_own_counter_narrows_what_a_gap_may_hide() -> None:
    register = counting([0.0, 1.0, 7201.0, 7202.0], [7200.0, 7200.0, 21_600.0, 21_600.0])
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert delta.counter_j == 14_400.0
    assert delta.gap_s == pytest.approx(7200.0)
    low_j, high_j = energy_limits_j(delta, COUNTING)
    assert (low_j, high_j) == pytest.approx((14_400.0 - 3601.44, 14_400.0 + 3601.44))
    assert high_j < delta.energy_j + delta.gap_bound_j


def test_a_counter_that_began_anew_bounds_from_below_only() -> None:
    register = counting([0.0, 1.0, math.nextafter(7201.0, 8000.0)], [1e7, math.nan, 10_800.0])
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert (delta.counter_j, delta.counter_resets) == (10_800.0, 1.0)
    low_j, high_j = energy_limits_j(delta, COUNTING)
    assert low_j == pytest.approx(10_800.0 - 3601.08)
    assert high_j == pytest.approx(delta.energy_j + delta.gap_bound_j)


def test_a_counter_that_stands_still_contradicts_the_samples() -> None:
    register = counting([float(t) for t in range(4000)], [0.0] * 4000)
    first = register.first()
    assert first is not None
    low_j, high_j = energy_limits_j(energy_between(first, register.latest()), COUNTING)
    assert low_j > high_j


def test_a_counter_that_never_shows_bounds_nothing() -> None:
    register = counting([0.0, 1.0, 7201.0], [math.nan] * 3)
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert delta.counter_j is None
    assert energy_limits_j(delta, COUNTING)[1] == pytest.approx(delta.energy_j + delta.gap_bound_j)


def test_samples_stand_in_for_the_counter_until_it_shows() -> None:
    fine = sheet_like(sample_interval_s=1.0, max_interval_s=1.5, sampling="point", counter_step_j=0.01)
    register = EnergyRegister(fine)
    t_s = np.arange(7, dtype=np.float64)
    nan = math.nan
    counter_j = np.array([nan, nan, 500.0, nan, nan, 506.02, nan])
    power_w = np.full(7, 2.0)
    register.add(SampleBlock(t_s, np.ones(7), power_w, power_w, counter_j=counter_j), np.zeros(7))
    for at_s, expected_j in ((1.0, 2.0), (2.0, 4.0), (3.5, 7.0), (5.0, 10.02), (6.0, 12.02)):
        reading = register.reading_at(at_s)
        assert reading is not None
        assert reading.counter_j == pytest.approx(expected_j, abs=0.02)
    assert register.latest().counter_resets == 0.0


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([1.0, 1.0, 1.0, 3.0, 40.0]), st.floats(0.0, 4.9), st.booleans()),
        min_size=3,
        max_size=40,
    ),
    cut=st.integers(1, 30),
    asked=st.tuples(st.integers(0, 39), st.integers(0, 39)),
)
def test_counter_and_samples_together_always_hold_the_truth(
    steps: list[tuple[float, float, bool]], cut: int, asked: tuple[int, int]
) -> None:
    """Power is constant between two samples; the counter is read with some of them, in steps of 1 J."""
    sheet = sheet_like(sample_interval_s=1.0, max_interval_s=1.5, sampling="mean", counter_step_j=1.0)
    dt_s, power_w, shows = (np.array(column) for column in zip(*steps, strict=True))
    t_s, true_j = np.cumsum(dt_s), np.cumsum(dt_s * power_w)
    counter_j = np.where(shows, np.floor(true_j + 1234.5), math.nan)
    register = EnergyRegister(sheet, limit_w=5.0, history=KnotHistory(fine_s=1e9))
    for part in (slice(0, cut), slice(cut, None)):
        if len(t_s[part]):
            ones = np.ones(len(t_s[part]))
            block = SampleBlock(t_s[part], ones, power_w[part], power_w[part], counter_j=counter_j[part])
            register.add(block, 0.0 * ones)
    first, last = sorted(min(index, len(t_s) - 1) for index in asked)
    a, b = register.reading_at(float(t_s[first])), register.reading_at(float(t_s[last]))
    assert a is not None
    assert b is not None
    low_j, high_j = energy_limits_j(energy_between(a, b), sheet)
    assert low_j - 1e-6 <= true_j[last] - true_j[first] <= high_j + 1e-6


@pytest.mark.parametrize("counts_backwards_as", [0.0, 1.0])
@pytest.mark.parametrize("sampling", ["mean", "point"])
def test_what_flows_backwards_is_no_contradiction(sampling: str, counts_backwards_as: float) -> None:
    """Solar panels behind the meter: its counter of imports stands, or counts what is fed back as drawn."""
    sheet = sheet_like(sample_interval_s=1.0, max_interval_s=3.0, sampling=sampling, counter_step_j=1.0)
    register = EnergyRegister(sheet)
    t_s = np.arange(1, 2001, dtype=np.float64)
    power_w = np.where(np.arange(2000) // 100 % 2, -300.0, 400.0)
    counted_w = np.where(power_w < 0.0, -counts_backwards_as * power_w, power_w)
    counter_j = np.floor(np.cumsum(counted_w))
    register.add(SampleBlock(t_s, np.full(2000, 230.0), power_w / 230.0, power_w, counter_j=counter_j), 0.0 * t_s)
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    low_j, high_j = energy_limits_j(delta, sheet)
    assert low_j <= delta.energy_j <= high_j
    assert delta.energy_j == pytest.approx(1e5, rel=0.01)


def test_a_meter_that_counts_on_a_fast_crystal_does_not_contradict_its_samples() -> None:
    """A day at 2 kW, the counter 80 ppm fast: 13.8 kJ, four of its steps."""
    register = EnergyRegister(COUNTING)
    t_s = np.arange(86_400, dtype=np.float64)
    power_w = np.full(len(t_s), 2000.0)
    counter_j = 3600.0 * np.floor((1.0 + 80e-6) * 2000.0 * t_s / 3600.0)
    register.add(SampleBlock(t_s, np.full(len(t_s), 230.0), power_w / 230.0, power_w, counter_j=counter_j), 0.0 * t_s)
    first = register.first()
    assert first is not None
    low_j, high_j = energy_limits_j(energy_between(first, register.latest()), COUNTING)
    assert low_j <= 2000.0 * 86_399.0 <= high_j


MAY_BEGIN_ANEW = sheet_like(sample_interval_s=1.0, max_interval_s=3.0, sampling="point", counter_step_j=0.5)


@pytest.mark.parametrize("seed", range(40))
def test_missing_answers_and_new_counters_leave_the_truth_within_the_limits(seed: int) -> None:
    """Power moves one way between two answers; the counter shows in a few of them, and begins anew now and then."""
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.choice([1.0, 1.0, 2.0, 3.0, 9.0], size=40))
    power_w = rng.uniform(0.0, 5.0, size=40)
    between_j = np.diff(t_s) * rng.uniform(
        np.minimum(power_w[1:], power_w[:-1]), np.maximum(power_w[1:], power_w[:-1])
    )
    true_j = np.concatenate(([0.0], np.cumsum(between_j)))
    register = EnergyRegister(MAY_BEGIN_ANEW, limit_w=5.0)
    readings: list[EnergyReading] = []
    base_j = 1000.0
    for t, watts, joules in zip(t_s.tolist(), power_w.tolist(), true_j.tolist(), strict=True):
        if readings and rng.random() < 0.1:
            register.begin_anew()
            base_j = -true_j[len(readings) - 1]
        shown_j = 0.5 * np.floor((joules + base_j) / 0.5) if rng.random() < 0.4 else math.nan
        one = np.array([watts])
        block = SampleBlock(np.array([t]), np.ones(1), one, one, counter_j=np.array([shown_j]))
        register.add(block, np.zeros(1))
        readings.append(register.latest())
    for (a, from_j), (b, to_j) in combinations(zip(readings, true_j.tolist(), strict=True), 2):
        low_j, high_j = energy_limits_j(energy_between(a, b), MAY_BEGIN_ANEW)
        assert low_j - 1e-6 <= to_j - from_j <= high_j + 1e-6


def test_a_first_reading_after_a_moving_load_still_bounds_from_above() -> None:
    register = EnergyRegister(MAY_BEGIN_ANEW)
    for t, watts, shown_j in ((0.0, 1.0, math.nan), (1.0, 4.0, math.nan), (2.0, 4.0, 70.0), (20.0, 4.0, 142.0)):
        one = np.array([watts])
        block = SampleBlock(np.array([t]), np.ones(1), one, one, counter_j=np.array([shown_j]))
        register.add(block, np.zeros(1))
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert (delta.energy_j, delta.between_bound_j, delta.counter_open_j) == pytest.approx((6.5, 1.5, 1.5))
    assert energy_limits_j(delta, MAY_BEGIN_ANEW)[1] == pytest.approx(2.5 + 4.0 + 72.0 + 1.5 + 0.5, abs=0.01)
