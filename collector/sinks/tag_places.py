"""What the inventory said of each device when its windows were written: part of their points' tags in InfluxDB.

A point that is to be written over has to be named by the tags that it got, and an inventory changes: a device moves to
another site. So each store's places lie in the journal's file, from the row on from which they were used. Functions on
an open file, in a transaction.
"""

import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from collector.assess import DevicePlace

_TABLE: Final = """CREATE TABLE IF NOT EXISTS tag_places (
  sink TEXT NOT NULL, device_id TEXT NOT NULL, from_row_id INTEGER NOT NULL,
  site TEXT NOT NULL, zone TEXT NOT NULL, device_class TEXT NOT NULL,
  PRIMARY KEY (sink, device_id, from_row_id)) WITHOUT ROWID"""
_NOWHERE: Final = DevicePlace()
Tagged = tuple[str, str, str]


class TagPlaces:
    """The places of one store's devices, by row."""

    def __init__(self, rows: Iterable[tuple[str, int, str, str, str]]) -> None:
        self._from: dict[str, list[int]] = defaultdict(list)
        self._places: dict[str, list[DevicePlace]] = defaultdict(list)
        for device_id, from_row_id, site, zone, device_class in rows:
            self._from[device_id].append(from_row_id)
            self._places[device_id].append(DevicePlace(site=site, zone=zone, device_class=device_class))

    def of(self, device_id: str, row_id: int) -> DevicePlace:
        """Return the place in the tags of that row's point; no words for a device that no inventory listed then."""
        at = bisect_right(self._from.get(device_id, ()), row_id) - 1
        return self._places[device_id][at] if at >= 0 else _NOWHERE

    def latest(self) -> dict[str, Tagged]:
        """Return what was noted last of each device."""
        return {device_id: _words(places[-1]) for device_id, places in self._places.items()}


def read(db: sqlite3.Connection, sink: str) -> TagPlaces:
    """Return what was noted for one store; nothing for a file of an earlier version."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tag_places'").fetchone():
        return TagPlaces(())
    return TagPlaces(
        db.execute(
            "SELECT device_id, from_row_id, site, zone, device_class FROM tag_places WHERE sink = ? "
            "ORDER BY device_id, from_row_id",
            (sink,),
        )
    )


def note(db: sqlite3.Connection, sink: str, after_row_id: int, places: dict[str, DevicePlace]) -> None:
    """Note the places that rows after ``after_row_id`` will be written with, by device; those not listed have none.

    The first time this is said of all rows: who wrote before did not note it, and most likely had this inventory.
    What was noted for later rows goes: they are written again.
    """
    db.execute(_TABLE)
    first_time = not db.execute("SELECT 1 FROM tag_places WHERE sink = ? LIMIT 1", (sink,)).fetchone()
    begin = 0 if first_time else after_row_id + 1
    db.execute("DELETE FROM tag_places WHERE sink = ? AND from_row_id >= ? AND from_row_id > 0", (sink, begin))
    before = read(db, sink).latest()
    now = {device_id: _words(place) for device_id, place in places.items()}
    nowhere = dict.fromkeys(before.keys() - now.keys(), _words(_NOWHERE))
    changed = {name: words for name, words in (now | nowhere).items() if before.get(name) != words}
    db.executemany(
        "INSERT OR REPLACE INTO tag_places VALUES (?, ?, ?, ?, ?, ?)",
        [(sink, device_id, begin, *words) for device_id, words in changed.items()],
    )
    if first_time and not changed:  # an empty inventory was noted too
        db.execute("INSERT OR REPLACE INTO tag_places VALUES (?, '', 0, '', '', '')", (sink,))


def _words(place: DevicePlace) -> Tagged:
    return place.site, place.zone, place.device_class
