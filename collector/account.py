"""One boot's account inside the journal: what was stored, what was dropped, how far the record has no hole.

Messages may come late, twice and out of order. ``last_seq`` and ``oldest_seq`` only ever grow, dropped ranges are a
union, and a window that arrives after it was declared dropped counts as stored. A window that was refused is a range
of one with a reason of its own. Functions on an open transaction.
"""

import sqlite3
from typing import Final, NamedTuple

from collector import removed
from collector.removed import touching
from collector.seq_ranges import Ranges, union
from edge_agent.wire.records import DroppedRange

REFUSED: Final = "refused"
_RUN_ROWS: Final = 4096


class BootCounts(NamedTuple):
    """What became of one boot's windows that are not stored."""

    dropped: int
    refused: int
    pending: int
    missing: int

    def given_up(self) -> "BootCounts":
        """Return the same of a boot of which the device says that it holds nothing any more."""
        return self._replace(pending=0, missing=self.missing + self.pending)


def open_boot(db: sqlite3.Connection, fleet: str, device_id: str, boot_id: str) -> None:
    """Make sure that the boot has its row, and mark it as the one that spoke latest."""
    db.execute(
        "INSERT INTO boots (device_id, boot_id, fleet) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (device_id, boot_id, fleet),
    )
    db.execute(
        "UPDATE boots SET touched = 1 + (SELECT max(touched) FROM boots WHERE device_id = ?1) "
        "WHERE device_id = ?1 AND boot_id = ?2",
        (device_id, boot_id),
    )


def note_device_view(db: sqlite3.Connection, device_id: str, boot_id: str, oldest_seq: int, last_seq: int) -> None:
    """Take over what the device says about itself, unless something newer is known."""
    db.execute(
        "UPDATE boots SET last_seq = max(last_seq, ?), oldest_seq = max(oldest_seq, ?) "
        "WHERE device_id = ? AND boot_id = ?",
        (last_seq, oldest_seq, device_id, boot_id),
    )


def add_dropped(db: sqlite3.Connection, device_id: str, boot_id: str, dropped: DroppedRange) -> None:
    """Add the part of a declared range that was not declared before."""
    _add_range(db, device_id, boot_id, (dropped.first_seq, dropped.last_seq), dropped.reason)


def add_refused(db: sqlite3.Connection, device_id: str, boot_id: str, seq: int) -> bool:
    """Note that window ``seq`` came but could not be accepted; return whether that is news."""
    return not _is_stored(db, device_id, boot_id, seq) and _add_range(db, device_id, boot_id, (seq, seq), REFUSED)


def _is_stored(db: sqlite3.Connection, device_id: str, boot_id: str, seq: int) -> bool:
    return _not_stored(db, (device_id, boot_id), seq, seq) == 0


def _add_range(db: sqlite3.Connection, device_id: str, boot_id: str, span: tuple[int, int], reason: str) -> bool:
    """Add what the table does not cover yet, so that its ranges never overlap; return whether there was any."""
    known = touching(db, "dropped", (device_id, boot_id), span)
    new_parts = uncovered(*span, known)
    for first, last in new_parts:
        extended = db.execute(
            "UPDATE dropped SET last_seq = ?1 WHERE device_id = ?2 AND boot_id = ?3 AND last_seq = ?4 - 1 "
            "AND reason = ?5 AND first_seq = (SELECT max(first_seq) FROM dropped "
            "WHERE device_id = ?2 AND boot_id = ?3 AND first_seq < ?4)",
            (last, device_id, boot_id, first, reason),
        )
        if extended.rowcount == 0:
            db.execute("INSERT INTO dropped VALUES (?, ?, ?, ?, ?)", (device_id, boot_id, first, last, reason))
    return bool(new_parts)


def uncovered(first: int, last: int, known: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what of ``first..last`` the ordered, disjoint ``known`` ranges leave open."""
    open_parts = []
    for known_first, known_last in known:
        if first < known_first:
            open_parts.append((first, min(last, known_first - 1)))
        first = max(first, known_last + 1)
    if first <= last:
        open_parts.append((first, last))
    return open_parts


def advance_high_water(db: sqlite3.Connection, device_id: str, boot_id: str) -> int:
    """Move the high water over all that is stored, dropped or no longer held by the device; return it."""
    key = (device_id, boot_id)
    before, oldest_seq = db.execute(
        "SELECT high_water, oldest_seq FROM boots WHERE device_id = ? AND boot_id = ?", key
    ).fetchone()
    high_water = max(before, oldest_seq - 1)
    while (further := _one_step(db, key, high_water)) > high_water:
        high_water = further
    if high_water > before:
        db.execute("UPDATE boots SET high_water = ? WHERE device_id = ? AND boot_id = ?", (high_water, *key))
    return int(high_water)


def _one_step(db: sqlite3.Connection, key: tuple[str, str], high_water: int) -> int:
    """Return the end of the run of stored windows, or of the dropped range, that begins just above."""
    for (seq,) in db.execute(
        "SELECT seq FROM windows WHERE device_id = ? AND boot_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (*key, high_water, _RUN_ROWS),
    ):
        if seq != high_water + 1:
            break
        high_water = seq
    (end,) = db.execute(
        "SELECT max(coalesce((SELECT last_seq FROM dropped WHERE device_id = ?1 AND boot_id = ?2 "
        "AND first_seq <= ?3 + 1 ORDER BY first_seq DESC LIMIT 1), 0), "
        "coalesce((SELECT last_seq FROM removed WHERE device_id = ?1 AND boot_id = ?2 "
        "AND first_seq <= ?3 + 1 ORDER BY first_seq DESC LIMIT 1), 0))",
        (*key, high_water),
    ).fetchone()
    return max(high_water, int(end))


def boot_counts(db: sqlite3.Connection, device_id: str, boot_id: str) -> BootCounts:
    """Return what became of one boot's windows that are not stored."""
    key = (device_id, boot_id)
    last_seq, oldest_seq, stored = db.execute(
        "SELECT last_seq, oldest_seq, stored FROM boots WHERE device_id = ? AND boot_id = ?", key
    ).fetchone()
    ranges = db.execute(
        "SELECT first_seq, last_seq, reason FROM dropped WHERE device_id = ? AND boot_id = ?", key
    ).fetchall()
    gone = sum(_not_stored(db, key, first, last) for first, last, _ in ranges)
    refused = sum(_not_stored(db, key, first, last) for first, last, reason in ranges if reason == REFUSED)
    gone_but_held = sum(_not_stored(db, key, max(first, oldest_seq), last) for first, last, _ in ranges)
    pending = _not_stored(db, key, oldest_seq, last_seq) - gone_but_held
    return BootCounts(gone - refused, refused, pending, last_seq - stored - gone - pending)


def stored_ranges(db: sqlite3.Connection, device_id: str, boot_id: str) -> Ranges:
    """Return the stored windows of one boot as ranges, in order, those too that are no longer in the journal."""
    present = db.execute(
        "SELECT min(seq), max(seq) FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM windows "
        "WHERE device_id = ? AND boot_id = ?) GROUP BY island ORDER BY 1",
        (device_id, boot_id),
    ).fetchall()
    return union(present, removed.ranges(db, (device_id, boot_id), (1, removed.MAX_SEQ)))


def given_up_ranges(
    db: sqlite3.Connection, device_id: str, boot_id: str
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return what was declared dropped and what was refused, as ranges; some may be stored all the same."""
    rows = db.execute(
        "SELECT first_seq, last_seq, reason FROM dropped WHERE device_id = ? AND boot_id = ?", (device_id, boot_id)
    ).fetchall()
    dropped = [(first, last) for first, last, reason in rows if reason != REFUSED]
    return dropped, [(first, last) for first, last, reason in rows if reason == REFUSED]


def _not_stored(db: sqlite3.Connection, key: tuple[str, str], first: int, last: int) -> int:
    if last < first:
        return 0
    (stored,) = db.execute(
        "SELECT count(*) FROM windows WHERE device_id = ? AND boot_id = ? AND seq BETWEEN ? AND ?", (*key, first, last)
    ).fetchone()
    return last - first + 1 - int(stored) - removed.count(db, key, first, last)
