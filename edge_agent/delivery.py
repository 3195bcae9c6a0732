"""What is on its way to the collector and when to send it again. Pure: time is an argument.

Windows travel in lanes, each in order, so sending again means going back to the first window of the lane that is not
acknowledged. Benches are acknowledged one by one.
"""

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

FIRST_RESEND_S: Final = 5.0
LONGEST_RESEND_S: Final = 60.0
LONGEST_BENCH_RESEND_S: Final = 600.0
SLOW_S: Final = 1.0
"""An acknowledgement that takes so much longer than the fastest has waited in a queue that everybody waits in.

A fastest one above this is not believed: it was in that queue itself. A link as slow as that has few on their way."""


@dataclass(slots=True)
class Pace:
    """How long acknowledgements take, and so when to send again and how many messages to have on their way.

    ``resend_s`` follows RFC 6298, 2: the smoothed delay and four times its variation, here between ``first_resend_s``
    and ``longest_resend_s``. Each silence doubles it, and only the answer to a message that was sent once brings it
    back (5.5 and 3): nobody knows which copy the answer to another one is for.

    ``messages`` is halved, at most once for what is on its way, while acknowledgements queue up, and grows by one for
    each flight that is answered soon: else a fleet that drains its backlogs would fill the queue before the collector
    with them, and new windows would wait behind.
    """

    first_resend_s: float = FIRST_RESEND_S
    longest_resend_s: float = LONGEST_RESEND_S
    max_messages: int = 8
    resend_s: float = field(init=False)
    _messages: float = field(init=False)
    _smoothed_s: float | None = field(init=False, default=None)
    _variation_s: float = field(init=False, default=0.0)
    _fastest_s: float = field(init=False, default=math.inf)
    _slowed_at_s: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        self.resend_s = self.first_resend_s
        self._messages = float(self.max_messages)

    @property
    def messages(self) -> int:
        """Return how many messages may be on their way, 1 to ``max_messages``."""
        return int(self._messages)

    def note_answer(self, sent_s: float, now_s: float) -> None:
        """Take the acknowledgement of a message that was sent once, at ``sent_s``."""
        delay_s = max(0.0, now_s - sent_s)
        if self._smoothed_s is None:
            self._smoothed_s, self._variation_s = delay_s, delay_s / 2
        else:
            self._variation_s += (abs(self._smoothed_s - delay_s) - self._variation_s) / 4
            self._smoothed_s += (delay_s - self._smoothed_s) / 8
        wanted_s = self._smoothed_s + 4 * self._variation_s
        self.resend_s = max(self.first_resend_s, min(wanted_s, self.longest_resend_s))
        self._fastest_s = min(self._fastest_s, delay_s)
        usual_s = min(self._fastest_s, SLOW_S)
        if delay_s > usual_s + SLOW_S:
            if sent_s >= self._slowed_at_s:
                self._slow_down(now_s)
        elif delay_s < usual_s + SLOW_S / 2:
            self._messages = min(float(self.max_messages), self._messages + 1 / self._messages)

    def note_silence(self, now_s: float) -> None:
        """Take that a message was not acknowledged in time."""
        self.resend_s = min(2 * self.resend_s, max(self.first_resend_s, self.longest_resend_s))
        self._slow_down(now_s)

    def _slow_down(self, now_s: float) -> None:
        self._messages = max(1.0, self._messages / 2)
        self._slowed_at_s = now_s


class _Message(NamedTuple):
    last_seq: int
    sent_s: float
    once: bool


@dataclass(slots=True)
class InFlight:
    """The messages of one lane that were sent and not yet acknowledged by the collector's store.

    A lane holds windows of one boot id, in order: those that waited when the connection began, or those that came
    since. "Acknowledged up to n" means here that of the lane's own windows none up to n is left.

    ``pace`` bounds them; lanes may share one. ``sent_seq``: highest number sent since the last return, 0 before the
    first message.
    """

    pace: Pace = field(default_factory=Pace)
    sent_seq: int = 0
    acked_seq: int = 0
    _sent_before_seq: int = field(init=False, default=0)
    _progress_s: float = field(init=False, default=-math.inf)
    _messages: deque[_Message] = field(init=False, default_factory=deque)

    @property
    def has_room(self) -> bool:
        """Return whether one more message may go out."""
        return len(self._messages) < self.pace.messages

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
        self._messages.append(_Message(last_seq, now_s, self.resume_after_seq >= self._sent_before_seq))
        self.sent_seq = max(self.sent_seq, last_seq)

    def note_acked(self, seq: int, now_s: float) -> None:
        """Forget messages that are stored. The others now have their time again (RFC 6298, 5.3)."""
        if seq <= self.acked_seq:
            return
        self.acked_seq = seq
        self._progress_s = now_s
        while self._messages and self._messages[0].last_seq <= seq:
            message = self._messages.popleft()
            if message.once:
                self.pace.note_answer(message.sent_s, now_s)

    def go_back_if_late(self, now_s: float) -> bool:
        """Begin again at the acknowledged number when the oldest message waits too long; wait longer next time."""
        if self.wait_s(now_s) != 0.0:
            return False
        self.go_back()
        self.pace.note_silence(now_s)
        return True

    def go_back(self) -> None:
        """Forget that anything was sent: the connection is new."""
        self._messages.clear()
        self._sent_before_seq = max(self._sent_before_seq, self.sent_seq)
        self.sent_seq = self.acked_seq

    def note_sent_elsewhere(self, seq: int) -> None:
        """Take that another lane has sent windows up to ``seq``: what this one sends of them is sent again."""
        self._sent_before_seq = max(self._sent_before_seq, seq)

    def begin_after(self, seq: int) -> None:
        """Leave everything up to ``seq`` to another lane; a pause that has grown stays long until progress is made."""
        self._messages.clear()
        self.sent_seq = self.acked_seq = max(seq, self.acked_seq)

    def wait_s(self, now_s: float) -> float | None:
        """Return the seconds until the oldest message is late, None when nothing is on its way."""
        if not self._messages:
            return None
        return max(0.0, max(self._messages[0].sent_s, self._progress_s) + self.pace.resend_s - now_s)


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
