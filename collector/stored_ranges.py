"""What of one boot is committed above the high water: the ranges that a store-ack names beside the cumulative number.

There are such where newer windows came before older ones: a device sends live data while its backlog drains, or
another collector of the group has what is missing here. Functions on an open journal.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from collector import removed
from collector.seq_ranges import Ranges, union
from edge_agent.wire.records import MAX_STORED_RANGES, StoredRange

MAX_ROWS: Final = 20_000
"""How many windows above a hole are looked at for one acknowledgement: half the oldest, half the newest."""


def stored_above(
    db: sqlite3.Connection, device_id: str, high_waters: Mapping[str, int], limit: int = MAX_STORED_RANGES
) -> tuple[StoredRange, ...]:
    """Return the ranges above each boot's high water, at most ``limit`` in all: half the oldest, half the newest."""
    found = [
        StoredRange(boot_id=boot_id, first_seq=first, last_seq=last)
        for boot_id, high_water in high_waters.items()
        for first, last in boot_ranges(db, device_id, boot_id, high_water)
    ]
    if len(found) > limit:
        oldest = limit // 2
        found = [*found[:oldest], *found[oldest - limit :]]
    return tuple(found)


def boot_ranges(
    db: sqlite3.Connection, device_id: str, boot_id: str, high_water: int, max_rows: int = MAX_ROWS
) -> Ranges:
    """Return the ranges of one boot that are stored, or settled otherwise: refused, or declared dropped."""
    key = (device_id, boot_id, high_water)
    stored = _both_ends(db, "SELECT seq, seq FROM windows", "seq", key, max_rows)
    settled = _both_ends(db, "SELECT first_seq, last_seq FROM dropped", "first_seq", key, max_rows)
    gone = removed.ranges(db, (device_id, boot_id), (high_water + 1, removed.MAX_SEQ))
    return union(stored, settled, gone) if stored or settled or gone else []


def _both_ends(db: sqlite3.Connection, select: str, place: str, key: tuple[str, str, int], max_rows: int) -> Ranges:
    """Return the oldest and the newest rows above the high water: it may stand for long, and both are to be told."""
    rows = f"{select} WHERE device_id = ? AND boot_id = ? AND {place} > ? ORDER BY {place}"
    oldest: Ranges = db.execute(f"{rows} LIMIT ?", (*key, max_rows // 2)).fetchall()
    if len(oldest) < max_rows // 2:
        return oldest
    above = (*key[:2], oldest[-1][0], max_rows - len(oldest))
    return oldest + db.execute(f"{rows} DESC LIMIT ?", above).fetchall()
