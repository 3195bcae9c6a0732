import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.device.cpu import CpuRatios
from edge_agent.device.observer import ObservedState
from edge_agent.latency import LatencyHistogram
from edge_agent.uncertainty.energy import EnergyBudget
from edge_agent.uncertainty.net import NetEnergy
from edge_agent.window import (
    BASELINE_VALID_S,
    Conditions,
    Identity,
    IdleBaseline,
    Metering,
    WindowCounts,
    build_window,
    systematic_id,
)
from edge_agent.window_series import Burst, WindowSeries
from edge_agent.wire.records import RuntimeIdentity
from firmware_bridge.samples import EnergyDelta

IDENTITY = Identity(
    model_id="digits",
    model_sha256="0" * 64,
    runtime=RuntimeIdentity(runtime="litert", version="2.3.0", delegate="xnnpack", threads=1),
    meter_id="meter-1",
    meter_driver="tc66c",
    boundary="usb_dc",
    simulated=True,
)


def run_series(
    bursts: list[tuple[float, list[float]]], window_s: float, tail_s: float
) -> tuple[list[Burst], list[WindowCounts]]:
    """Play (pause before, inference lengths) through a series on a manual clock, as the agent's loop does."""
    series = WindowSeries(0.0, window_s)
    now_s, played, closed = 0.0, [], []
    for pause_s, lengths_s in bursts:
        now_s += pause_s
        counts = series.advance(now_s)
        if counts:
            closed.append(counts)
        ends_s = np.cumsum([now_s, *lengths_s])[1:].tolist()
        played.append(Burst(now_s, ends_s))
        series.add(played[-1])
        now_s = ends_s[-1]
        counts = series.advance(now_s)
        if counts:
            closed.append(counts)
    now_s += tail_s
    closed += [counts for counts in (series.advance(now_s), series.close(now_s)) if counts]
    return played, closed


lengths = st.lists(st.floats(1e-6, 3.0), min_size=1, max_size=5)


@given(st.lists(st.tuples(st.floats(0.0, 4.0), lengths), max_size=12), st.floats(0.2, 2.0), st.floats(0.0, 3.0))
def test_every_inference_and_every_busy_second_is_in_exactly_one_window(
    bursts: list[tuple[float, list[float]]], window_s: float, tail_s: float
) -> None:
    played, closed = run_series(bursts, window_s, tail_s)
    ends_s = sorted(end_s for burst in played for end_s in burst.ends_s)
    for counts in closed:
        expected = sum(counts.t_start_s < end_s <= counts.t_end_s for end_s in ends_s)
        assert counts.inference_count == expected
        busy_s = sum(
            max(0.0, min(counts.t_end_s, burst.ends_s[-1]) - max(counts.t_start_s, burst.t_begin_s))
            for burst in played
        )
        assert counts.busy_s == pytest.approx(busy_s, abs=1e-9)
    assert sum(counts.inference_count for counts in closed) == len(ends_s)


@given(st.lists(st.tuples(st.floats(0.0, 4.0), lengths), min_size=1, max_size=12), st.floats(0.2, 2.0))
def test_windows_follow_each_other_without_hole_and_end_on_boundaries(
    bursts: list[tuple[float, list[float]]], window_s: float
) -> None:
    _, closed = run_series(bursts, window_s, 0.0)
    assert closed[0].t_start_s == 0.0
    assert all(a.t_end_s == b.t_start_s for a, b in pairwise(closed))
    assert all(counts.duration_s > 0.0 for counts in closed)
    for counts in closed[:-1]:
        assert counts.t_end_s / window_s == pytest.approx(round(counts.t_end_s / window_s), abs=1e-6)


def test_a_long_pause_is_one_long_window_that_ends_on_a_boundary() -> None:
    series = WindowSeries(100.0, 10.0)
    series.add(Burst(100.0, [101.0]))
    counts = series.advance(135.0)
    assert counts is not None
    assert (counts.t_start_s, counts.t_end_s, counts.inference_count) == (100.0, 130.0, 1)
    assert series.t_next_s == 140.0
    assert series.advance(139.9) is None


def test_an_inference_across_a_boundary_belongs_to_where_it_ends_and_its_time_to_both() -> None:
    series = WindowSeries(0.0, 1.0)
    series.add(Burst(0.9, [1.3]))
    first, second = series.advance(1.3), series.close(1.5)
    assert first is not None
    assert second is not None
    assert (first.inference_count, second.inference_count) == (0, 1)
    assert [first.busy_s, second.busy_s] == pytest.approx([0.1, 0.3])
    assert first.latency_p50_s is None
    assert second.latency_max_s == pytest.approx(0.4)


@given(st.lists(st.floats(1e-7, 100.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_percentile_is_within_half_a_percent_of_the_value_at_its_rank(values_s: list[float], ratio: float) -> None:
    histogram = LatencyHistogram()
    for value_s in values_s:
        histogram.add(np.array([value_s]))
    found_s = histogram.quantile_s(ratio)
    exact_s = sorted(values_s)[max(1, math.ceil(ratio * len(values_s))) - 1]
    assert found_s is not None
    assert found_s == pytest.approx(exact_s, rel=0.0051)
    assert min(values_s) <= found_s <= max(values_s)


def test_latencies_outside_the_bins_are_counted_and_bounded_by_the_exact_extremes() -> None:
    histogram = LatencyHistogram()
    histogram.add(np.array([1e-9, 5000.0]))
    assert histogram.quantile_s(0.5) == pytest.approx(1e-7, rel=0.01)
    assert histogram.count == 2
    assert histogram.max_s == 5000.0


def test_no_inference_gives_no_percentile() -> None:
    histogram = LatencyHistogram()
    histogram.add(np.array([]))
    assert histogram.quantile_s(0.5) is None


def delta(energy_j: float, covered_s: float, gap_s: float) -> EnergyDelta:
    mean_power_w = energy_j / covered_s if covered_s else None
    return EnergyDelta(covered_s + gap_s, energy_j, 0.01, covered_s, gap_s, 20.0, 1.0, mean_power_w, 0.1)


def test_a_window_joins_counts_energy_identity_and_conditions() -> None:
    counts = WindowCounts(5.0, 15.0, 40, 3.0, 0.05, 0.08, 0.2)
    metering = Metering(delta(27.0, 9.5, 0.5), EnergyBudget(0.03, 0.04, 0.0, 0.0), "arrival_fit", 0.002)
    device = ObservedState(51.5, 52.5, 1200.0, 600.0, 1500.0, None, "ondemand", CpuRatios(0.4, 0.02, 0.1))
    conditions = Conditions(1_700_000_000, "synchronised", 2, idle=IdleBaseline(2.0, 0.1), device=device)
    window = build_window(7, counts, metering, IDENTITY, conditions)
    assert (window.seq, window.duration_s, window.energy_j, window.gap_s) == (7, 10.0, 27.0, 0.5)
    assert window.energy_u_j == pytest.approx(0.05)
    assert window.energy_u_systematic_j == 0.03
    assert (window.idle_power_w, window.idle_power_u_w) == (2.0, 0.1)
    assert (window.inference_count, window.busy_s, window.latency_p95_s) == (40, 3.0, 0.08)
    assert (window.frame_error_count, window.soc_temp_c, window.throttled) == (2, 51.5, None)
    assert (window.soc_temp_max_c, window.governor) == (52.5, "ondemand")
    assert (window.freq_mhz, window.freq_min_mhz, window.freq_max_mhz) == (1200.0, 600.0, 1500.0)
    assert (window.agent_cpu_ratio, window.overhead_cpu_ratio, window.other_cpu_ratio) == (0.4, 0.02, 0.1)
    assert window.flags == ("gap",)
    assert window.simulated


def test_a_window_without_a_sample_is_all_gap_and_no_joule() -> None:
    counts = WindowCounts(0.0, 10.0, 0, 0.0, None, None, None)
    empty = EnergyDelta(10.0, 0.0, 0.0, 0.0, 10.0000001, 0.0, 0.0, None, 0.0)
    metering = Metering(empty, EnergyBudget(0.0, 0.0, 0.0, 0.0), "host_clock", 0.05)
    window = build_window(1, counts, metering, IDENTITY, Conditions(0, "unsynchronised"))
    assert (window.energy_j, window.energy_u_j, window.gap_s, window.sample_count) == (0.0, 0.0, 10.0, 0.0)
    assert window.latency_p50_s is None
    assert window.idle_power_w is None


def flags(gap_s: float = 0.0, net_j: float = 1.0, **conditions: object) -> tuple[str, ...]:
    counts = WindowCounts(5.0, 15.0, 40, 3.0, 0.05, 0.08, 0.2)
    covered = Metering(
        delta(27.0, 10.0 - gap_s, gap_s),
        EnergyBudget(0.03, 0.04, 0.0, 0.0),
        "arrival_fit",
        0.002,
        NetEnergy(net_j, 0.1, 0.0),
    )
    held = replace(Conditions(1, "synchronised", idle=IdleBaseline(2.0, 0.1)), **conditions)  # type: ignore[arg-type]
    window = build_window(1, counts, covered, IDENTITY, held)
    assert (window.net_energy_j, window.net_energy_u_j) == (net_j, 0.1)
    return window.flags


def test_what_a_reader_must_know_is_flagged_and_net_energy_is_never_clipped() -> None:
    assert flags() == ()
    assert flags(net_j=-0.5) == ("net_negative",)
    assert (flags(gap_s=0.009), flags(gap_s=0.011)) == ((), ("gap",))
    assert flags(baseline_is_old=True) == ("baseline_old",)
    assert flags(baseline_is_old=True, idle=None) == ()
    assert flags(clock_stepped=True) == ("clock_step",)
    assert flags(device=ObservedState(throttled=True)) == ("throttled",)
    assert flags(device=ObservedState(throttled=False)) == ()


def test_a_baseline_is_old_after_an_hour_or_when_the_meter_is_not_the_same_run_of_the_same_unit() -> None:
    idle = IdleBaseline(2.0, 0.1, t_end_s=100.0, meter_epoch=3)
    assert not idle.is_old(100.0 + BASELINE_VALID_S, 3)
    assert idle.is_old(100.5 + BASELINE_VALID_S, 3)
    assert idle.is_old(101.0, 4)


def test_units_of_one_type_share_their_limits_and_a_certificate_is_of_one_unit() -> None:
    assert systematic_id("tc66c", "a", None) == systematic_id("tc66c", "b", None) == "tc66c"
    assert systematic_id("tc66c", "a", "PTB 17") == "tc66c:a:PTB 17"


def test_counts_from_outside_are_windows_like_any_other() -> None:
    series = WindowSeries(0.0, 10.0)
    series.count(3, np.array([0.5, 0.7]))
    first = series.restart(4.0)
    assert first is not None
    assert (first.t_end_s, first.inference_count, first.latency_max_s) == (4.0, 3, 0.7)
    assert first.busy_s == pytest.approx(1.2)
    assert series.t_next_s == 14.0
    assert series.restart(4.0) is None
    assert series.t_next_s == 14.0
