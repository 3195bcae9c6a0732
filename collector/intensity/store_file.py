"""The SQLite file of intensity revisions: schema, opening, and the statements of ``IntensityStore``."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision
from edge_agent.wire.errors import ConfigurationError

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x454A_4749
"""Tells the file from other SQLite files."""
_SCHEMA: Final = (
    """CREATE TABLE series (
  series_id INTEGER PRIMARY KEY, source TEXT NOT NULL, zone TEXT NOT NULL, kind TEXT NOT NULL,
  longest_ns INTEGER NOT NULL DEFAULT 0, UNIQUE (zone, kind, source))""",
    """CREATE TABLE revisions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, series_id INTEGER NOT NULL, valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL, is_forecast INTEGER NOT NULL, fetched_at INTEGER NOT NULL, is_estimated INTEGER NOT NULL,
  gco2e_per_kwh REAL NOT NULL, low REAL, high REAL, scope TEXT NOT NULL)""",
    "CREATE INDEX revisions_by_time ON revisions (series_id, valid_from)",
    "CREATE TABLE passports (source TEXT PRIMARY KEY, passport TEXT NOT NULL) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_SAID: Final = """CREATE TABLE IF NOT EXISTS said (
  series_id INTEGER PRIMARY KEY, said_from INTEGER NOT NULL, said_to INTEGER NOT NULL, said_at INTEGER NOT NULL)"""
"""A later version added it, and an older one passes it over: when a source was last heard on what holds then."""
_TOUCHING: Final = (
    "series_id = :series_id AND valid_from > :start - :longest AND valid_from < :end AND valid_to > :start"
)
"""``longest``: of the series; with it the index finds what began before the stretch and reaches into it."""
_JOINED: Final = "FROM series JOIN revisions USING (series_id)"
_COLUMNS: Final = "valid_from, valid_to, gco2e_per_kwh, fetched_at, low, high, is_estimated, is_forecast, scope"
_SELECT: Final = f"SELECT {_COLUMNS} FROM revisions WHERE {_TOUCHING}"  # noqa: S608  names of ours alone
_LAST_SAID: Final = (
    f"{_SELECT} AND is_forecast = :is_forecast AND fetched_at <= :fetched_at "
    "ORDER BY fetched_at DESC, number DESC LIMIT 1"
)
_INSERT: Final = f"INSERT INTO revisions (series_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


OneSeriesName = tuple[str, str, str]
"""Source, zone and kind."""


class OneSeries(NamedTuple):
    """One zone of one source. ``longest_ns``: the length of its longest stretch."""

    series_id: int
    source: str
    zone: str
    kind: IntensityKind
    longest_ns: int


class Series:
    """The series of a file, by name."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[tuple[str, str, str], OneSeries] = {}

    def all(self, *, zone: str, kind: IntensityKind) -> Iterator[OneSeries]:
        """Return those of one zone name."""
        rows = self._db.execute(
            "SELECT series_id, source, zone, kind, longest_ns FROM series WHERE zone = ? AND kind = ? ORDER BY source",
            (zone, kind),
        ).fetchall()
        return (OneSeries(*row) for row in rows)

    def of(self, one: IntensityRevision) -> OneSeries:
        """Return the series of a revision that is about to be stored; written down if it is new, or longer."""
        name = one.source, one.zone, one.kind
        length_ns = one.valid_to_unix_ns - one.valid_from_unix_ns
        known = self._known.get(name)
        if known is None or known.longest_ns < length_ns:
            (series_id, longest_ns) = self._db.execute(
                "INSERT INTO series (source, zone, kind, longest_ns) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET longest_ns = max(longest_ns, excluded.longest_ns) RETURNING series_id, longest_ns",
                (*name, length_ns),
            ).fetchone()
            known = OneSeries(series_id, *name, longest_ns)
            self._known[name] = known
        return known


def is_empty(path: Path) -> bool:
    """Return whether there is no file yet, or one that somebody is about to make."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def open_writer(path: Path) -> sqlite3.Connection:
    """Return a connection that writes; the file is made where there is none. Raises ConfigurationError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_empty(path):
            _create(path)
        db = _connect(str(path))
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{path}: cannot open the intensities: {error}; check owner and space") from error
    return _checked(db, path, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", _SAID)


def open_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can only read, also while a collector writes. Raises ConfigurationError."""
    try:
        db = _connect(
            f"{path.absolute().as_uri()}?mode={read_mode(path, may_write=os.access(path.parent, os.W_OK))}", uri=True
        )
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path}: cannot read the stored intensities: {error}") from error
    return _checked(db, path)


def read_mode(path: Path, *, may_write: bool) -> str:
    """Return how a reader opens the file: as it lies, where it may not write beside it and nobody has it open.

    A file in WAL mode is read with two others beside it, which SQLite makes where there are none.
    """
    beside = any(Path(f"{path}{end}").exists() for end in ("-wal", "-shm"))
    return "ro" if beside or may_write else "ro&immutable=1"


def add_one(db: sqlite3.Connection, series: OneSeries, one: IntensityRevision) -> bool:
    """Store a revision; return False if it is what its source said last of that stretch already.

    Raises ValueError if another value of the same answer is stored for it.
    """
    before = db.execute(
        _LAST_SAID,
        {
            **_stretch(series, one.valid_from_unix_ns, one.valid_to_unix_ns),
            "is_forecast": one.is_forecast,
            "fetched_at": one.fetched_at_unix_ns,
        },
    ).fetchone()
    if before is not None:
        known = _revision(series, before)
        if _without_time(known) == _without_time(one):
            return False
        if known.fetched_at_unix_ns == one.fetched_at_unix_ns:
            raise ValueError(
                f"revisions of {one.zone} from {one.source!r} overlap: {known.gco2e_per_kwh:g} g/kWh is stored and "
                f"{one.gco2e_per_kwh:g} comes, both fetched at {one.fetched_at_unix_ns} ns"
            )
    db.execute(_INSERT, (series.series_id, *_row(one)))
    return True


def select(
    db: sqlite3.Connection, series: OneSeries, start_unix_ns: int, end_unix_ns: int, known_at_unix_ns: int | None
) -> list[IntensityRevision]:
    """Return the revisions of a series that touch the stretch and were known then."""
    known = "" if known_at_unix_ns is None else "AND fetched_at <= :known_at"
    rows = db.execute(
        f"{_SELECT} {known} ORDER BY number",
        {**_stretch(series, start_unix_ns, end_unix_ns), "known_at": known_at_unix_ns},
    )
    return [_revision(series, row) for row in rows]


def extents(db: sqlite3.Connection, only: OneSeriesName | None = None) -> Iterator[dict[str, Any]]:
    """Return what is stored of each series, or of ``only`` that one."""
    names = "source", "zone", "kind", "revisions", "first_unix_ns", "last_unix_ns", "last_fetched_unix_ns"
    which = "" if only is None else "WHERE (source, zone, kind) = (?, ?, ?)"
    rows = db.execute(
        f"SELECT source, zone, kind, count(*), min(valid_from), max(valid_to), max(fetched_at) {_JOINED} {which} "
        "GROUP BY series_id ORDER BY source, zone, kind",
        only or (),
    ).fetchall()
    return (dict(zip(names, row, strict=True)) for row in rows)


def note_said(db: sqlite3.Connection, name: OneSeriesName, stretch_unix_ns: tuple[int, int], at_unix_ns: int) -> None:
    """Note that the source spoke of the stretch then; what it spoke of before is forgotten."""
    db.execute(
        "INSERT OR REPLACE INTO said SELECT series_id, ?, ?, ? FROM series WHERE (source, zone, kind) = (?, ?, ?)",
        (*stretch_unix_ns, at_unix_ns, *name),
    )


def said_at(db: sqlite3.Connection, name: OneSeriesName, t_unix_ns: int) -> int | None:
    """Return when the source last spoke of that moment, None where it did not or nobody noted it."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'said'").fetchone():
        return None
    row = db.execute(
        "SELECT said_at FROM said JOIN series USING (series_id) "
        "WHERE (source, zone, kind) = (?, ?, ?) AND said_from <= ? AND said_to > ?",
        (*name, t_unix_ns, t_unix_ns),
    ).fetchone()
    return None if row is None else int(row[0])


def newest(db: sqlite3.Connection) -> int:
    """Return the number of the last revision, 0 for none."""
    (number,) = db.execute("SELECT coalesce(max(number), 0) FROM revisions").fetchone()
    return int(number)


def fetched_at(db: sqlite3.Connection, number: int) -> int | None:
    """Return when the revision of that number became known, None if there is none."""
    row = db.execute("SELECT fetched_at FROM revisions WHERE number = ?", (number,)).fetchone()
    return None if row is None else int(row[0])


def touched_after(db: sqlite3.Connection, number: int) -> list[dict[str, Any]]:
    """Return the joined stretches of the revisions after that number, by series and time."""
    rows = db.execute(
        "SELECT source, zone, kind, valid_from, valid_to FROM revisions JOIN series USING (series_id) "
        "WHERE number > ? ORDER BY source, zone, kind, valid_from",
        (number,),
    )
    names = "source", "zone", "kind", "start_unix_ns", "end_unix_ns"
    joined: list[dict[str, Any]] = []
    for row in rows:
        one = dict(zip(names, row, strict=True))
        last = joined[-1] if joined else None
        if last is not None and all(last[n] == one[n] for n in names[:3]) and row[3] <= last["end_unix_ns"]:
            last["end_unix_ns"] = max(last["end_unix_ns"], row[4])
        else:
            joined.append(one)
    return joined


def _stretch(series: OneSeries, start_unix_ns: int, end_unix_ns: int) -> dict[str, Any]:
    return {
        "series_id": series.series_id,
        "longest": series.longest_ns,
        "start": start_unix_ns,
        "end": end_unix_ns,
    }


def _row(one: IntensityRevision) -> tuple[Any, ...]:
    return (
        one.valid_from_unix_ns, one.valid_to_unix_ns, one.gco2e_per_kwh, one.fetched_at_unix_ns, one.low, one.high,
        one.is_estimated, one.is_forecast, one.scope,
    )  # fmt: skip


def _revision(series: OneSeries, row: tuple[Any, ...]) -> IntensityRevision:
    return IntensityRevision(
        source=series.source,
        zone=series.zone,
        kind=series.kind,
        valid_from_unix_ns=row[0],
        valid_to_unix_ns=row[1],
        gco2e_per_kwh=row[2],
        fetched_at_unix_ns=row[3],
        low=row[4],
        high=row[5],
        is_estimated=bool(row[6]),
        is_forecast=bool(row[7]),
        scope=row[8],
    )


def _without_time(one: IntensityRevision) -> tuple[Any, ...]:
    row = _row(one)
    return row[:3] + row[4:]


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(name, uri=uri, check_same_thread=False, isolation_level=None, timeout=30.0)


def _create(path: Path) -> None:
    """Make the tables in one transaction: of two processes that start at once, the second one finds them made."""
    with contextlib.closing(_connect(str(path))) as db:
        db.execute("BEGIN EXCLUSIVE")
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        for statement in _SCHEMA if tables == 0 else ():
            db.execute(statement)
        db.execute("COMMIT")


def _checked(db: sqlite3.Connection, path: Path, *statements: str) -> sqlite3.Connection:
    """Return the connection, set up; closed again when the file turns out to be none of this version."""
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(db.close)
        try:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if (application, version) != (APPLICATION_ID, SCHEMA_VERSION):
                raise ConfigurationError(
                    f"{path}: not a store of intensities that this version knows; name another file, or use the "
                    "edgejoule that wrote it"
                )
            for statement in statements:
                db.execute(statement)
        except sqlite3.Error as error:
            raise ConfigurationError(f"{path}: cannot read the stored intensities: {error}") from error
        on_failure.pop_all()
    return db
