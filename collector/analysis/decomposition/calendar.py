"""Stretches of time as people name them: a year, a quarter, a month, a week, a day, or from one moment to another."""

import datetime as dt
import re
from typing import Final

from collector.assessment.assess import Period
from collector.assessment.slots import FINEST_S
from edge_agent.wire.errors import ConfigurationError

EXAMPLES: Final = "2026, 2026-Q1, 2026-01, 2026-W05, 2026-01-31 or 2026-01-01..2026-02-01"
RANGE: Final = ".."
_WORD: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|W(?P<week>\d{2})|(?P<month>\d{2})(?:-(?P<day>\d{2}))?))?"
)
_YEARS: Final = range(1971, 2200)


def is_period(text: str) -> bool:
    """Return whether a text is meant as a stretch of time."""
    return RANGE in text or _WORD.fullmatch(text) is not None


def period_of(text: str) -> Period:
    """Return the stretch that ``text`` names, in UTC; the end of a range does not belong to it.

    Raises ConfigurationError for what is no such name, and for a moment that is not on full five minutes.
    """
    begins, dots, ends = text.partition(RANGE)
    if dots:
        start, end = _moment(begins, text), _moment(ends, text)
        if end <= start:
            raise ConfigurationError(f"{text!r} ends before it begins; write START..END")
    else:
        start, end = _named(text)
    return Period(start_unix_ns=_ns(start), end_unix_ns=_ns(end))


def _named(text: str) -> tuple[dt.datetime, dt.datetime]:
    found = _WORD.fullmatch(text)
    if found is None or int(found["year"]) not in _YEARS:
        raise ConfigurationError(f"{text!r} is no period; write {EXAMPLES}")
    year = int(found["year"])
    try:
        if found["week"]:
            start = dt.date.fromisocalendar(year, int(found["week"]), 1)
            return _midnight(start), _midnight(start + dt.timedelta(days=7))
        if found["day"]:
            start = dt.date(year, int(found["month"]), int(found["day"]))
            return _midnight(start), _midnight(start + dt.timedelta(days=1))
        if found["month"]:
            return _months(year, int(found["month"]), 1)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is in no calendar: {error}; write {EXAMPLES}") from error
    if found["quarter"]:
        return _months(year, 3 * int(found["quarter"]) - 2, 3)
    return _months(year, 1, 12)


def _months(year: int, month: int, count: int) -> tuple[dt.datetime, dt.datetime]:
    last = year * 12 + month - 1 + count
    return _midnight(dt.date(year, month, 1)), _midnight(dt.date(last // 12, last % 12 + 1, 1))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)


def _moment(text: str, whole: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{whole!r}: {text!r} is no moment; write {EXAMPLES}, or 2026-01-31T10:00..2026-01-31T16:00 (UTC)"
        ) from error
    aware = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    if aware.year not in _YEARS or aware.timestamp() % FINEST_S:
        raise ConfigurationError(f"{whole!r}: {text!r} does not lie on full five minutes of 1971 to 2199; correct it")
    return aware


def _ns(moment: dt.datetime) -> int:
    return round(moment.timestamp()) * 10**9
