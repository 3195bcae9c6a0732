"""Every device's account, from the journal: sent = stored + dropped + refused + pending, or windows are missing.

Functions on an open file; the caller holds a snapshot, so that all figures are of one instant.
"""

import sqlite3
from typing import Final

import msgspec

from collector import account, dead_letters
from collector.values import LedgerLine
from edge_agent.wire.records import Birth

_BIRTH: Final = msgspec.json.Decoder(Birth)


def lines(db: sqlite3.Connection) -> list[LedgerLine]:
    """Return one line per device, in the order of fleet and device."""
    devices = db.execute("SELECT fleet, device_id, birth FROM devices ORDER BY fleet, device_id").fetchall()
    return [_line(db, *device) for device in devices]


def _line(db: sqlite3.Connection, fleet: str, device_id: str, birth: bytes | None) -> LedgerLine:
    boots = db.execute(
        "SELECT boot_id, last_seq, stored, duplicates FROM boots WHERE fleet = ? AND device_id = ?",
        (fleet, device_id),
    ).fetchall()
    counts = [account.boot_counts(db, device_id, boot[0]) for boot in boots]
    held = _held_boots(birth)
    if held is not None:
        counts = [count if boot[0] in held else count.given_up() for boot, count in zip(boots, counts, strict=True)]
    return LedgerLine(
        fleet=fleet,
        device_id=device_id,
        sent=sum(boot[1] for boot in boots),
        stored=sum(boot[2] for boot in boots),
        dropped=sum(count.dropped for count in counts),
        refused=sum(count.refused for count in counts),
        pending=sum(count.pending for count in counts),
        missing=sum(count.missing for count in counts),
        duplicates=sum(boot[3] for boot in boots),
        dead_letters=dead_letters.count(db, device_id),
    )


def _held_boots(birth: bytes | None) -> set[str] | None:
    """Return the boots of which the device may still send windows, None when it did not say."""
    if birth is None:
        return None
    said = _BIRTH.decode(birth)
    return None if said.held_boots is None else {said.boot_id, *said.held_boots}
