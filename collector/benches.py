"""The benches inside the journal: each stored once, refused ones kept with the reason. Functions on an open file."""

import sqlite3
from typing import Final

import msgspec

from collector.stored_once import StoredOnce
from collector.values import BenchEntry, StoredBench, is_valid
from edge_agent.wire.records import BenchRecord

TABLE: Final = StoredOnce("benches", "bench_id", acked=32)
_DECODER = msgspec.json.Decoder(BenchRecord)


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
