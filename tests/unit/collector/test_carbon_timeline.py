import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.timeline import IntensityTimeline

HOUR_NS = 3_600_000_000_000


def timeline(values: list[float], first_hour: int = 0) -> IntensityTimeline:
    starts = np.arange(first_hour, first_hour + len(values), dtype=np.int64) * HOUR_NS
    value = np.asarray(values, dtype=np.float64)
    return IntensityTimeline(
        starts, starts + HOUR_NS, value, low=value * 0.9, high=value * 1.2, quality=["actual"] * len(values)
    )


def test_a_stretch_over_an_edge_is_split_exactly() -> None:
    mean = timeline([100.0, 400.0]).mean_over(
        np.array([HOUR_NS - HOUR_NS // 4], dtype=np.int64), np.array([HOUR_NS + 3 * HOUR_NS // 4], dtype=np.int64)
    )
    assert mean.gco2e_per_kwh[0] == pytest.approx(0.25 * 100.0 + 0.75 * 400.0, rel=1e-15)
    assert mean.low[0] == pytest.approx(0.9 * 325.0, rel=1e-15)
    assert mean.known_ratio[0] == 1.0
    assert mean.quality_ratio["actual"][0] == pytest.approx(1.0)


def test_what_lies_outside_is_unknown() -> None:
    steps = timeline([100.0], first_hour=1)
    starts = np.array([0, 0, 2, 5], dtype=np.int64) * HOUR_NS
    ends = np.array([1, 2, 3, 6], dtype=np.int64) * HOUR_NS
    mean = steps.mean_over(starts, ends)
    assert np.isnan(mean.gco2e_per_kwh[[0, 2, 3]]).all()
    assert mean.known_ratio.tolist() == [0.0, 0.5, 0.0, 0.0]
    assert mean.gco2e_per_kwh[1] == 100.0


@given(
    st.lists(st.floats(1.0, 2000.0), min_size=1, max_size=50),
    st.lists(st.integers(0, 50 * HOUR_NS), min_size=2, max_size=50, unique=True),
)
def test_splitting_conserves(values: list[float], cuts: list[int]) -> None:
    """The parts of a stretch sum to the whole stretch, however it is cut."""
    steps = timeline(values)
    edges = np.sort(np.asarray(cuts, dtype=np.int64))
    parts = steps.mean_over(edges[:-1], edges[1:])
    whole = steps.mean_over(edges[:1], edges[-1:])
    known_s = parts.known_ratio * np.diff(edges) / 1e9
    assert known_s.sum() == pytest.approx(whole.known_ratio[0] * (edges[-1] - edges[0]) / 1e9, rel=1e-9, abs=1e-6)
    integral = np.where(known_s > 0.0, parts.gco2e_per_kwh * known_s, 0.0).sum()
    expected = np.nan_to_num(whole.gco2e_per_kwh * whole.known_ratio)[0] * (edges[-1] - edges[0]) / 1e9
    assert integral == pytest.approx(expected, rel=1e-9, abs=1e-3)


def test_steps_that_overlap_are_refused() -> None:
    starts = np.array([0, HOUR_NS // 2], dtype=np.int64)
    value = np.ones(2)
    with pytest.raises(ValueError, match="overlapping"):
        IntensityTimeline(starts, starts + HOUR_NS, value, low=value, high=value, quality=["actual"] * 2)


def test_a_nanosecond_of_a_step_keeps_low_below_value_below_high() -> None:
    """Sums over a year know a nanosecond only to within some; what they say of it still holds together."""
    starts = np.arange(17_520, dtype=np.int64) * HOUR_NS
    value = np.linspace(1.0, 900.0, 17_520) / 7.0
    steps = IntensityTimeline(
        starts, starts + HOUR_NS, value, low=value / 1.17, high=value * 1.17, quality=["actual"] * 17_520
    )
    edges = starts[1:]
    mean = steps.mean_over(edges - 3, edges + 2)
    known = mean.known_ratio > 0.0
    assert np.all(mean.low[known] <= mean.gco2e_per_kwh[known])
    assert np.all(mean.gco2e_per_kwh[known] <= mean.high[known])
