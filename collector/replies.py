"""The replies to orders inside the journal: each stored once, refused ones kept with the reason. On an open file."""

import sqlite3
from collections.abc import Iterator
from typing import Final

import msgspec

from collector.stored_once import StoredOnce
from collector.values import StoredReply
from edge_agent.wire.orders import CommandReply

TABLE: Final = StoredOnce("replies", "reply_id", acked=64)
COLUMNS: Final = """(
  row_id INTEGER PRIMARY KEY AUTOINCREMENT, fleet TEXT NOT NULL, device_id TEXT NOT NULL, reply_id TEXT NOT NULL,
  received_unix_ns INTEGER NOT NULL, touched INTEGER NOT NULL, refused TEXT NOT NULL, payload BLOB NOT NULL,
  kind TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT '',
  UNIQUE (fleet, device_id, reply_id))"""
"""``kind`` and ``stage`` of the reply, to be counted without decoding; "" of one that was refused."""
_DECODER: Final = msgspec.json.Decoder(CommandReply)


def add(db: sqlite3.Connection, fleet: str, reply: CommandReply, received_unix_ns: int) -> bool:
    """Keep a reply; return whether it is new. Of replies that tell a running order's progress the latest is kept."""
    key = (fleet, reply.device_id, reply.reply_id)
    payload = msgspec.json.encode(reply)
    new = TABLE.add(db, key, payload, received_unix_ns, more={"kind": reply.kind, "stage": reply.stage})
    if not new and reply.stage == "running" and reply.progress_ratio is not None:
        db.execute(
            "UPDATE replies SET payload = ? WHERE fleet = ? AND device_id = ? AND reply_id = ? AND stage = 'running'",
            (payload, *key),
        )
    return new


def stored(db: sqlite3.Connection) -> Iterator[StoredReply]:
    """Yield every accepted reply, by fleet and device and then in the order of its first commit."""
    rows = db.execute(
        "SELECT row_id, fleet, device_id, received_unix_ns, payload FROM replies WHERE refused = '' "
        "ORDER BY fleet, device_id, row_id"
    )
    for row_id, fleet, device_id, received_unix_ns, payload in rows:
        yield StoredReply(row_id, fleet, device_id, received_unix_ns, _DECODER.decode(payload))


def counts(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return how many accepted replies there are by kind of order and stage."""
    rows = db.execute("SELECT kind, stage, count(*) FROM replies WHERE refused = '' GROUP BY kind, stage")
    return {(kind, stage): count for kind, stage, count in rows}
