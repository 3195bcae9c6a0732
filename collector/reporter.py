"""Writes the ledger to InfluxDB at a steady pace: a series that says whether anything was ever lost.

A point that cannot be written is not kept: the next one says more. The last one is written at the end.
"""

import sqlite3
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from collector.background import Background
from collector.figures import Figures
from collector.sinks import ledger_points
from collector.sinks.influx_writing import Answer

LINES_PER_BODY: Final = 5000
_LOG = structlog.get_logger()


class Writer(Protocol):
    """The write door of an InfluxDB."""

    def post(self, body: bytes) -> Answer:
        """Send lines, and return after the server has stored or refused them."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class LedgerReporter(Background):
    """See the module's text. It owns the writer and closes it. ``collector``: the client id, a tag.

    Told to stop, it writes what is true now, unless the store was away the last time.
    """

    def __init__(self, read: Callable[[], Figures], writer: Writer, interval_s: float, collector: str) -> None:
        super().__init__("ledger-reporter")
        self._read = read
        self._writer = writer
        self._interval_s = interval_s
        self._collector = collector
        self._told = ""

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._interval_s):
                self._tell(self._report())
            if not self._told:
                self._tell(self._report())
        finally:
            self._writer.close()

    def _report(self) -> str:
        """Write one point per device; return what hindered it, empty when nothing did."""
        try:
            found = ledger_points.lines(self._read(), self._collector)
        except sqlite3.Error as error:
            return f"the journal cannot be read: {error}"
        for start in range(0, len(found), LINES_PER_BODY):
            answer = self._writer.post("\n".join(found[start : start + LINES_PER_BODY]).encode())
            if answer.verdict != "stored":
                return answer.reason
        return ""

    def _tell(self, trouble: str) -> None:
        if trouble == self._told:
            return
        self._told = trouble
        if trouble:
            _LOG.warning("ledger_not_reported", reason=trouble)
        else:
            _LOG.info("ledger_reported_again")
