"""The windows that were committed last, as objects: a store that keeps up gets them without a read of the file.

Bounded by their bytes. Whoever is further behind reads the file.
"""

import threading
from collections import deque
from typing import Final

from collector.values import StoredWindow

MAX_BYTES: Final = 16 << 20
"""Of the payloads as they came: three writes of a store, at 1.1 kB a window. As objects they take about twice that."""
_Part = tuple[list[StoredWindow], int]
"""Rows without a hole between their ids, and their bytes."""


class RecentRows:
    """Rows are staged while their transaction is open, by one thread; once published any thread gets them."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._staged = _Parts(max_bytes)
        self._published = _Parts(max_bytes)
        self._lock = threading.Lock()

    def stage(self, rows: list[StoredWindow], size_bytes: int) -> None:
        """Take rows that are written and not committed, their ids without a hole."""
        if rows:
            self._staged.add(rows, size_bytes)

    def publish(self) -> None:
        """Give out what was staged: it is committed."""
        with self._lock:
            for rows, size_bytes in self._staged.parts:
                self._published.add(rows, size_bytes)
        self._staged.clear()

    def forget_staged(self) -> None:
        """Drop what was not committed."""
        self._staged.clear()

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._published.clear()

    def after(self, row_id: int, limit: int) -> list[StoredWindow]:
        """Return up to ``limit`` of the rows that follow ``row_id``, up to the first that is not here.

        There are holes where another process has written.
        """
        found: list[StoredWindow] = []
        with self._lock:
            for rows in self._published.from_row(row_id + 1):
                first_row_id = rows[0].row_id
                if len(found) == limit or first_row_id > row_id + 1:
                    break
                start = row_id + 1 - first_row_id
                if start < len(rows):
                    found += rows[start : start + limit - len(found)]
                    row_id = found[-1].row_id
        return found


class _Parts:
    """Parts in the order of their ids, the oldest dropped when all of them are too large."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self.parts: deque[_Part] = deque()

    def add(self, rows: list[StoredWindow], size_bytes: int) -> None:
        self.parts.append((rows, size_bytes))
        self._bytes += size_bytes
        while self._bytes > self._max_bytes:
            self._bytes -= self.parts.popleft()[1]

    def clear(self) -> None:
        self.parts.clear()
        self._bytes = 0

    def from_row(self, row_id: int) -> list[list[StoredWindow]]:
        """Return the parts from the one on in which ``row_id`` would lie; none where it is older than all.

        Sought from the newest back: who keeps up is there, and there may be a part for each of thousands of windows.
        """
        if not self.parts or self.parts[0][0][0].row_id > row_id:
            return []
        wanted: list[list[StoredWindow]] = []
        for rows, _ in reversed(self.parts):
            wanted.append(rows)
            if rows[0].row_id <= row_id:
                break
        return wanted[::-1]
