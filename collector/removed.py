"""Windows that the journal no longer holds because they are old and every store has them: kept as ranges.

They count as stored for ever, and one that comes again is a duplicate. Functions on an open file.
"""

import sqlite3
from collections import defaultdict
from itertools import takewhile
from typing import Final

from collector.seq_ranges import union

SCHEMA_VERSION: Final = 2
"""Of a file from which windows were removed: a version that does not know the ranges would store them once more."""
MAX_SEQ: Final = 2**53
TABLE: Final = """(
  device_id TEXT NOT NULL, boot_id TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  PRIMARY KEY (device_id, boot_id, first_seq)) WITHOUT ROWID"""


def ranges(db: sqlite3.Connection, key: tuple[str, str], span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the removed ranges of a boot that touch ``span``, whole and in order."""
    return touching(db, "removed", key, span)


def touching(db: sqlite3.Connection, table: str, key: tuple[str, str], span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the ranges of a boot in ``table`` that touch ``span``, whole and in order.

    Ranges of one table never overlap, so that the search begins at the last one that starts at or before ``span``.
    """
    return db.execute(
        f"SELECT first_seq, last_seq FROM {table} WHERE device_id = ?1 AND boot_id = ?2 AND last_seq >= ?3 "  # noqa: S608  our own names
        f"AND first_seq <= ?4 AND first_seq >= coalesce((SELECT max(first_seq) FROM {table} "
        "WHERE device_id = ?1 AND boot_id = ?2 AND first_seq <= ?3), 0) ORDER BY first_seq",
        (*key, *span),
    ).fetchall()


def count(db: sqlite3.Connection, key: tuple[str, str], first: int, last: int) -> int:
    """Return how many of ``first..last`` were removed."""
    return sum(min(last, high) - max(first, low) + 1 for low, high in ranges(db, key, (first, last)))


def remove_oldest(db: sqlite3.Connection, up_to_row_id: int, received_before_unix_ns: int, limit: int) -> int:
    """Remove at most ``limit`` windows, those of the lowest row ids, up to the first that came later; return how many.

    The newest window of all stays, so that row ids go on without a hole.
    """
    rows = db.execute(
        "SELECT row_id, device_id, boot_id, seq, received_unix_ns FROM windows "
        "WHERE row_id <= ? AND row_id < (SELECT max(row_id) FROM windows) ORDER BY row_id LIMIT ?",
        (up_to_row_id, limit),
    ).fetchall()
    old = list(takewhile(lambda row: row[4] < received_before_unix_ns, rows))
    if not old:
        return 0
    gone: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for _, device_id, boot_id, seq, _ in old:
        gone[device_id, boot_id].append((seq, seq))
    for key, seqs in gone.items():
        _add(db, key, seqs)
    db.execute("DELETE FROM windows WHERE row_id <= ?", (old[-1][0],))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return len(old)


def _add(db: sqlite3.Connection, key: tuple[str, str], seqs: list[tuple[int, int]]) -> None:
    """Add numbers to a boot's ranges, and join what then touches."""
    first, last = min(seqs)[0], max(seqs)[1]
    known = ranges(db, key, (first - 1, last + 1))
    db.executemany(
        "DELETE FROM removed WHERE device_id = ? AND boot_id = ? AND first_seq = ?", [(*key, low) for low, _ in known]
    )
    db.executemany("INSERT INTO removed VALUES (?, ?, ?, ?)", [(*key, *span) for span in union(known, seqs)])
