"""Power and voltage over a whole bench in bounded memory: means of short bins, which grow when the bench is long."""

import threading
from typing import Final

import numpy as np

from firmware_bridge.samples import F64, SampleBlock

FIRST_BIN_S: Final = 0.02
MAX_BINS: Final = 8192


class PowerTrace:
    """Takes blocks in the meter's reader thread; may be read from any other.

    ``bin_s``: the length of a bin now, doubled whenever ``MAX_BINS`` are full.
    """

    def __init__(self, bin_s: float = FIRST_BIN_S) -> None:
        self.bin_s = bin_s
        self._t_first_s: float | None = None
        self._sums = np.zeros((3, MAX_BINS))
        self._lock = threading.Lock()

    def take(self, block: SampleBlock) -> None:
        """Add the block's samples; times increase from block to block."""
        with self._lock:
            if self._t_first_s is None:
                self._t_first_s = float(block.t_device_s[0])
            since_s = block.t_device_s - self._t_first_s
            while since_s[-1] >= MAX_BINS * self.bin_s:
                self._double()
            index = (since_s / self.bin_s).astype(np.int64)
            first, count = int(index[0]), int(index[-1] - index[0]) + 1
            for row, weights in zip(self._sums, (block.power_w, block.voltage_v, None), strict=True):
                row[first : first + count] += np.bincount(index - first, weights, count)

    def power(self) -> tuple[F64, F64]:
        """Return the middle of each bin with samples, on the device's clock, and its mean power, shape ``(n,)``."""
        with self._lock:
            held = np.flatnonzero(self._sums[2])
            t_s = (held + 0.5) * self.bin_s + (self._t_first_s or 0.0)
            power_w: F64 = self._sums[0, held] / self._sums[2, held]
            return t_s.astype(np.float64), power_w

    def voltage_v(self, begin_s: float, end_s: float) -> float | None:
        """Return the mean voltage between two device times, None without a sample there."""
        with self._lock:
            t_s = (np.arange(MAX_BINS) + 0.5) * self.bin_s + (self._t_first_s or 0.0)
            inside = (t_s >= begin_s) & (t_s <= end_s)
            count = float(self._sums[2, inside].sum())
            return float(self._sums[1, inside].sum()) / count if count else None

    def _double(self) -> None:
        folded = self._sums.reshape(3, MAX_BINS // 2, 2).sum(axis=2)
        self._sums[:, : MAX_BINS // 2] = folded
        self._sums[:, MAX_BINS // 2 :] = 0.0
        self.bin_s *= 2.0
