"""Finds out when windows were: watches the kernel's clock, asks the collector's if need be, and tells the outbox."""

from collections.abc import Callable
from typing import Final

import structlog

from edge_agent.clock import HostClock
from edge_agent.collector_clock import VALID_S, CollectorClock
from edge_agent.outbox import Outbox
from edge_agent.placing import Placing

LOOK_AGAIN_S: Final = 1.0
_LOG = structlog.get_logger()


class Dating:
    """For the publisher's thread. ``wait_s``: time after connecting in which the kernel may synchronise by itself."""

    def __init__(self, outbox: Outbox, clock: HostClock, wait_s: float) -> None:
        self._outbox, self._clock, self._wait_s = outbox, clock, wait_s
        self._questions = CollectorClock(0)
        self._adopted_ns: int | None = None

    def begin(self) -> None:
        """Begin a connection: a question of an earlier one will not be answered."""
        self._questions = CollectorClock(self._clock.boot_ns() + round(self._wait_s * 1e9))

    def tend(self, ask: Callable[[], None], *, hurry: bool) -> float | None:
        """Do what is due; return how long until there is more to do, None for when a window or an answer comes.

        ``hurry``: do not wait for the kernel.
        """
        reading, placing, now_ns = self._clock.read(), self._outbox.placing, self._clock.boot_ns()
        if reading.synchronised:
            if placing is None or placing.source != "kernel":
                self._outbox.place(reading.unix_minus_boot_ns, "kernel")
            return None
        if not self._is_wanted(placing, now_ns):
            return None
        found = self._questions.result(now_ns, reading.unix_minus_boot_ns)
        if found is not None:
            self._adopt(found, placing, now_ns)
            return 0.0
        if hurry:
            self._questions.not_before_ns = 0
        wait_s = self._questions.wait_s(now_ns)
        if wait_s == 0.0:
            self._questions.note_asked(now_ns)
            ask()
            return LOOK_AGAIN_S
        return min(wait_s, LOOK_AGAIN_S)

    def note_ack(self, t_unix_ns: int, received_boot_ns: int, *, retained: bool) -> None:
        """Take the collector's time from a store-ack."""
        self._questions.note_ack(t_unix_ns, received_boot_ns, retained=retained)

    def now_unix_ns(self) -> int:
        """Return UTC as well as it is known."""
        return self._clock.best_unix_ns(self._outbox.placing)

    def _is_wanted(self, placing: Placing | None, now_ns: int) -> bool:
        if placing is None:
            return self._outbox.waits_for_clock
        old = self._adopted_ns is None or now_ns - self._adopted_ns > VALID_S * 1e9
        return placing.source == "collector" and old

    def _adopt(self, found: Placing, placing: Placing | None, now_ns: int) -> None:
        self._adopted_ns = now_ns
        self._questions = CollectorClock(now_ns)
        doubt_s = (found.bound_s or 0.0) + (placing.bound_s or 0.0 if placing else 0.0)
        if placing is not None and abs(found.offset_ns - placing.offset_ns) <= doubt_s * 1e9:
            return
        self._outbox.place(found.offset_ns, "collector", found.bound_s)
        _LOG.info("clock_taken_from_collector", bound_s=found.bound_s, note="the system clock is not synchronised")
