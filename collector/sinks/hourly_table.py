"""The hourly sums inside the journal's file, by series and hour. Functions on an open file, in a transaction.

An hour that nothing has touched for long is closed: its sums go, and its part number rises. A window that comes even
later begins new sums, which become a point of their own beside the one that is there: points of one hour add up.
Of a closed hour it is kept how many windows it had and up to which row: so its grams can be assessed again.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from collector.sinks.hourly_sums import HourSums, kept, sums_kept

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS hourly_series (id INTEGER PRIMARY KEY, tags TEXT NOT NULL UNIQUE)",
    """CREATE TABLE IF NOT EXISTS hourly (
  series INTEGER NOT NULL, hour INTEGER NOT NULL, part INTEGER NOT NULL, dirty INTEGER NOT NULL, sums BLOB,
  PRIMARY KEY (series, hour)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS hourly_dirty ON hourly (dirty) WHERE dirty",
)
_ADDED: Final = ("closed_windows", "closed_up_to")
"""Columns that a later version added; null in hours that an earlier one closed."""
Tags = dict[str, str]


class Hour(NamedTuple):
    """One hour of one series. ``hour``: hours since 1970. ``part``: how often it was closed before.

    ``kept``: the sums as they are kept.
    """

    series: int
    hour: int
    part: int
    tags: Tags
    sums: HourSums
    kept: bytes = b""


class HourState(NamedTuple):
    """Where an hour of a series stands. ``windows``: in its open sums, None where they are closed.

    ``closed_windows``: in its points before, up to the row ``closed_up_to``; None where an earlier version closed it.
    """

    part: int
    windows: int | None
    closed_windows: int | None
    closed_up_to: int


def create(db: sqlite3.Connection) -> None:
    """Make the tables in a file that has none; a version that knows nothing of them passes them over."""
    for table in _TABLES:
        db.execute(table)
    present = {column[1] for column in db.execute("PRAGMA table_info(hourly)")}
    for name in _ADDED:
        if name not in present:
            db.execute(f"ALTER TABLE hourly ADD COLUMN {name} INTEGER")


def series_id(db: sqlite3.Connection, tags: Tags) -> int:
    """Return the number of the series with these tags."""
    text = tags_text(tags)
    db.execute("INSERT INTO hourly_series (tags) VALUES (?) ON CONFLICT DO NOTHING", (text,))
    (number,) = db.execute("SELECT id FROM hourly_series WHERE tags = ?", (text,)).fetchone()
    return int(number)


def tags_by_series(db: sqlite3.Connection) -> dict[int, Tags]:
    """Return the tags of every series."""
    rows = db.execute("SELECT id, tags FROM hourly_series")
    return {int(number): msgspec.json.decode(text, type=Tags) for number, text in rows}


def sums_of(db: sqlite3.Connection, series: int, hour: int) -> HourSums:
    """Return what was summed so far."""
    row = db.execute("SELECT sums FROM hourly WHERE series = ? AND hour = ?", (series, hour)).fetchone()
    return sums_kept(row[0]) if row and row[0] is not None else HourSums()


def between(db: sqlite3.Connection, first_hour: int, end_hour: int) -> Iterator[tuple[Tags, HourSums]]:
    """Yield the sums of the hours from ``first_hour`` up to ``end_hour``, each with its series' tags.

    Of what is closed only the number of windows is known: hours of this month are, once a clock was weeks ahead.
    """
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'hourly'").fetchone():
        return
    tags = tags_by_series(db)
    rows = db.execute(
        "SELECT series, part, closed_windows, sums FROM hourly WHERE hour >= ? AND hour < ?", (first_hour, end_hour)
    )
    for series, part, closed_windows, sums in rows:
        if part:
            yield tags[series], HourSums(counts=[closed_windows or 1])
        if sums is not None:
            yield tags[series], sums_kept(sums)


def put(db: sqlite3.Connection, series: int, hour: int, sums: HourSums) -> None:
    """Keep the sums of an hour, to be written to the store."""
    db.execute(
        "INSERT INTO hourly (series, hour, part, dirty, sums) VALUES (?, ?, 0, 1, ?) "
        "ON CONFLICT DO UPDATE SET dirty = 1, sums = excluded.sums",
        (series, hour, kept(sums)),
    )


def dirty(db: sqlite3.Connection, limit: int) -> list[Hour]:
    """Return hours that the store does not have as they are now."""
    rows = db.execute(
        "SELECT series, hour, part, tags, sums FROM hourly JOIN hourly_series ON id = series WHERE dirty LIMIT ?",
        (limit,),
    )
    return [
        Hour(series, hour, part, msgspec.json.decode(tags, type=Tags), sums_kept(sums), sums)
        for series, hour, part, tags, sums in rows
    ]


def written(db: sqlite3.Connection, hours: Iterable[Hour]) -> None:
    """Note that the store has these hours as they were read: one that has changed since has to be written again.

    Two processes may write one hour, so this also marks an hour that another one took for written in between.
    """
    db.executemany(
        "UPDATE hourly SET dirty = (sums IS NOT NULL AND sums IS NOT ?) WHERE series = ? AND hour = ?",
        [(one.kept, one.series, one.hour) for one in hours],
    )


def close_before(db: sqlite3.Connection, hour: int, up_to_row_id: int) -> int:
    """Close the hours before ``hour`` that the store has; return how many that were.

    ``up_to_row_id``: the row up to which windows were added so far.
    """
    found = db.execute(
        "SELECT series, hour, part, closed_windows, sums FROM hourly "
        "WHERE hour < ? AND NOT dirty AND sums IS NOT NULL",
        (hour,),
    ).fetchall()
    closed = [
        (_together(part, before, _windows(sums)), up_to_row_id, series, at) for series, at, part, before, sums in found
    ]
    db.executemany(
        "UPDATE hourly SET sums = NULL, part = part + 1, closed_windows = ?, closed_up_to = ? "
        "WHERE series = ? AND hour = ?",
        closed,
    )
    return len(closed)


def tags_text(tags: Tags) -> str:
    """Return tags as they are kept."""
    return msgspec.json.encode(tags).decode()


def states(db: sqlite3.Connection, first_hour: int, end_hour: int) -> dict[tuple[int, int], HourState]:
    """Return where the hours from ``first_hour`` up to ``end_hour`` stand, by series and hour."""
    rows = db.execute(
        "SELECT series, hour, part, sums, closed_windows, closed_up_to FROM hourly WHERE hour >= ? AND hour < ?",
        (first_hour, end_hour),
    )
    return {
        (series, hour): HourState(part, None if sums is None else _windows(sums), closed_windows, closed_up_to or 0)
        for series, hour, part, sums, closed_windows, closed_up_to in rows
    }


def _windows(sums: bytes) -> int:
    counts = sums_kept(sums).counts
    return counts[0] if counts else 0


def _together(part: int, before: int | None, windows: int) -> int | None:
    """Return how many windows the points of an hour have when its sums are closed; None stays unknown."""
    if part == 0:
        return windows
    return None if before is None else before + windows
