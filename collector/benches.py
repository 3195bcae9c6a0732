"""The benches inside the journal: each stored once, refused ones kept with the reason. Functions on an open file.

Key (fleet, device_id, bench_id); what comes again changes nothing but ``touched``, by which the store-ack names the
latest, so that a device that sends a long stored bench again hears of it.
"""

import sqlite3
from typing import Final

import msgspec

from collector.values import BenchEntry, StoredBench, is_valid
from edge_agent.wire.records import BenchRecord

ACKED_BENCHES: Final = 32
_DECODER = msgspec.json.Decoder(BenchRecord)


def add(
    db: sqlite3.Connection, key: tuple[str, str, str], payload: bytes, received_unix_ns: int, refused: str = ""
) -> bool:
    """Keep the payload under ``key`` (fleet, device, bench) unless that is there; return whether it is new.

    A valid one takes the place of one that was refused.
    """
    if not refused:
        db.execute("DELETE FROM benches WHERE fleet = ? AND device_id = ? AND bench_id = ? AND refused != ''", key)
    (touched,) = db.execute("SELECT 1 + coalesce(max(touched), 0) FROM benches").fetchone()
    known = db.execute(
        "UPDATE benches SET touched = ? WHERE fleet = ? AND device_id = ? AND bench_id = ?", (touched, *key)
    ).rowcount
    if not known:
        db.execute(
            "INSERT INTO benches (fleet, device_id, bench_id, received_unix_ns, touched, refused, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, received_unix_ns, touched, refused, payload),
        )
    return not known


def latest_ids(db: sqlite3.Connection, fleet: str, device_id: str) -> tuple[str, ...]:
    """Return the ids of the device's benches that were received last, the latest first."""
    rows = db.execute(
        "SELECT bench_id FROM benches WHERE fleet = ? AND device_id = ? ORDER BY touched DESC LIMIT ?",
        (fleet, device_id, ACKED_BENCHES),
    )
    return tuple(bench_id for (bench_id,) in rows)


def after(db: sqlite3.Connection, row_id: int, limit: int) -> list[StoredBench]:
    """Return up to ``limit`` accepted benches with a higher ``row_id``, in the order of their commit."""
    rows = db.execute(
        "SELECT row_id, fleet, device_id, received_unix_ns, payload FROM benches "
        "WHERE row_id > ? AND refused = '' ORDER BY row_id LIMIT ?",
        (row_id, limit),
    )
    return [
        StoredBench(found_id, fleet, device_id, received_unix_ns, _DECODER.decode(payload))
        for found_id, fleet, device_id, received_unix_ns, payload in rows
    ]


def count_after(db: sqlite3.Connection, row_id: int, limit: int) -> int:
    """Return how many accepted benches have a higher ``row_id``, counted up to ``limit``."""
    (count,) = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM benches WHERE row_id > ? AND refused = '' LIMIT ?)", (row_id, limit)
    ).fetchone()
    return int(count)


def entries(db: sqlite3.Connection) -> list[BenchEntry]:
    """Return every bench, refused ones too, in the order of fleet, device and commit; none in an older file."""
    (known,) = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'benches'").fetchone()
    if not known:
        return []
    rows = db.execute(
        "SELECT fleet, device_id, bench_id, received_unix_ns, refused, payload FROM benches "
        "ORDER BY fleet, device_id, row_id"
    )
    return [_entry(*row) for row in rows]


def _entry(
    fleet: str, device_id: str, bench_id: str, received_unix_ns: int, refused: str, payload: bytes
) -> BenchEntry:
    bench = None if refused else _DECODER.decode(payload)
    return BenchEntry(
        fleet=fleet,
        device_id=device_id,
        bench_id=bench_id,
        received_unix_ns=received_unix_ns,
        refused=refused,
        valid=bench is not None and is_valid(bench),
        bench=bench,
    )
