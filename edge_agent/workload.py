"""When to run the model: back to back, at a duty ratio, or at a rate. Pure: time is an argument.

A pacer is asked what to do at a time, and told what was done. It makes up for its own small delays, not for time in
which the process stood still: what was missed by more than a slot stays missed.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np

SLOT_S: Final = 0.1
UNLIMITED: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Run:
    """Run inferences back to back until ``until_s`` has passed or ``max_count`` are done; at least one."""

    until_s: float
    max_count: int = UNLIMITED


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until_s``."""

    until_s: float


Step: TypeAlias = Run | Wait


class Pacer(Protocol):
    """Decides between running and waiting."""

    def next(self, now_s: float) -> Step:
        """Return what to do from ``now_s`` on."""
        ...

    def ran(self, count: int, t_begin_s: float, t_end_s: float) -> None:
        """Take note of ``count`` inferences that took the time from ``t_begin_s`` to ``t_end_s``."""
        ...


class SaturatingPacer:
    """Always run; a step lasts a slot, so that the caller sees to other things in between."""

    def next(self, now_s: float) -> Step:
        """See Pacer.next."""
        return Run(now_s + SLOT_S)

    def ran(self, count: int, t_begin_s: float, t_end_s: float) -> None:
        """See Pacer.ran."""


class DutyPacer:
    """Busy for ``duty_ratio`` of the time: at the start of each slot of 50 to 150 ms, 100 ms in the mean.

    The lengths are random (seeded): a fixed length would lock onto a meter that samples at 10 Hz, which would then see
    the same phase of the load for ever. An inference that overruns its share is paid back in later slots, so the
    mean holds even for inferences longer than a slot.
    """

    def __init__(self, t_first_s: float, duty_ratio: float, seed: int = 0) -> None:
        self._duty_ratio = duty_ratio
        self._random = np.random.default_rng(seed)
        self._t_slot_end_s = t_first_s
        self._credit_s = 0.0

    def next(self, now_s: float) -> Step:
        """See Pacer.next."""
        while now_s >= self._t_slot_end_s:
            length_s = SLOT_S * (0.5 + self._random.random())
            share_s = self._duty_ratio * length_s
            self._credit_s = min(self._credit_s + share_s, share_s)
            self._t_slot_end_s += length_s
        if self._credit_s > 0.0:
            return Run(now_s + self._credit_s)
        return Wait(self._t_slot_end_s)

    def ran(self, count: int, t_begin_s: float, t_end_s: float) -> None:
        """See Pacer.ran."""
        del count
        self._credit_s -= t_end_s - t_begin_s


class RatePacer:
    """``inferences_per_s``: one at a random moment (seeded) of each interval 1 / rate, so that none locks to a meter.

    ``missed_count`` counts those given up because the model is too slow.
    """

    def __init__(self, t_first_s: float, inferences_per_s: float, seed: int = 0) -> None:
        self._t_first_s = t_first_s
        self._interval_s = 1.0 / inferences_per_s
        self._random = np.random.default_rng(seed)
        self._most = max(1, math.ceil(SLOT_S * inferences_per_s))
        self._number = 0
        self._t_due_s = self._draw_due_s()
        self.missed_count = 0

    def next(self, now_s: float) -> Step:
        """See Pacer.next."""
        if now_s < self._t_due_s:
            return Wait(self._t_due_s)
        due = max(1, math.floor((now_s - self._t_first_s) / self._interval_s) - self._number)
        if due > self._most:
            self.missed_count += due - self._most
            self._number += due - self._most
        return Run(now_s + SLOT_S, min(due, self._most))

    def ran(self, count: int, t_begin_s: float, t_end_s: float) -> None:
        """See Pacer.ran."""
        del t_begin_s, t_end_s
        self._number += count
        self._t_due_s = self._draw_due_s()

    def _draw_due_s(self) -> float:
        return self._t_first_s + (self._number + self._random.random()) * self._interval_s
