"""What a device names and repeats until it is acknowledged, inside the journal: each stored once. On an open file.

Key (fleet, device_id, the record's own id); what comes again changes nothing but ``touched``, by which the store-ack
names the latest, so that a device that sends again what has long been stored hears of it. What is no valid record but
says which it is, is kept with the reason: its device need not send it for ever.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple


class StoredOnce(NamedTuple):
    """A table of such records. ``acked``: how many a store-ack names."""

    table: str
    id_column: str
    acked: int

    def set_up(self, db: sqlite3.Connection) -> None:
        """Let a device's latest be found without a look at all that it ever sent: each store-ack asks for them."""
        db.execute(f"CREATE INDEX IF NOT EXISTS {self.table}_by_touch ON {self.table} (fleet, device_id, touched)")

    def add(
        self,
        db: sqlite3.Connection,
        key: tuple[str, str, str],
        payload: bytes,
        received_unix_ns: int,
        refused: str = "",
        more: Mapping[str, str] | None = None,
    ) -> bool:
        """Keep the payload under ``key`` (fleet, device, id) unless that is there; return whether it is new.

        A valid one takes the place of one that was refused. ``more``: values of the table's other columns.
        """
        of_device = "WHERE fleet = ? AND device_id = ?"
        where = f"{of_device} AND {self.id_column} = ?"
        if not refused:
            db.execute(f"DELETE FROM {self.table} {where} AND refused != ''", key)  # noqa: S608  our own names
        (touched,) = db.execute(
            f"SELECT 1 + coalesce(max(touched), 0) FROM {self.table} {of_device}",  # noqa: S608
            key[:2],
        ).fetchone()
        known = db.execute(f"UPDATE {self.table} SET touched = ? {where}", (touched, *key)).rowcount  # noqa: S608
        if not known:
            values = {
                **dict(zip(("fleet", "device_id", self.id_column), key, strict=True)),
                "received_unix_ns": received_unix_ns,
                "touched": touched,
                "refused": refused,
                "payload": payload,
                **(more or {}),
            }
            marks = ", ".join("?" * len(values))
            columns = ", ".join(values)
            db.execute(f"INSERT INTO {self.table} ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
        return not known

    def latest_ids(self, db: sqlite3.Connection, fleet: str, device_id: str) -> tuple[str, ...]:
        """Return the ids of the device's records that were received last, the latest first."""
        rows = db.execute(
            f"SELECT {self.id_column} FROM {self.table} "  # noqa: S608
            "WHERE fleet = ? AND device_id = ? ORDER BY touched DESC LIMIT ?",
            (fleet, device_id, self.acked),
        )
        return tuple(name for (name,) in rows)
