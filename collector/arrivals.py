"""What the messages of one transaction bring, put together per boot and written at once. Functions on an open file.

A commit takes hundreds of messages of a few devices. Each boot's account is read once and written once, however many
of them are its own.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from collector import account, removed, window_rows
from collector.recent_rows import RecentRows
from collector.values import StoredWindow
from collector.window_rows import NewRow
from edge_agent.wire.codec import WindowEnvelope
from edge_agent.wire.records import InferenceWindow, WindowBatch

_STATE: Final = """
SELECT b.last_seq, b.oldest_seq, b.high_water,
  (SELECT 1 + coalesce(max(touched), 0) FROM boots WHERE device_id = ?1),
  max(
    coalesce((SELECT max(seq) FROM windows WHERE device_id = ?1 AND boot_id = ?2), 0),
    coalesce((SELECT last_seq FROM dropped WHERE device_id = ?1 AND boot_id = ?2
      ORDER BY first_seq DESC LIMIT 1), 0),
    coalesce((SELECT last_seq FROM removed WHERE device_id = ?1 AND boot_id = ?2
      ORDER BY first_seq DESC LIMIT 1), 0))
FROM (SELECT 1) LEFT JOIN boots b ON b.device_id = ?1 AND b.boot_id = ?2
"""
_UPDATE: Final = """
INSERT INTO boots (device_id, boot_id, fleet, last_seq, oldest_seq, high_water, touched, stored, duplicates, late)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  last_seq = excluded.last_seq, oldest_seq = excluded.oldest_seq, high_water = excluded.high_water,
  touched = excluded.touched, stored = stored + excluded.stored, duplicates = duplicates + excluded.duplicates,
  late = late + excluded.late
"""
_SEEN: Final = """
INSERT INTO devices (fleet, device_id, last_seen_unix_ns) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET last_seen_unix_ns = max(last_seen_unix_ns, excluded.last_seen_unix_ns)
"""
Key = tuple[str, str]
"""Device and boot."""


class CommitOutcome(NamedTuple):
    """How many windows of a batch were new, and how many the journal already had."""

    stored: int
    duplicates: int


class _Arrival(NamedTuple):
    """A window's row, the window, and whether it came late."""

    row: NewRow
    window: InferenceWindow
    late: bool


@dataclass(slots=True)
class _Boot:
    """What came of one boot, in order, and the newest that its device said about itself."""

    fleet: str
    arrivals: list[_Arrival] = field(default_factory=list)
    oldest_seq: int = 1
    last_seq: int = 0


class _State(NamedTuple):
    """What is known of a boot; ``top``: above it nothing is stored, dropped or removed."""

    last_seq: int
    oldest_seq: int
    high_water: int
    touched: int
    top: int


class Arrivals:
    """See the module's text. ``late_after_s``: how long after its end a window may come without being late."""

    def __init__(self, late_after_s: float, recent: RecentRows) -> None:
        """Give what is written to ``recent`` too."""
        self._late_after_ns = round(late_after_s * 1e9)
        self._recent = recent
        self._boots: dict[Key, _Boot] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self.count = 0
        """How many windows came since they were last written."""

    def add(
        self,
        fleet: str,
        batch: WindowBatch | WindowEnvelope,
        windows: Sequence[InferenceWindow],
        payloads: Sequence[bytes],
        received_unix_ns: int,
    ) -> None:
        """Take a batch, its windows and their bytes; nothing is written yet."""
        device_id, boot_id = key = batch.device_id, batch.boot_id
        boot = self._boots.get(key)
        if boot is None:
            boot = self._boots[key] = _Boot(fleet)
        in_time_ns = received_unix_ns - self._late_after_ns
        boot.arrivals += [
            _Arrival(
                (fleet, device_id, boot_id, window.seq, received_unix_ns, payload),
                window,
                in_time_ns - window.t_start_unix_ns > window.duration_s * 1e9,
            )
            for window, payload in zip(windows, payloads, strict=True)
        ]
        boot.oldest_seq = max(boot.oldest_seq, batch.oldest_seq)
        boot.last_seq = max(boot.last_seq, batch.last_seq)
        device = (fleet, device_id)
        self._seen[device] = max(self._seen.get(device, 0), received_unix_ns)
        self.count += len(payloads)

    def forget(self) -> None:
        """Drop what was not written."""
        self._boots, self._seen, self.count = {}, {}, 0

    def write(self, db: sqlite3.Connection) -> CommitOutcome:
        """Write all that came since the last call, in the open transaction."""
        boots, seen = self._boots, self._seen
        self.forget()
        arrivals: list[_Arrival] = []
        accounts: list[tuple[object, ...]] = []
        with_holes: list[Key] = []
        duplicates = 0
        for key, boot in boots.items():
            state = _state(db, key)
            new = _new_ones(db, key, boot.arrivals, state.top)
            arrivals += new.values()
            oldest_seq = max(state.oldest_seq, boot.oldest_seq)
            high_water = max(state.high_water, oldest_seq - 1)
            if state.top > high_water:
                with_holes.append(key)
            else:
                high_water = _end_of_run(high_water, new)
            late = sum(one.late for one in new.values())
            known = len(boot.arrivals) - len(new)
            duplicates += known
            newest = (max(state.last_seq, boot.last_seq), oldest_seq, high_water, state.touched)
            accounts.append((*key, boot.fleet, *newest, len(new), known, late))
        self._insert(db, arrivals)
        db.executemany(_UPDATE, accounts)
        for key in with_holes:
            account.advance_high_water(db, *key)
        db.executemany(_SEEN, [(*device, received_unix_ns) for device, received_unix_ns in seen.items()])
        return CommitOutcome(len(arrivals), duplicates)

    def _insert(self, db: sqlite3.Connection, arrivals: list[_Arrival]) -> None:
        if not arrivals:
            return
        window_rows.insert(db, [one.row for one in arrivals])
        first_row_id = window_rows.last_row_id(db) - len(arrivals) + 1
        stored = [
            StoredWindow(row_id, *row[:3], row[4], window)
            for row_id, (row, window, _) in enumerate(arrivals, first_row_id)
        ]
        self._recent.stage(stored, sum(len(one.row[5]) for one in arrivals))


def _state(db: sqlite3.Connection, key: Key) -> _State:
    last_seq, oldest_seq, high_water, touched, top = db.execute(_STATE, key).fetchone()
    return _State(last_seq or 0, oldest_seq or 1, high_water or 0, touched, top)


def _new_ones(db: sqlite3.Connection, key: Key, arrivals: Sequence[_Arrival], top: int) -> dict[int, _Arrival]:
    """Return what the journal does not have, the first of each number."""
    new: dict[int, _Arrival] = {}
    for one in arrivals:
        new.setdefault(one.row[3], one)
    lowest = min(new, default=0)
    if not new or lowest > top:
        return new
    span = (lowest, max(new))
    stored = db.execute(
        "SELECT seq FROM windows WHERE device_id = ? AND boot_id = ? AND seq BETWEEN ? AND ?", (*key, *span)
    )
    for (seq,) in stored.fetchall():
        new.pop(seq, None)
    for first, last in removed.ranges(db, key, span):
        for seq in [seq for seq in new if first <= seq <= last]:
            del new[seq]
    return new


def _end_of_run(high_water: int, new: dict[int, _Arrival]) -> int:
    while high_water + 1 in new:
        high_water += 1
    return high_water
