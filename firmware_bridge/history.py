"""The past of a cumulative register: every millisecond for a minute, every second for two hours. Pure.

A knot is one row of the register: its time, then its totals. Between knots the register is taken as linear. Who asks
late (a long window, a host that stood still) gets the energy up to the asked time all the same, only with the power
of one second as its mean.
"""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

FINE_S: Final = 60.0
COARSE_STEP_S: Final = 1.0
COARSE_S: Final = 7200.0
"""Twice the longest window that an agent may be configured to."""
PIECE_KNOTS: Final = 16
"""Knots that come one by one are joined to pieces of so many, each of which is thinned at once."""

Knot = NDArray[np.float64]
_T: Final = 0


class KnotHistory:
    """Knots in order of time, shape ``(columns,)`` each, the time in column 0. Not thread-safe."""

    def __init__(self, *, fine_s: float = FINE_S, coarse_s: float = COARSE_S) -> None:
        """Keep all knots of the last ``fine_s``, and one a second of the last ``coarse_s``."""
        self._fine_s, self._coarse_s = fine_s, coarse_s
        self._pieces: deque[NDArray[np.float64]] = deque()
        self._coarse: deque[Knot] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._pieces)) + len(self._coarse)

    @property
    def last(self) -> Knot | None:
        """Return the youngest knot, None before the first."""
        return self._pieces[-1][-1] if self._pieces else None

    def append(self, knots: NDArray[np.float64]) -> None:
        """Append knots of shape ``(n, columns)``, n >= 1, none older than the last one held."""
        if not self._pieces:
            self._pieces.append(knots)
        elif len(self._pieces[-1]) < PIECE_KNOTS:
            self._pieces[-1] = np.concatenate((self._pieces[-1], knots))
        else:
            self._pieces.append(np.concatenate((self._pieces[-1][-1:], knots)))

    def forget(self, now_s: float) -> None:
        """Thin what is older than the fine history, and drop what is older than the coarse one."""
        while len(self._pieces) > 1 and self._pieces[1][0, _T] < now_s - self._fine_s:
            self._thin(self._pieces.popleft())
        while len(self._coarse) > 1 and self._coarse[1][_T] < now_s - self._coarse_s:
            self._coarse.popleft()

    def at(self, t_s: float) -> Knot | None:
        """Return the row at ``t_s``: None if no knot has reached it, the oldest with its own time if it is older."""
        last = self.last
        if last is None or t_s > last[_T]:
            return None
        for piece in reversed(self._pieces):
            if piece[0, _T] < t_s:
                return _interpolate(piece, t_s)
        if self._coarse and self._coarse[0][_T] < t_s:
            return _interpolate(np.array([*self._coarse, self._pieces[0][0]]), t_s)
        oldest = self._coarse[0] if self._coarse else self._pieces[0][0]
        return oldest.copy()

    def _thin(self, piece: NDArray[np.float64]) -> None:
        """Keep of a piece one knot a second, and both ends of longer steps (gaps)."""
        times_s = piece[:, _T]
        if not self._coarse:
            self._coarse.append(piece[0].copy())
        while (at := int(times_s.searchsorted(self._coarse[-1][_T] + COARSE_STEP_S))) < len(piece):
            if at and times_s[at] - times_s[at - 1] >= COARSE_STEP_S and times_s[at - 1] > self._coarse[-1][_T]:
                self._coarse.append(piece[at - 1].copy())
            self._coarse.append(piece[at].copy())


def _interpolate(knots: NDArray[np.float64], t_s: float) -> Knot:
    """Return the row between two knots; of several knots at one time the first, so that it never changes."""
    after = int(np.searchsorted(knots[:, _T], t_s, side="left"))
    low, high = knots[after - 1], knots[after]
    share = (t_s - low[_T]) / (high[_T] - low[_T])
    knot: Knot = high.copy() if share == 1.0 else low + share * (high - low)
    knot[_T] = t_s
    return knot
