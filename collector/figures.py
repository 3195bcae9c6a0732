"""What the collector can say about itself at one instant: the fleet's ledger, how far each store is, what waits.

The figures of the ledger come from a reader's snapshot of the journal, so that they are those of ``fleet ledger``, and
writing goes on meanwhile.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from collector import dead_letters, ledger, replies
from collector.blobs import BlobCounts
from collector.dead_letters import Kind
from collector.journal import Journal
from collector.values import FleetLedger

Rows = Literal["windows", "benches"]


class SinkLag(NamedTuple):
    """How far a store is behind the journal: rows that it has not got yet, and since when the first of them waits."""

    sink: str
    rows: int
    lag_s: float


class Runtime(NamedTuple):
    """What only the running process knows. ``files``: None where it serves none to devices."""

    broker_connected: bool
    queue_messages: int
    queue_bytes: int
    commits: int
    files: BlobCounts | None = None


class Figures(NamedTuple):
    """All of it. ``letters``: in the list, by kind. ``shared_group``: with whom the collector shares the messages.

    ``replies``: to orders, by kind of order and stage.
    """

    t_unix_ns: int
    ledger: FleetLedger
    sinks: tuple[SinkLag, ...]
    letters: Mapping[Kind, int]
    letters_bytes: int
    runtime: Runtime
    shared_group: str
    replies: Mapping[tuple[str, str], int]


class FiguresReader:
    """Reads the figures from the journal at ``path``; any thread may ask. ``sinks``: which rows each of them takes."""

    def __init__(
        self, path: Path, sinks: Mapping[str, Rows], shared_group: str, runtime: Callable[[], Runtime]
    ) -> None:
        """Open the journal, which has to be there."""
        self._journal = Journal(path, read_only=True)
        self._sinks = sinks
        self._shared_group = shared_group
        self._runtime = runtime
        self._one_at_a_time = threading.Lock()

    def read(self) -> Figures:
        """Return the figures of now. Raises sqlite3.Error when the journal cannot be read."""
        with self._one_at_a_time, self._journal.snapshot() as db:
            now_unix_ns = time.time_ns()
            return Figures(
                t_unix_ns=now_unix_ns,
                ledger=ledger.read([db]),
                sinks=tuple(_lag(db, sink, rows, now_unix_ns) for sink, rows in self._sinks.items()),
                letters=dead_letters.counts_by_kind(db),
                letters_bytes=dead_letters.kept_bytes(db),
                runtime=self._runtime(),
                shared_group=self._shared_group,
                replies=replies.counts(db),
            )

    def close(self) -> None:
        """Close the journal."""
        with self._one_at_a_time:
            self._journal.close()


def _lag(db: sqlite3.Connection, sink: str, rows: Rows, now_unix_ns: int) -> SinkLag:
    """Row ids have no holes to speak of, so that their difference is the number of rows."""
    found = db.execute("SELECT row_id FROM cursors WHERE sink = ?", (sink,)).fetchone()
    cursor = int(found[0]) if found else 0
    wanted = "row_id > ? AND refused = ''" if rows == "benches" else "row_id > ?"
    first = db.execute(
        f"SELECT row_id, received_unix_ns FROM {rows} WHERE {wanted} ORDER BY row_id LIMIT 1",  # noqa: S608  our words
        (cursor,),
    ).fetchone()
    if first is None:
        return SinkLag(sink, 0, 0.0)
    (last,) = db.execute(f"SELECT max(row_id) FROM {rows}").fetchone()  # noqa: S608
    return SinkLag(sink, last - first[0] + 1, max(0.0, (now_unix_ns - first[1]) / 1e9))
