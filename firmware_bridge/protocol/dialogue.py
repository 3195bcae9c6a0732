"""The talk before a stream: stop what an earlier host left running, wait for silence, ask, start.

::

    stopping --(quiet)--> asking --(begin_stream)--> starting --(start sent)--> streaming
        ^                    | no answer in time                                    | no bytes for too long
        +--------------------+------------------------------------------------------+

An answer may be long: the wait for it begins anew with each byte, but it must be whole ``LONGEST_ANSWER_RATIO`` times
as late at most. Noise, or a stream that did not hear the stop command, is no answer.
"""

import math
from typing import Final, Literal

LONGEST_ANSWER_RATIO: Final = 2.0
Phase = Literal["stopping", "asking", "starting", "streaming"]


class Dialogue:
    """Keeps the phase and what is to be sent next; knows nothing of the meter. Times are the host's, in seconds."""

    def __init__(
        self,
        stop: bytes,
        first_question: bytes,
        *,
        quiet_s: float = 0.1,
        drain_limit_s: float = 2.0,
        answer_timeout_s: float = 1.5,
        silence_s: float = 2.0,
    ) -> None:
        self._stop = stop
        self._first_question = first_question
        self._quiet_s = quiet_s
        self._drain_limit_s = drain_limit_s
        self._answer_timeout_s = answer_timeout_s
        self._silence_s = silence_s
        self._outgoing = b""
        self._began_s: float | None = None
        self._heard_s = self._asked_s = 0.0
        self.phase: Phase = "stopping"
        self.restarts = 0

    def to_send(self, t_host_s: float) -> bytes:
        """Return what is due now, and move to the next phase where time alone decides."""
        if self._began_s is None or t_host_s < self._began_s:
            self._begin("stopping", t_host_s)
            return self._stop
        if self.phase == "stopping":
            return self._end_drain(t_host_s)
        if not self._outgoing and self.phase != "starting" and t_host_s >= self.next_due_s():
            self.restart()
            return self.to_send(t_host_s)
        outgoing, self._outgoing = self._outgoing, b""
        if outgoing:
            self._heard_s = self._asked_s = t_host_s
        if self.phase == "starting":
            self.phase = "streaming"
        return outgoing

    def next_due_s(self) -> float:
        """Return the host time before which there is nothing to send unless bytes come in between."""
        if self._began_s is None or self._outgoing or self.phase == "starting":
            return -math.inf
        if self.phase == "stopping":
            return min(self._heard_s + self._quiet_s, self._began_s + self._drain_limit_s)
        if self.phase == "streaming":
            return self._heard_s + self._silence_s
        longest_s = LONGEST_ANSWER_RATIO * self._answer_timeout_s
        return min(self._heard_s + self._answer_timeout_s, self._asked_s + longest_s)

    def heard(self, t_host_s: float) -> None:
        """Note that bytes came."""
        self._heard_s = t_host_s

    def say(self, data: bytes) -> None:
        """Send this at the next opportunity."""
        self._outgoing += data

    def begin_stream(self, start: bytes) -> None:
        """Send the start command next, the questions being answered; what comes after it is the stream."""
        self._outgoing = start
        self.phase = "starting"

    def restart(self) -> None:
        """Begin again: the answer made no sense or never came."""
        self._outgoing = b""
        self._began_s = None
        self.phase = "stopping"
        self.restarts += 1

    def _end_drain(self, t_host_s: float) -> bytes:
        if t_host_s < self.next_due_s():
            return b""
        self._begin("asking", t_host_s)
        return self._first_question

    def _begin(self, phase: Phase, t_host_s: float) -> None:
        self.phase = phase
        self._began_s = self._heard_s = self._asked_s = t_host_s
        self._outgoing = b""
