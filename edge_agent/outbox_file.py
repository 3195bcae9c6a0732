"""The outbox's SQLite file: schema, opening, and what happens when the file is damaged."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final, Literal

import structlog

from edge_agent.wire.errors import ConfigurationError

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE windows (
  row_id INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT NOT NULL, seq INTEGER NOT NULL,
  t_unix_ns INTEGER, payload BLOB NOT NULL, UNIQUE (boot_id, seq));
CREATE TABLE boots (
  position INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT NOT NULL UNIQUE,
  last_seq INTEGER NOT NULL, acked_seq INTEGER NOT NULL);
CREATE TABLE drops (
  boot_id TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_LOG = structlog.get_logger()


def open_or_replace(path: Path, synchronous: Literal["FULL", "NORMAL"]) -> sqlite3.Connection:
    """Return a connection to the file at ``path``; a damaged file is moved aside and a new one started.

    Raises ConfigurationError when the directory or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path.parent}: cannot create the outbox directory: {error.strerror}") from error
    try:
        return _open(path, synchronous)
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"{path}: cannot open the outbox: {error}; check owner and free space") from error
    except sqlite3.DatabaseError as error:
        aside = _move_aside(path)
        _LOG.error("outbox_damaged", file=str(path), fault=str(error), moved_to=str(aside))
        return _open(path, synchronous)


def _open(path: Path, synchronous: str) -> sqlite3.Connection:
    with contextlib.ExitStack() as on_failure:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
        on_failure.callback(db.close)
        _prepare(db, path, synchronous)
        on_failure.pop_all()
    return db


def _prepare(db: sqlite3.Connection, path: Path, synchronous: str) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    (fault,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if fault != "ok":
        raise sqlite3.DatabaseError(fault)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path}: outbox of schema {version}, this agent knows {SCHEMA_VERSION}; "
            "run the agent version that wrote it until it is empty, or move the file away"
        )


def _move_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside
