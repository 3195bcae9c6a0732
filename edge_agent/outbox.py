"""The device's outbox: every window stays on disk until the collector says that it has stored it.

One SQLite file in WAL mode. A window gets its sequence number inside the transaction that stores it, so a number is
never used twice and never skipped. ``synchronous=FULL`` makes an appended window survive a power cut, at the price of
one fsync for each window: on an SD card some 10-100 ms and a few written flash pages every ``window_s``. With
``synchronous="NORMAL"`` the card is spared, a killed process still loses nothing, but a power cut may take the last
windows since the latest checkpoint with it.

When the file is full or windows are too old, the oldest are dropped as a declared range, which travels in every batch
until the collector has acknowledged it: a loss is always counted.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from edge_agent import outbox_file
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, DroppedRange, InferenceWindow, StoreAck

DEFAULT_MAX_BYTES: Final = 256 * 1024 * 1024
DEFAULT_MAX_AGE_S: Final = 30 * 86_400.0
MAX_WINDOW_BYTES: Final = MAX_PAYLOAD_BYTES // 2
DropReason = Literal["outbox_full", "too_old", "corrupt"]

_LOG = structlog.get_logger()
_DECODER = msgspec.json.Decoder(InferenceWindow)


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """Numbers for health records. ``last_seq`` and ``acked_seq`` are those of the current boot id."""

    windows: int
    bytes: int
    last_seq: int
    acked_seq: int
    dropped_windows: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one boot id still has to deliver, read at one instant: the head of a WindowBatch."""

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
        now_unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open or create the file at ``path``. Raises ConfigurationError when the directory cannot be written."""
        self._max_bytes = max_bytes
        self._max_age_ns = int(max_age_s * 1e9)
        self._now_unix_ns = now_unix_ns
        self._lock = threading.RLock()
        self._db = outbox_file.open_or_replace(path, synchronous)
        self._bytes = self._windows = 0
        with self._transaction():
            self.boot_id = self._enter_boot(kernel_boot_id)
            self._bytes, self._windows = self._db.execute(
                "SELECT coalesce(sum(length(payload)), 0), count(*) FROM windows"
            ).fetchone()

    def append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        """Store ``make(seq)`` under the next sequence number and return it; on any error no number is used up.

        Raises ValueError for a window that the wire would refuse (a NaN, a negative uncertainty, far too long): it
        would come back for ever.
        """
        with self._transaction():
            seq = self._last_seq(self.boot_id) + 1
            window = make(seq)
            if window.seq != seq:
                raise ValueError(f"the window has seq {window.seq}, it was given {seq}")
            payload = _checked_payload(window)
            self._db.execute(
                "INSERT INTO windows (boot_id, seq, t_unix_ns, payload) VALUES (?, ?, ?, ?)",
                (self.boot_id, seq, _trusted_time(window), payload),
            )
            self._db.execute("UPDATE boots SET last_seq = ? WHERE boot_id = ?", (seq, self.boot_id))
            self._bytes += len(payload)
            self._windows += 1
            self._enforce_limits()
        return window

    def backlogs(self) -> list[Backlog]:
        """Return every boot id that still has windows or dropped ranges to deliver, oldest boot first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT boot_id, last_seq, acked_seq FROM boots WHERE acked_seq < last_seq ORDER BY position"
            ).fetchall()
            return [self._backlog(*row) for row in rows]

    def pending(self, boot_id: str, after_seq: int, limit: int) -> list[InferenceWindow]:
        """Return up to ``limit`` stored windows of ``boot_id`` with ``seq > after_seq``, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, payload FROM windows WHERE boot_id = ? AND seq > ? ORDER BY seq LIMIT ?",
                (boot_id, after_seq, limit),
            ).fetchall()
            windows = []
            for seq, payload in rows:
                try:
                    windows.append(_DECODER.decode(payload))
                except msgspec.DecodeError:
                    with self._transaction():
                        self._drop(boot_id, seq, seq, "corrupt")
        return windows

    def apply_ack(self, ack: StoreAck) -> int:
        """Forget what the collector has stored, and return how many windows that were. Unknown boot ids are ignored.

        An acknowledgement beyond our own ``last_seq`` means that the file is older than what was sent (a card image
        put back, a power cut without FULL): numbering goes on above it, so that no number is used twice.
        """
        forgotten = 0
        with self._transaction():
            for boot in ack.acks:
                forgotten += self._apply_boot_ack(boot.boot_id, boot.seq)
        return forgotten

    def stats(self) -> OutboxStats:
        """Return the numbers of this instant."""
        with self._lock:
            last_seq, acked_seq = self._db.execute(
                "SELECT last_seq, acked_seq FROM boots WHERE boot_id = ?", (self.boot_id,)
            ).fetchone()
            (dropped,) = self._db.execute("SELECT value FROM state WHERE key = 'dropped_windows'").fetchone()
            return OutboxStats(self._windows, self._bytes, last_seq, acked_seq, int(dropped))

    def close(self) -> None:
        """Close the file; what it holds stays."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            counted = (self._bytes, self._windows)
            committed = False
            try:
                yield
                self._db.execute("COMMIT")
                committed = True
            finally:
                if not committed:
                    self._bytes, self._windows = counted
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")

    def _enter_boot(self, kernel_boot_id: str) -> str:
        """Return the boot id: it changes with the kernel's boot and with the file, so numbers never come twice."""
        row = self._db.execute("SELECT value FROM state WHERE key = 'file_id'").fetchone()
        file_id = row[0] if row else secrets.token_hex(16)
        if row is None:
            self._db.execute("INSERT INTO state VALUES ('file_id', ?), ('dropped_windows', '0')", (file_id,))
        boot_id = hashlib.sha256(f"{kernel_boot_id}/{file_id}".encode()).hexdigest()[:24]
        self._db.execute("INSERT OR IGNORE INTO boots (boot_id, last_seq, acked_seq) VALUES (?, 0, 0)", (boot_id,))
        self._db.execute("DELETE FROM boots WHERE acked_seq >= last_seq AND boot_id != ?", (boot_id,))
        return boot_id

    def _last_seq(self, boot_id: str) -> int:
        (last_seq,) = self._db.execute("SELECT last_seq FROM boots WHERE boot_id = ?", (boot_id,)).fetchone()
        return int(last_seq)

    def _backlog(self, boot_id: str, last_seq: int, acked_seq: int) -> Backlog:
        (oldest,) = self._db.execute("SELECT min(seq) FROM windows WHERE boot_id = ?", (boot_id,)).fetchone()
        dropped = tuple(
            DroppedRange(first_seq=first, last_seq=last, reason=reason)
            for first, last, reason in self._db.execute(
                "SELECT first_seq, last_seq, reason FROM drops WHERE boot_id = ? ORDER BY first_seq", (boot_id,)
            )
        )
        return Backlog(boot_id, last_seq + 1 if oldest is None else oldest, last_seq, acked_seq, dropped)

    def _apply_boot_ack(self, boot_id: str, seq: int) -> int:
        row = self._db.execute("SELECT last_seq, acked_seq FROM boots WHERE boot_id = ?", (boot_id,)).fetchone()
        if row is None or seq <= row[1]:
            return 0
        if seq > row[0]:
            _LOG.warning("outbox_behind_its_acknowledgement", boot_id=boot_id, last_seq=row[0], acknowledged_seq=seq)
        forgotten = self._delete_windows(boot_id, 0, seq)
        self._db.execute(
            "UPDATE boots SET acked_seq = ?, last_seq = max(last_seq, ?) WHERE boot_id = ?", (seq, seq, boot_id)
        )
        self._db.execute("DELETE FROM drops WHERE boot_id = ? AND last_seq <= ?", (boot_id, seq))
        self._db.execute(
            "UPDATE drops SET first_seq = ? WHERE boot_id = ? AND first_seq <= ?", (seq + 1, boot_id, seq)
        )
        self._db.execute(
            "DELETE FROM boots WHERE boot_id = ? AND acked_seq >= last_seq AND boot_id != ?", (boot_id, self.boot_id)
        )
        return forgotten

    def _delete_windows(self, boot_id: str, first_seq: int, last_seq: int) -> int:
        where = "FROM windows WHERE boot_id = ? AND seq BETWEEN ? AND ?"
        arguments = (boot_id, first_seq, last_seq)
        count, size = self._db.execute(
            f"SELECT count(*), coalesce(sum(length(payload)), 0) {where}", arguments
        ).fetchone()
        self._db.execute(f"DELETE {where}", arguments)
        self._windows -= count
        self._bytes -= size
        return int(count)

    def _drop(self, boot_id: str, first_seq: int, last_seq: int, reason: DropReason) -> None:
        """Delete the windows of a range in which each number is held, and declare them; neighbours are joined."""
        count = self._delete_windows(boot_id, first_seq, last_seq)
        extended = self._db.execute(
            "UPDATE drops SET last_seq = ? WHERE boot_id = ? AND last_seq = ? AND reason = ?",
            (last_seq, boot_id, first_seq - 1, reason),
        )
        if extended.rowcount == 0:
            self._db.execute("INSERT INTO drops VALUES (?, ?, ?, ?)", (boot_id, first_seq, last_seq, reason))
            _LOG.warning("outbox_begins_to_drop_windows", boot_id=boot_id, first_seq=first_seq, reason=reason)
        self._db.execute("UPDATE state SET value = CAST(value AS INTEGER) + ? WHERE key = 'dropped_windows'", (count,))

    def _enforce_limits(self) -> None:
        """Drop the oldest windows while the file holds too much, and those that are too old; never the newest one."""
        while self._windows > 1:
            boot_id, seq, t_unix_ns = self._db.execute(
                "SELECT boot_id, seq, t_unix_ns FROM windows ORDER BY row_id LIMIT 1"
            ).fetchone()
            if self._bytes > self._max_bytes:
                self._drop(boot_id, seq, seq, "outbox_full")
            elif t_unix_ns is not None and self._now_unix_ns() - t_unix_ns > self._max_age_ns:
                self._drop(boot_id, seq, seq, "too_old")
            else:
                return


def _checked_payload(window: InferenceWindow) -> bytes:
    payload = msgspec.json.encode(window)
    try:
        _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        raise ValueError(f"window {window.seq} cannot be sent: {error}") from error
    if len(payload) > MAX_WINDOW_BYTES:
        raise ValueError(f"window {window.seq} has {len(payload)} bytes, the limit is {MAX_WINDOW_BYTES}")
    return payload


def _trusted_time(window: InferenceWindow) -> int | None:
    """Return when the window began, or None if the clock was not set: such a window has no known age."""
    return None if window.clock_state == "unsynchronised" else window.t_start_unix_ns
