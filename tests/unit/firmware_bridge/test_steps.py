"""A load that the host produced is found in a meter's samples, and what cannot be told is not told."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import DataSheet
from firmware_bridge.samples import F64, U8, SampleBlock, SampleFlag
from firmware_bridge.step_pattern import CHIP_INTERVALS, MIN_CHIP_S, StepPattern, shortest_s, side_lobe_ratio
from firmware_bridge.step_trace import MAX_SAMPLES, MIN_BIN_S, StepSamples, StepTrace
from firmware_bridge.steps import StepAlignment, find_lag, find_lag_or_why
from firmware_bridge.timeline import Timeline
from tests.fakes.counter_meter import sheet_like
from tests.fakes.step_meter import StepMeter

SEARCH_S = (-0.5, 1.5)

# --- patterns ------------------------------------------------------------------------------------------------------


@given(st.floats(1e-5, 1.0), st.floats(1.0, 10.0), st.integers(0, 2**32))
def test_a_pattern_is_idle_at_both_ends_and_never_shorter_than_the_meter_can_show(
    interval_s: float, times: float, seed: int
) -> None:
    total_s = max(times * shortest_s(interval_s), 1.0)
    pattern = StepPattern.draw(interval_s, total_s, seed)
    edges_s = np.array([0.0, *np.array(pattern.busy_s).ravel(), total_s])
    assert (np.diff(edges_s) > 0.75 * max(CHIP_INTERVALS * interval_s, MIN_CHIP_S)).all()
    assert pattern.chip_s == pytest.approx(np.diff(edges_s).min())
    assert len(pattern.busy_s) >= 3
    assert pattern == StepPattern.draw(interval_s, total_s, seed)


def test_a_pattern_suits_itself_in_one_place_only() -> None:
    for seed in range(20):
        pattern = StepPattern.draw(0.1, 8.0, seed)
        lengths_s = np.diff([0.0, *np.array(pattern.busy_s).ravel(), 8.0])
        assert side_lobe_ratio(lengths_s, pattern.chip_s) < 0.4
    assert side_lobe_ratio(np.full(41, 0.2), 0.15) > 0.8


def test_a_pattern_that_is_too_short_says_how_long_it_must_be() -> None:
    with pytest.raises(ValueError, match=r"2 s are too short .* one value in 0.5 s .* at least 7 s"):
        StepPattern.draw(0.5, 2.0, 1)
    assert StepPattern.draw(0.5, shortest_s(0.5), 1).busy_s


# --- finding -------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(-0.4, 1.4), st.sampled_from(["mean", "point"]), st.booleans())
def test_any_lag_in_the_range_is_found(
    seed: int,
    lag_s: float,
    sampling: str,
    is_quantised: bool,  # noqa: FBT001
) -> None:
    """Of a nearly clean signal. Three uncertainties from eight parts may be missed, not by much: see the coverage."""
    meter = StepMeter(0.1, seed, lag_s=lag_s, is_mean=sampling == "mean", step_w=0.25 * is_quantised, noise_ratio=1e-3)
    found = find_lag(meter.busy_s, meter.samples(), sampling="mean" if meter.is_mean else "point", search_s=SEARCH_S)
    assert found is not None
    assert abs(found.lag_s - lag_s) <= 2.0 * found.residual_s + 1e-6
    assert found.residual_s < 0.08
    assert found.step_w == pytest.approx(3.0, rel=0.15)
    assert found.t_s == pytest.approx(np.mean(meter.busy_s))
    assert found.idle_w == pytest.approx(2.0, rel=0.1)


def why_not(samples: StepSamples, meter: StepMeter, search_s: tuple[float, float] = SEARCH_S) -> str:
    found = find_lag_or_why(meter.busy_s, samples, sampling="mean", search_s=search_s)
    assert isinstance(found, str), found
    assert find_lag(meter.busy_s, samples, sampling="mean", search_s=search_s) is None
    return found


def test_samples_that_do_not_show_the_load_say_so() -> None:
    meter = StepMeter(0.1, 1)
    real = meter.samples()
    noise = np.random.default_rng(3).normal(2.0, 0.1, len(real))
    assert "do not show it" in why_not(StepSamples(real.begin_s, real.end_s, noise), meter)
    upside_down = StepSamples(real.begin_s, real.end_s, 10.0 - real.power_w)
    assert why_not(upside_down, meter)
    constant = StepSamples(real.begin_s, real.end_s, np.full(len(real), 2.0))
    assert why_not(constant, meter)
    few = StepSamples(real.begin_s[:5], real.end_s[:5], real.power_w[:5])
    assert "5 samples came" in why_not(few, meter)
    late = StepMeter(0.1, 1, lag_s=0.9)
    assert why_not(late.samples(), late, (-0.1, 0.3))


def test_a_load_that_suits_two_places_is_not_told() -> None:
    regular = StepMeter(0.1, 1, busy_s=[(0.5 * i, 0.5 * i + 0.25) for i in range(16)])
    assert "two places" in why_not(regular.samples(), regular)


def test_a_meter_that_averages_gives_the_lag_of_its_middle() -> None:
    """Half an interval more where it is taken for one that samples instants."""
    lags_s = []
    for seed in range(10):
        meter = StepMeter(0.1, seed, lag_s=0.05, noise_ratio=0.01)
        found = find_lag(meter.busy_s, meter.samples(), sampling="point", search_s=SEARCH_S)
        assert found is not None
        lags_s.append(found.lag_s)
    assert np.mean(lags_s) == pytest.approx(0.05 + 0.05, abs=0.01)


# --- keeping samples -----------------------------------------------------------------------------------------------


def block(t_s: F64, power_w: F64, flags: U8 | None = None) -> SampleBlock:
    return SampleBlock(t_s, power_w, power_w, power_w, flags=flags)


def sheet(interval_s: float, **changes: object) -> DataSheet:
    return sheet_like(sample_interval_s=interval_s, max_interval_s=1.5 * interval_s, **changes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 1999), max_size=8), st.integers(0, 2**32))
def test_thinned_samples_keep_every_joule_wherever_blocks_are_cut(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    t_s: F64 = np.arange(1.0, 2001.0) * 1e-5
    power_w: F64 = rng.uniform(0.0, 5.0, 2000)
    whole, pieces = StepTrace(sheet(1e-5)), StepTrace(sheet(1e-5))
    whole.add(block(t_s, power_w))
    ends = sorted({0, 2000, *cuts})
    for first, last in pairwise(ends):
        pieces.add(block(t_s[first:last], power_w[first:last]))
    one, other = whole.samples(), pieces.samples()
    assert one.power_w == pytest.approx(other.power_w)
    assert one.end_s == pytest.approx(other.end_s)
    assert len(one) == pytest.approx(0.02 / MIN_BIN_S, abs=1)
    held = t_s <= one.end_s[-1] + 1e-9
    assert float((one.power_w * (one.end_s - one.begin_s)).sum()) == pytest.approx(float(power_w[held].sum() * 1e-5))


def test_gaps_are_no_samples_and_stale_ones_are_left_out() -> None:
    trace = StepTrace(sheet(0.1))
    t_s: F64 = np.array([0.1, 0.2, 0.9, 1.0])
    flags = np.array([0, 0, 0, SampleFlag.STALE], dtype=np.uint8)
    trace.add(block(t_s, np.ones(4), flags))
    trace.add(block(np.array([1.1]), np.ones(1)))
    assert trace.samples().begin_s == pytest.approx([0.0, 0.1, 0.8, 1.0])
    assert trace.samples().end_s == pytest.approx([0.1, 0.2, 0.9, 1.1])
    assert len(StepTrace(sheet(0.1)).samples()) == 0


def test_a_trace_that_nobody_asks_for_stays_small() -> None:
    trace = StepTrace(sheet(0.1))
    for index in range(300):
        t_s: F64 = (index * 500 + np.arange(1.0, 501.0)) * 0.1
        trace.add(block(t_s, t_s))
    assert len(trace.samples()) <= MAX_SAMPLES


# --- on a timeline -------------------------------------------------------------------------------------------------


def alignment(lag_s: float, residual_s: float) -> StepAlignment:
    return StepAlignment(lag_s, residual_s / 3.0, residual_s, 2.0, 3.0, 0.9, 0.1, 80, t_s=0.0)


def test_a_polled_meters_register_is_read_later_by_the_lag() -> None:
    timeline = Timeline(sheet(0.1, clock="host_arrival"))
    for index in range(50):
        timeline.add(block(np.array([1000.0 + 0.1 * index]), np.array([1.0 + (index >= 20)])), 1000.0 + 0.1 * index)
    assert timeline.sync().method == "host_clock"
    before, after = timeline.reading_at(1002.0, 1005.0), None
    timeline.align(alignment(0.3, 0.004))
    after = timeline.reading_at(1002.0, 1005.0)
    assert timeline.sync().method == "step_correlation"
    assert timeline.sync().residual_s == 0.004
    assert before is not None
    assert after is not None
    assert after.t_device_s - before.t_device_s == pytest.approx(0.3)
    timeline.reconnected()
    assert timeline.sync().method == "host_clock"


def test_with_a_clock_of_its_own_the_fits_noise_counts_too_and_a_new_clock_forgets() -> None:
    timeline = Timeline(sheet(0.01))
    rng, t_s = np.random.default_rng(1), 0.0
    for _ in range(3000):
        t_s += 0.01
        timeline.add(block(np.array([t_s]), np.ones(1)), 1000.0 + t_s + rng.exponential(0.002))
    fit_s = timeline.sync().residual_s
    asked_s = timeline.arrival_device_s(1020.0)
    timeline.align(replace(alignment(0.003, 0.0005), t_s=asked_s, t_host_s=1020.0))
    sync, reading = timeline.sync(), timeline.reading_at(1020.0, 1030.1)
    assert sync.method == "step_correlation"
    assert 0.0005 <= sync.residual_s <= 0.0005 + 2.0 * fit_s
    assert reading is not None
    assert reading.t_device_s == pytest.approx(asked_s + 0.003)
    for _ in range(1000):
        t_s += 0.01
        timeline.add(block(np.array([t_s]), np.ones(1)), 1000.0 + t_s + 0.001 + rng.exponential(0.004))
    later = timeline.reading_at(1020.0, 1040.1)
    assert later is not None
    assert abs(later.t_device_s - asked_s - 0.003) <= timeline.sync().residual_s - 0.0005
    epoch = timeline.clock_epoch
    timeline.add(block(np.array([0.01]), np.ones(1)), 1041.0)
    assert timeline.sync().method == "arrival_fit"
    assert timeline.clock_epoch > epoch
