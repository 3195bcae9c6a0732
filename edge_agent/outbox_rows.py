"""What the outbox's tables hold, boot by boot: functions on an open connection. See ``outbox_file`` for the schema."""

import hashlib
import secrets
import sqlite3
from typing import Final

from edge_agent.outbox_file import MAX_SEQ, SEQ_BITS
from edge_agent.placing import Placing
from edge_agent.wire.records import DroppedRange

_INSERT_DROP: Final = "INSERT INTO drops VALUES (?, ?, ?)"


def enter_boot(db: sqlite3.Connection, kernel_boot_id: str) -> tuple[str, int]:
    """Return boot id and number: the id changes with the kernel's boot and the file, so no number comes twice."""
    row = db.execute("SELECT value FROM state WHERE key = 'file_id'").fetchone()
    file_id = row[0] if row else secrets.token_hex(16)
    if row is None:
        db.execute("INSERT INTO state VALUES ('file_id', ?), ('dropped_windows', '0')", (file_id,))
    boot_id = hashlib.sha256(f"{kernel_boot_id}/{file_id}".encode()).hexdigest()[:24]
    if number_of(db, boot_id) is None:
        trusted_unix_ns = last_trusted_unix_ns(db)
        db.execute("INSERT INTO boots (boot_id, not_before_unix_ns) VALUES (?, ?)", (boot_id, trusted_unix_ns))
    for number, other_id in boot_numbers(db):
        if other_id != boot_id and not has_anything(db, number):
            forget_boot(db, number)
    own = number_of(db, boot_id)
    assert own is not None
    return boot_id, own


def key_of(number: int, seq: int) -> int:
    """Return the key of window ``seq`` of boot ``number``. Numbers beyond the file's bound stand for its last one."""
    return (number << SEQ_BITS) + min(seq, MAX_SEQ)


def seq_of(key: int) -> int:
    """Return the sequence number in a key."""
    return key & MAX_SEQ


def boot_numbers(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return number and id of every boot, oldest first."""
    return db.execute("SELECT number, boot_id FROM boots ORDER BY number").fetchall()


def number_of(db: sqlite3.Connection, boot_id: str) -> int | None:
    """Return the number of a boot, None for one that is not known."""
    row = db.execute("SELECT number FROM boots WHERE boot_id = ?", (boot_id,)).fetchone()
    return None if row is None else int(row[0])


def last_seq(db: sqlite3.Connection, number: int) -> int:
    """Return the highest sequence number that the boot has given out, 0 for none."""
    (key,) = db.execute("SELECT max(key) FROM windows WHERE key BETWEEN ? AND ?", _span(number)).fetchone()
    return 0 if key is None else seq_of(key)


def oldest_held(db: sqlite3.Connection, number: int, after_seq: int = 0, up_to_seq: int = MAX_SEQ) -> int | None:
    """Return the lowest number after ``after_seq`` of which the window is held."""
    row = db.execute(
        "SELECT key FROM windows WHERE key BETWEEN ? AND ? AND payload IS NOT NULL ORDER BY key LIMIT 1",
        (key_of(number, after_seq + 1), key_of(number, up_to_seq)),
    ).fetchone()
    return None if row is None else seq_of(row[0])


def newest_held(db: sqlite3.Connection, number: int) -> bytes | None:
    """Return the payload of the boot's newest window that is held."""
    row = db.execute(
        "SELECT payload FROM windows WHERE key BETWEEN ? AND ? AND payload IS NOT NULL ORDER BY key DESC LIMIT 1",
        _span(number),
    ).fetchone()
    return None if row is None else bytes(row[0])


def settled_seq(db: sqlite3.Connection, number: int, above_seq: int = 0) -> int:
    """Return the highest number below which, down to ``above_seq``, nothing is left to deliver or to declare."""
    held = oldest_held(db, number, above_seq)
    row = db.execute(
        "SELECT max(first_key, ?1) FROM drops WHERE last_key BETWEEN ?1 AND ?2 ORDER BY first_key LIMIT 1",
        (key_of(number, above_seq + 1), key_of(number, MAX_SEQ)),
    ).fetchone()
    open_seqs = [seq for seq in (held, None if row is None else seq_of(row[0])) if seq is not None]
    return min(open_seqs) - 1 if open_seqs else max(above_seq, last_seq(db, number))


def dropped_ranges(db: sqlite3.Connection, number: int) -> tuple[DroppedRange, ...]:
    """Return what the boot still has to declare."""
    rows = db.execute(
        "SELECT first_key, last_key, reason FROM drops WHERE first_key BETWEEN ? AND ? ORDER BY first_key",
        _span(number),
    )
    return tuple(
        DroppedRange(first_seq=seq_of(first), last_seq=seq_of(last), reason=reason) for first, last, reason in rows
    )


def held_rows(db: sqlite3.Connection, number: int, span: tuple[int, int], limit: int) -> list[tuple[int, bytes]]:
    """Return number and payload of up to ``limit`` held windows in ``span`` (both ends included), in order."""
    rows = db.execute(
        "SELECT key, payload FROM windows WHERE key BETWEEN ? AND ? AND payload IS NOT NULL ORDER BY key LIMIT ?",
        (key_of(number, span[0]), key_of(number, span[1]), limit),
    ).fetchall()
    return [(seq_of(key), bytes(payload)) for key, payload in rows]


def end_of_part(db: sqlite3.Connection, number: int, span: tuple[int, int], limit: int) -> int:
    """Return the number at which ``span`` (both ends included) holds ``limit`` windows, or its end if that is less."""
    row = db.execute(
        "SELECT key FROM windows WHERE key BETWEEN ? AND ? AND payload IS NOT NULL ORDER BY key LIMIT 1 OFFSET ?",
        (key_of(number, span[0]), key_of(number, span[1]), limit),
    ).fetchone()
    return span[1] if row is None else seq_of(row[0]) - 1


def insert_window(db: sqlite3.Connection, number: int, seq: int, trusted_unix_ns: int | None, payload: bytes) -> None:
    """Store a window; a number that was only remembered by an empty row is now remembered by this one."""
    db.execute("INSERT INTO windows VALUES (?, ?, ?)", (key_of(number, seq), trusted_unix_ns, payload))
    db.execute("DELETE FROM windows WHERE key = ? AND payload IS NULL", (key_of(number, seq - 1),))


def remember_seq(db: sqlite3.Connection, number: int, seq: int) -> None:
    """Let the boot's numbering go on above ``seq``."""
    db.execute("INSERT OR IGNORE INTO windows VALUES (?, NULL, NULL)", (key_of(number, seq),))


def forget_windows(db: sqlite3.Connection, number: int, first_seq: int, last: int) -> tuple[int, int]:
    """Delete the windows of a range, but for the mark of the newest; return how many there were, and their bytes."""
    span = (key_of(number, first_seq), key_of(number, last))
    count, size = db.execute(
        "SELECT count(payload), coalesce(sum(length(payload)), 0) FROM windows WHERE key BETWEEN ? AND ?", span
    ).fetchone()
    if count:
        newest = key_of(number, last_seq(db, number))
        db.execute("UPDATE windows SET payload = NULL WHERE key = ? AND key BETWEEN ? AND ?", (newest, *span))
        db.execute("DELETE FROM windows WHERE key BETWEEN ? AND ? AND key <> ?", (*span, newest))
    return int(count), int(size)


def add_drop(db: sqlite3.Connection, number: int, first_seq: int, last: int, reason: str) -> bool:
    """Declare a range; it joins the one that ends just before it. Return whether it is the first of its kind there."""
    first_key, last_key = key_of(number, first_seq), key_of(number, last)
    joined = db.execute(
        "UPDATE drops SET last_key = ? WHERE last_key = ? AND reason = ? AND first_key > ?",
        (last_key, first_key - 1, reason, key_of(number, 0)),
    )
    if joined.rowcount == 0:
        db.execute(_INSERT_DROP, (first_key, last_key, reason))
    return joined.rowcount == 0


def trim_drops(db: sqlite3.Connection, number: int, first_seq: int, last: int) -> None:
    """Forget what of ``first_seq..last`` was still to be declared."""
    span = (key_of(number, first_seq), key_of(number, last))
    overlapping = db.execute(
        "SELECT first_key, last_key, reason FROM drops WHERE last_key >= ? AND first_key <= ?", span
    ).fetchall()
    for first_key, last_key, reason in overlapping:
        db.execute("DELETE FROM drops WHERE first_key = ?", (first_key,))
        if first_key < span[0]:
            db.execute(_INSERT_DROP, (first_key, span[0] - 1, reason))
        if last_key > span[1]:
            db.execute(_INSERT_DROP, (span[1] + 1, last_key, reason))


def has_anything(db: sqlite3.Connection, number: int) -> bool:
    """Tell whether the boot has a window to deliver or a range to declare."""
    if oldest_held(db, number) is not None:
        return True
    row = db.execute("SELECT 1 FROM drops WHERE first_key BETWEEN ? AND ? LIMIT 1", _span(number)).fetchone()
    return row is not None


def forget_boot(db: sqlite3.Connection, number: int) -> None:
    """Delete a boot that has nothing left, after its last trusted time was kept."""
    note_trusted(db, last_trusted_unix_ns(db))
    db.execute("DELETE FROM windows WHERE key BETWEEN ? AND ?", _span(number))
    db.execute("DELETE FROM placings WHERE number = ?", (number,))
    db.execute("DELETE FROM boots WHERE number = ?", (number,))


def last_trusted_unix_ns(db: sqlite3.Connection) -> int | None:
    """Return the latest time that any boot could vouch for, None if there never was one."""
    newest = [last_seq(db, number) for number, _ in boot_numbers(db)]
    known = [
        db.execute("SELECT trusted_unix_ns FROM windows WHERE key = ?", (key_of(number, seq),)).fetchone()
        for (number, _), seq in zip(boot_numbers(db), newest, strict=True)
    ]
    known.append(db.execute("SELECT CAST(value AS INTEGER) FROM state WHERE key = 'trusted_unix_ns'").fetchone())
    known.append(db.execute("SELECT max(not_before_unix_ns) FROM boots").fetchone())
    return max((int(row[0]) for row in known if row is not None and row[0] is not None), default=None)


def note_trusted(db: sqlite3.Connection, trusted_unix_ns: int | None) -> None:
    """Keep a trusted time, apart from the windows."""
    if trusted_unix_ns is not None:
        db.execute("INSERT OR REPLACE INTO state VALUES ('trusted_unix_ns', ?)", (str(trusted_unix_ns),))


def not_before_unix_ns(db: sqlite3.Connection, number: int) -> int | None:
    """Return the last trusted time when the boot began."""
    row = db.execute("SELECT not_before_unix_ns FROM boots WHERE number = ?", (number,)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def placings(db: sqlite3.Connection, number: int) -> list[Placing]:
    """Return where the boot lies in UTC, in order."""
    rows = db.execute(
        "SELECT first_seq, offset_ns, source, bound_s FROM placings WHERE number = ? ORDER BY first_seq", (number,)
    )
    return [Placing(*row) for row in rows]


def add_placing(db: sqlite3.Connection, number: int, placing: Placing) -> None:
    """Add one, or replace the one that begins at the same window."""
    db.execute(
        "INSERT OR REPLACE INTO placings VALUES (?, ?, ?, ?, ?)",
        (number, placing.first_seq, placing.offset_ns, placing.source, placing.bound_s),
    )


def _span(number: int) -> tuple[int, int]:
    return key_of(number, 0), key_of(number, MAX_SEQ)
