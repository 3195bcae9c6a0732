"""The fleet over time in bins: nothing is lost in them, and no fleet or clock makes them many."""

import itertools
import tracemalloc
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.fleet.rows import COLUMNS
from collector.fleet.window_grams import RowGrams
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.sinks.lake import rows_to_table
from collector.web.live.answers import SeriesAnswer
from collector.web.live.bins import MAX_BINS, SPAN_NS, FleetBins
from collector.web.live.followed import FollowedFleet, Knowledge
from tests.fakes.windows import JETSON, PI4, PROFILES, T0_UNIX_NS, make_stored

NOW_UNIX_NS: Final = T0_UNIX_NS + 10**15


def add(bins: FleetBins, rows: list[Any], grams: float = 1.0) -> None:
    count = len(rows)
    bins.add(rows_to_table(rows, COLUMNS), RowGrams(np.full(count, grams), np.full(count, grams / 2)), NOW_UNIX_NS)


def row(start_s: float, duration_s: float = 10.0, **changes: Any) -> Any:
    start_unix_ns = T0_UNIX_NS // 10**10 * 10**10 + round(start_s * 1e9)
    return make_stored(1, t_start_unix_ns=start_unix_ns, duration_s=duration_s, **changes)


def known(column: list[Any]) -> list[Any]:
    return [value for value in column if value is not None]


def test_power_is_that_of_the_devices_added_and_the_rest_is_that_of_the_bin() -> None:
    bins = FleetBins()
    for i in range(6):
        for profile, energy_j in ((PI4, 40.0), (JETSON, 80.0)):
            add(bins, [row(10.0 * i, profile=profile, energy_j=energy_j, inference_count=7)])
    series = bins.series(100)
    assert series.bin_s == 10.0
    assert series.power_w == [12.0] * 6
    assert series.operational_gco2e == [2.0] * 6
    assert series.embodied_gco2e == [1.0] * 6
    assert series.inference_count == [14] * 6
    assert np.diff(series.t_unix_ns).tolist() == [10**10] * 5


def test_a_gap_is_no_power_and_no_windows_are_no_figures() -> None:
    bins = FleetBins()
    add(bins, [row(0.0, energy_j=40.0, gap_s=5.0), row(10.0, energy_j=0.0, gap_s=10.0), row(40.0), row(50.0)])
    series = bins.series(100)
    assert series.power_w[:4] == [8.0, None, None, None]
    assert series.inference_count[1:4] == [4100, None, None]
    assert series.operational_gco2e[1:4] == [1.0, None, None]


def test_grams_that_are_unknown_make_those_of_the_bin_unknown() -> None:
    bins = FleetBins()
    add(bins, [row(0.0), row(10.0)])
    add(bins, [row(10.0, profile=JETSON)], float("nan"))
    series = bins.series(10)
    assert series.operational_gco2e == [1.0, None]
    bins.add(rows_to_table([row(20.0)], COLUMNS), None, NOW_UNIX_NS)
    assert bins.series(10).embodied_gco2e == [0.5, None, None]


def test_fewer_points_join_bins() -> None:
    bins = FleetBins()
    add(bins, [row(10.0 * i, energy_j=10.0 * (1 + i % 2), inference_count=1) for i in range(40)])
    series = bins.series(10)
    assert series.bin_s == 40.0
    assert len(series.t_unix_ns) == 10
    assert known(series.power_w) == [1.5] * 10
    assert sum(known(series.inference_count)) == 40


def test_a_clock_that_is_far_ahead_takes_nothing_away() -> None:
    bins = FleetBins()
    add(bins, [row(0.0), row(10.0)])
    add(bins, [make_stored(2, t_start_unix_ns=2**62)])
    assert len(bins.series(10).t_unix_ns) == 2


@settings(max_examples=40, deadline=None)
@given(
    step_s=st.floats(0.5, 2000.0),
    count=st.integers(1, 60),
    repeats=st.integers(1, 30),
    duration_s=st.floats(0.1, 3000.0),
)
def test_bins_stay_few_and_keep_the_newest_day(step_s: float, count: int, repeats: int, duration_s: float) -> None:
    bins, at = FleetBins(), itertools.count()
    for _ in range(repeats):
        add(bins, [row(step_s * next(at), duration_s, inference_count=1) for _ in range(count)])
    series: SeriesAnswer = bins.series(10**6)
    assert len(series.t_unix_ns) <= MAX_BINS
    span_s = step_s * (count * repeats - 1)
    assert series.bin_s is not None
    if span_s + duration_s < SPAN_NS / 2e9:
        unfinished = int(2 * (series.bin_s + duration_s) / step_s) + 1
        assert sum(known(series.inference_count)) >= count * repeats - unfinished
        assert sum(known(series.inference_count)) <= count * repeats


def test_a_window_longer_than_a_day_is_not_drawn() -> None:
    bins = FleetBins()
    add(bins, [row(0.0, 90_000.0)])
    assert bins.series(10).t_unix_ns == []
    assert bins.series(10).bin_s is None


@pytest.mark.parametrize("late_by", [1, 5, 300])
def test_a_late_window_still_counts(late_by: int) -> None:
    bins = FleetBins()
    add(bins, [row(10.0 * i, inference_count=1, energy_j=50.0) for i in range(320)])
    add(bins, [row(10.0 * (319 - late_by), profile=JETSON, inference_count=5, energy_j=30.0)])
    series = bins.series(1000)
    assert sum(known(series.inference_count)) == 325
    assert max(known(series.power_w)) == pytest.approx(8.0)


def test_what_is_kept_grows_with_devices_and_not_with_windows() -> None:
    fleet = FollowedFleet(Knowledge(Assessor(parse_inventory(""), load_yearly_table()), 0, lambda _: ()))
    numbers = itertools.count(1)

    def feed(pages: int) -> int:
        for _ in range(pages):
            rows = [make_stored(next(numbers), profile=PROFILES[i % 3], flags=("gap",)) for i in range(100)]
            fleet.add_rows(rows, NOW_UNIX_NS)
            fleet.look([], NOW_UNIX_NS)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        feed(90)  # fills the bins of a day, at ten seconds a window
        before_bytes = feed(5)
        assert feed(60) - before_bytes < 200_000, "6,000 windows more, and their figures, left something behind"
    finally:
        tracemalloc.stop()
