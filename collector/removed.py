"""Windows that the journal no longer holds because they are old and every store has them: kept as ranges.

They count as stored for ever, and one that comes again is a duplicate. Functions on an open file.
"""

import sqlite3
from typing import Final

SCHEMA_VERSION: Final = 2
"""Of a file from which windows were removed: a version that does not know the ranges would store them once more."""
MAX_SEQ: Final = 2**53
TABLE: Final = """(
  device_id TEXT NOT NULL, boot_id TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  PRIMARY KEY (device_id, boot_id, first_seq)) WITHOUT ROWID"""


def ranges(db: sqlite3.Connection, key: tuple[str, str], span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the removed ranges of a boot that touch ``span``, whole and in order."""
    return db.execute(
        "SELECT first_seq, last_seq FROM removed WHERE device_id = ? AND boot_id = ? AND last_seq >= ? "
        "AND first_seq <= ? ORDER BY first_seq",
        (*key, *span),
    ).fetchall()


def count(db: sqlite3.Connection, key: tuple[str, str], first: int, last: int) -> int:
    """Return how many of ``first..last`` were removed."""
    return sum(min(last, high) - max(first, low) + 1 for low, high in ranges(db, key, (first, last)))
