"""Room on the disk for the outbox: a reserve that is given up when the disk is full, so that the outbox can shrink.

To delete a row SQLite first has to write: the changed pages go to the write-ahead log, and the log can begin again
only after its pages were copied to the file, which may have to grow. On a full disk neither is possible, and nothing
that the collector acknowledges could be deleted. So blocks are set aside in a file of their own (posix_fallocate: the
card gets no more than the file's metadata). Given up, they hold what the log has to copy at most; the log is then cut
to nothing, which leaves room for the next one.

While the reserve cannot be made again, the outbox does not grow into the room that the log needs: ``growth_allowed``
is false, and it reuses the pages of windows that were acknowledged or dropped.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final, Literal

import structlog

from edge_agent.outbox_file import LOG_BYTES, open_or_replace
from edge_agent.wire.errors import ConfigurationError

RESERVE_BYTES: Final = 5 * LOG_BYTES // 2
"""A log is copied to the file at ``LOG_BYTES``; if less than that is free, it may grow by what is free. Twice that,
and the indexes of the log's pages."""
ROOM_BESIDE_BYTES: Final = LOG_BYTES
"""Free bytes that making the reserve leaves, for the log."""
_LOG = structlog.get_logger()


class DiskSpace:
    """See the module's text. For one outbox, whose lock is held in every call."""

    def __init__(self, path: Path) -> None:
        self._reserve = path.with_name(f"{path.name}-reserve")
        self._folder = path.parent
        self._path = path
        self._told = False
        self.growth_allowed = True

    def begin(self, db: sqlite3.Connection) -> None:
        """Set the reserve aside at the start; where that cannot be, empty the log while there is room for that."""
        self.set_aside()
        if not self.growth_allowed:
            self._tell("no room for the reserve")
            self._empty_log(db)

    def set_aside(self) -> None:
        """Make the reserve if it is not there and the disk has room for it and for the log."""
        self.growth_allowed = self._is_set_aside() or self._allocate()
        if self.growth_allowed and self._told:
            self._told = False
            _LOG.info("outbox_has_room_again", file=str(self._path))

    def relieve(self, db: sqlite3.Connection | None, error: sqlite3.OperationalError) -> bool:
        """Give the reserve up after ``error`` and empty the log; return whether it makes sense to write again.

        ``db``: a connection without a transaction; None before the file could be opened.
        """
        if not is_out_of_space(error):
            return False
        self._tell(str(error))
        had_reserve = self._reserve.exists()
        self._reserve.unlink(missing_ok=True)
        self.growth_allowed = False
        if db is None:
            return had_reserve
        return self._empty_log(db)

    def _empty_log(self, db: sqlite3.Connection) -> bool:
        (pages,), (page_bytes,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        disk = os.statvfs(self._folder)
        if pages * page_bytes - self._path.stat().st_size > disk.f_bfree * disk.f_frsize:
            return False  # to try would wear the card: it writes all pages that fit, and then fails
        try:
            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
        return bool(busy == 0)

    def _is_set_aside(self) -> bool:
        try:
            return self._reserve.stat().st_blocks * 512 >= RESERVE_BYTES
        except OSError:
            return False

    def _allocate(self) -> bool:
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < RESERVE_BYTES + ROOM_BESIDE_BYTES:
            return False
        try:
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            self._reserve.unlink(missing_ok=True)
            return False
        return True

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            remedy = "free space; until then the outbox does not grow, and drops its oldest windows for new ones"
            _LOG.warning("outbox_disk_full", file=str(self._path), reason=reason, remedy=remedy)


def open_outbox(path: Path, synchronous: Literal["FULL", "NORMAL"], space: DiskSpace) -> sqlite3.Connection:
    """Open the file, which a full disk allows once the reserve is given up. Raises ConfigurationError."""
    try:
        return open_or_replace(path, synchronous)
    except ConfigurationError as error:
        cause = error.__cause__
        if not isinstance(cause, sqlite3.OperationalError) or not space.relieve(None, cause):
            raise
    return open_or_replace(path, synchronous)


def is_out_of_space(error: sqlite3.Error) -> bool:
    """Tell whether a write failed for want of space, a quota's and a file system's other words for it included."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def free_page_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of the file are free for rows, the open transaction included."""
    (pages,), (page_bytes,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_size"))
    return int(pages) * int(page_bytes)
