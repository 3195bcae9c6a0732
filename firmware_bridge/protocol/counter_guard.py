"""Keeps damage out of a meter's own energy counter: what it shows is believed where it can have come from the last.

::

    step since the last   0 .. usual      believed at once
                          otherwise       held back (NaN) until the next reading agrees with it; then it is
                                          believed, after a reset where the step can't be energy

A reading that the next one contradicts was damaged, and is counted as implausible. Pure.
"""

import math
from dataclasses import dataclass

from firmware_bridge.samples import FrameError


@dataclass(frozen=True, slots=True)
class _Shown:
    counter_j: float
    t_s: float
    register: int


class CounterGuard:
    """Follows one counter. ``step_j``: its step; ``limit_w``: more than that cannot flow.

    ``register``: which of a meter's counters it is; a change of it is a reset, as the two have nothing in common.
    """

    def __init__(self, step_j: float, limit_w: float) -> None:
        self._step_j = step_j
        self._limit_w = limit_w
        self._last: _Shown | None = None
        self._held: _Shown | None = None

    def follow(
        self, counter_j: float, t_s: float, *, usual_w: float = math.inf, register: int = 0
    ) -> tuple[float, list[FrameError]]:
        """Return the counter to show now (joules, NaN while it is not believed) and what is to be said of it.

        ``t_s``: when it was read. ``usual_w``: a step above this power is believed only once the next reading
        confirms it; give it where a reading may be damaged unseen.
        """
        shown = _Shown(counter_j, t_s, register)
        usual_w = min(usual_w, self._limit_w)
        last, held = self._last, self._held
        if last is None or self._follows(last, shown, usual_w):
            self._last, self._held = shown, None
            return counter_j, [] if held is None else [FrameError("implausible", 1, t_s, "energy counter, once")]
        if held is None or not self._follows(held, shown, usual_w):
            self._held = shown
            return math.nan, []
        self._last, self._held = shown, None
        if self._follows(last, shown, self._limit_w):
            return counter_j, []
        return counter_j, [FrameError("reset", 1, t_s, "the meter's energy counter began anew")]

    def _follows(self, before: _Shown, after: _Shown, limit_w: float) -> bool:
        step_j = after.counter_j - before.counter_j
        most_j = limit_w * max(after.t_s - before.t_s, 0.0) + 2.0 * self._step_j
        return before.register == after.register and 0.0 <= step_j <= most_j
