"""What a pump takes from the journal: the windows, or the benches, each with row ids and cursors of its own."""

from typing import Protocol

from msgspec.json import encode

from collector.journal import Journal
from collector.values import Row, StoredBench, StoredWindow


class Feed(Protocol[Row]):
    """Rows of one kind, in the order of their commit."""

    def after(self, row_id: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with a higher ``row_id``."""
        ...

    def count_after(self, row_id: int, limit: int) -> int:
        """Return how many rows have a higher ``row_id``, counted up to ``limit``."""
        ...

    def letter(self, row: Row) -> tuple[str, bytes]:
        """Return under which words, and as which bytes, a refused row lies among the dead letters."""
        ...


class WindowFeed:
    """The windows."""

    def __init__(self, journal: Journal) -> None:
        self.after = journal.rows_after
        self.count_after = journal.count_after

    def letter(self, row: StoredWindow) -> tuple[str, bytes]:
        """Return ``fleet/device/boot/seq`` and the window."""
        return f"{row.fleet}/{row.device_id}/{row.boot_id}/{row.window.seq}", encode(row.window)


class BenchFeed:
    """The benches."""

    def __init__(self, journal: Journal) -> None:
        self.after = journal.benches_after
        self.count_after = journal.count_benches_after

    def letter(self, row: StoredBench) -> tuple[str, bytes]:
        """Return ``fleet/device/bench`` and the record."""
        return f"{row.fleet}/{row.device_id}/{row.bench.bench_id}", encode(row.bench)
