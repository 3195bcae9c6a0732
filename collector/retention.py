"""Keeps the journal from growing for ever: windows that are old and that every configured store has are removed.

A thread of its own, in small transactions, between those of the writer. What is removed stays counted: the ledger has
it as stored, and a window that comes again is a duplicate. The file does not shrink; new windows take the place of
those that went. Only stores of today's configuration count: the cursor of one that is no longer configured would stand
still and keep everything.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from collector.background import Background
from collector.journal import Journal
from collector.journal_file import JournalGoneError, why_not_written

ROWS_PER_STEP: Final = 1000
INTERVAL_S: Final = 60.0
BUSY_S: Final = 5.0
"""While the writer is busy, a step waits at most so long for it."""
LAKE: Final = "lake"
NS_PER_DAY: Final = 86_400_000_000_000
_LOG = structlog.get_logger()


class Retention(Background):
    """See the module's text. ``busy`` says whether the writer has more to do than it can at once."""

    def __init__(
        self,
        journal: Journal,
        sink_names: Sequence[str],
        keep_days: float,
        busy: Callable[[], bool] = lambda: False,
        now_unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("journal-retention")
        self._journal = journal
        self._sink_names = tuple(sink_names)
        self._keep_ns = round(keep_days * NS_PER_DAY)
        self._busy = busy
        self._now_unix_ns = now_unix_ns
        self._told = ""

    def start(self) -> None:
        """Say which store starts behind windows that are gone, and begin, unless everything is kept."""
        if self._forgets and LAKE not in self._sink_names:
            _LOG.info(
                "reports_forget",
                reason="there is no lake: reports cover what the journal holds, windows of the last keep_days",
            )
        first = self._journal.first_row_id()
        for name in self._sink_names:
            if (cursor := self._journal.cursor(name)) < first - 1:
                _LOG.warning(
                    "store_starts_later",
                    sink=name,
                    windows=first - 1 - cursor,
                    reason="the journal no longer holds these windows: they are older than keep_days, and the stores "
                    "of that time have them; copy them from there",
                )
        if self._forgets:
            self._thread.start()

    @property
    def alive(self) -> bool:
        """Return whether the thread runs, or need not."""
        return self._thread.is_alive() or not self._forgets

    @property
    def _forgets(self) -> bool:
        return self._keep_ns > 0 and bool(self._sink_names)

    def _run(self) -> None:
        while not self._stopping.is_set():
            removed, spent_s = self._step()
            if removed == ROWS_PER_STEP:
                self._pause(spent_s)
            else:
                self._stopping.wait(INTERVAL_S)

    def _step(self) -> tuple[int, float]:
        """Remove some windows; return how many, and how long it took."""
        began_s = time.monotonic()
        try:
            before_unix_ns = self._now_unix_ns() - self._keep_ns
            count = self._journal.remove_old(self._sink_names, before_unix_ns, ROWS_PER_STEP)
        except sqlite3.OperationalError as error:
            self._tell(why_not_written(error))
            return 0, 0.0
        except JournalGoneError as error:
            self._tell(str(error))
            return 0, 0.0
        self._told = ""
        return count, time.monotonic() - began_s

    def _pause(self, spent_s: float) -> None:
        """Leave the file to others for as long as the step had it, and while the writer is busy."""
        self._stopping.wait(spent_s)
        deadline_s = time.monotonic() + BUSY_S
        while self._busy() and time.monotonic() < deadline_s:
            if self._stopping.wait(0.05):
                return

    def _tell(self, reason: str) -> None:
        """Log a trouble once, not at every attempt."""
        if reason != self._told:
            self._told = reason
            _LOG.warning("journal_keeps_old_windows", reason=reason)


@contextmanager
def forgetting(
    journal: Journal, sink_names: Sequence[str], keep_days: float, busy: Callable[[], bool]
) -> Iterator[Retention]:
    """Run the retention while the block runs."""
    retention = Retention(journal, sink_names, keep_days, busy)
    retention.start()
    try:
        yield retention
    finally:
        retention.close()
