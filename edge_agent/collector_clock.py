"""The collector's clock for a device that has none: asks, times the answers, keeps the best. Pure.

The device asks with an empty batch, and the collector answers with a store-ack that bears its time. Between the two
the device's boot clock went on by the round trip; UTC minus boot time is known to half of that. An acknowledgement
that the broker had retained says nothing about now. Nor may one be taken for the answer that was on its way before the
question: the true offset is never below any ``t_unix_ns - received``, so an answer that claims so is thrown out.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from edge_agent.placing import Placing

ANSWERS: Final = 3
FIRST_PATIENCE_S: Final = 5.0
LONGEST_PATIENCE_S: Final = 60.0
AGREEMENT_NS: Final = 100_000_000
VALID_S: Final = 3600.0
"""A crystal of 50 ppm drifts by 0.2 s in that time."""


class _Answer(NamedTuple):
    asked_ns: int
    received_ns: int
    t_unix_ns: int

    @property
    def round_trip_ns(self) -> int:
        return self.received_ns - self.asked_ns


@dataclass(slots=True)
class CollectorClock:
    """The questions of one connection. All times in it are of CLOCK_BOOTTIME, in nanoseconds.

    ``not_before_ns``: the earliest time to ask, which leaves the kernel time to synchronise.
    """

    not_before_ns: int
    answers_wanted: int = ANSWERS
    _asked_ns: int | None = field(init=False, default=None)
    _patience_s: float = field(init=False, default=FIRST_PATIENCE_S)
    _retained_unix_ns: int | None = field(init=False, default=None)
    _answers: list[_Answer] = field(init=False, default_factory=list)
    _lowest_offset_ns: int | None = field(init=False, default=None)

    def wait_s(self, now_ns: int) -> float:
        """Return the seconds until the next question is due; 0: ask now."""
        due_ns = self.not_before_ns
        if self._asked_ns is not None:
            due_ns = max(due_ns, self._asked_ns + round(self._patience_s * 1e9))
        return max(0, due_ns - now_ns) / 1e9

    def note_asked(self, now_ns: int) -> None:
        """Remember that the question went out. One that was not answered makes the next wait longer."""
        if self._asked_ns is not None:
            self._patience_s = min(2 * self._patience_s, LONGEST_PATIENCE_S)
        self._asked_ns = now_ns

    def note_ack(self, t_unix_ns: int, received_ns: int, *, retained: bool) -> None:
        """Take a store-ack: an answer if it is fresh and there is a question.

        A broker that marks every message as retained is seen through by the time in it: newer than the one at connect.
        """
        if retained and (self._retained_unix_ns is None or t_unix_ns <= self._retained_unix_ns):
            self._retained_unix_ns = t_unix_ns
            return
        low_ns = t_unix_ns - received_ns
        self._lowest_offset_ns = low_ns if self._lowest_offset_ns is None else max(low_ns, self._lowest_offset_ns)
        if self._asked_ns is None or received_ns < self._asked_ns:
            return
        self._answers.append(_Answer(self._asked_ns, received_ns, t_unix_ns))
        self._asked_ns = None
        self._patience_s = FIRST_PATIENCE_S

    def result(self, now_ns: int, own_offset_ns: int) -> Placing | None:
        """Return UTC minus boot time once enough answers are in, or one came and the next does not.

        ``own_offset_ns``: of the system clock, which is kept where it agrees with the collector's.
        """
        late = self._asked_ns is not None and self.wait_s(now_ns) == 0.0
        if not self._answers or (len(self._answers) < self.answers_wanted and not late):
            return None
        assert self._lowest_offset_ns is not None
        honest = [one for one in self._answers if one.t_unix_ns - one.asked_ns >= self._lowest_offset_ns]
        if not honest:  # the collector's clock was set back: from now on it is judged by what it says now
            self._answers.clear()
            self._lowest_offset_ns = None
            return None
        best = min(honest, key=lambda one: one.round_trip_ns)
        offset_ns = best.t_unix_ns - (best.asked_ns + best.received_ns) // 2
        bound_ns = best.round_trip_ns // 2
        if abs(own_offset_ns - offset_ns) <= bound_ns + AGREEMENT_NS:
            return Placing(1, own_offset_ns, "collector", (bound_ns + AGREEMENT_NS) / 1e9)
        return Placing(1, offset_ns, "collector", bound_ns / 1e9)
