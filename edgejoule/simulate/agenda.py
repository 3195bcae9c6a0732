"""What is to happen when, on the run's own clock. Pure: time is an argument."""

import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Actions in the order of their times; those of one time in the order in which they were entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()

    def enter(self, at_s: float, action: Callable[[float], None]) -> None:
        """Have ``action`` called with its own time, once that has come."""
        heapq.heappush(self._entries, (at_s, next(self._order), action))

    def run(self, now_s: float) -> None:
        """Call everything that is due; what that enters for a time that has come is called too."""
        while self._entries and self._entries[0][0] <= now_s:
            at_s, _, action = heapq.heappop(self._entries)
            action(at_s)
