"""What one side of a decomposition is, as people write it: a fault of one line, or a period and filters."""

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.decomposition.calendar import period_of
from collector.analysis.decomposition.selection import KEYS, selection_of
from edge_agent.wire.errors import ConfigurationError

DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize(
    ("text", "first", "days"),
    [
        ("2026", "2026-01-01", 365),
        ("2024", "2024-01-01", 366),
        ("2026-Q1", "2026-01-01", 90),
        ("2026-Q4", "2026-10-01", 92),
        ("2026-02", "2026-02-01", 28),
        ("2026-12", "2026-12-01", 31),
        ("2026-W01", "2025-12-29", 7),
        ("2026-01-31", "2026-01-31", 1),
        ("2026-01-01..2026-02-01", "2026-01-01", 31),
        ("2026-01-01T12:00..2026-01-02T12:00", "2026-01-01T12:00", 1),
        ("2026-01-01T01:00+01:00..2026-01-02", "2026-01-01", 1),
    ],
)
def test_stretches_of_time(text: str, first: str, days: int) -> None:
    found = period_of(text)
    start = dt.datetime.fromisoformat(first).replace(tzinfo=dt.UTC)
    assert found.start_unix_ns == round(start.timestamp()) * 10**9
    assert found.end_unix_ns - found.start_unix_ns == days * DAY_NS


@given(st.dates(min_value=dt.date(1971, 1, 1), max_value=dt.date(2170, 1, 1)), st.integers(1, 9000))
def test_a_range_of_days_is_as_long_as_it_says(first: dt.date, days: int) -> None:
    found = period_of(f"{first}..{first + dt.timedelta(days=days)}")
    assert found.end_unix_ns - found.start_unix_ns == days * DAY_NS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-13", "is in no calendar"),
        ("2026-02-30", "is in no calendar"),
        ("2026-W54", "is in no calendar"),
        ("1200", "is no period; write 2026, 2026-Q1"),
        ("2026-01..x", "'2026-01' is no moment"),
        ("2026-02-01..2026-01-01", "ends before it begins"),
        ("2026-01-01T10:01..2026-01-02", "full five minutes"),
        ("2190-01-01..2200-01-01", "of 1971 to 2199; correct it"),
        ("yesterday", "'yesterday' is no side"),
        ("colour=red", "'colour=red' is no side; write a period"),
        ("model=", "'model=' is no side"),
        ("model=a,model=b,period=2026", "model stands twice"),
        ("2026,period=2025", "period stands twice"),
        ("model=a", "of which time"),
        ("", "'' is no side"),
    ],
)
def test_a_fault_is_one_line_with_the_remedy(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        selection_of(text)
    assert "\n" not in str(caught.value)


@given(
    st.text(max_size=30) | st.from_regex(r"\A\d{4}(-[QW]?\d{1,2}){0,2}(\.\.\d{4}-\d\d-\d\d(T\d\d:\d\d)?)?\Z"),
    st.sampled_from(["", *(f"{key}=" for key in KEYS)]),
)
def test_no_text_raises_anything_else(text: str, key: str) -> None:
    with suppress(ConfigurationError):
        found = selection_of(key + text, "2026")
        assert found.period.end_unix_ns > found.period.start_unix_ns


def test_a_side_of_everything() -> None:
    names = dict.fromkeys(("fleet", "device", "class", "site", "zone"), "x") | {
        "model": "kws", "sha256": "5d5dab", "runtime": "litert 2.1.0",
    }  # fmt: skip
    for text in ("model=k*", "sha256=5d", "runtime=litert*", "runtime=litert 2.1.0", "fleet=x,model=kws"):
        assert selection_of(text, "2026").holds(names)
    for text in ("model=k", "sha256=ab", "runtime=litert", "fleet=x,model=other"):
        assert not selection_of(text, "2026").holds(names)
    assert selection_of("sha256=5d", "2026").by_release
    assert not selection_of("model=k", "2026").by_release
    assert selection_of("model=k", "2026-01").words == "model=k,period=2026-01"
