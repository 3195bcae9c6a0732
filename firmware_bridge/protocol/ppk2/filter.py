"""The PPK2's filter for range changes, many samples at once.

When the meter changes its range, the first conversions are spikes. Nordic's application replaces the first three
samples after a change by a running mean of what came before, a slower one in the last range, whose first two samples
do not enter the mean at all. The joules of that application, and of this driver, are those of the filtered samples.

Source: behaviour of pc-nrfconnect-ppk, src/device/serialDevice.ts, described anew.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.protocol.ppk2.format import RANGES
from firmware_bridge.samples import F64, I8

Index = NDArray[np.intp]

# Fraction of a new sample in the running mean, for all ranges and for the last one; samples that the mean replaces
# after a range change; samples of the last range that do not enter it.
_ALPHA, _ALPHA_LAST_RANGE = 0.18, 0.06
_REPLACED, _HELD = 3, 2
_MEMORY = 1024
_MANY = 64
_NONE: Index = np.empty(0, dtype=np.intp)
_FIRST: Index = np.zeros(1, dtype=np.intp)
_AFTER: Index = np.arange(_REPLACED)


def _weights(alpha: float) -> F64:
    """Return what each of the last samples weighs in the mean, the newest last; what is left out is below 1e-20."""
    count = int(np.log(1e-20) / np.log1p(-alpha)) + 1
    lags: F64 = np.arange(count - 1, -1, -1, dtype=np.float64)
    return alpha * np.power(1.0 - alpha, lags)


_WEIGHTS, _WEIGHTS_LAST_RANGE = _weights(_ALPHA), _weights(_ALPHA_LAST_RANGE)


def running_mean(values: F64, alpha: float) -> F64:
    """Return y[n] = alpha * x[n] + (1 - alpha) * y[n-1], all n at once: the sum is doubled in length each pass.

    The start counts as zero, so give at least 1024 values of history: what lies further back weighs below 1e-27.
    """
    mean = alpha * values
    weight, span = 1.0 - alpha, 1
    while weight > 1e-18 and span < len(mean):
        mean[span:] += weight * mean[:-span]
        weight, span = weight * weight, span * 2
    return mean


class RangeChangeFilter:
    """Replaces the samples after a range change. Remembers the last 1024 samples that entered the mean."""

    def __init__(self) -> None:
        self._history: F64 | None = None
        self._range = -1
        self._since = _REPLACED

    def apply(self, current_a: F64, range_index: I8) -> tuple[F64, Index]:
        """Return the filtered current of consecutive samples, shape (n,), n >= 1, and where it was replaced.

        Continues the last call. Where nothing was replaced, the current is the array that was given.
        """
        if self._history is None:
            self._history = np.full(_MEMORY, current_a[0])
            self._range = int(range_index[0])
        positions, since = self._replaced(range_index)
        if not len(positions):
            self._remember(current_a)
            return current_a, _NONE
        last_range = range_index[positions] == RANGES - 1
        held = positions[last_range & (since < _HELD)]
        past = np.concatenate((self._history, current_a))
        if len(held):
            entered = np.ones(len(past), dtype=np.bool_)
            entered[held + _MEMORY] = False
            past = past[entered]
        self._history = past[-_MEMORY:]
        at = positions + (_MEMORY - held.searchsorted(positions, side="right"))
        filtered = current_a.copy()
        filtered[positions] = _means(past, at, last_range)
        return filtered, positions

    def _replaced(self, range_index: I8) -> tuple[Index, Index]:
        """Return the positions to replace, ascending, and how many samples after its change each one is."""
        count = len(range_index)
        changes: Index = (range_index[1:] != range_index[:-1]).nonzero()[0] + 1
        if range_index[0] != self._range:
            changes = np.concatenate((_FIRST, changes))
        begin = -1 - self._since
        self._range = int(range_index[-1])
        self._since = min(count - 1 - (int(changes[-1]) if len(changes) else begin), _REPLACED)
        if not len(changes) and begin <= -_REPLACED:
            return _NONE, _NONE
        bounds = np.concatenate(([begin], changes, [count]))
        positions = bounds[:-1, np.newaxis] + _AFTER
        wanted = (positions >= 0) & (positions < bounds[1:, np.newaxis])
        return positions[wanted], wanted.nonzero()[1]

    def _remember(self, current_a: F64) -> None:
        if len(current_a) >= _MEMORY:
            self._history = current_a[-_MEMORY:].copy()
        elif self._history is not None:
            self._history = np.concatenate((self._history, current_a))[-_MEMORY:]


def _means(past: F64, at: Index, last_range: NDArray[np.bool_]) -> F64:
    """Return the running mean of ``past`` at each of ``at``: few by their own sums, many by one pass over all."""
    if len(at) > _MANY:
        slow, fast = running_mean(past, _ALPHA_LAST_RANGE), running_mean(past, _ALPHA)
        return np.where(last_range, slow[at], fast[at])
    means: list[float] = []
    before, was_last = -1, False
    for index, is_last in zip(at.tolist(), last_range.tolist(), strict=True):
        if is_last != was_last or not 0 <= index - before <= 1:
            weights = _WEIGHTS_LAST_RANGE if is_last else _WEIGHTS
            means.append(float(weights @ past[index + 1 - len(weights) : index + 1]))
        elif index == before:
            means.append(means[-1])
        else:
            alpha = _ALPHA_LAST_RANGE if is_last else _ALPHA
            means.append(alpha * float(past[index]) + (1.0 - alpha) * means[-1])
        before, was_last = index, is_last
    return np.array(means)
