"""Edges of a marker line give the clocks' offset to microseconds, and one bad mark changes nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.clock import ClockFit
from firmware_bridge.markers import (
    COMMAND_S,
    MAX_BLOCK_EDGES,
    MAX_EDGES,
    EdgeFinder,
    HostMark,
    MarkerClock,
    MarkerEdge,
    MarkerEstimate,
    most_agree,
)
from firmware_bridge.registry import driver_names, get_driver
from firmware_bridge.samples import F64, U8, SampleBlock
from firmware_bridge.timeline import Timeline
from tests.fakes.counter_meter import sheet_like
from tests.fakes.meter_talk import Conversation, levels_a, steady

STEP_S = 1e-5
DELAY_S = 0.0007
"""What every arrival is late by: the arrival fit cannot see it, markers can."""


def block_of(logic: U8 | None, first: int = 0) -> SampleBlock:
    count = 10 if logic is None else len(logic)
    t_s: F64 = np.arange(first + 1, first + count + 1, dtype=np.float64) * STEP_S
    ones = np.ones(count)
    return SampleBlock(t_s, ones, ones, ones, logic=logic)


def bits(*levels: int) -> U8:
    return np.array(levels, dtype=np.uint8)


# --- edges ---------------------------------------------------------------------------------------------------------


def test_edges_are_found_inside_blocks_and_between_them() -> None:
    finder = EdgeFinder(STEP_S)
    assert finder.feed(block_of(bits(1, 1, 1))) == []
    (first,) = finder.feed(block_of(bits(0, 0, 0), 3))
    assert (first.bit, first.rising) == (0, False)
    assert first.t_device_s == pytest.approx(4 * STEP_S)
    assert first.step_s == pytest.approx(2 * STEP_S)
    both = finder.feed(block_of(bits(0, 0b100, 0b101, 0b001), 6))
    assert [(edge.bit, edge.rising) for edge in both] == [(0, True), (2, True), (2, False)]


def test_an_edge_over_a_gap_is_only_known_to_be_inside_it() -> None:
    finder = EdgeFinder(STEP_S)
    finder.feed(block_of(bits(0, 0)))
    (edge,) = finder.feed(block_of(bits(1), 1000))
    assert edge.step_s == pytest.approx(1000 * STEP_S)
    finder.restart()
    assert finder.feed(block_of(bits(0), 2000)) == []


def test_a_meter_without_markers_has_no_edges() -> None:
    assert EdgeFinder(STEP_S).feed(block_of(None)) == []


def test_an_input_that_nothing_drives_costs_bounded_work_and_memory() -> None:
    finder, clock = EdgeFinder(STEP_S), MarkerClock()
    noise = np.random.default_rng(0).integers(0, 256, 20_000).astype(np.uint8)
    edges = finder.feed(block_of(noise))
    clock.add_edges(edges)
    for first in range(20_000, 30_000, 50):
        clock.add_edges(finder.feed(block_of(noise[:50], first)))
    assert finder.dropped > 10_000
    assert len(edges) <= 8 * MAX_BLOCK_EDGES
    assert len(clock.edges) == 8 * MAX_EDGES
    for i in range(10):
        clock.add_mark(HostMark(0.01 * i, 0.01 * i + 1e-4, rising=True))
    assert clock.estimate(float, reach_s=0.05, drift_u_ratio=0.0, now_s=0.2) is None


def place(edge: MarkerEdge) -> tuple[int, int]:
    return round(edge.t_device_s / STEP_S), edge.bit


@settings(max_examples=50)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=MAX_BLOCK_EDGES), st.lists(st.integers(1, 15), max_size=5))
def test_edges_do_not_depend_on_where_blocks_are_cut(levels: list[int], cuts: list[int]) -> None:
    logic = bits(*levels)
    whole = sorted(EdgeFinder(STEP_S).feed(block_of(logic)), key=place)
    finder = EdgeFinder(STEP_S)
    pieces: list[MarkerEdge] = []
    ends = sorted({0, len(logic), *(cut for cut in cuts if cut < len(logic))})
    for begin, end in pairwise(ends):
        pieces += finder.feed(block_of(logic[begin:end], begin))
    pieces.sort(key=place)
    assert [(edge.bit, edge.rising) for edge in pieces] == [(edge.bit, edge.rising) for edge in whole]
    assert [edge.t_device_s for edge in pieces] == pytest.approx([edge.t_device_s for edge in whole])
    level = levels[0]
    for edge in whole:
        level ^= 1 << edge.bit
    assert level == levels[-1]


# --- pairing -------------------------------------------------------------------------------------------------------


def marked(
    rng: np.random.Generator, count: int, *, lag_s: float, lose: float = 0.0, extra: float = 0.0, period_s: float = 0.0
) -> MarkerClock:
    """Toggle a line; edges are sampled every ``STEP_S``. Some get lost, and some come that nobody marked."""
    clock = MarkerClock()
    edges: list[MarkerEdge] = []
    t_s = 0.0
    for i in range(count):
        t_s += period_s or rng.uniform(0.02, 0.7)
        before_s, after_s = t_s - rng.exponential(30e-6), t_s + rng.exponential(30e-6)
        clock.add_mark(HostMark(before_s, after_s, rising=i % 2 == 0))
        if rng.random() >= lose:
            sample = np.ceil((t_s + lag_s) / STEP_S)
            edges.append(MarkerEdge(float(sample * STEP_S), 0, i % 2 == 0, 2 * STEP_S))
        if rng.random() < extra:
            edges.append(
                MarkerEdge(float(t_s + lag_s + rng.uniform(-0.03, 0.03)), 0, bool(rng.random() < 0.5), 2 * STEP_S)
            )
    clock.add_edges(sorted(edges, key=lambda edge: edge.t_device_s))
    return clock


def estimate(clock: MarkerClock, now_s: float = 30.0) -> MarkerEstimate | None:
    return clock.estimate(float, reach_s=0.05, drift_u_ratio=0.0, now_s=now_s)


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(8, 40), st.floats(-0.04, 0.04))
def test_the_bound_holds_with_lost_and_with_foreign_edges(seed: int, count: int, lag_s: float) -> None:
    one = estimate(marked(np.random.default_rng(seed), count, lag_s=lag_s, lose=0.15, extra=0.3))
    if one is not None:
        assert abs(one.lag_s - lag_s) <= one.limit_s + 1e-9
        assert one.limit_s < 60e-6


def test_most_runs_with_bad_edges_do_find_the_lag() -> None:
    found = [
        estimate(marked(np.random.default_rng(seed), 20, lag_s=0.003, lose=0.15, extra=0.3)) for seed in range(50)
    ]
    assert sum(one is not None for one in found) >= 45
    assert max(one.unpaired for one in found if one is not None) >= 2


def test_a_regular_marker_within_reach_of_itself_proves_nothing() -> None:
    """Rising every 20 ms: an edge of the next period suits as well as the right one."""
    rng = np.random.default_rng(2)
    assert estimate(marked(rng, 40, lag_s=0.002, period_s=0.01)) is None
    assert estimate(marked(rng, 40, lag_s=0.002, period_s=0.5)) is not None


def test_two_marks_are_too_few() -> None:
    rng = np.random.default_rng(2)
    assert estimate(marked(rng, 2, lag_s=0.002)) is None


def test_marks_without_any_edge_and_edges_without_any_mark_say_nothing() -> None:
    clock = MarkerClock()
    for i in range(9):
        clock.add_mark(HostMark(float(i), i + 1e-4, rising=True))
    assert estimate(clock) is None
    other = marked(np.random.default_rng(0), 9, lag_s=0.0)
    assert other.estimate(float, reach_s=0.05, drift_u_ratio=0.0, now_s=500.0) is None
    other.restart()
    assert estimate(other) is None
    assert len(other.edges) == 9


def test_where_few_agree_nothing_is_claimed() -> None:
    scattered = [[(0.01 * i, 0.01 * i + 1e-4)] for i in range(10)]
    assert most_agree(scattered) is None
    assert most_agree([]) is None
    assert most_agree([*scattered, *([[(0.5, 0.6)]] * 20)]) is not None


def test_a_mark_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        HostMark(2.0, 1.0, rising=True)
    with pytest.raises(ValueError, match="from 0 to 7"):
        HostMark(1.0, 2.0, rising=True, bit=8)


def test_noise_on_one_input_does_not_crowd_out_the_edges_of_another() -> None:
    clock, rng = marked(np.random.default_rng(0), 12, lag_s=0.001), np.random.default_rng(1)
    clock.add_edges(MarkerEdge(10.0 + i * STEP_S, 3, bool(rng.random() < 0.5), STEP_S) for i in range(5000))
    assert estimate(clock) is not None


# --- on a timeline -------------------------------------------------------------------------------------------------


def test_markers_take_the_unseen_delay_out_of_the_timeline() -> None:
    """100,000 samples a second, 30 ppm, each arrival 0.7 ms late at least: markers see the 0.7 ms."""
    sheet = sheet_like(sample_interval_s=STEP_S, max_interval_s=1.5 * STEP_S, marker_inputs=8)
    timeline = Timeline(sheet)
    rng = np.random.default_rng(4)
    drift, offset_s = 30e-6, 1000.0
    toggles_s = np.cumsum(rng.uniform(0.3, 0.8, 60))
    per_block = 2000
    for index in range(1500):
        t_s: F64 = (index * per_block + np.arange(1.0, per_block + 1)) * STEP_S
        logic = (np.searchsorted(toggles_s, t_s) % 2).astype(np.uint8)
        ones = np.ones(per_block)
        sent_s = offset_s + t_s[-1] * (1.0 + drift)
        for toggle_s in toggles_s[(toggles_s > t_s[0] - STEP_S) & (toggles_s <= t_s[-1])]:
            at_s = offset_s + toggle_s * (1.0 + drift)
            rising = bool((np.searchsorted(toggles_s, toggle_s) + 1) % 2)
            timeline.mark(HostMark(at_s - 40e-6, at_s + 40e-6, rising=rising))
        timeline.add(SampleBlock(t_s, ones, ones, ones, logic=logic), sent_s + DELAY_S + rng.exponential(2e-3))
        if index == 30:
            assert timeline.sync().method == "arrival_fit"
    sync = timeline.sync()
    assert sync.method == "gpio_marker"
    assert sync.residual_s < 100e-6
    edges = timeline.edges()
    assert len(edges) == np.count_nonzero(toggles_s < 30.0)
    asked_s = offset_s + 25.0 * (1.0 + drift)
    reading = timeline.reading_at(asked_s, asked_s + 5.0)
    assert reading is not None
    assert abs(reading.t_device_s - 25.0) <= sync.residual_s + 5.0 * 1e-6
    for index in range(1500, 1600):  # 0.3 s were lost, and nobody saw it: every arrival is late by that
        at: F64 = (index * per_block + np.arange(1.0, per_block + 1)) * STEP_S
        block = SampleBlock(at, ones, ones, ones, logic=np.zeros(per_block, dtype=np.uint8))
        timeline.add(block, offset_s + at[-1] * (1.0 + drift) + DELAY_S + 0.3)
    assert timeline.sync().method == "gpio_marker"
    assert 0.25 < timeline.sync().residual_s < 0.35
    timeline.reconnected()
    timeline.add(block_of(bits(*([0] * 10))), asked_s + 30.0)
    assert timeline.sync().method == "arrival_fit"
    assert timeline.edges() == edges


def test_without_marks_the_arrival_fit_is_untouched() -> None:
    fit = ClockFit()
    fit.observe(1.0, 5.0)
    assert fit.line is fit.line


WITH_INPUTS = [name for name in driver_names() if get_driver(name).data_sheet.marker_inputs]


@pytest.mark.parametrize("name", [*WITH_INPUTS, "powersensor3"])
def test_a_line_that_is_driven_shows_at_its_sample_in_every_meter_with_markers(name: str) -> None:
    """Through encoder, bytes and decoder: input 0 rises and falls, and both edges are found where they were.

    A PowerSensor3 has no input: the bit that its samples carry is set on command.
    """
    driver = get_driver(name)
    sheet = driver.data_sheet
    talk = Conversation(driver)
    load = steady(sheet.nominal_voltage_v, levels_a(sheet)[1])
    talk.run_until_samples(load)
    finder = EdgeFinder(sheet.sample_interval_s)
    begun = talk.decoded.blocks()[-1]
    finder.feed(begun)
    t_s: F64 = (talk.samples + np.arange(1.0, 101.0)) * sheet.sample_interval_s
    logic = np.zeros(100, dtype=np.uint8)
    logic[20:60] = 1
    data = talk.encoder.emit(t_s, *load(t_s), logic)
    blocks = [event for event in talk.decoder.feed(data, talk.began_s + talk.t_s) if isinstance(event, SampleBlock)]
    edges = [edge for block in blocks for edge in finder.feed(block)]
    since = [round((edge.t_device_s - float(begun.t_device_s[-1])) / sheet.sample_interval_s) for edge in edges]
    assert [(edge.bit, edge.rising) for edge in edges] == [(0, True), (0, False)]
    unsent = 0 if name != "pico_ina228" else since[0] - 21  # it sends several samples in one frame
    assert since == [21 + unsent, 61 + unsent]
    assert 0 <= unsent < 16


# --- marks on command ----------------------------------------------------------------------------------------------


def commanded(
    rng: np.random.Generator, count: int, *, lag_s: float, lose: float = 0.0, extra: float = 0.0
) -> MarkerClock:
    """Commands that take 0.1 to 3 ms to the meter; the arrival fit has the bytes' way back, 0.2 ms at least, in it."""
    clock = MarkerClock()
    edges: list[MarkerEdge] = []
    t_s = 0.0
    for _ in range(count):
        t_s += rng.uniform(0.26, 0.6)
        clock.add_mark(HostMark(t_s, t_s + COMMAND_S, rising=True, commanded=True))
        done_s = t_s + 1e-4 + rng.exponential(1e-3)
        marks = [done_s] if rng.random() >= lose else []
        marks += [t_s + rng.uniform(-0.1, 0.1)] if rng.random() < extra else []
        for mark_s in marks:
            sample_s = float(np.ceil((mark_s + lag_s) / STEP_S) * STEP_S)
            arrived_s = sample_s - lag_s + 2e-4 + rng.exponential(1e-3)
            edges.append(MarkerEdge(sample_s, 0, True, 2 * STEP_S, arrived_s))
    clock.add_edges(sorted(edges, key=lambda edge: edge.t_device_s))
    return clock


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(5, 40), st.floats(0.0, 0.003))
def test_a_command_and_the_arrival_of_what_it_marked_bound_the_lag_on_both_sides(
    seed: int, count: int, lag_s: float
) -> None:
    one = estimate(commanded(np.random.default_rng(seed), count, lag_s=lag_s, lose=0.1, extra=0.05))
    if one is not None:
        assert one.commanded
        assert abs(one.lag_s - lag_s) <= one.limit_s + 1e-9


def test_repeated_commands_tighten_the_bound() -> None:
    limits_s = []
    for count in (4, 40):
        found = [estimate(commanded(np.random.default_rng(seed), count, lag_s=0.001)) for seed in range(30)]
        assert all(found)
        limits_s.append(np.median([one.limit_s for one in found if one]))
    assert limits_s[1] < 0.6 * limits_s[0]
    assert limits_s[1] < 3e-4


def test_an_edge_that_was_there_before_the_command_is_not_its_own() -> None:
    clock = MarkerClock()
    for i in range(5):
        clock.add_mark(HostMark(i + 0.5, i + 0.5 + COMMAND_S, rising=True, commanded=True))
    clock.add_edges(MarkerEdge(i + 0.49, 0, True, STEP_S, i + 0.4905) for i in range(5))
    assert estimate(clock) is None


def test_a_line_is_better_than_commands() -> None:
    rng = np.random.default_rng(5)
    clock, line = commanded(rng, 12, lag_s=0.001), marked(rng, 12, lag_s=0.001)
    one = estimate(clock)
    assert one is not None
    assert one.commanded
    for mark in line._marks:
        clock.add_mark(HostMark(mark.before_s, mark.after_s, rising=mark.rising, bit=1))
    clock.add_edges(MarkerEdge(edge.t_device_s, 1, edge.rising, edge.step_s) for edge in line.edges)
    both = estimate(clock)
    assert both is not None
    assert not both.commanded
    assert both.limit_s < one.limit_s


def test_an_edge_tells_by_when_it_had_happened() -> None:
    (edge,) = EdgeFinder(STEP_S).feed(block_of(bits(0, 1, 1, 1)), 50.0)
    assert edge.by_s == pytest.approx(50.0 - 2 * STEP_S)
