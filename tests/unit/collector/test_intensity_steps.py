"""Which revision holds at each moment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.revisions import RANGE_RATIO, IntensityRevision, SourcePassport, known_at
from collector.carbon.steps import HeldSteps, held_steps
from collector.carbon.timeline import IntensityTimeline

HOUR_NS = 3_600_000_000_000
HOURS = 12


def said(
    start_h: int,
    end_h: int,
    value: float,
    fetched_at: int = 1,
    *,
    source: str = "one",
    forecast: bool = False,
    estimated: bool = False,
    low: float | None = None,
) -> IntensityRevision:
    return IntensityRevision(
        source=source,
        zone="GB",
        kind="average",
        valid_from_unix_ns=start_h * HOUR_NS,
        valid_to_unix_ns=end_h * HOUR_NS,
        gco2e_per_kwh=value,
        fetched_at_unix_ns=fetched_at,
        is_forecast=forecast,
        is_estimated=estimated,
        low=low,
    )


def by_hour(held: HeldSteps) -> list[float | None]:
    """Return what holds in each hour, None where nothing does."""
    starts = np.arange(HOURS, dtype=np.int64) * HOUR_NS
    mean = held.timeline.mean_over(starts, starts + HOUR_NS)
    return [None if np.isnan(value) else float(value) for value in mean.gco2e_per_kwh]


def yearly(value: float) -> IntensityTimeline:
    one = np.array([value])
    ends = np.array([HOURS * HOUR_NS], dtype=np.int64)
    return IntensityTimeline(np.zeros(1, dtype=np.int64), ends, one, low=one, high=one, quality=["yearly"])


def test_what_was_learned_last_holds_but_a_forecast_never_holds_over_an_actual_value() -> None:
    held = held_steps(
        [
            said(0, 4, 100.0, fetched_at=1),
            said(1, 2, 130.0, fetched_at=2),
            said(0, 6, 500.0, fetched_at=3, forecast=True),
            said(4, 6, 90.0, fetched_at=2, forecast=True),
        ]
    )
    assert by_hour(held)[:7] == [100.0, 130.0, 100.0, 100.0, 500.0, 500.0, None]
    assert held.timeline.quality == ("actual", "actual", "actual", "forecast")


def test_the_preferred_source_holds_and_the_next_one_fills_its_holes_and_then_the_yearly_average() -> None:
    held = held_steps(
        [said(0, 2, 100.0, source="second", fetched_at=9), said(1, 3, 200.0, source="first")],
        preference=["first", "second"],
        under=yearly(50.0),
    )
    assert by_hour(held)[:4] == [100.0, 200.0, 200.0, 50.0]
    assert [one and one.source for one in held.held_by] == ["second", "first", None]
    assert held.timeline.quality == ("actual", "actual", "yearly")


def test_a_value_without_a_range_gets_that_of_its_passport() -> None:
    passport = SourcePassport(
        id="one", name="One", url="", scope="s", licence="l", method="m", low_ratio=0.5, high_ratio=3.0
    )
    steps = held_steps([said(0, 1, 100.0), said(1, 2, 100.0, low=99.0)], passports={"one": passport}).timeline
    assert steps.low.tolist() == [50.0, 99.0]
    assert steps.high.tolist() == [300.0, 300.0]
    unknown = held_steps([said(0, 1, 100.0)]).timeline
    assert unknown.high[0] / unknown.gco2e_per_kwh[0] == pytest.approx(RANGE_RATIO)


def test_one_answer_that_says_two_things_of_one_moment_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'one' overlap: 100 and 130 g/kWh both from 1970-01-01T01:00:00Z"):
        held_steps([said(0, 2, 100.0), said(1, 3, 130.0)])
    assert by_hour(held_steps([said(0, 2, 100.0), said(0, 2, 100.0)]))[:3] == [100.0, 100.0, None]


def test_average_and_marginal_values_do_not_make_one_timeline() -> None:
    marginal = IntensityRevision(
        source="m",
        zone="GB",
        kind="marginal",
        valid_from_unix_ns=0,
        valid_to_unix_ns=1,
        gco2e_per_kwh=1.0,
        fetched_at_unix_ns=0,
    )
    with pytest.raises(ValueError, match="different questions"):
        held_steps([said(0, 1, 1.0), marginal])


REVISIONS = st.lists(
    st.builds(
        lambda start, length, value, fetched, source, forecast: said(
            start, start + length, float(value), fetched, source=source, forecast=forecast
        ),
        st.integers(0, HOURS - 2),
        st.integers(1, 4),
        st.integers(0, 900),
        st.integers(0, 10**6),
        st.sampled_from(["first", "second"]),
        st.booleans(),
    ),
    max_size=25,
    unique_by=lambda one: (one.source, one.is_forecast, one.fetched_at_unix_ns),
)


@given(REVISIONS)
def test_each_hour_has_what_a_search_of_all_revisions_finds(revisions: list[IntensityRevision]) -> None:
    held = held_steps(revisions, preference=["first", "second"])
    places = {"first": 1, "second": 0}
    expected: list[float | None] = []
    for hour in range(HOURS):
        of_hour = [one for one in revisions if one.valid_from_unix_ns <= hour * HOUR_NS < one.valid_to_unix_ns]
        best = max(of_hour, key=lambda o: (not o.is_forecast, places[o.source], o.fetched_at_unix_ns), default=None)
        expected.append(None if best is None else best.gco2e_per_kwh)
    assert by_hour(held) == pytest.approx(expected)


@given(REVISIONS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_known_only_grows(revisions: list[IntensityRevision], a: int, b: int) -> None:
    """An hour that was known at a moment is known at every later one, and never falls back to a forecast."""
    early, late = (held_steps(known_at(revisions, t)).timeline for t in sorted((a, b)))
    starts = np.arange(HOURS, dtype=np.int64) * HOUR_NS
    before, after = (steps.mean_over(starts, starts + HOUR_NS) for steps in (early, late))
    assert np.all(after.known_ratio >= before.known_ratio)
    assert np.all(after.quality_ratio["actual"] >= before.quality_ratio["actual"])
