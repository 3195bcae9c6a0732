"""What is on its way to the collector and when to send it again. Pure: time is an argument.

Acknowledgements are cumulative, so sending again means going back to the first window that is not acknowledged.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final

FIRST_RESEND_S: Final = 5.0
LONGEST_RESEND_S: Final = 60.0


@dataclass(slots=True)
class InFlight:
    """The messages of one boot id that were sent and not yet acknowledged by the collector's store.

    ``max_messages`` bounds them. ``sent_seq``: highest number sent since the last return, 0 before the first message.
    """

    max_messages: int = 8
    first_resend_s: float = FIRST_RESEND_S
    longest_resend_s: float = LONGEST_RESEND_S
    sent_seq: int = 0
    acked_seq: int = 0
    _resend_s: float = field(init=False)
    _messages: deque[tuple[int, float]] = field(init=False, default_factory=deque)

    def __post_init__(self) -> None:
        self._resend_s = self.first_resend_s

    @property
    def has_room(self) -> bool:
        """Return whether one more message may go out."""
        return len(self._messages) < self.max_messages

    @property
    def resume_after_seq(self) -> int:
        """Return the number after which the next message begins."""
        return max(self.sent_seq, self.acked_seq)

    def note_sent(self, last_seq: int, now_s: float) -> None:
        """Remember a message whose highest number is ``last_seq``."""
        self._messages.append((last_seq, now_s))
        self.sent_seq = max(self.sent_seq, last_seq)

    def note_acked(self, seq: int) -> None:
        """Forget messages that are stored; progress also ends the back-off."""
        if seq <= self.acked_seq:
            return
        self.acked_seq = seq
        self._resend_s = self.first_resend_s
        while self._messages and self._messages[0][0] <= seq:
            self._messages.popleft()

    def go_back_if_late(self, now_s: float) -> bool:
        """Begin again at the acknowledged number when the oldest message waits too long; wait longer next time."""
        if self.wait_s(now_s) != 0.0:
            return False
        self.go_back()
        self._resend_s = min(2 * self._resend_s, self.longest_resend_s)
        return True

    def go_back(self) -> None:
        """Forget that anything was sent: the connection is new."""
        self._messages.clear()
        self.sent_seq = self.acked_seq

    def wait_s(self, now_s: float) -> float | None:
        """Return the seconds until the oldest message is late, None when nothing is on its way."""
        if not self._messages:
            return None
        return max(0.0, self._messages[0][1] + self._resend_s - now_s)


@dataclass(slots=True)
class BackOff:
    """Growing pauses between attempts, each drawn from the upper half of its bound, so that fleets spread out."""

    first_s: float = 0.5
    longest_s: float = 30.0
    draw: random.Random = field(default_factory=random.Random)
    _bound_s: float = field(init=False, default=0.0)

    def next_s(self) -> float:
        """Return how long to wait now."""
        self._bound_s = min(self.longest_s, max(self.first_s, 2 * self._bound_s))
        return self._bound_s * (0.5 + 0.5 * self.draw.random())

    def reset(self) -> None:
        """Begin again with short pauses."""
        self._bound_s = 0.0
