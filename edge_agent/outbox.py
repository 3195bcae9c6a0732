"""The device's outbox: every window stays on disk until the collector says that it has stored it.

One SQLite file in WAL mode. A window gets its sequence number inside the transaction that stores it, so a number is
never used twice and never skipped. With ``synchronous="FULL"`` an appended window survives a power cut, at the price
of one fsync for each window; with "NORMAL" a killed process still loses nothing, but a power cut may take the windows
since the last checkpoint. What is acknowledged is deleted in the transaction of the next window, so that it costs the
card no write of its own; a process that dies before only sends again what the collector has.

When the file is full or windows are too old, the oldest are dropped as a declared range, which travels in every batch
until the collector has acknowledged it: a loss is always counted. On a full disk the file does not grow: what was
acknowledged makes room for new windows, and if that is not enough the oldest are dropped. See ``outbox_space``.

Windows that closed before the clock was set stay here until it is known when they were: see ``placing``.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

import structlog

from edge_agent import outbox_file, outbox_times
from edge_agent import outbox_rows as rows
from edge_agent.outbox_file import MAX_SEQ
from edge_agent.outbox_space import DiskSpace, free_page_bytes, open_outbox
from edge_agent.placing import Placing, Source
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import DroppedRange, InferenceWindow, StoreAck

DEFAULT_MAX_BYTES: Final = 256 * 1024 * 1024
DEFAULT_MAX_AGE_S: Final = 30 * 86_400.0
MAX_DEFERRED: Final = 240
SPARE_BYTES: Final = 16 * 1024
"""Free pages that a window finds before it on a full disk, beside twice its own bytes: more than it takes."""
CLOCK_STEP_NS: Final = 100_000_000
"""A kernel's clock that is off by more against boot time was set anew: slewing moves both together."""
DropReason = Literal["outbox_full", "too_old", "corrupt"]

_LOG = structlog.get_logger()
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """Numbers for health records. ``last_seq`` and ``acked_seq`` are those of the current boot id.

    ``bytes``: of the windows as they are kept, compressed.
    """

    windows: int
    bytes: int
    last_seq: int
    acked_seq: int
    dropped_windows: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one boot id still has to deliver, read at one instant: the head of a WindowBatch.

    ``acked_seq``: all up to it is stored or declared, and the collector has said so.
    """

    boot_id: str
    oldest_seq: int
    last_seq: int
    acked_seq: int
    dropped: tuple[DroppedRange, ...]


class Outbox:
    """See the module's text. Thread-safe; several agents cannot share one file."""

    def __init__(
        self,
        path: Path,
        kernel_boot_id: str,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        max_age_s: float = DEFAULT_MAX_AGE_S,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        now_unix_ns: Callable[[], int | None] = lambda: None,
        now_boot_ns: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Open or create the file at ``path``. Raises ConfigurationError when the directory cannot be written.

        ``now_unix_ns``: UTC, None while the clock is not set. ``now_boot_ns``: CLOCK_BOOTTIME. Both give windows an
        age; without them none is too old.
        """
        self._max_bytes = max_bytes
        self._max_age_ns = int(max_age_s * 1e9)
        self._now_unix_ns, self._now_boot_ns = now_unix_ns, now_boot_ns
        self._lock = threading.RLock()
        self._space = DiskSpace(path)
        self._db = open_outbox(path, synchronous, self._space)
        self._bytes = self._windows = self._deferred = self._number = 0
        self._committed = (0, 0)
        self._unsaved: list[tuple[str, int, int]] = []
        self._placings: list[Placing] = []
        try:
            self.boot_id, self._number = self._on_disk(partial(self._enter_boot, kernel_boot_id))
        except sqlite3.OperationalError as error:
            self._db.close()
            raise ConfigurationError(f"{path}: cannot write the outbox: {error}; free space on its disk") from error
        self._bytes, self._windows = self._db.execute(
            "SELECT coalesce(sum(length(payload)), 0), count(payload) FROM windows"
        ).fetchone()
        self._placings = rows.placings(self._db, self._number)
        self._shown_seq = rows.last_seq(self._db, self._number) if self._placings else 0
        self._space.begin(self._db)

    def append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        """Store ``make(seq)`` under the next sequence number and return it; on any error no number is used up.

        Raises ValueError for a window that the wire would refuse (a NaN, a negative uncertainty, far too long): it
        would come back for ever. ``make`` may be called twice, with the same number.
        """
        return self._on_disk(partial(self._append, make))

    def _append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        with self._transaction():
            seq = rows.last_seq(self._db, self._number) + 1
            window = make(seq)
            if window.seq != seq:
                raise ValueError(f"the window has seq {window.seq}, it was given {seq}")
            payload = outbox_times.encode_row(window)
            self._make_room_for(len(payload))
            self._note_kernel_clock(window)
            trusted_unix_ns = outbox_times.trusted_end_unix_ns(window, self._placings)
            rows.insert_window(self._db, self._number, seq, trusted_unix_ns, payload)
            self._bytes += len(payload)
            self._windows += 1
            self._enforce_limits()
        return window

    def backlogs(self) -> list[Backlog]:
        """Return every boot id that still has windows or dropped ranges to deliver, oldest boot first."""
        with self._lock:
            numbers = rows.boot_numbers(self._db)
            return [self._backlog(*one) for one in numbers if rows.has_anything(self._db, one[0])]

    def pending(self, boot_id: str, after_seq: int, limit: int, up_to_seq: int = MAX_SEQ - 1) -> list[InferenceWindow]:
        """Return up to ``limit`` held windows with ``after_seq < seq <= up_to_seq``, in order, with final stamps.

        It ends before a window whose time is not known yet. A row that is damaged becomes a declared drop.
        """
        with self._lock:
            number = rows.number_of(self._db, boot_id)
            if number is None:
                return []
            placings = rows.placings(self._db, number)
            windows = []
            for seq, payload in rows.held_rows(self._db, number, (after_seq + 1, up_to_seq), limit):
                window = outbox_times.decode_row(payload)
                if window is None:
                    with self._transaction():
                        self._drop(number, seq, seq, "corrupt")
                    continue
                window = outbox_times.final(window, seq, placings)
                if window is None:
                    break
                windows.append(window)
            if windows and number == self._number:
                self._shown_seq = max(self._shown_seq, windows[-1].seq)
        return windows

    def holds(self, boot_id: str, after_seq: int, up_to_seq: int) -> bool:
        """Tell whether any window in ``after_seq < seq <= up_to_seq`` is held, its time known or not."""
        with self._lock:
            number = rows.number_of(self._db, boot_id)
            return number is not None and rows.oldest_held(self._db, number, after_seq, up_to_seq) is not None

    def settled_seq(self, boot_id: str, above_seq: int = 0) -> int:
        """Return the highest number down from which, to ``above_seq``, nothing is left to deliver or to declare."""
        with self._lock:
            number = rows.number_of(self._db, boot_id)
            return above_seq if number is None else rows.settled_seq(self._db, number, above_seq)

    def apply_ack(self, ack: StoreAck) -> int:
        """Forget what the collector has stored, and return how many windows that were. Unknown boot ids are ignored.

        An acknowledgement beyond our own ``last_seq`` means that the file is older than what was sent (a card image
        put back, a power cut without FULL): numbering goes on above it, so that no number is used twice.
        """
        ranges = [(boot.boot_id, 1, boot.seq) for boot in ack.acks]
        ranges += [(stored.boot_id, stored.first_seq, stored.last_seq) for stored in ack.stored]
        return sum(self._forget_stored(*one) for one in ranges if one[1] <= one[2] < MAX_SEQ)

    def _forget_stored(self, boot_id: str, first_seq: int, last_seq: int) -> int:
        """Forget a range in parts: a long one would be a long log, for which a full disk has no room."""
        forgotten = 0
        while first_seq <= last_seq:
            part = self._on_disk(partial(self._forget_part, boot_id, first_seq, last_seq))
            forgotten, first_seq = forgotten + part[0], part[1] + 1
        return forgotten

    def _forget_part(self, boot_id: str, first_seq: int, last_seq: int) -> tuple[int, int]:
        """Forget up to ``MAX_DEFERRED`` windows; return how many, and up to which number."""
        with self._transaction(deferrable=True):
            number = rows.number_of(self._db, boot_id)
            if number is None:
                return 0, last_seq
            up_to_seq = rows.end_of_part(self._db, number, (first_seq, last_seq), MAX_DEFERRED)
            forgotten = self._forget(number, first_seq, up_to_seq)
            self._deferred += forgotten
        if self._db.in_transaction:
            self._unsaved.append((boot_id, first_seq, up_to_seq))
        return forgotten, up_to_seq

    @property
    def waits_for_clock(self) -> bool:
        """Return whether windows are held back because nobody has said yet when they were."""
        with self._lock:
            return not self._placings and outbox_times.waits_for_clock(self._db)

    @property
    def placing(self) -> Placing | None:
        """Return where this boot's latest windows lie in UTC, None while nobody has said so."""
        with self._lock:
            return self._placings[-1] if self._placings else None

    def place(self, offset_ns: int, source: Source, bound_s: float | None = None) -> None:
        """Remember that UTC = boot time + ``offset_ns`` in this boot, for all windows that were not handed out yet.

        Boots before this one that nobody has placed are placed as well as can be.
        """
        self._on_disk(partial(self._place_from_here, offset_ns, source, bound_s))

    def _place_from_here(self, offset_ns: int, source: Source, bound_s: float | None) -> None:
        with self._transaction():
            self._place(Placing(self._shown_seq + 1 if self._placings else 1, offset_ns, source, bound_s))

    def stats(self) -> OutboxStats:
        """Return the numbers of this instant."""
        with self._lock:
            last_seq = rows.last_seq(self._db, self._number)
            acked_seq = rows.settled_seq(self._db, self._number)
            (dropped,) = self._db.execute("SELECT value FROM state WHERE key = 'dropped_windows'").fetchone()
            return OutboxStats(self._windows, self._bytes, last_seq, acked_seq, int(dropped))

    def close(self) -> None:
        """Close the file; what it holds stays."""
        with self._lock:
            try:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")
            except sqlite3.Error as error:  # only deletions wait: what is not deleted is sent again
                _LOG.warning("outbox_not_trimmed", reason=str(error), note="sent again at the next start")
            finally:
                self._db.close()

    def _on_disk(self, write: Callable[[], _Result]) -> _Result:
        """Return what ``write`` does in its transaction; on a full disk make room and let it try once more."""
        with self._lock:
            try:
                return write()
            except sqlite3.OperationalError as error:
                unsaved, self._unsaved = self._unsaved, []
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                    self._bytes, self._windows = self._committed
                if not self._space.relieve(self._db, error):
                    raise
            for one in unsaved:
                self._forget_part(*one)
            self._space.set_aside()
            return write()

    @contextmanager
    def _transaction(self, *, deferrable: bool = False) -> Iterator[None]:
        """Commit at the end, or with ``deferrable`` with the next transaction; undo the block's part on an error."""
        with self._lock:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._committed, self._deferred = (self._bytes, self._windows), 0
                self._unsaved.clear()
            self._db.execute("SAVEPOINT block")
            before, done = (self._bytes, self._windows), False
            try:
                yield
                self._db.execute("RELEASE block")
                if not deferrable or self._deferred > MAX_DEFERRED:
                    self._db.execute("COMMIT")
                done = True
            finally:
                if not done:
                    self._undo(before)

    def _undo(self, before: tuple[int, int]) -> None:
        """Take back one block; where SQLite or a full disk took back the whole transaction, the rest with it."""
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK TO block")
                self._db.execute("RELEASE block")
            except sqlite3.OperationalError:  # the block is released: what failed is the commit
                self._db.execute("ROLLBACK")
        self._bytes, self._windows = before if self._db.in_transaction else self._committed
        self._placings = rows.placings(self._db, self._number)

    def _enter_boot(self, kernel_boot_id: str) -> tuple[str, int]:
        """Return boot id and number: the id changes with the kernel's boot and the file, so no number comes twice."""
        with self._transaction():
            return rows.enter_boot(self._db, kernel_boot_id)

    def _backlog(self, number: int, boot_id: str) -> Backlog:
        last_seq, oldest_seq = rows.last_seq(self._db, number), rows.oldest_held(self._db, number)
        return Backlog(
            boot_id,
            last_seq + 1 if oldest_seq is None else oldest_seq,
            last_seq,
            rows.settled_seq(self._db, number),
            rows.dropped_ranges(self._db, number),
        )

    def _forget(self, number: int, first_seq: int, last_seq: int) -> int:
        own_last_seq = rows.last_seq(self._db, number)
        if last_seq > own_last_seq:
            _LOG.warning("outbox_behind_its_acknowledgement", last_seq=own_last_seq, acknowledged_seq=last_seq)
            rows.remember_seq(self._db, number, last_seq)
        forgotten, size = rows.forget_windows(self._db, number, first_seq, last_seq)
        self._windows -= forgotten
        self._bytes -= size
        rows.trim_drops(self._db, number, first_seq, last_seq)
        if number != self._number and not rows.has_anything(self._db, number):
            rows.forget_boot(self._db, number)
        return forgotten

    def _drop(self, number: int, first_seq: int, last_seq: int, reason: DropReason) -> None:
        """Delete the windows of a range in which each number is held, and declare them; neighbours are joined."""
        count, size = rows.forget_windows(self._db, number, first_seq, last_seq)
        self._windows -= count
        self._bytes -= size
        if rows.add_drop(self._db, number, first_seq, last_seq, reason):
            _LOG.warning("outbox_begins_to_drop_windows", first_seq=first_seq, reason=reason)
        self._db.execute("UPDATE state SET value = CAST(value AS INTEGER) + ? WHERE key = 'dropped_windows'", (count,))

    def _make_room_for(self, size_bytes: int) -> None:
        """On a full disk drop the oldest windows until a new one fits into the pages that the file has."""
        if self._space.growth_allowed:
            return
        self._space.set_aside()
        wanted_bytes = SPARE_BYTES + 2 * size_bytes
        while not self._space.growth_allowed and self._windows > 1 and free_page_bytes(self._db) < wanted_bytes:
            number, seq, _ = self._oldest()
            self._drop(number, seq, seq, "outbox_full")

    def _enforce_limits(self) -> None:
        """Drop the oldest windows while the file holds too much, and those that are too old; never the newest one."""
        while self._windows > 1:
            number, seq, payload = self._oldest()
            if self._bytes > self._max_bytes:
                self._drop(number, seq, seq, "outbox_full")
            elif self._is_too_old(number, seq, payload):
                self._drop(number, seq, seq, "too_old")
            else:
                return

    def _oldest(self) -> tuple[int, int, bytes]:
        key, payload = self._db.execute(
            "SELECT key, payload FROM windows WHERE payload IS NOT NULL ORDER BY key LIMIT 1"
        ).fetchone()
        return key >> outbox_file.SEQ_BITS, rows.seq_of(key), payload

    def _is_too_old(self, number: int, seq: int, payload: bytes) -> bool:
        now_boot_ns, now_unix_ns = self._now_boot_ns(), self._now_unix_ns()
        if now_unix_ns is None and now_boot_ns is not None and self._placings:
            now_unix_ns = now_boot_ns + self._placings[-1].offset_ns
        now = outbox_times.Now(self._number, now_boot_ns, now_unix_ns)
        return outbox_times.is_older(self._db, number, seq, payload, now, self._max_age_ns)

    def _note_kernel_clock(self, window: InferenceWindow) -> None:
        """Learn from a window that the kernel vouches for where its boot lies: the windows before it were not set."""
        if window.clock_state == "unsynchronised" or window.t_start_boot_ns is None:
            return
        offset_ns = window.t_start_unix_ns - window.t_start_boot_ns
        known = self._placings[-1] if self._placings else None
        if known is None:
            self._place(Placing(1, offset_ns, "kernel"))
        elif known.source != "kernel" or abs(known.offset_ns - offset_ns) > CLOCK_STEP_NS:
            self._place(Placing(self._shown_seq + 1 if known.source != "kernel" else window.seq, offset_ns, "kernel"))

    def _place(self, placing: Placing) -> None:
        rows.add_placing(self._db, self._number, placing)
        self._placings = rows.placings(self._db, self._number)
        for _, estimate in outbox_times.place_earlier_boots(self._db, self._number):
            _LOG.warning("earlier_boot_dated_by_estimate", may_be_earlier_s=estimate.bound_s)
