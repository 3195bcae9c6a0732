"""When a polled meter is asked next: at an interval, most at random around it, and again when no answer came in time.

Regular questions would meet the same phase of a load that repeats with them for ever, and no number of samples would
average that out. Pure: times are arguments.
"""

import math

import numpy as np

from firmware_bridge.protocol.events import MIN_STEP_S


class QuestionTimer:
    """Seeded. ``interval_s``: mean time between questions; ``spread_ratio``: how far from it they may be (+-).

    ``timeout_s``: how long to wait for an answer, counted from the question or from the last sign of life
    (``heard``), within ``longest_s`` of the question. ``least_s``: never ask sooner than that after the last question.
    A host clock that jumps back makes a question due.
    """

    def __init__(
        self,
        interval_s: float,
        timeout_s: float,
        *,
        spread_ratio: float = 0.5,
        least_s: float = 0.0,
        longest_s: float = math.inf,
    ) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._spread_ratio = spread_ratio
        self._least_s = least_s
        self._longest_s = longest_s
        self._random = np.random.default_rng(0)
        self._asked_s: float | None = None
        self._heard_s = -math.inf
        self._due_s = -math.inf
        self._waiting = False
        self._unanswered = 0

    def ask(self, t_host_s: float) -> bool:
        """Tell whether the question is due now; it counts as asked then."""
        if self._asked_s is not None and self._asked_s <= t_host_s < self.next_due_s() - MIN_STEP_S:
            return False
        self._unanswered += self._waiting
        on_time = 0.0 <= t_host_s - self._due_s < self._interval_s
        spread = 1.0 + self._spread_ratio * (2.0 * self._random.random() - 1.0)
        due_s = (self._due_s if on_time else t_host_s) + self._interval_s * spread
        self._due_s = max(due_s, t_host_s + self._least_s)
        self._asked_s, self._heard_s = t_host_s, -math.inf
        self._waiting = True
        return True

    def next_due_s(self) -> float:
        """Return when the next question is due, as far as is known now."""
        if self._asked_s is None:
            return -math.inf
        return max(self._asked_s, self._heard_s) + self._timeout_s if self._waiting else self._due_s

    def heard(self, t_host_s: float) -> None:
        """Say that the answer is on its way: the wait for the rest begins anew."""
        if self._asked_s is not None and t_host_s <= self._asked_s + self._longest_s:
            self._heard_s = t_host_s

    def answered(self) -> None:
        """Say that the answer is there, or that there will be none."""
        self._waiting = False

    @property
    def waiting(self) -> bool:
        """Is there a question without an answer?"""
        return self._waiting

    def begin_anew(self) -> None:
        """Forget the last question: the next one is due now."""
        self._asked_s, self._waiting = None, False

    def take_unanswered(self) -> int:
        """Return how many questions were given up since this was last asked."""
        count, self._unanswered = self._unanswered, 0
        return count
