"""Writes to InfluxDB at a steady pace what the collector knows: the ledger, devices, models, grids, budgets, factors.

A point that cannot be written is not kept: the next one says more. The last ones are written at the end.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from collector.background import Background
from collector.sinks.influx_writing import STORED, Answer
from edge_agent.wire.errors import ConfigurationError

LINES_PER_BODY: Final = 5000
STORE: Final = "influxdb"
"""What is told of the store itself stands beside the subjects under this name."""
_LOG = structlog.get_logger()
Part = Callable[[int], list[str]]
"""Returns the lines of one subject at that moment, Unix ns. Raises sqlite3.Error, or ConfigurationError for a file
that cannot be read."""


class Writer(Protocol):
    """The write door of an InfluxDB."""

    def post(self, body: bytes) -> Answer:
        """Send lines, and return after the server has stored or refused them."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class Reporter(Background):
    """See the module's text. It owns the writer and closes it. ``parts``: by name; one that fails hinders no other.

    Told to stop, it writes what is true now, unless the store was away the last time.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        writer: Writer,
        interval_s: float,
        now_unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("reporter")
        self._parts = dict(parts)
        self._writer = writer
        self._interval_s = interval_s
        self._now_unix_ns = now_unix_ns
        self._told: dict[str, str] = {}

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._interval_s):
                self._report()
            if not any(self._told.values()):
                self._report(last=True)
        finally:
            self._writer.close()

    def _report(self, *, last: bool = False) -> None:
        """Read all subjects, then write them; a stop ends it in between unless it is the ``last`` report."""
        now_unix_ns = self._now_unix_ns()
        found: dict[str, list[str]] = {}
        troubles: dict[str, str] = {}
        for name, part in self._parts.items():
            if self._stopping.is_set() and not last:
                return
            found[name], troubles[name] = _read(part, now_unix_ns)
        troubles[STORE] = self._write(found, troubles)
        for name, trouble in troubles.items():
            self._tell(name, trouble)

    def _write(self, found: Mapping[str, list[str]], troubles: dict[str, str]) -> str:
        """Write all of it; return why the store is away, empty when it is there. What it refuses is in ``troubles``.

        All goes together, since each answer of a slow store is waited for, and a stop with it. Only where something
        is refused does each subject go by itself.
        """
        answer = self._post([line for lines in found.values() for line in lines])
        if answer.verdict in {"bad_data", "too_large"}:
            for name, lines in found.items():
                answer = self._post(lines)
                if answer.verdict == "later":
                    break
                troubles[name] = troubles[name] or answer.reason
        return answer.reason if answer.verdict == "later" else ""

    def _post(self, lines: list[str]) -> Answer:
        """Write lines; return what was said of the first body that was not stored."""
        for start in range(0, len(lines), LINES_PER_BODY):
            answer = self._writer.post("\n".join(lines[start : start + LINES_PER_BODY]).encode())
            if answer.verdict != "stored":
                return answer
        return STORED

    def _tell(self, name: str, trouble: str) -> None:
        """Log a change of state once."""
        if trouble == self._told.get(name, ""):
            return
        self._told[name] = trouble
        if trouble:
            _LOG.warning("not_reported", what=name, reason=trouble)
        else:
            _LOG.info("reported_again", what=name)


def _read(part: Part, now_unix_ns: int) -> tuple[list[str], str]:
    """Return the lines of one subject, and what hindered it, empty when nothing did."""
    try:
        return part(now_unix_ns), ""
    except sqlite3.Error as error:
        return [], f"the journal cannot be read: {error}"
    except ConfigurationError as error:
        return [], str(error)
