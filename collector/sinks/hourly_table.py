"""The hourly sums inside the journal's file, by series and hour. Functions on an open file, in a transaction.

An hour that nothing has touched for long is closed: its sums go, and its part number rises. A window that comes even
later begins new sums, which become a point of their own beside the one that is there: points of one hour add up.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from collector.sinks.hourly_sums import HourSums

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS hourly_series (id INTEGER PRIMARY KEY, tags TEXT NOT NULL UNIQUE)",
    """CREATE TABLE IF NOT EXISTS hourly (
  series INTEGER NOT NULL, hour INTEGER NOT NULL, part INTEGER NOT NULL, dirty INTEGER NOT NULL, sums BLOB,
  PRIMARY KEY (series, hour)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS hourly_dirty ON hourly (dirty) WHERE dirty",
)
_decoder: Final = msgspec.msgpack.Decoder(HourSums)
Tags = dict[str, str]


class Hour(NamedTuple):
    """One hour of one series. ``hour``: hours since 1970. ``part``: how often it was closed before."""

    series: int
    hour: int
    part: int
    tags: Tags
    sums: HourSums


def create(db: sqlite3.Connection) -> None:
    """Make the tables in a file that has none; a version that knows nothing of them passes them over."""
    for table in _TABLES:
        db.execute(table)


def series_id(db: sqlite3.Connection, tags: Tags) -> int:
    """Return the number of the series with these tags."""
    text = msgspec.json.encode(tags).decode()
    db.execute("INSERT INTO hourly_series (tags) VALUES (?) ON CONFLICT DO NOTHING", (text,))
    (number,) = db.execute("SELECT id FROM hourly_series WHERE tags = ?", (text,)).fetchone()
    return int(number)


def sums_of(db: sqlite3.Connection, series: int, hour: int) -> HourSums:
    """Return what was summed so far."""
    row = db.execute("SELECT sums FROM hourly WHERE series = ? AND hour = ?", (series, hour)).fetchone()
    return _decoder.decode(row[0]) if row and row[0] is not None else HourSums()


def put(db: sqlite3.Connection, series: int, hour: int, sums: HourSums) -> None:
    """Keep the sums of an hour, to be written to the store."""
    db.execute(
        "INSERT INTO hourly (series, hour, part, dirty, sums) VALUES (?, ?, 0, 1, ?) "
        "ON CONFLICT DO UPDATE SET dirty = 1, sums = excluded.sums",
        (series, hour, msgspec.msgpack.encode(sums)),
    )


def dirty(db: sqlite3.Connection, limit: int) -> list[Hour]:
    """Return hours that the store does not have as they are now."""
    rows = db.execute(
        "SELECT series, hour, part, tags, sums FROM hourly JOIN hourly_series ON id = series WHERE dirty LIMIT ?",
        (limit,),
    )
    return [
        Hour(series, hour, part, msgspec.json.decode(tags, type=Tags), _decoder.decode(sums))
        for series, hour, part, tags, sums in rows
    ]


def written(db: sqlite3.Connection, hours: Iterable[Hour]) -> None:
    """Note that the store has these hours as they are."""
    db.executemany(
        "UPDATE hourly SET dirty = 0 WHERE series = ? AND hour = ?", [(one.series, one.hour) for one in hours]
    )


def close_before(db: sqlite3.Connection, hour: int) -> int:
    """Close the hours before ``hour`` that the store has; return how many that were."""
    return db.execute(
        "UPDATE hourly SET sums = NULL, part = part + 1 WHERE hour < ? AND NOT dirty AND sums IS NOT NULL", (hour,)
    ).rowcount
