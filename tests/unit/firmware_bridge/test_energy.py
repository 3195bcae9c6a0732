"""The energy register: exact, additive, indifferent to chunking, and honest about gaps."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.history import KnotHistory
from firmware_bridge.samples import F64, EnergyReading, SampleBlock, SampleFlag
from tests.fakes.counter_meter import sheet_like

INTERVAL_S = 0.01
MAX_INTERVAL_S = 0.025
MEAN = sheet_like(sample_interval_s=INTERVAL_S, max_interval_s=MAX_INTERVAL_S, sampling="mean")
POINT = sheet_like(sample_interval_s=INTERVAL_S, max_interval_s=MAX_INTERVAL_S, sampling="point")

# Intervals around the limits: nominal, just inside and just outside the maximum, tiny, and long.
intervals = st.one_of(
    st.sampled_from([INTERVAL_S, MAX_INTERVAL_S, 0.0249, 0.0251, 0.0002, 0.3, 5.0]),
    st.floats(1e-4, 1.0),
)
streams = st.lists(st.tuples(intervals, st.floats(-50.0, 50.0)), min_size=1, max_size=60)
sheets = st.sampled_from([MEAN, POINT])


def block_of(t_s: F64, power_w: F64) -> SampleBlock:
    return SampleBlock(t_s, np.ones_like(t_s), power_w, power_w)


def to_arrays(stream: list[tuple[float, float]]) -> tuple[F64, F64]:
    steps_s, power_w = np.array(stream).T
    return np.cumsum(steps_s), power_w


def register_of(sheet: DataSheet, t_s: F64, power_w: F64, cuts: list[int] | None = None) -> EnergyRegister:
    register = EnergyRegister(sheet, history=KnotHistory(fine_s=1e9))
    bounds = [0, *sorted(cuts or []), len(t_s)]
    for begin, end in pairwise(bounds):
        if end > begin:
            register.add(block_of(t_s[begin:end], power_w[begin:end]), 0.1 * np.abs(power_w[begin:end]))
    return register


def plain(sheet: DataSheet, t_s: F64, power_w: F64) -> tuple[Fraction, Fraction, Fraction]:
    """Integrate one sample after the other in exact arithmetic: (energy, covered, gap)."""
    energy = covered = gap = Fraction(0)
    nominal = Fraction(sheet.sample_interval_s)
    for i, (t, p) in enumerate(zip(t_s.tolist(), power_w.tolist(), strict=True)):
        if sheet.sampling == "mean":
            dt = nominal if i == 0 else Fraction(t) - Fraction(t_s[i - 1])
            here = dt if t - (t_s[i - 1] if i else t - 1e-9) <= sheet.max_interval_s else nominal
            energy += Fraction(p) * here
        else:
            dt = Fraction(0) if i == 0 else Fraction(t) - Fraction(t_s[i - 1])
            here = dt if i and t - t_s[i - 1] <= sheet.max_interval_s else Fraction(0)
            energy += (Fraction(p) + Fraction(power_w[i - 1])) / 2 * here
        covered += here
        gap += dt - here
    return energy, covered, gap


@given(sheets, streams)
def test_matches_exact_arithmetic(sheet: DataSheet, stream: list[tuple[float, float]]) -> None:
    t_s, power_w = to_arrays(stream)
    reading = register_of(sheet, t_s, power_w).latest()
    energy, covered, gap = plain(sheet, t_s, power_w)
    assert reading.energy_j == pytest.approx(float(energy), rel=1e-9, abs=1e-9)
    assert reading.covered_s == pytest.approx(float(covered), abs=1e-9)
    assert reading.gap_s == pytest.approx(float(gap), abs=1e-9)
    assert reading.sample_count == len(t_s)


@given(sheets, streams, st.lists(st.integers(0, 60), max_size=8), st.floats(0.0, 1.0))
def test_chunking_never_matters(
    sheet: DataSheet, stream: list[tuple[float, float]], cuts: list[int], at: float
) -> None:
    t_s, power_w = to_arrays(stream)
    whole = register_of(sheet, t_s, power_w)
    pieces = register_of(sheet, t_s, power_w, [min(cut, len(t_s)) for cut in cuts])
    assert_same(whole.latest(), pieces.latest())
    t_ask_s = float(t_s[0] + at * (t_s[-1] - t_s[0]))
    a, b = whole.reading_at(t_ask_s), pieces.reading_at(t_ask_s)
    assert (a is None) == (b is None)
    if a is not None and b is not None:
        assert_same(a, b)


def assert_same(a: EnergyReading, b: EnergyReading) -> None:
    for name in EnergyReading.__slots__:
        ours, theirs = getattr(a, name), getattr(b, name)
        if ours is None or theirs is None:
            assert ours is theirs, name
        else:
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9), name


@given(sheets, streams, st.lists(st.floats(-0.2, 1.2), min_size=3, max_size=3))
def test_spans_add_up_and_no_time_is_lost(
    sheet: DataSheet, stream: list[tuple[float, float]], shares: list[float]
) -> None:
    t_s, power_w = to_arrays(stream)
    register = register_of(sheet, t_s, power_w)
    register.add_gap_until(float(t_s[-1]) + 10.0)
    times_s = sorted(float(t_s[0] + share * (t_s[-1] - t_s[0])) for share in shares)
    a, b, c = (register.reading_at(t) for t in times_s)
    assert a is not None
    assert b is not None
    assert c is not None
    ab, bc, ac = energy_between(a, b), energy_between(b, c), energy_between(a, c)
    assert ab.energy_j + bc.energy_j == pytest.approx(ac.energy_j, abs=1e-9)
    assert ab.gap_s + bc.gap_s == pytest.approx(ac.gap_s, abs=1e-9)
    for delta, begin_s, end_s in ((ab, times_s[0], times_s[1]), (ac, times_s[0], times_s[2])):
        assert delta.duration_s == pytest.approx(end_s - begin_s, abs=1e-9)
        assert delta.covered_s + delta.gap_s == pytest.approx(delta.duration_s, abs=1e-9)
        assert delta.covered_s >= -1e-9
        assert delta.gap_s >= -1e-9


@given(sheets, st.floats(0.01, 100.0), st.integers(2, 500))
def test_constants_integrate_exactly(sheet: DataSheet, power_w: float, count: int) -> None:
    t_s = np.arange(1, count + 1, dtype=np.float64) * INTERVAL_S
    register = register_of(sheet, t_s, np.full(count, power_w))
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert delta.gap_s == 0.0
    assert delta.energy_j == pytest.approx(power_w * delta.duration_s, rel=1e-12)
    assert delta.energy_u_systematic_j == pytest.approx(0.1 * power_w * delta.duration_s, rel=1e-12)
    assert delta.mean_power_w == pytest.approx(power_w, rel=1e-12)
    assert delta.power_sd_w == pytest.approx(0.0, abs=1e-5 * power_w)


@pytest.mark.parametrize("sheet", [MEAN, POINT])
def test_a_gap_is_no_joules_and_its_whole_length(sheet: DataSheet) -> None:
    before_s = np.arange(1, 101, dtype=np.float64) * INTERVAL_S
    after_s = before_s + 7.0
    t_s = np.concatenate((before_s, after_s))
    register = register_of(sheet, t_s, np.full(200, 4.0))
    begin, end = register.reading_at(1.5), register.reading_at(6.5)
    assert begin is not None
    assert end is not None
    inside = energy_between(begin, end)
    assert inside.energy_j == 0.0
    assert inside.gap_s == pytest.approx(5.0)
    assert inside.mean_power_w is None
    expected_gap_s = 6.0 if sheet.sampling == "mean" else 6.0 + INTERVAL_S
    assert register.latest().gap_s == pytest.approx(expected_gap_s)


@pytest.mark.parametrize("sheet", [MEAN, POINT])
def test_declared_silence_stays_a_gap_when_late_samples_come(sheet: DataSheet) -> None:
    register = register_of(sheet, np.arange(1, 101, dtype=np.float64) * INTERVAL_S, np.full(100, 4.0))
    assert register.reading_at(3.0) is None
    register.add_gap_until(3.0)
    declared = register.reading_at(3.0)
    assert declared is not None
    late_s = np.array([2.5, 2.9, 3.005, 3.015])
    register.add(block_of(late_s, np.full(4, 4.0)), np.full(4, 0.1))
    assert register.reading_at(3.0) == declared
    latest = register.latest()
    assert latest.lost_count == 2
    assert latest.covered_s + latest.gap_s == pytest.approx(3.015 - (0.0 if sheet.sampling == "mean" else INTERVAL_S))
    assert latest.energy_j <= declared.energy_j + 4.0 * 0.015 + 1e-12


def test_before_the_stream_is_a_gap_too() -> None:
    register = register_of(MEAN, np.arange(1, 101, dtype=np.float64) * INTERVAL_S, np.full(100, 4.0))
    begin, end = register.reading_at(-2.0), register.reading_at(0.5)
    assert begin is not None
    assert end is not None
    delta = energy_between(begin, end)
    assert delta.gap_s == pytest.approx(2.0)
    assert delta.energy_j == pytest.approx(2.0)


def test_a_sample_that_is_no_number_is_lost_not_contagious() -> None:
    t_s = np.arange(1, 101, dtype=np.float64) * INTERVAL_S
    power_w = np.full(100, 4.0)
    power_w[40:60] = math.nan
    latest = register_of(MEAN, t_s, power_w).latest()
    assert latest.lost_count == 20
    assert latest.gap_s == pytest.approx(0.2)
    assert latest.energy_j == pytest.approx(3.2)


def test_spread_of_power() -> None:
    t_s = np.arange(1, 1001, dtype=np.float64) * INTERVAL_S
    power_w = np.where(np.arange(1000) % 2, 5.0, 3.0)
    register = register_of(MEAN, t_s, power_w)
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert delta.mean_power_w == pytest.approx(4.0)
    assert delta.power_sd_w == pytest.approx(1.0)


def test_the_spread_of_points_is_that_of_the_samples_not_of_the_line_between_them() -> None:
    """Independent points: the line between them varies by two thirds of their variance only."""
    power_w = np.random.default_rng(3).normal(5.0, 1.0, 20_000)
    register = register_of(POINT, np.arange(1, 20_001, dtype=np.float64) * INTERVAL_S, power_w)
    first = register.first()
    assert first is not None
    assert energy_between(first, register.latest()).power_sd_w == pytest.approx(power_w.std(), rel=1e-3)


def test_the_display_step_is_integrated_over_covered_time() -> None:
    register = EnergyRegister(MEAN)
    t_s = np.array([0.01, 0.02, 5.0])
    register.add(block_of(t_s, np.ones(3)), np.zeros(3), np.array([0.1, 0.2, 0.3]))
    first = register.first()
    assert first is not None
    assert energy_between(first, register.latest()).resolution_j == pytest.approx(0.6 * INTERVAL_S)


@pytest.mark.parametrize("together", [1, 100])
def test_every_sample_of_a_1_khz_meter_keeps_its_own_edge(together: int) -> None:
    """1.001 s x 1000 is 1000.9999999999999 in floats: that sample must not share its millisecond with the next."""
    sheet = sheet_like(sample_interval_s=1e-3, max_interval_s=5e-3, sampling="mean")
    t_s = np.arange(1, 3001) / 1000.0
    power_w = np.random.default_rng(0).uniform(0.0, 1.0, len(t_s))
    register = register_of(sheet, t_s, power_w, cuts=list(range(together, len(t_s), together)))
    energies_j = [reading.energy_j for at_s in t_s if (reading := register.reading_at(float(at_s)))]
    assert energies_j == pytest.approx((np.cumsum(power_w) * 1e-3).tolist(), rel=1e-12)


def long_stream(seconds: int, *, fine_s: float, gap_at_s: float = math.inf, gap_s: float = 0.0) -> EnergyRegister:
    """2 W in even seconds, 4 W in odd ones; from ``gap_at_s`` on nothing for ``gap_s``."""
    register = EnergyRegister(MEAN, history=KnotHistory(fine_s=fine_s))
    for second in range(seconds):
        t_s = second + np.arange(1, 101, dtype=np.float64) * INTERVAL_S
        if not gap_at_s <= second < gap_at_s + gap_s:
            register.add(block_of(t_s, np.full(100, 2.0 + 2.0 * (second % 2))), np.full(100, 0.1))
    return register


def test_an_old_question_is_answered_for_the_time_that_was_asked() -> None:
    """A window of minutes, or a host that stood still: what was before and after the asked time stays apart."""
    register = long_stream(600, fine_s=30.0)
    for asked_s in (1.5, 100.0, 101.25, 540.0, 571.5, 599.9):
        reading = register.reading_at(asked_s)
        assert reading is not None
        assert reading.t_device_s == asked_s
        assert reading.energy_j == pytest.approx(3.0 * asked_s, abs=1.0)
        assert reading.covered_s == pytest.approx(asked_s)


def test_an_old_edge_inside_a_gap_parts_the_gap_and_no_joule() -> None:
    register = long_stream(600, fine_s=30.0, gap_at_s=100.0, gap_s=50.0)
    before, inside, after = (register.reading_at(t_s) for t_s in (100.0, 120.0, 150.0))
    assert before is not None
    assert inside is not None
    assert after is not None
    assert inside.energy_j == before.energy_j == after.energy_j == pytest.approx(300.0)
    assert (inside.gap_s, after.gap_s) == pytest.approx((20.0, 50.0))


def test_memory_is_bounded_and_before_it_the_oldest_reading_has_its_own_time() -> None:
    history = KnotHistory(fine_s=30.0, coarse_s=100.0)
    for second in range(1000):
        history.append(np.array([[second + 0.5, second + 0.5], [second + 1.0, second + 1.0]]))
        history.forget(second + 1.0)
    assert len(history) < 3 * 32 + 103
    oldest = history.at(1.0)
    assert oldest is not None
    assert 898.0 <= oldest[0] <= 901.0
    middle = history.at(950.25)
    assert middle is not None
    assert middle == pytest.approx([950.25, 950.25])
    assert history.at(1000.5) is None


def test_a_day_at_100_khz_keeps_its_digits() -> None:
    """The accumulation of a day's blocks is exact to rounding of the result; times are as the decoder makes them."""
    interval_s, count = 1e-5, 4096
    sheet = sheet_like(sample_interval_s=interval_s, max_interval_s=1.5 * interval_s)
    register = EnergyRegister(sheet)
    day = 86_400 * 100_000
    power_w = np.full(count, 3.3)
    exact_j = Fraction(0)
    for first in [*range(0, 20 * count, count), *range(day - 20 * count, day, count)]:
        t_s = np.arange(first + 1, first + count + 1, dtype=np.float64) * interval_s
        register.add(block_of(t_s, power_w), power_w)
        exact_j += Fraction(3.3) * count * Fraction(1, 100_000)
    latest = register.latest()
    assert latest.energy_j == pytest.approx(float(exact_j), rel=1e-9)
    assert latest.covered_s + latest.gap_s == pytest.approx(86_400.0, rel=1e-14)


def test_many_small_additions_do_not_drift() -> None:
    """200,000 times 0.1: a plain float sum ends beside 20,000, the compensated one on it."""
    register = EnergyRegister(MEAN)
    for _ in range(200_000):
        register.add_lost(0.1)
    assert register.latest().lost_count == 20_000.0


def test_a_gap_is_bounded_by_full_scale_at_the_higher_voltage_beside_it() -> None:
    register = EnergyRegister(MEAN)
    t_s = np.array([0.01, 1.01])
    register.add(SampleBlock(t_s, np.array([5.0, 12.0]), np.ones(2), np.ones(2)), np.zeros(2))
    reading = register.latest()
    assert reading.gap_s == pytest.approx(0.99)
    assert reading.gap_bound_j == pytest.approx(0.99 * 12.0 * MEAN.ranges[-1].max_current_a)
    register.add_gap_until(2.01)
    assert register.latest().gap_bound_j - reading.gap_bound_j == pytest.approx(12.0 * MEAN.ranges[-1].max_current_a)


def test_a_declared_limit_of_the_supply_bounds_a_gap_instead() -> None:
    register = EnergyRegister(POINT, limit_w=15.0)
    register.add(block_of(np.array([0.01, 3.01]), np.ones(2)), np.zeros(2))
    before = register.reading_at(-1.0)
    assert before is not None
    delta = energy_between(before, register.latest())
    assert delta.gap_s == pytest.approx(4.01)
    assert delta.gap_bound_j == pytest.approx(4.01 * 15.0)
    assert energy_limits_j(delta, POINT) == pytest.approx((0.0, 4.01 * 15.0))


def test_a_stale_sample_covers_time_and_counts_as_none() -> None:
    register = EnergyRegister(POINT)
    t_s = np.array([0.01, 0.02, 0.03])
    flags = np.array([0, SampleFlag.STALE, 0], dtype=np.uint8)
    register.add(SampleBlock(t_s, np.ones(3), np.ones(3), np.ones(3), flags=flags), np.zeros(3))
    reading = register.latest()
    assert reading.sample_count == 2
    assert reading.covered_s == pytest.approx(0.02)


def test_what_pinned_samples_hide_is_bounded_by_the_declared_limit() -> None:
    flags = np.array([0, SampleFlag.SATURATED, SampleFlag.SATURATED], dtype=np.uint8)
    t_s, power_w = np.array([0.01, 0.02, 0.03]), np.array([1.0, 5.0, 5.0])
    for limit_w, expected_j in ((None, 0.0), (15.0, 2 * 10.0 * INTERVAL_S), (3.0, 0.0)):
        register = EnergyRegister(MEAN, limit_w=limit_w)
        register.add(SampleBlock(t_s, np.ones(3), power_w, power_w, flags=flags), np.zeros(3))
        assert register.latest().gap_bound_j == pytest.approx(expected_j)
