"""What Grafana does to a query before it sends it: time ranges, intervals, variables. Written from its documentation.

Time ranges are in UTC; a week begins on Monday.
"""

import calendar
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_RELATIVE: Final = re.compile(r"now(?P<moves>(?:[+-]\d+[smhdwMy])*)(?:/(?P<unit>[smhdwMy]))?\Z")
_MOVE: Final = re.compile(r"([+-])(\d+)([smhdwMy])")
_STEPS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHORTEST: Final = re.compile(r"(\d+)(ms|s|m|h|d)\Z")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NICE_MS: Final = tuple(
    count * _UNIT_MS[unit]
    for unit, counts in {
        "ms": (1, 10, 20, 50, 100, 200, 500),
        "s": (1, 2, 5, 10, 15, 20, 30),
        "m": (1, 2, 5, 10, 15, 20, 30),
        "h": (1, 2, 3, 6, 12),
        "d": (1, 7, 30, 365),
    }.items()
    for count in counts
)
_SCREEN_POINTS: Final = 1_500
"""Of a panel of full width."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From when to when, milliseconds since 1970."""

    from_ms: int
    to_ms: int


def relative_ms(expression: str, now_ms: int, *, up: bool = False) -> int:
    """Return the moment that ``now-1d/d`` and the like mean; ``up``: the end of the unit. Raises ValueError."""
    found = _RELATIVE.match(expression)
    if found is None:
        raise ValueError(f"{expression!r} is no relative time: write now-6h, now/d or now-1M/M")
    moment = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    for sign, count, unit in _MOVE.findall(found["moves"]):
        moment = _moved(moment, int(sign + count), unit)
    if found["unit"]:
        moment = _floor(moment, found["unit"])
        if up:
            moment = _moved(moment, 1, found["unit"]) - dt.timedelta(milliseconds=1)
    return round(moment.timestamp() * 1000)


def panel_range(time_from: str, now_ms: int, own_from: str | None, shift: str | None) -> TimeRange:
    """Return the range of a panel. ``time_from``: of its dashboard; ``own_from``, ``shift``: its own settings.

    Raises ValueError for a setting that Grafana would not take.
    """
    start = time_from
    if own_from is not None:
        start = own_from if "now" in own_from else f"now-{own_from}"
    found = TimeRange(relative_ms(start, now_ms), now_ms)
    if shift is None:
        return found
    return TimeRange(relative_ms(f"now-{shift}", found.from_ms), relative_ms(f"now-{shift}", found.to_ms, up=True))


def interval_ms(asked: TimeRange, width: int, shortest: str | None) -> int:
    """Return the step of a panel of so many of the 24 columns; not below the ``shortest``, such as 10s."""
    points = max(_SCREEN_POINTS * width // 24, 1)
    wanted_ms = (asked.to_ms - asked.from_ms) / points
    nice_ms = next((step for step in _NICE_MS if step >= wanted_ms), _NICE_MS[-1])
    return max(nice_ms, _duration_ms(shortest) if shortest else 1)


def expand(query: str, asked: TimeRange, step_ms: int, variables: Mapping[str, str]) -> str:
    """Return the query as it is sent. ``variables``: the regular expression of each. Raises ValueError for a rest."""
    range_ms = asked.to_ms - asked.from_ms
    words = {
        "timeFilter": f"time >= {asked.from_ms}ms and time <= {asked.to_ms}ms",
        "__interval_ms": str(step_ms),
        "__interval": _duration(step_ms),
        "__range_ms": str(range_ms),
        "__range_s": str(round(range_ms / 1000)),
        "__range": f"{round(range_ms / 1000)}s",
        "__from": str(asked.from_ms),
        "__to": str(asked.to_ms),
    }
    query = re.sub(r"\$\{(\w+):regex\}", lambda found: variables[found[1]], query)
    query = re.sub(r"\$\{?(\w+)\}?", lambda found: words.get(found[1], found[0]), query)
    left = re.findall(r"\$\{?\w+[^/]*", query)
    if left:
        raise ValueError(f"{left[0]!r} is not known to Grafana")
    return query


def _duration_ms(text: str) -> int:
    found = _SHORTEST.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration: write 10s, 1m or 1h")
    return int(found[1]) * _UNIT_MS[found[2]]


def _duration(milliseconds: int) -> str:
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if milliseconds % _UNIT_MS[unit] == 0)
    return f"{milliseconds // _UNIT_MS[unit]}{unit}"


def _moved(moment: dt.datetime, count: int, unit: str) -> dt.datetime:
    if unit in _STEPS:
        return moment + dt.timedelta(**{_STEPS[unit]: count})
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _floor(moment: dt.datetime, unit: str) -> dt.datetime:
    if unit == "w":
        return _floor(moment, "d") - dt.timedelta(days=moment.weekday())
    kept = "yMdhms".index(unit) + 1
    year, month, day, hour, minute, second = (*moment.timetuple()[:kept], *(1, 1, 1, 0, 0, 0)[kept:])
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
