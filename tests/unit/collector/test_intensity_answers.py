"""What headers, moments and words of servers mean, for whatever they may be; and how much of answers is kept."""

import os
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.revisions import IntensityRevision
from collector.intensity.errors import SourceError
from collector.intensity.http_answers import MESSAGE_CHARS, error_of, max_age_s, own_words, retry_after_s
from collector.intensity.http_cache import AnswerCache, CachedAnswer
from collector.intensity.slots import DAY_NS, ceil_to, floor_to, minute_text, pieces, told, unix_ns, years

MOMENTS = st.integers(0, 4_000_000_000 * 10**9)


@given(st.one_of(st.text(max_size=40), st.sampled_from(["Mon, 99 Foo 2024", "-5", "1e9", "\u0661", "9" * 400, "nan"])))
def test_no_header_is_a_surprise(text: str) -> None:
    wait_s = retry_after_s(text, 1_700_000_000.0)
    assert wait_s is None or wait_s >= 0.0
    assert 0.0 <= max_age_s(text, 3_600.0) <= 3_600.0


@given(st.integers(0, 999_999_999))
def test_seconds_and_dates_to_wait_until_are_read(seconds: int) -> None:
    assert retry_after_s(f" {seconds} ", 0.0) == seconds
    assert retry_after_s(formatdate(1_000_000.0 + seconds, usegmt=True), 1_000_000.0) == seconds
    assert retry_after_s(formatdate(1_000_000.0, usegmt=True), 1_000_000.0 + seconds) == 0.0


@pytest.mark.parametrize(
    ("control", "fresh_s"),
    [
        ("max-age=60", 60.0),
        ('public, Max-Age="60", must-revalidate', 60.0),
        ("s-maxage=60", 0.0),
        ("max-age=60, no-cache", 0.0),
        ("max-age=-1", 0.0),
        ("max-age=86400", 3_600.0),
        ("", 0.0),
    ],
)
def test_how_long_an_answer_is_fresh(control: str, fresh_s: float) -> None:
    assert max_age_s(control, 3_600.0) == fresh_s


@given(st.one_of(st.binary(max_size=600), st.text(max_size=600).map(str.encode)))
def test_whatever_a_server_says_an_error_is_one_short_line(body: bytes) -> None:
    said = own_words(body)
    assert said.isprintable()
    assert len(said) <= MESSAGE_CHARS + 4
    for status in (302, 400, 401, 500):
        text = str(error_of(status, "http://host/x", {}, body, 0.0))
        assert len(text.splitlines()) == 1
        assert text.startswith("http://host/x: ")


@given(MOMENTS)
def test_a_minute_is_written_and_read_alike(t_unix_ns: int) -> None:
    minute = floor_to(t_unix_ns, 60 * 10**9)
    for zone in ("", "Z", "+00:00"):
        assert unix_ns(minute_text(t_unix_ns) + zone, "here") == minute
    assert minute_text(t_unix_ns) == f"{datetime.fromtimestamp(minute // 10**9, UTC):%Y-%m-%dT%H:%M}"


def test_moments_are_read_to_the_microsecond_and_with_their_offset() -> None:
    assert unix_ns("2019-05-21T00:00:00.000001Z", "here") == 1_558_396_800_000_001_000
    assert unix_ns("2019-05-21T02:00:00+02:00", "here") == 1_558_396_800 * 10**9
    for text in ("", "yesterday", "2019-13-01T00:00Z", "1558396800"):
        with pytest.raises(SourceError, match=r"^here: .* is no moment; the answer is not as documented"):
            unix_ns(text, "here")


@given(MOMENTS, st.integers(1, 3 * DAY_NS), st.integers(1, 40 * DAY_NS))
def test_steps_hold_their_moments(t_unix_ns: int, step_ns: int, longest_ns: int) -> None:
    low, high = floor_to(t_unix_ns, step_ns), ceil_to(t_unix_ns, step_ns)
    assert low <= t_unix_ns <= high
    assert low % step_ns == high % step_ns == 0
    assert high - low in {0, step_ns}


@given(MOMENTS, st.integers(-DAY_NS, 2_000 * DAY_NS), st.integers(40 * DAY_NS, 800 * DAY_NS))
def test_pieces_have_no_holes_and_keep_their_limits(start: int, length: int, longest: int) -> None:
    end = start + length
    for cut in (list(pieces(start, end, longest)), list(years(start, end))):
        edges = [start, *(upto for _, upto in cut)]
        assert [(a, b) for a, b in pairwise(edges)] == cut
        assert edges[-1] == (end if length > 0 else start)
        assert all(a < b for a, b in cut)
    assert all(b - a <= longest for a, b in pieces(start, end, longest))
    assert all(minute_text(a)[:4] == minute_text(b - 1)[:4] for a, b in years(start, end))


def test_of_one_slot_a_fact_and_a_forecast_stand_side_by_side() -> None:
    def said(start: int, value: float, *, is_forecast: bool = False) -> IntensityRevision:
        return IntensityRevision(
            source="s",
            zone="z",
            kind="average",
            valid_from_unix_ns=start,
            valid_to_unix_ns=start + 10,
            gco2e_per_kwh=value,
            fetched_at_unix_ns=0,
            is_forecast=is_forecast,
        )

    all_said = [said(10, 2), said(0, 1), said(10, 3, is_forecast=True), said(10, 4), said(20, 5)]
    assert [one.gco2e_per_kwh for one in told(all_said, 0, 20)] == [1, 4, 3]
    assert [one.gco2e_per_kwh for one in told(all_said, 10, 11)] == [4, 3]


@pytest.mark.parametrize("in_directory", [False, True])
def test_old_answers_make_room_for_new_ones(tmp_path: Path, *, in_directory: bool) -> None:
    cache = AnswerCache(tmp_path if in_directory else None, limit_bytes=2_100)
    for number in range(6):
        cache.put(CachedAnswer(f"/{number}", "", 0.0, 60.0, bytes(600)))
        for file in tmp_path.iterdir():
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    kept = [number for number in range(6) if cache.get(f"/{number}") is not None]
    assert kept == [3, 4, 5]
    cache.put(CachedAnswer("/big", "", 0.0, 60.0, bytes(2_101)))
    assert cache.get("/big") is None
    assert [number for number in range(6) if cache.get(f"/{number}") is not None] == kept


def test_an_answer_said_again_replaces_the_last(tmp_path: Path) -> None:
    for cache in (AnswerCache(), AnswerCache(tmp_path)):
        for body in (b"old", b"new"):
            cache.put(CachedAnswer("/x", '"1"', 1.0, 60.0, body))
        assert cache.get("/x") == CachedAnswer("/x", '"1"', 1.0, 60.0, b"new")
    assert len(list(tmp_path.iterdir())) == 1


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = AnswerCache(tmp_path / "file" / "below")
    cache.put(CachedAnswer("/x", "", 0.0, 60.0, b"body"))
    assert cache.get("/x") is None
