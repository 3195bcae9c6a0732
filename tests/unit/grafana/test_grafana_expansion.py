"""How the tests expand a query as Grafana does: time ranges, steps, macros and variables."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.grafana_seed.grafana import TimeRange, expand, interval_ms, panel_range, relative_ms

HOUR_MS = 3_600_000


def ms(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1000)


NOW_MS = ms("2026-03-31T14:05:06.700")


@pytest.mark.parametrize(
    ("expression", "start", "end"),
    [
        ("now", "2026-03-31T14:05:06.700", "2026-03-31T14:05:06.700"),
        ("now-90s", "2026-03-31T14:03:36.700", "2026-03-31T14:03:36.700"),
        ("now/m", "2026-03-31T14:05:00", "2026-03-31T14:05:59.999"),
        ("now-1h/h", "2026-03-31T13:00:00", "2026-03-31T13:59:59.999"),
        ("now/d", "2026-03-31T00:00:00", "2026-03-31T23:59:59.999"),
        ("now/w", "2026-03-30T00:00:00", "2026-04-05T23:59:59.999"),
        ("now/M", "2026-03-01T00:00:00", "2026-03-31T23:59:59.999"),
        ("now-1M", "2026-02-28T14:05:06.700", "2026-02-28T14:05:06.700"),
        ("now-1M/M", "2026-02-01T00:00:00", "2026-02-28T23:59:59.999"),
        ("now-1y/y", "2025-01-01T00:00:00", "2025-12-31T23:59:59.999"),
    ],
)
def test_relative_times(expression: str, start: str, end: str) -> None:
    assert relative_ms(expression, NOW_MS) == ms(start)
    assert relative_ms(expression, NOW_MS, up=True) == ms(end)


@pytest.mark.parametrize("expression", ["", "yesterday", "now-1x", "now-", "now/", "5m", "now/d/d", "now-1h "])
def test_what_is_no_relative_time_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="is no relative time"):
        relative_ms(expression, NOW_MS)


@pytest.mark.parametrize(
    ("own", "shift", "start", "end"),
    [
        (None, None, "2026-03-31T08:05:06.700", "2026-03-31T14:05:06.700"),
        ("5m", None, "2026-03-31T14:00:06.700", "2026-03-31T14:05:06.700"),
        ("now/d", None, "2026-03-31T00:00:00", "2026-03-31T14:05:06.700"),
        (None, "1d", "2026-03-30T08:05:06.700", "2026-03-30T14:05:06.700"),
        ("now/M", "1M", "2026-02-01T00:00:00", "2026-02-28T14:05:06.700"),
        ("now/M", "1M/M", "2026-02-01T00:00:00", "2026-02-28T23:59:59.999"),
    ],
)
def test_a_panels_own_range_and_shift(own: str | None, shift: str | None, start: str, end: str) -> None:
    assert panel_range("now-6h", NOW_MS, own, shift) == TimeRange(ms(start), ms(end))


@given(st.integers(1, 400 * 24 * HOUR_MS), st.integers(1, 24), st.sampled_from([None, "10s", "1m", "1h"]))
def test_steps_fill_a_panel_without_falling_below_their_shortest(
    span_ms: int, width: int, shortest: str | None
) -> None:
    step_ms = interval_ms(TimeRange(0, span_ms), width, shortest)
    least_ms = {None: 1, "10s": 10_000, "1m": 60_000, "1h": HOUR_MS}[shortest]
    assert step_ms >= least_ms
    assert span_ms / step_ms <= 1_500 * width / 24
    assert step_ms == least_ms or span_ms / step_ms > 1_500 * width / 24 / 15


def test_macros_and_variables() -> None:
    query = (
        'SELECT SUM("a") / $__range_s, 1 / $__interval_ms FROM "m" WHERE "device" =~ /^${device:regex}$/ '
        'AND $timeFilter GROUP BY time($__interval), "device" fill(null)'
    )
    asked = TimeRange(1_000, 61_000)
    assert expand(query, asked, 10_000, {"device": "(a|b)"}) == (
        'SELECT SUM("a") / 60, 1 / 10000 FROM "m" WHERE "device" =~ /^(a|b)$/ '
        'AND time >= 1000ms and time <= 61000ms GROUP BY time(10s), "device" fill(null)'
    )


@pytest.mark.parametrize("query", ["SELECT $unknown", "SELECT ${fleet}", "SELECT $__rate_interval"])
def test_what_grafana_does_not_know_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="is not known to Grafana"):
        expand(query, TimeRange(0, 1), 1, {})
