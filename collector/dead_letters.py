"""The dead letters inside the journal: every message, window or row that could not be accepted, with the reason.

The newest MAX_DEAD_LETTERS stay; long payloads are cut. Functions on an open file.
"""

import sqlite3
from typing import Final

MAX_DEAD_LETTERS: Final = 10_000
MAX_DEAD_LETTER_BYTES: Final = 65_536
"""Together they keep a client that sends nonsense from filling the disk."""


def add(db: sqlite3.Connection, topic: str, payload: bytes, reason: str, t_unix_ns: int, device_id: str) -> None:
    """Keep what came under ``topic``, and forget the oldest beyond the limit."""
    letter = db.execute(
        "INSERT INTO dead_letters (t_unix_ns, topic, device_id, payload, reason) VALUES (?, ?, ?, ?, ?)",
        (t_unix_ns, topic, device_id, payload[:MAX_DEAD_LETTER_BYTES], reason),
    ).lastrowid
    assert letter is not None
    db.execute("DELETE FROM dead_letters WHERE id <= ?", (letter - MAX_DEAD_LETTERS,))


def newest(db: sqlite3.Connection, limit: int) -> list[tuple[str, bytes, str, int]]:
    """Return the newest as (topic, payload, reason, t_unix_ns)."""
    return db.execute(
        "SELECT topic, payload, reason, t_unix_ns FROM dead_letters ORDER BY id DESC LIMIT ?", (limit,)
    ).fetchall()


def count(db: sqlite3.Connection, device_id: str) -> int:
    """Return how many are of one device."""
    (found,) = db.execute("SELECT count(*) FROM dead_letters WHERE device_id = ?", (device_id,)).fetchone()
    return int(found)
