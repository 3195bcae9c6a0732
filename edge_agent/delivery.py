"""What is on its way to the collector and when to send it again. Pure: time is an argument.

Windows travel in lanes, each in order, so sending again means going back to the first window of the lane that is not
acknowledged. Benches are acknowledged one by one.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

FIRST_RESEND_S: Final = 5.0
LONGEST_RESEND_S: Final = 60.0
LONGEST_BENCH_RESEND_S: Final = 600.0


@dataclass(slots=True)
class InFlight:
    """The messages of one lane that were sent and not yet acknowledged by the collector's store.

    A lane holds windows of one boot id, in order: those that waited when the connection began, or those that came
    since. "Acknowledged up to n" means here that of the lane's own windows none up to n is left.

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
    def count(self) -> int:
        """Return how many messages are on their way."""
        return len(self._messages)

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

    def begin_after(self, seq: int) -> None:
        """Leave everything up to ``seq`` to another lane; a pause that has grown stays long until progress is made."""
        self._messages.clear()
        self.sent_seq = self.acked_seq = max(seq, self.acked_seq)

    def wait_s(self, now_s: float) -> float | None:
        """Return the seconds until the oldest message is late, None when nothing is on its way."""
        if not self._messages:
            return None
        return max(0.0, self._messages[0][1] + self._resend_s - now_s)


@dataclass(slots=True)
class Bundling:
    """Whether windows go out now or wait for more, so that a radio may sleep meanwhile.

    A message goes when it holds ``max_windows``, or its oldest window has waited ``max_wait_s``.
    """

    max_windows: int = 60
    max_wait_s: float = 0.0
    _since_s: float | None = field(init=False, default=None)

    def wait_s(self, waiting: int, now_s: float) -> float:
        """Return for how long ``waiting`` windows, the oldest first seen in an earlier call, still wait for more."""
        if waiting == 0:
            self._since_s = None
            return self.max_wait_s
        if self._since_s is None:
            self._since_s = now_s
        if waiting >= self.max_windows:
            return 0.0
        return max(0.0, self._since_s + self.max_wait_s - now_s)

    def note_sent(self) -> None:
        """Begin to wait anew with the next window."""
        self._since_s = None


@dataclass(slots=True)
class SingleFlights:
    """Messages that are acknowledged one by one, by their ids: at most ``max_messages`` of them are fresh.

    One that stays unanswered is sent again after a pause that doubles each time, since a collector that is too old to
    take it would keep every copy as a dead letter; it holds up no other.
    """

    max_messages: int = 8
    first_resend_s: float = FIRST_RESEND_S
    longest_resend_s: float = LONGEST_BENCH_RESEND_S
    _due_s: dict[str, float] = field(init=False, default_factory=dict)
    _pause_s: dict[str, float] = field(init=False, default_factory=dict)

    def due(self, pending: Sequence[str], now_s: float) -> list[str]:
        """Return which of ``pending``, in their order, to send now; what is not pending any more is forgotten."""
        for gone in self._due_s.keys() - set(pending):
            del self._due_s[gone], self._pause_s[gone]
        late = [one for one in pending if one in self._due_s and self._due_s[one] <= now_s]
        fresh = sum(self._due_s[one] > now_s and self._pause_s[one] <= self.first_resend_s for one in self._due_s)
        room = max(0, self.max_messages - fresh)
        return late + [one for one in pending if one not in self._due_s][:room]

    def note_sent(self, message_id: str, now_s: float) -> None:
        """Remember that the message went out."""
        pause_s = self._pause_s.get(message_id)
        pause_s = self.first_resend_s if pause_s is None else min(2 * pause_s, self.longest_resend_s)
        self._pause_s[message_id] = pause_s
        self._due_s[message_id] = now_s + pause_s

    def go_back(self) -> None:
        """Forget that anything was sent: the connection is new."""
        self._due_s.clear()
        self._pause_s.clear()

    def wait_s(self, now_s: float) -> float | None:
        """Return the seconds until the next message is late, None when nothing is on its way."""
        return max(0.0, min(self._due_s.values()) - now_s) if self._due_s else None


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
