"""Latency percentiles in little memory. Pure."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

LATENCY_MIN_S: Final = 1e-7
LATENCY_MAX_S: Final = 1e3
_BIN_RATIO: Final = 1.01
_LOG_RATIO: Final = math.log(_BIN_RATIO)
_BINS: Final = math.ceil(math.log(LATENCY_MAX_S / LATENCY_MIN_S) / _LOG_RATIO) + 1


class LatencyHistogram:
    """Latency percentiles in 18 kB, however many inferences there are.

    Bins grow by 1 %, so a percentile is within 0.5 % of a value that occurred at its rank (nearest rank, between
    0.1 us and 1000 s); minimum and maximum are exact and bound it.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self.count = 0
        self.min_s = math.inf
        self.max_s = 0.0

    def add(self, latencies_s: NDArray[np.float64]) -> None:
        """Count ``latencies_s``, shape ``(n,)``, n >= 0."""
        if not len(latencies_s):
            return
        clipped = np.clip(latencies_s, LATENCY_MIN_S, LATENCY_MAX_S)
        bins = (np.log(clipped / LATENCY_MIN_S) / _LOG_RATIO).astype(np.int64)
        np.add.at(self._counts, bins, 1)
        self.count += len(latencies_s)
        self.min_s = min(self.min_s, float(latencies_s.min()))
        self.max_s = max(self.max_s, float(latencies_s.max()))

    def quantile_s(self, ratio: float) -> float | None:
        """Return the latency that a share ``ratio`` of the inferences does not exceed, None without any."""
        if self.count == 0:
            return None
        rank = max(1, math.ceil(ratio * self.count))
        number = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle_s = LATENCY_MIN_S * _BIN_RATIO ** (number + 0.5)
        return float(min(max(middle_s, self.min_s), self.max_s))
