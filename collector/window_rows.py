"""The journal's windows: many are written, and many are read, by one statement each. Functions on an open file.

Between two steps of an SQLite statement other threads of the process run, and the one that waits for its next step
queues behind them. With one step per row, writer and pumps would wait for each other thousands of times a second; with
one step for all, SQLite works on one core while Python works on another.
"""

import sqlite3
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import msgspec

from collector.values import StoredWindow
from edge_agent.wire.records import InferenceWindow

MAX_ROWS_PER_READ: Final = 5000
"""Bounds the text that one read makes: some 7 MB, of windows as devices send them."""
MAX_BYTES_PER_READ: Final = 16 << 20
MAX_BYTES_PER_CALL: Final = 96 << 20
"""Bound it for windows that are huge: one may be as long as a message."""
_NUMBERS: Final = b"%16d%20d%12d%12d"
"""Sequence number, time of receipt, place among the payloads, length."""
_INSERT: Final = """
WITH RECURSIVE rows(at) AS (SELECT 1 UNION ALL SELECT at + 3 * ?3 + 60 FROM rows WHERE at + 3 * ?3 + 60 < length(?1))
INSERT INTO windows (fleet, device_id, boot_id, seq, received_unix_ns, payload) SELECT
  rtrim(CAST(substr(?1, at, ?3) AS TEXT)),
  rtrim(CAST(substr(?1, at + ?3, ?3) AS TEXT)),
  rtrim(CAST(substr(?1, at + 2 * ?3, ?3) AS TEXT)),
  CAST(substr(?1, at + 3 * ?3, 16) AS INTEGER),
  CAST(substr(?1, at + 3 * ?3 + 16, 20) AS INTEGER),
  substr(?2, CAST(substr(?1, at + 3 * ?3 + 36, 12) AS INTEGER), CAST(substr(?1, at + 3 * ?3 + 48, 12) AS INTEGER))
FROM rows
"""
_READ: Final = """
SELECT CAST('[' || group_concat('[' || row_id || ',"' || fleet || '","' || device_id || '","' || boot_id || '",'
  || received_unix_ns || ',' || CAST(payload AS TEXT) || ']') || ']' AS BLOB)
FROM (SELECT * FROM windows WHERE row_id > ? ORDER BY row_id LIMIT ?)
"""
_SIZE: Final = """
SELECT coalesce(sum(bytes), 0)
FROM (SELECT length(payload) AS bytes FROM windows WHERE row_id > ? ORDER BY row_id LIMIT ?)
"""
_DECODER: Final = msgspec.json.Decoder(list[StoredWindow])
_WINDOW: Final = msgspec.json.Decoder(InferenceWindow)
_ROW_ID: Final = attrgetter("row_id")


NewRow = tuple[str, str, str, int, int, bytes]
"""Fleet, device, boot, sequence number, time of receipt, payload. The names are identifiers of the wire: none of them
ends in a space or needs quoting."""


def insert(db: sqlite3.Connection, rows: Sequence[NewRow]) -> None:
    """Write ``rows``, in order; none of them may be there already."""
    if not rows:
        return
    names = {row[:3] for row in rows}
    width = max(len(name) for three in names for name in three)
    padded = {three: "".join(name.ljust(width) for name in three).encode() for three in names}
    described: list[bytes] = []
    at = 1
    for row in rows:
        length = len(row[5])
        described.append(padded[row[:3]] + _NUMBERS % (row[3], row[4], at, length))
        at += length
    db.execute(_INSERT, (b"".join(described), b"".join([row[5] for row in rows]), width))


def after(
    db: sqlite3.Connection,
    row_id: int,
    limit: int,
    *,
    read_bytes: int = MAX_BYTES_PER_READ,
    call_bytes: int = MAX_BYTES_PER_CALL,
) -> list[StoredWindow]:
    """Return up to ``limit`` windows with a higher ``row_id``, in the order of their commit.

    Fewer, but at least one, when they are so huge that together they would fill the memory.
    """
    found: list[StoredWindow] = []
    total_bytes = 0
    while limit > 0 and total_bytes < call_bytes:
        wanted, size_bytes = _fitting(db, row_id, min(limit, MAX_ROWS_PER_READ), read_bytes)
        total_bytes += size_bytes
        (text,) = db.execute(_READ, (row_id, wanted)).fetchone()
        part = _DECODER.decode(text) if text else []
        part.sort(key=_ROW_ID)  # SQLite promises no order inside group_concat
        found += part
        if len(part) < wanted:
            break
        row_id, limit = part[-1].row_id, limit - wanted
    return found


def _fitting(db: sqlite3.Connection, row_id: int, wanted: int, read_bytes: int) -> tuple[int, int]:
    """Return how many of the ``wanted`` rows one read takes, and the bytes of their payloads."""
    while True:
        (size_bytes,) = db.execute(_SIZE, (row_id, wanted)).fetchone()
        if size_bytes <= read_bytes or wanted == 1:
            return wanted, size_bytes
        wanted = max(1, wanted // 2)


def count_after(db: sqlite3.Connection, row_id: int, limit: int) -> int:
    """Return how many windows have a higher ``row_id``, counted up to ``limit``; row ids have no holes."""
    first, last = db.execute("SELECT (SELECT min(row_id) FROM windows), (SELECT max(row_id) FROM windows)").fetchone()
    return 0 if last is None else min(limit, max(0, last - max(row_id, first - 1)))


def last_row_id(db: sqlite3.Connection) -> int:
    """Return the highest ``row_id``, 0 when there is none."""
    return int(db.execute("SELECT coalesce(max(row_id), 0) FROM windows").fetchone()[0])


def first_row_id(db: sqlite3.Connection) -> int:
    """Return the lowest ``row_id`` that is still there, 1 when there is none."""
    return int(db.execute("SELECT coalesce(min(row_id), 1) FROM windows").fetchone()[0])


def latest(db: sqlite3.Connection, fleet: str, device_id: str, limit: int) -> list[InferenceWindow]:
    """Return up to ``limit`` windows of one device, the latest of its latest boots first."""
    found: list[InferenceWindow] = []
    boots = db.execute(
        "SELECT boot_id FROM boots WHERE fleet = ? AND device_id = ? ORDER BY touched DESC", (fleet, device_id)
    )
    for (boot_id,) in boots.fetchall():
        payloads = db.execute(
            "SELECT payload FROM windows WHERE fleet = ? AND device_id = ? AND boot_id = ? ORDER BY seq DESC LIMIT ?",
            (fleet, device_id, boot_id, limit - len(found)),
        )
        found += [_WINDOW.decode(payload) for (payload,) in payloads]
        if len(found) == limit:
            break
    return found
