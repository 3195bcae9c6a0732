"""Produce a load pattern with the agent's own work."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.stream import host_time_s

BusyTimes = list[tuple[float, float]]
MAX_SLEEP_S: Final = 0.1


class PlayPattern(Protocol):
    """Loads the machine as a pattern says, and tells what it really did."""

    def __call__(self, pattern: StepPattern) -> BusyTimes:
        """Play; return (begin, end) of each busy time in host seconds (CLOCK_BOOTTIME), in order, fewer if stopped."""
        ...


def play_pattern(
    pattern: StepPattern, work_until: Callable[[float], tuple[float, float]], stopped: Callable[[], bool]
) -> BusyTimes:
    """Play with ``work_until``, which is busy up to a host time, at least once, and returns from when to when it was.

    Idle until the pattern's end, so that the last step down is seen.
    """
    began_s = host_time_s()
    busy: BusyTimes = []
    for begin_s, end_s in pattern.busy_s:
        if not sleep_until(began_s + begin_s, stopped):
            return busy
        if host_time_s() < began_s + end_s:
            busy.append(work_until(began_s + end_s))
    sleep_until(began_s + pattern.total_s, stopped)
    return busy


def sleep_until(t_s: float, stopped: Callable[[], bool]) -> bool:
    """Sleep to a host time in short pieces; False where ``stopped`` says so before."""
    while not stopped():
        left_s = t_s - host_time_s()
        if left_s <= 0.0:
            return True
        time.sleep(min(left_s, MAX_SLEEP_S))
    return False
