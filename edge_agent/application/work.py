"""An application's windows among the agent's own: thread-safe, and every moment is in exactly one window.

Between the application's windows the agent goes on cutting windows without inferences, so that no joule is lost. The
time of an edge is taken under the lock, in the thread that asks for it: edges are in order whoever asks.
"""

import math
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from operator import index
from typing import Final

import numpy as np

from edge_agent.application.span import Span, WindowResult
from edge_agent.recorder import Joined
from edge_agent.uncertainty.net import MeterLimits
from edge_agent.window import WindowCounts
from edge_agent.window_series import WindowSeries
from edge_agent.work.protocol import Cut, ModelName

MAX_WAIT_S: Final = 0.1
MAX_COUNT: Final = 1_000_000
MAX_LATENCY_S: Final = 86_400.0
_HELD_LATENCIES: Final = 4096


class WindowRefusedError(RuntimeError):
    """This cannot be done with the window now; the text says what to do instead."""


class ApplicationWork:
    """See ``Work`` for what the measuring thread calls; ``begin``, ``count`` and ``end`` come from any thread."""

    def __init__(self, t_first_s: float, window_s: float, limits: MeterLimits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._changed = threading.Condition()
        self._series = WindowSeries(t_first_s, window_s)
        self._t_next_s = self._series.t_next_s
        self._cuts: deque[Cut] = deque()
        self._span: Span | None = None
        self._counted = 0
        self._latencies_s: list[float] = []
        self._closed = False
        self._over = False
        self.on_result: Callable[[], None] = _nothing

    # --- for the application, from any thread ---

    def begin(self, model: ModelName) -> Span:
        """Open a window now. Raises WindowRefusedError while another one is open, or when the agent stops."""
        with self._changed:
            if self._closed:
                raise WindowRefusedError("the agent stops; start it again")
            if self._span is not None:
                raise WindowRefusedError(
                    f"a window of {self._span.model.model_id} is open, and there is one at a time; end that first"
                )
            now_s = self._clock()
            self._restart(now_s)
            self._span = Span(model, now_s)
            return self._span

    def count(self, span: Span, number: int = 1, latency_s: float | None = None) -> None:
        """Count ``number`` inferences that just ended, each of which took ``latency_s``.

        Raises WindowRefusedError when the window is over, ValueError for a count or a latency that cannot be,
        TypeError for a count that is no whole number.
        """
        number = index(number)  # an array's sum is a number of NumPy's, which no record can hold
        if not 1 <= number <= MAX_COUNT:
            raise ValueError(f"a count is 1 to {MAX_COUNT}, not {number}")
        if latency_s is not None and not 0.0 <= latency_s <= MAX_LATENCY_S:
            raise ValueError(f"a latency is 0 to {MAX_LATENCY_S:.0f} seconds, not {latency_s}")
        with self._changed:
            if span is not self._span:
                raise WindowRefusedError("this window is over; open another one and count in it")
            now_s = self._clock()
            if now_s >= self._t_next_s:
                self._advance(now_s)
            self._counted += number
            if latency_s is not None:
                self._latencies_s.extend([latency_s] * number)
                if len(self._latencies_s) >= _HELD_LATENCIES:
                    self._hand_over_counts()

    def end(self, span: Span) -> None:
        """End the window now. Safe to call again."""
        with self._changed:
            if span is self._span:
                self._end(span, self._clock())

    def result(self, span: Span, timeout_s: float) -> WindowResult:
        """Wait until the meter has reached the window's end, and return what it came to.

        Raises WindowRefusedError for a window that is open or was never finished, TimeoutError.
        """
        with self._changed:
            if span is self._span:
                raise WindowRefusedError("the window is open: its result is there once it has ended")
            self._changed.wait_for(lambda: span.result is not None or self._over, timeout_s)
            if span.result is not None:
                return span.result
            if self._over:
                raise WindowRefusedError("the agent stopped before the meter had reached the window's end")
            raise TimeoutError(f"the meter has not reached the window's end in {timeout_s:.0f} s; is it connected?")

    @property
    def open_model_id(self) -> str | None:
        """Return the model of the window that is open."""
        span = self._span
        return None if span is None else span.model.model_id

    # --- for the measuring thread ---

    @property
    def ended(self) -> bool:
        """See Work.ended."""
        return False

    @property
    def inference_cpu_s(self) -> float | None:
        """See Work.inference_cpu_s: inference is the application's own."""
        return None

    def step(self) -> None:
        """See Work.step."""
        with self._changed:
            if not self._cuts:
                self._changed.wait(min(max(self._t_next_s - self._clock(), 0.0), MAX_WAIT_S))

    def cuts(self) -> list[Cut]:
        """See Work.cuts."""
        with self._changed:
            self._advance(self._clock())
            return self._taken_cuts()

    def last_cuts(self) -> list[Cut]:
        """See Work.last_cuts. A window that is open ends here."""
        with self._changed:
            self._closed = True
            now_s = self._clock()
            if self._span is not None:
                self._end(self._span, now_s)
            else:
                self._restart(now_s)
            return self._taken_cuts()

    def close(self) -> None:
        """See Work.close: who waits for a result now waits no longer."""
        with self._changed:
            self._closed = self._over = True
            self._changed.notify_all()
        self.on_result()

    # --- under the lock ---

    def _end(self, span: Span, now_s: float) -> None:
        now_s = max(now_s, math.nextafter(span.t_begin_s, math.inf))
        self._restart(now_s)
        span.t_end_s = now_s
        self._span = None
        span.settle(self._limits)
        self._changed.notify_all()

    def _restart(self, now_s: float) -> None:
        self._advance(now_s)
        self._hand_over_counts()
        self._note(self._series.restart(now_s))
        self._t_next_s = self._series.t_next_s

    def _advance(self, now_s: float) -> None:
        if now_s < self._t_next_s:
            return
        self._hand_over_counts()
        self._note(self._series.advance(now_s))
        self._t_next_s = self._series.t_next_s

    def _hand_over_counts(self) -> None:
        if self._span is None or not self._counted:
            return
        latencies_s = np.array(self._latencies_s)
        self._series.count(self._counted, latencies_s)
        self._span.count(self._counted, latencies_s)
        self._counted = 0
        self._latencies_s.clear()

    def _note(self, counts: WindowCounts | None) -> None:
        if counts is None:
            return
        span = self._span
        if span is None:
            self._cuts.append(Cut(counts))
        else:
            span.pieces += 1
            self._cuts.append(Cut(counts, span.model, partial(self._joined, span)))

    def _taken_cuts(self) -> list[Cut]:
        taken = list(self._cuts)
        self._cuts.clear()
        return taken

    def _joined(self, span: Span, joined: Joined) -> None:
        with self._changed:
            span.take(joined, self._limits)
            if span.result is None:
                return
            self._changed.notify_all()
        self.on_result()


def _nothing() -> None:
    """Do nothing."""
