"""The rows that a store gets next, read and encoded while it still answers for those before.

A store that catches up would otherwise wait for the journal, and the journal for the store.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, NamedTuple

from collector.feeds import Feed
from collector.values import PreparingSink, Row, Sink, WriteOutcome


class Prepared(NamedTuple, Generic[Row]):
    """Rows, and their lines where the sink makes such beforehand."""

    rows: list[Row]
    lines: list[str] | None

    def followed_by(self, more: "Prepared[Row]") -> "Prepared[Row]":
        """Return these rows and those behind them."""
        lines = None if self.lines is None or more.lines is None else self.lines + more.lines
        return Prepared(self.rows + more.rows, lines)


class Lookahead(Generic[Row]):
    """See the module's text. At most one write's rows are held in advance."""

    def __init__(self, feed: Feed[Row], sink: Sink[Row]) -> None:
        self._feed = feed
        self._sink = sink
        self._preparing: PreparingSink[Row] | None = sink if isinstance(sink, PreparingSink) else None
        self._executor = ThreadPoolExecutor(1, f"ahead-{sink.name}") if self._preparing else None
        self._after_row_id = 0
        self._future: Future[Prepared[Row]] | None = None

    def next(self, row_id: int) -> Prepared[Row]:
        """Return the rows after ``row_id``, at most as many as the sink takes."""
        future, self._future = self._future, None
        ahead = None if future is None else future.result()
        if ahead is None or not ahead.rows or self._after_row_id != row_id:
            return self._prepare(row_id, self._sink.max_rows)
        missing = self._sink.max_rows - len(ahead.rows)
        return ahead.followed_by(self._prepare(ahead.rows[-1].row_id, missing)) if missing > 0 else ahead

    def write(self, prepared: Prepared[Row], *, go_on: bool) -> WriteOutcome[Row]:
        """Give the sink its rows; ``go_on``: begin with those behind them, if they are likely to be enough."""
        if go_on and self._executor is not None and len(prepared.rows) == self._sink.max_rows:
            self._after_row_id = prepared.rows[-1].row_id
            self._future = self._executor.submit(self._prepare, self._after_row_id, self._sink.max_rows)
        if self._preparing is not None and prepared.lines is not None:
            return self._preparing.write_prepared(prepared.rows, prepared.lines)
        return self._sink.write(prepared.rows)

    def close(self) -> None:
        """Let what is under way end."""
        if self._executor is not None:
            self._executor.shutdown()

    def _prepare(self, row_id: int, limit: int) -> Prepared[Row]:
        rows = self._feed.after(row_id, limit)
        return Prepared(rows, None if self._preparing is None else self._preparing.prepare(rows))
