"""The journal's SQLite file: schema, opening for the collector, opening for readers.

A reader may find a file that an older version wrote. It then gets temporary views of today's shape, which are its own
and change nothing in the file.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from collector import benches, dead_letters, removed, replies
from edge_agent.wire.errors import ConfigurationError

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE windows (
  row_id INTEGER PRIMARY KEY AUTOINCREMENT, fleet TEXT NOT NULL, device_id TEXT NOT NULL, boot_id TEXT NOT NULL,
  seq INTEGER NOT NULL, received_unix_ns INTEGER NOT NULL, payload BLOB NOT NULL,
  UNIQUE (device_id, boot_id, seq));
CREATE TABLE boots (
  device_id TEXT NOT NULL, boot_id TEXT NOT NULL, fleet TEXT NOT NULL,
  last_seq INTEGER NOT NULL DEFAULT 0, oldest_seq INTEGER NOT NULL DEFAULT 1, high_water INTEGER NOT NULL DEFAULT 0,
  stored INTEGER NOT NULL DEFAULT 0, duplicates INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL DEFAULT 0,
  late INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (device_id, boot_id)) WITHOUT ROWID;
CREATE TABLE dropped (
  device_id TEXT NOT NULL, boot_id TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (device_id, boot_id, first_seq)) WITHOUT ROWID;
CREATE TABLE devices (
  fleet TEXT NOT NULL, device_id TEXT NOT NULL, last_seen_unix_ns INTEGER NOT NULL,
  birth BLOB, status BLOB, health BLOB, PRIMARY KEY (fleet, device_id)) WITHOUT ROWID;
CREATE TABLE cursors (sink TEXT PRIMARY KEY, row_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT, t_unix_ns INTEGER NOT NULL, topic TEXT NOT NULL, device_id TEXT NOT NULL,
  payload BLOB NOT NULL, reason TEXT NOT NULL);
CREATE INDEX dead_letters_by_device ON dead_letters (device_id);
"""
_ADDED: Final = {
    "benches": """(
  row_id INTEGER PRIMARY KEY AUTOINCREMENT, fleet TEXT NOT NULL, device_id TEXT NOT NULL, bench_id TEXT NOT NULL,
  received_unix_ns INTEGER NOT NULL, touched INTEGER NOT NULL, refused TEXT NOT NULL, payload BLOB NOT NULL,
  UNIQUE (fleet, device_id, bench_id))""",
    "births": """(
  fleet TEXT NOT NULL, device_id TEXT NOT NULL, received_unix_ns INTEGER NOT NULL,
  PRIMARY KEY (fleet, device_id)) WITHOUT ROWID""",
    "healths": """(
  fleet TEXT NOT NULL, device_id TEXT NOT NULL, received_unix_ns INTEGER NOT NULL,
  PRIMARY KEY (fleet, device_id)) WITHOUT ROWID""",
    "notes": "(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "removed": removed.TABLE,
    "replies": replies.COLUMNS,
    **dead_letters.TABLES,
}
"""Tables that later versions added. An older version reads and writes such a file as before: the schema's number is
for what it would misunderstand. A reader that finds a file without one gets an empty one of its own.

``births``, ``healths``: when the birth and the health in ``devices`` came. ``notes``: what a reader should know about
the collector."""
_FOR_SPEED: Final = ("cache_size = -32768", "wal_autocheckpoint = 4000")
"""32 MiB of pages in memory: the ends of some thousand boots. The log is put into the file every 16 MB, not 4."""
_LATE: Final = "ALTER TABLE boots ADD COLUMN late INTEGER NOT NULL DEFAULT 0"
_LATE_FOR_READERS: Final = "CREATE TEMP VIEW boots AS SELECT *, 0 AS late FROM main.boots"
"""Windows that were late are counted from the first version on that counts them."""


class JournalGoneError(Exception):
    """The file was removed or replaced while it was open: what is committed now would be lost."""


def why_not_written(error: sqlite3.OperationalError) -> str:
    """Return in one line why the journal could not be written, with the remedy."""
    if "locked" in str(error) or "busy" in str(error):
        return f"{error}: another process holds the journal; it is tried again, end what holds it if this stays"
    return f"{error}: free space on the disk of state_dir"


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one under the same name, None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_writer(path: Path) -> sqlite3.Connection:
    """Return the collector's connection: WAL, and each commit on the disk before it returns.

    Raises ConfigurationError when the file cannot be written or is not a journal that this version knows.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        db = _connect(str(path))
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{path}: cannot open the journal: {error}; check owner and free space") from error
    pragmas = ("journal_mode = WAL", "synchronous = FULL", *_FOR_SPEED)
    return _checked(db, path, "use this file as a journal", pragmas, writes=True)


def open_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can only read, also while a collector writes. Raises ConfigurationError."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: no journal here; name the state_dir of a collector that has run")
    try:
        db = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path}: cannot read the journal: {error}") from error
    return _checked(db, path, "read the journal")


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(name, uri=uri, check_same_thread=False, isolation_level=None, timeout=30.0)


def _checked(
    db: sqlite3.Connection, path: Path, what: str, pragmas: tuple[str, ...] = (), *, writes: bool = False
) -> sqlite3.Connection:
    """Return the connection, set up; closed again when the file turns out to be no journal of this version."""
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(db.close)
        try:
            for pragma in pragmas:
                db.execute(f"PRAGMA {pragma}")
            _check_version(db, path)
            _add_what_is_new(db, writes=writes)
        except sqlite3.Error as error:
            raise ConfigurationError(f"{path}: cannot {what}: {error}") from error
        on_failure.pop_all()
    return db


def _add_what_is_new(db: sqlite3.Connection, *, writes: bool) -> None:
    """Add what an older file lacks: to the file, or for a reader beside it."""
    found = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    for name, columns in _ADDED.items():
        if name not in found:
            db.execute(f"CREATE {'' if writes else 'TEMP '}TABLE IF NOT EXISTS {name} {columns}")
    if not any(column[1] == "late" for column in db.execute("PRAGMA table_info(boots)")):
        db.execute(_LATE if writes else _LATE_FOR_READERS)
    if writes:
        dead_letters.set_up(db)
        for table in (benches.TABLE, replies.TABLE):
            table.set_up(db)
    elif not found.issuperset(dead_letters.TABLES):
        dead_letters.describe_old(db)


def _create(path: Path) -> None:
    """Create the file under another name first, so that no reader ever sees one without its tables."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    added = "".join(f"CREATE TABLE {name} {columns};\n" for name, columns in _ADDED.items())
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {added} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    for suffix in ("-wal", "-shm"):  # of a file that somebody removed: SQLite would apply them to the new one
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.replace(companion.with_name(companion.name + ".orphaned"))
    new.rename(path)


def _user_version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    version = _user_version(db)
    if version not in {SCHEMA_VERSION, removed.SCHEMA_VERSION}:
        raise ConfigurationError(
            f"{path}: journal of schema {version}, this version knows {SCHEMA_VERSION} and {removed.SCHEMA_VERSION}; "
            "use the edgejoule that wrote it"
        )
