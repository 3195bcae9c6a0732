"""A load that a test switches on and off in host time, seen by an emulated meter some time later."""

import threading
from bisect import bisect_right
from itertools import pairwise

from firmware_bridge.loads import Load
from firmware_bridge.samples import F64, U8
from firmware_bridge.stream import host_time_s


class PlayedLoad:
    """``idle_w`` and ``busy_w``; ``late_s``: by how much later than it was done the meter's supply shows it."""

    def __init__(self, idle_w: float = 2.0, busy_w: float = 5.0, late_s: float = 0.0) -> None:
        self._levels_w, self._late_s = (idle_w, busy_w), late_s
        self._edges_s: list[float] = []
        self._lock = threading.Lock()
        self.began_s = 0.0

    def switch(self) -> float:
        """Switch over now; return the host time of it. Call it ``late_s`` and a tick before it is to be measured."""
        with self._lock:
            now_s = host_time_s()
            self._edges_s.append(now_s + self._late_s)
            return now_s

    def changes_s(self, begin_s: float, end_s: float) -> list[float]:
        with self._lock:
            inside = (one - self.began_s for one in self._edges_s)
            return [one for one in inside if begin_s < one < end_s]

    def step(self, begin_s: float, end_s: float) -> Load:
        edges_s = [begin_s, *self.changes_s(begin_s, end_s), end_s]
        drawn_j = sum(self._power_w((a + b) / 2.0) * (b - a) for a, b in pairwise(edges_s))
        return Load(drawn_j / (end_s - begin_s) if end_s > begin_s else self._power_w(begin_s))

    def marker_at(self, t_s: F64) -> U8 | None:
        del t_s
        return None

    def _power_w(self, t_s: float) -> float:
        with self._lock:
            return self._levels_w[bisect_right(self._edges_s, t_s + self.began_s) % 2]
