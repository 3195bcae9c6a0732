"""Feeds one sink from the journal: a thread and a cursor per sink, so that one store that is down stops no other.

The journal is the only buffer. A sink's cursor moves after the sink says that rows are durable; rows that it refuses
for good become dead letters in the same transaction as the cursor's move; rows that it keeps come again.
"""

import sqlite3
import threading
import time
from typing import Final, Generic

import structlog

from collector.dead_letters import NewLetter
from collector.feeds import Feed
from collector.journal import Journal
from collector.journal_file import JournalGoneError, why_not_written
from collector.lookahead import Lookahead
from collector.values import RejectedRow, Row, Sink, WriteOutcome
from edge_agent.wire.errors import ConfigurationError

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
FINISH_S: Final = 10.0
"""How long a pump that is told to end goes on with what is there; the rest is in the journal for the next start."""
_LOG = structlog.get_logger()


class Pump(Generic[Row]):
    """See the module's text. It owns its sink and closes it."""

    def __init__(self, journal: Journal, feed: Feed[Row], sink: Sink[Row], finish_s: float = FINISH_S) -> None:
        self._journal = journal
        self._finish_s = finish_s
        self._feed = feed
        self._sink = sink
        self._ahead = Lookahead(feed, sink)
        self._changed = threading.Condition()
        self._closing = False
        self._news = False
        self._rows_since_s: float | None = None
        self._pause_s = 0.0
        self._told = ""
        self._thread = threading.Thread(target=self._run, name=f"pump-{sink.name}")

    def start(self) -> None:
        """Begin to feed."""
        self._thread.start()

    def notify(self) -> None:
        """Say that rows were committed."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def close(self) -> None:
        """Write what is there, without waiting for more rows or for a store that is down, for a while; then end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._closing:
                with self._changed:
                    self._news = False
                wait_s = self._step(time.monotonic())
                with self._changed:
                    if self._pause_s:
                        self._changed.wait_for(lambda: self._closing, self._pause_s)
                    elif wait_s != 0.0:
                        self._changed.wait_for(lambda: self._closing or self._news, wait_s)
            end_s = time.monotonic() + self._finish_s
            while self._write_next() and not self._pause_s and time.monotonic() < end_s:
                pass
        finally:
            self._ahead.close()
            self._sink.close()

    def _step(self, now_s: float) -> float | None:
        """Write if enough rows wait or the first has waited long enough; return how long to wait, None for ever."""
        cursor = self._journal.cursor(self._sink.name)
        waiting = self._feed.count_after(cursor, self._sink.max_rows)
        if not waiting:
            self._rows_since_s = None
            return None
        if self._rows_since_s is None:
            self._rows_since_s = now_s
        wait_s = self._rows_since_s + self._sink.max_wait_s - now_s
        if waiting < self._sink.max_rows and wait_s > 0:
            return wait_s
        self._rows_since_s = None
        self._write_next()
        return 0.0

    def _write_next(self) -> int:
        """Give the sink its next rows; return how many of them are done, and set the pause when not all were."""
        try:
            return self._write_rows()
        except sqlite3.OperationalError as error:  # most often a full disk: written rows will come again
            self._pause(f"the journal cannot be written: {why_not_written(error)}")
            return 0
        except JournalGoneError as error:
            self._pause(f"{error} while it was open: start the collector again")
            return 0
        except ConfigurationError as error:  # intensities that cannot be read: without them there are no grams
            self._pause(str(error))
            return 0

    def _write_rows(self) -> int:
        prepared = self._ahead.next(self._journal.cursor(self._sink.name))
        rows = prepared.rows
        if not rows:
            return 0
        outcome = self._ahead.write(prepared, go_on=not self._pause_s)
        done = outcome.accepted + len(outcome.rejected)
        if done:
            with self._journal.transaction():
                for rejected in outcome.rejected:
                    self._keep_dead_letter(rejected)
                self._journal.set_cursor(self._sink.name, rows[done - 1].row_id)
        self._note(outcome, done)
        return done

    def _keep_dead_letter(self, rejected: RejectedRow[Row]) -> None:
        row, sink = rejected.row, self._sink.name
        words, payload = self._feed.letter(row)
        self._journal.add_dead_letter(
            NewLetter(
                f"sink/{sink}/{words}", payload, rejected.reason, time.time_ns(), row.fleet, row.device_id, sink=sink
            )
        )

    def _note(self, outcome: WriteOutcome[Row], done: int) -> None:
        """Set the next pause, and log a change of the sink's state once."""
        if not outcome.kept and done:
            self._pause_s = 0.0
            self._tell("sink_writes_again", "")
            return
        self._pause(outcome.retry_reason or "the sink neither took nor kept any row")

    def _pause(self, reason: str) -> None:
        self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        self._tell("sink_keeps_rows", reason)

    def _tell(self, event: str, reason: str) -> None:
        if reason == self._told:
            return
        self._told = reason
        if reason:
            _LOG.warning(event, sink=self._sink.name, reason=reason)
        else:
            _LOG.info(event, sink=self._sink.name)
