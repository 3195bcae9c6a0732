"""Losses that a stream's own counter cannot show, found by comparing the device clock with the host's.

A counter of few bits, or a time stamp that wraps, hides every loss that is a whole number of its periods. The device
clock then falls behind the host's for good. Bytes arrive late but never early, so the smallest lag seen in a while
is the honest one: when it grows by more than arrival can explain, samples are missing. When it shrinks by as much,
the stream holds more time than has passed: bytes came twice, or a counter was read as more loss than there was.
"""

import math


class WallClock:
    """Watches ``t_host_s - t_device_s`` of one stream; says how many periods the device clock must be advanced.

    ``period_s``: time that the device's counter cannot see. ``threshold_s``: growth of the smallest lag within
    ``window_s`` that counts as loss. ``drift_ratio``: a growth slower than this is the two clocks' disagreement.
    ``silence_s``: after so long without a byte the lag is trusted at once.
    """

    def __init__(
        self,
        period_s: float,
        *,
        threshold_s: float = 0.02,
        window_s: float = 2.0,
        drift_ratio: float = 2e-4,
        silence_s: float = 1.0,
    ) -> None:
        self._period_s = period_s
        self._threshold_s = threshold_s
        self._window_s = window_s
        self._drift_ratio = drift_ratio
        self._silence_s = silence_s
        self._reference_s = math.inf
        self._smallest_s = math.inf
        self._window_began_s = -math.inf
        self._heard_s = -math.inf
        self._began_s = math.inf
        self._surplus_s = 0.0

    def hidden_periods(self, t_host_s: float, t_device_s: float, pending_s: float) -> int:
        """Return how many periods went missing before the bytes that now arrive; ask once before decoding them.

        ``pending_s``: the stream time that these bytes hold.
        """
        if math.isinf(self._reference_s):
            return 0
        if t_host_s - self._heard_s > self._silence_s:
            lag_s = t_host_s - t_device_s - pending_s - self._reference_s
            self._begin_window(t_host_s)
            return max(0, round(lag_s / self._period_s)) if lag_s > self._threshold_s else 0
        elapsed_s = t_host_s - self._window_began_s
        if elapsed_s < self._window_s:
            return 0
        lag_s = self._smallest_s - self._reference_s
        self._begin_window(t_host_s)
        if math.isfinite(lag_s) and lag_s > self._threshold_s + self._drift_ratio * elapsed_s:
            return round(lag_s / self._period_s)
        self._reference_s += max(0.0, min(lag_s, self._drift_ratio * elapsed_s))
        return 0

    def observe(self, t_host_s: float, t_device_s: float) -> None:
        """Note where the device clock stands once the bytes that arrived at ``t_host_s`` are decoded."""
        lag_s = t_host_s - t_device_s
        if math.isinf(self._reference_s):
            self._began_s = self._window_began_s = t_host_s
        if lag_s < self._reference_s - self._threshold_s and t_host_s - self._began_s > self._window_s:
            self._surplus_s += self._reference_s - lag_s
        self._reference_s = min(self._reference_s, lag_s)
        self._smallest_s = min(self._smallest_s, lag_s)
        self._heard_s = t_host_s

    def take_surplus_s(self) -> float:
        """Return by how much the device clock has run ahead of the host's since this was last asked; 0 if it has not.

        In the first window this cannot be told from first bytes that came late.
        """
        surplus_s, self._surplus_s = self._surplus_s, 0.0
        return surplus_s

    def _begin_window(self, t_host_s: float) -> None:
        self._window_began_s = t_host_s
        self._smallest_s = math.inf
