"""Host time: CLOCK_BOOTTIME for everything inside, UTC only as a stamp that says what it was worth."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.device.kernel import clock_synchronised
from edge_agent.placing import Placing, state_of
from edge_agent.wire.records import ClockState

REBASE_STEP_NS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How UTC stood against boot time at one moment, and whether the kernel vouched for it."""

    unix_minus_boot_ns: int
    synchronised: bool


def read_clock() -> ClockReading:
    """Read the system clock. A kernel that does not say whether it is synchronised counts as not."""
    offset_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return ClockReading(offset_ns, clock_synchronised() is True)


def boot_now_ns() -> int:
    """Return nanoseconds on CLOCK_BOOTTIME: since the kernel started, suspended time included, never set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def trusted_unix_ns() -> int | None:
    """Return UTC, None while the kernel does not vouch for it."""
    return time.time_ns() if clock_synchronised() is True else None


@dataclass(frozen=True, slots=True)
class HostClock:
    """The clocks of this machine, as an argument of what needs them."""

    read: Callable[[], ClockReading] = read_clock
    boot_ns: Callable[[], int] = boot_now_ns

    def best_unix_ns(self, placing: Placing | None) -> int:
        """Return UTC as well as it is known: the system clock's, or by boot time and the collector's clock."""
        reading = self.read()
        if reading.synchronised or placing is None or placing.source == "estimate":
            return max(0, self.boot_ns() + reading.unix_minus_boot_ns)
        return max(0, self.boot_ns() + placing.offset_ns)

    def state(self, placing: Placing | None) -> ClockState:
        """Return what a window that closes now would be worth."""
        return state_of(placing, kernel_synchronised=self.read().synchronised)


def stamp(t_start_s: float, at_start: ClockReading, at_end: ClockReading) -> tuple[int, ClockState]:
    """Return the UTC stamp of boot time ``t_start_s`` by the latest reading, and the state of that stamp.

    "rebased": the clock stepped to synchronised time while the window was open, so its start is known only now.
    """
    unix_ns = max(0, round(t_start_s * 1e9) + at_end.unix_minus_boot_ns)
    if not at_end.synchronised:
        return unix_ns, "unsynchronised"
    return unix_ns, "rebased" if has_stepped(at_start, at_end) else "synchronised"


def has_stepped(before: ClockReading, after: ClockReading) -> bool:
    """Tell whether the system clock was set between two readings: more than any slewing does in a window."""
    return abs(after.unix_minus_boot_ns - before.unix_minus_boot_ns) > REBASE_STEP_NS
