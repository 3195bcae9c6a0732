"""The collector's journal: what is committed here is safe, and only then the device may forget it.

SQLite in WAL mode, fsync at each commit, primary truth for every store: a sink is a cursor on ``row_id``. The key
(device_id, boot_id, seq) makes a window that comes again a counted duplicate. Thread-safe; other processes may open it
with ``read_only=True`` at the same time.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from collector import (
    account,
    benches,
    dead_letters,
    journal_file,
    ledger,
    removed,
    replies,
    stored_ranges,
    window_rows,
)
from collector.arrivals import Arrivals, CommitOutcome
from collector.dead_letters import NewLetter
from collector.journal_file import JournalGoneError
from collector.recent_rows import RecentRows
from collector.values import BenchEntry, DeviceState, LedgerLine, StoredBench, StoredWindow
from edge_agent.wire.codec import BadRecord, BenchName, DecodedWindows, ReplyName, WindowEnvelope
from edge_agent.wire.orders import CommandReply
from edge_agent.wire.records import BenchRecord, Birth, Health, Status, StoredRange, WindowBatch

ACKED_BOOTS: Final = 16
LATE_AFTER_S: Final = 300.0
MAX_ARRIVALS: Final = 5000
"""A transaction writes when so many windows came: more would only fill memory."""
SHARED_GROUP: Final = "shared_group"
"""The note of a collector that has only its part of the messages: with whom it shares them."""
_BIRTH = msgspec.json.Decoder(Birth)
_STATUS = msgspec.json.Decoder(Status)
_HEALTH = msgspec.json.Decoder(Health)


class Journal:
    """See the module's text."""

    def __init__(self, path: Path, *, read_only: bool = False, late_after_s: float = LATE_AFTER_S) -> None:
        """Open the file, and create it unless ``read_only``. Raises ConfigurationError.

        ``late_after_s``: a window is late that comes longer than this after its end, by its own stamp.
        """
        self._db = journal_file.open_reader(path) if read_only else journal_file.open_writer(path)
        self._path = path
        self._identity = journal_file.identity(path)
        self._lock = threading.RLock()
        self._depth = 0
        self._owner = 0
        """The thread whose transaction is open, 0 for none."""
        self._recent = RecentRows()
        self._arrivals = Arrivals(late_after_s, self._recent)
        self._reader = self._db if read_only else journal_file.open_reader(path)
        self._reader_lock = self._lock if read_only else threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all that happens inside as one commit; on any error nothing of it remains. May be nested.

        Yields the open file, for functions on it. Other processes may write too: nothing is remembered from one
        transaction to the next. Raises JournalGoneError instead of committing to a file that was removed.
        """
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
                self._owner = threading.get_ident()
            self._depth += 1
            done = False
            try:
                yield self._db
                done = True
            finally:
                self._leave(commit=done)

    def _leave(self, *, commit: bool) -> None:
        self._depth -= 1
        if self._depth:
            return
        try:
            if commit:
                self._arrivals.write(self._db)
                self._check_still_there()
                self._db.execute("COMMIT")
                self._recent.publish()
        finally:
            self._owner = 0
            self._roll_back()

    def _check_still_there(self) -> None:
        if journal_file.identity(self._path) != self._identity:
            raise JournalGoneError(f"{self._path} was removed or replaced")

    def _roll_back(self) -> None:
        self._arrivals.forget()
        self._recent.forget_staged()
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def commit_batch(
        self, fleet: str, batch: WindowBatch, received_unix_ns: int, bad: tuple[BadRecord, ...] = ()
    ) -> CommitOutcome:
        """Store the new windows of ``batch`` and what it says about the device, at once. Idempotent.

        ``bad`` came with them but are no windows: each becomes a dead letter once, counted as refused, and the high
        water passes it. Where not even the number can be read, the device keeps the window.
        """
        payloads = [msgspec.json.encode(window) for window in batch.records]
        with self.transaction():
            self._arrivals.write(self._db)
            self._arrivals.add(fleet, batch, batch.records, payloads, received_unix_ns)
            outcome = self._arrivals.write(self._db)
            self._note_gaps(fleet, batch, bad, received_unix_ns)
        return outcome

    def add_windows(self, fleet: str, came: DecodedWindows, received_unix_ns: int) -> None:
        """Do the same with a message as it was decoded, inside a transaction, whose end writes all of them together.

        What was added by it cannot be read before.
        """
        assert self._depth, "the end of a transaction writes what was added"
        self._arrivals.add(fleet, came.envelope, came.windows, came.payloads, received_unix_ns)
        if came.bad or came.envelope.dropped:
            self._arrivals.write(self._db)
            self._note_gaps(fleet, came.envelope, came.bad, received_unix_ns)
        elif self._arrivals.count >= MAX_ARRIVALS:
            self._arrivals.write(self._db)

    def _note_gaps(
        self, fleet: str, batch: WindowBatch | WindowEnvelope, bad: tuple[BadRecord, ...], received_unix_ns: int
    ) -> None:
        """Note what of a batch that is stored was refused or is declared dropped."""
        device_id, boot_id = batch.device_id, batch.boot_id
        for record in bad:
            self._refuse(fleet, batch, record, received_unix_ns)
        for dropped in batch.dropped:
            account.add_dropped(self._db, device_id, boot_id, dropped)
        if bad or batch.dropped:
            account.advance_high_water(self._db, device_id, boot_id)

    def _refuse(
        self, fleet: str, batch: WindowBatch | WindowEnvelope, record: BadRecord, received_unix_ns: int
    ) -> None:
        device_id, boot_id = batch.device_id, batch.boot_id
        if record.seq is None or account.add_refused(self._db, device_id, boot_id, record.seq):
            topic = f"windows/{fleet}/{device_id}/{boot_id}/{record.seq or 'unknown'}"
            self.add_dead_letter(
                NewLetter(topic, record.payload, record.reason, received_unix_ns, fleet=fleet, device_id=device_id)
            )

    def _see(self, fleet: str, device_id: str, received_unix_ns: int) -> None:
        self._db.execute(
            "INSERT INTO devices (fleet, device_id, last_seen_unix_ns) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET last_seen_unix_ns = max(last_seen_unix_ns, excluded.last_seen_unix_ns)",
            (fleet, device_id, received_unix_ns),
        )

    def high_waters(self, device_id: str) -> dict[str, int]:
        """Return, for the device's latest boots, the sequence number up to which nothing has to be sent again.

        Every number up to it is stored, declared dropped, or below what the device still holds.
        """
        with self._lock:
            return dict(
                self._db.execute(
                    "SELECT boot_id, high_water FROM boots WHERE device_id = ? ORDER BY touched DESC LIMIT ?",
                    (device_id, ACKED_BOOTS),
                )
            )

    def stored_above(self, device_id: str, high_waters: Mapping[str, int]) -> tuple[StoredRange, ...]:
        """Return what is committed above the high waters."""
        with self._lock:
            return stored_ranges.stored_above(self._db, device_id, high_waters)

    def put_birth(self, fleet: str, birth: Birth, received_unix_ns: int) -> None:
        """Keep the latest birth of a device."""
        with self.transaction():
            self._see(fleet, birth.device_id, received_unix_ns)
            self._put("birth", fleet, birth)
            self._db.execute(
                "INSERT OR REPLACE INTO births VALUES (?, ?, ?)", (fleet, birth.device_id, received_unix_ns)
            )

    def put_status(self, fleet: str, status: Status, received_unix_ns: int) -> None:
        """Keep the latest status. A last will comes from the broker, so only ``online`` says that the device lives."""
        with self.transaction():
            self._see(fleet, status.device_id, received_unix_ns if status.online else 0)
            self._put("status", fleet, status)

    def put_health(self, fleet: str, health: Health, received_unix_ns: int) -> None:
        """Keep the latest health, and learn from it how far the device has counted and what it still holds."""
        with self.transaction():
            self._see(fleet, health.device_id, received_unix_ns)
            self._put("health", fleet, health)
            self._db.execute(
                "INSERT OR REPLACE INTO healths VALUES (?, ?, ?)", (fleet, health.device_id, received_unix_ns)
            )
            account.open_boot(self._db, fleet, health.device_id, health.boot_id)
            account.note_device_view(self._db, health.device_id, health.boot_id, health.acked_seq + 1, health.last_seq)

    def put_bench(self, fleet: str, bench: BenchRecord, received_unix_ns: int) -> bool:
        """Keep a bench and return whether it is new: one that comes again changes nothing."""
        key = (fleet, bench.device_id, bench.bench_id)
        with self.transaction():
            self._see(fleet, bench.device_id, received_unix_ns)
            return benches.TABLE.add(self._db, key, msgspec.json.encode(bench), received_unix_ns)

    def put_reply(self, fleet: str, reply: CommandReply, received_unix_ns: int) -> bool:
        """Keep a reply to an order and return whether it is new."""
        with self.transaction():
            self._see(fleet, reply.device_id, received_unix_ns)
            return replies.add(self._db, fleet, reply, received_unix_ns)

    def refuse(
        self, fleet: str, name: BenchName | ReplyName, payload: bytes, reason: str, received_unix_ns: int
    ) -> bool:
        """Keep what is named a bench or a reply but is none; return whether it is new: it need not be sent again."""
        if isinstance(name, BenchName):
            table, name_id = benches.TABLE, name.bench_id
        else:
            table, name_id = replies.TABLE, name.reply_id
        with self.transaction():
            self._see(fleet, name.device_id, received_unix_ns)
            return table.add(self._db, (fleet, name.device_id, name_id), payload, received_unix_ns, refused=reason)

    def bench_ids(self, fleet: str, device_id: str) -> tuple[str, ...]:
        """Return the ids of the device's latest benches: what its store-ack says."""
        with self._lock:
            return benches.TABLE.latest_ids(self._db, fleet, device_id)

    def reply_ids(self, fleet: str, device_id: str) -> tuple[str, ...]:
        """Return the same of its replies."""
        with self._lock:
            return replies.TABLE.latest_ids(self._db, fleet, device_id)

    def benches_after(self, row_id: int, limit: int) -> list[StoredBench]:
        """Return up to ``limit`` benches with a higher ``row_id``, in the order of their commit."""
        with self._lock:
            return benches.after(self._db, row_id, limit)

    def count_benches_after(self, row_id: int, limit: int) -> int:
        """Return how many benches have a higher ``row_id``, counted up to ``limit``."""
        with self._lock:
            return benches.count_after(self._db, row_id, limit)

    def benches(self) -> list[BenchEntry]:
        """Return every bench, those too whose record could not be read."""
        with self._lock:
            return benches.entries(self._db)

    def _put(self, column: str, fleet: str, record: Birth | Status | Health) -> None:
        self._db.execute(
            f"UPDATE devices SET {column} = ? WHERE fleet = ? AND device_id = ?",  # noqa: S608  our own column names
            (msgspec.json.encode(record), fleet, record.device_id),
        )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Yield what no commit holds up; inside a transaction of this thread, what sees its own writes."""
        if self._owner == threading.get_ident():
            self._arrivals.write(self._db)
            yield self._db
        else:
            with self._reader_lock:
                yield self._reader

    def rows_after(self, row_id: int, limit: int) -> list[StoredWindow]:
        """Return up to ``limit`` windows with a higher ``row_id``, in the order of their commit."""
        recent = [] if self._owner == threading.get_ident() else self._recent.after(row_id, limit)
        if len(recent) == limit:
            return recent
        with self._reading() as db:
            return recent + window_rows.after(db, recent[-1].row_id if recent else row_id, limit - len(recent))

    def count_after(self, row_id: int, limit: int) -> int:
        """Return how many windows have a higher ``row_id``, counted up to ``limit``."""
        with self._reading() as db:
            return window_rows.count_after(db, row_id, limit)

    def last_row_id(self) -> int:
        """Return the highest ``row_id``, 0 when there is none."""
        with self._reading() as db:
            return window_rows.last_row_id(db)

    def first_row_id(self) -> int:
        """Return the lowest ``row_id`` that is still there, 1 when there is none."""
        with self._reading() as db:
            return window_rows.first_row_id(db)

    def remove_old(self, sink_names: Iterable[str], received_before_unix_ns: int, limit: int) -> int:
        """Remove up to ``limit`` of the oldest windows that every named sink has; return how many. They stay counted.

        Without a sink nothing is removed: nobody else has the windows.
        """
        up_to = min(map(self.cursor, sink_names), default=0)
        with self.transaction():
            count = removed.remove_oldest(self._db, up_to, received_before_unix_ns, limit)
        self._recent.clear()
        return count

    def cursor(self, sink_name: str) -> int:
        """Return the ``row_id`` up to which the sink has everything, 0 at first."""
        with self._reading() as db:
            row = db.execute("SELECT row_id FROM cursors WHERE sink = ?", (sink_name,)).fetchone()
        return int(row[0]) if row else 0

    def set_cursor(self, sink_name: str, row_id: int) -> None:
        """Remember how far the sink has come."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO UPDATE SET row_id = excluded.row_id",
                (sink_name, row_id),
            )

    def add_dead_letter(self, letter: NewLetter) -> None:
        """Keep what could not be accepted, and why."""
        with self.transaction():
            dead_letters.add(self._db, letter)

    def dead_letters(self, limit: int = 100) -> list[tuple[str, bytes, str, int]]:
        """Return the newest dead letters as (topic, payload, reason, t_unix_ns)."""
        with self._lock:
            return dead_letters.newest(self._db, limit)

    def devices(self) -> list[DeviceState]:
        """Return what was last heard from every device."""
        with self._lock:
            rows = self._db.execute(
                "SELECT fleet, device_id, last_seen_unix_ns, birth, status, health FROM devices "
                "ORDER BY fleet, device_id"
            ).fetchall()
        return [
            DeviceState(
                fleet=fleet,
                device_id=device_id,
                last_seen_unix_ns=last_seen_unix_ns,
                birth=_BIRTH.decode(birth) if birth else None,
                status=_STATUS.decode(status) if status else None,
                health=_HEALTH.decode(health) if health else None,
            )
            for fleet, device_id, last_seen_unix_ns, birth, status, health in rows
        ]

    def ledger(self) -> list[LedgerLine]:
        """Return every device's account, read at one instant."""
        with self.snapshot():
            return ledger.lines(self._db)

    def data_version(self) -> int:
        """Return a number that changes when another process has committed."""
        with self._lock:
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def note(self, name: str) -> str:
        """Return what the collector noted under ``name`` for those who read its journal, "" for nothing."""
        with self._lock:
            row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def set_note(self, name: str, value: str) -> None:
        """Note it."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Let several reads see the same state, also while another process writes. Yields the open file."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._roll_back()

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._reader_lock:
            self._reader.close()
            self._db.close()
