"""A series of intensities as a table: which column is what, and its rows as revisions. Pure."""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision

Row = Mapping[str, Any]
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "start": ("start", "valid_from", "from", "datetime", "datetime (utc)", "timestamp", "time", "point_time"),
    "end": ("end", "valid_to", "to"),
    "value": ("gco2e_per_kwh", "gco2_per_kwh", "carbonintensity", "carbon_intensity"),
    "zone": ("zone", "zone id", "region"),
    "low": ("low",),
    "high": ("high",),
    "fetched_at": ("fetched_at", "published_at"),
    "is_estimated": ("is_estimated", "isestimated", "estimated"),
    "is_forecast": ("is_forecast", "isforecast", "forecast"),
    "scope": ("scope",),
}
"""What a column may be called, letter case aside."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_WORDS: Final = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_UTC_COLUMN: Final = re.compile(r"(?:U(?:TC|tc)|(?<![A-Za-z])utc)(?![A-Za-z])(?!\s*[-+−±]?\s*\d)")
"""A column that says UTC, and not some hours off it."""
_LONGEST_STEP_RATIO: Final = 1.5
"""A step up to so many usual steps long is a long one (a month of 31 days); a longer one is a hole."""


class SeriesError(ValueError):
    """The table cannot be read as a series; the text says where and what to change."""


def columns_of(header: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """Return the table's name for each thing it tells. ``named``: a user's own names for some. Raises SeriesError."""
    folded = [name.strip().casefold() for name in header]
    by_fold = dict(zip(folded, header, strict=True))
    unknown = [what for what in named if what not in COLUMNS]
    if unknown:
        raise SeriesError(f"column {unknown[0]!r} is not one of {', '.join(COLUMNS)}")
    found: dict[str, str] = {}
    for what, usual in COLUMNS.items():
        wanted = (named[what],) if what in named else usual
        match = next((by_fold[name.strip().casefold()] for name in wanted if name.strip().casefold() in by_fold), None)
        if match is not None:
            if folded.count(match.strip().casefold()) > 1:
                raise SeriesError(f"column {match!r} stands twice in the header; give each a name of its own")
            found[what] = match
        elif what in named:
            raise SeriesError(f"there is no column {named[what]!r}; the columns: {', '.join(header)}")
    for what in ("start", "value"):
        if what not in found:
            raise SeriesError(
                f"no column for the {what}; name it ({what}=COLUMN), or call it {COLUMNS[what][0]!r}; the columns: "
                f"{', '.join(header)}"
            )
    return found


def revisions_of(
    rows: Iterable[Row], columns: Mapping[str, str], *, source: str, zone: str, kind: IntensityKind, now_unix_ns: int
) -> list[IntensityRevision]:
    """Return the revisions of a table in order of time; a row without a value says nothing and is left out.

    ``columns``: from ``columns_of``. ``zone``: of rows that do not say theirs. Where rows do not say their end, a step
    lasts until the next one of its zone begins; before a hole, and at the end, as long as the steps usually are.
    ``now_unix_ns``: when it became known, for rows that do not say. Raises SeriesError with the row's number.
    """
    parsed = [_row(number, row, columns, zone, now_unix_ns) for number, row in enumerate(rows, start=1)]
    if "end" not in columns:
        _find_ends(parsed)
    elif open_ended := next((one for one in parsed if one["valid_to_unix_ns"] is None), None):
        raise SeriesError(
            f"row {open_ended['row']}: column {columns['end']!r} is empty; give every row its end, or none"
        )
    made = []
    for one in parsed:
        number = one.pop("row")
        if one["gco2e_per_kwh"] is None:
            continue
        try:
            made.append(IntensityRevision(source=source, kind=kind, **one))
        except ValueError as error:
            raise SeriesError(f"row {number}: {error}") from error
    return sorted(made, key=lambda one: (one.zone, one.valid_from_unix_ns, one.fetched_at_unix_ns))


def _row(number: int, row: Row, columns: Mapping[str, str], zone: str, now_unix_ns: int) -> dict[str, Any]:
    def cell(what: str) -> Any:
        return row.get(columns[what]) if what in columns else None

    def moment(what: str) -> int | None:
        found = cell(what)
        return None if found is None or found == "" else _unix_ns(found, columns[what], f"row {number}")

    start, fetched_at = moment("start"), moment("fetched_at")
    if start is None:
        raise SeriesError(f"row {number}: column {columns['start']!r} is empty; every value needs its time")
    of_zone = cell("zone")
    return {
        "row": number,
        "zone": zone if of_zone is None or of_zone == "" else str(of_zone).strip(),
        "valid_from_unix_ns": start,
        "valid_to_unix_ns": moment("end"),
        "gco2e_per_kwh": _number(cell("value"), f"row {number}: {columns['value']!r}"),
        "low": _number(cell("low"), f"row {number}: low"),
        "high": _number(cell("high"), f"row {number}: high"),
        "fetched_at_unix_ns": now_unix_ns if fetched_at is None else fetched_at,
        "is_estimated": _flag(cell("is_estimated"), f"row {number}: is_estimated"),
        "is_forecast": _flag(cell("is_forecast"), f"row {number}: is_forecast"),
        "scope": str(cell("scope") or ""),
    }


def _find_ends(parsed: Sequence[dict[str, Any]]) -> None:
    """Give each row its end, by zone."""
    for zone in {one["zone"] for one in parsed}:
        starts = sorted({one["valid_from_unix_ns"] for one in parsed if one["zone"] == zone})
        steps = [after - before for before, after in pairwise(starts)]
        if not steps:
            raise SeriesError(f"one moment alone of zone {zone!r} and no column for its end; add a column 'end'")
        usual = int(median(steps))
        ends = {
            start: start + (step if step <= _LONGEST_STEP_RATIO * usual else usual)
            for start, step in zip(starts, [*steps, usual], strict=True)
        }
        for one in parsed:
            if one["zone"] == zone:
                one["valid_to_unix_ns"] = ends[one["valid_from_unix_ns"]]


def _unix_ns(found: object, column: str, where: str) -> int:
    try:
        moment = found if isinstance(found, dt.datetime) else dt.datetime.fromisoformat(str(found).strip())
    except ValueError:
        raise SeriesError(f"{where}: {found!r} is no moment; write it as 2026-11-22T14:30Z") from None
    if moment.tzinfo is None:
        if not _UTC_COLUMN.search(column):
            raise SeriesError(f"{where}: {found} does not say its time zone; add Z or an offset such as +01:00")
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1) * 1_000


def _number(found: Any, where: str) -> float | None:
    if found is None or (isinstance(found, str) and not found.strip()):
        return None
    try:
        value = float(found)
    except (TypeError, ValueError):
        raise SeriesError(f"{where} is {found!r}, which is no number; leave it empty where nothing is known") from None
    return None if math.isnan(value) else value


def _flag(found: Any, where: str) -> bool:
    known = found if isinstance(found, bool) else _WORDS.get(str("" if found is None else found).strip().casefold())
    if known is None:
        raise SeriesError(f"{where} is {found!r}; write true or false")
    return known
