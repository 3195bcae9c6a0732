"""The samples of a few seconds, thinned to what a load pattern is found in. Pure, bounded memory."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_bridge.driver import DataSheet
from firmware_bridge.samples import F64, SampleBlock, SampleFlag

MIN_BIN_S: Final = 0.002
"""Samples closer than this are averaged: what is looked for takes longer, and its place is found between samples."""
MAX_SAMPLES: Final = 100_000
MIN_COVERED_RATIO: Final = 0.5


@dataclass(frozen=True, slots=True)
class StepSamples:
    """Samples that a pattern is looked for in, shape ``(n,)`` each: from when to when, and the power."""

    begin_s: F64
    end_s: F64
    power_w: F64

    def __len__(self) -> int:
        return len(self.end_s)


class StepTrace:
    """Takes blocks as they come; full after ``MAX_SAMPLES``, the rest is left out.

    A sample stands for the time since the one before it, for one nominal interval where that is longer than
    ``max_interval_s``. Samples that the meter had not measured anew are left out.
    """

    def __init__(self, sheet: DataSheet, *, bin_s: float = MIN_BIN_S) -> None:
        self._interval_s, self._max_interval_s = sheet.sample_interval_s, sheet.max_interval_s
        self._bin_s = bin_s if sheet.sample_interval_s < bin_s / 2.0 else 0.0
        self._last_s: float | None = None
        self._open: StepSamples | None = None
        self._parts: list[StepSamples] = []
        self._count = 0

    def add(self, block: SampleBlock) -> None:
        """Take one more block, on the timeline that the others were on."""
        end_s, power_w = block.t_device_s, block.power_w
        if block.flags is not None:
            fresh = (block.flags & np.uint8(SampleFlag.STALE)) == 0
            end_s, power_w = end_s[fresh], power_w[fresh]
        if not len(end_s) or self._count >= MAX_SAMPLES:
            return
        first_s = float(end_s[0]) - self._interval_s if self._last_s is None else self._last_s
        begin_s = np.concatenate(([first_s], end_s[:-1]))
        begin_s = np.where(end_s - begin_s > self._max_interval_s, end_s - self._interval_s, begin_s)
        self._last_s = float(end_s[-1])
        fresh_samples = StepSamples(begin_s, end_s, power_w)
        self._keep(self._thinned(fresh_samples) if self._bin_s else fresh_samples)

    def samples(self) -> StepSamples:
        """Return what was taken so far."""
        if not self._parts:
            return StepSamples(np.empty(0), np.empty(0), np.empty(0))
        return _joined(self._parts)

    def _keep(self, samples: StepSamples) -> None:
        if len(samples):
            self._parts.append(samples)
            self._count += len(samples)

    def _thinned(self, samples: StepSamples) -> StepSamples:
        """Return the means over whole bins; samples of the last bin wait for the next block."""
        if self._open is not None:
            samples = _joined([self._open, samples])
        numbers = np.floor((samples.begin_s + samples.end_s) / 2.0 / self._bin_s).astype(np.int64)
        closed = int(np.searchsorted(numbers, numbers[-1], side="left"))
        self._open = _part(samples, closed, len(samples))
        samples, numbers = _part(samples, 0, closed), numbers[:closed]
        if not closed:
            return samples
        starts = np.flatnonzero(np.concatenate(([True], np.diff(numbers) > 0)))
        lengths_s = samples.end_s - samples.begin_s
        covered_s = np.add.reduceat(lengths_s, starts)
        power_w = np.add.reduceat(samples.power_w * lengths_s, starts) / covered_s
        begin_s, end_s = samples.begin_s[starts], samples.end_s[np.append(starts[1:], closed) - 1]
        whole = covered_s >= MIN_COVERED_RATIO * (end_s - begin_s)
        return StepSamples(begin_s[whole], end_s[whole], power_w[whole])


def _part(samples: StepSamples, first: int, last: int) -> StepSamples:
    return StepSamples(samples.begin_s[first:last], samples.end_s[first:last], samples.power_w[first:last])


def _joined(parts: list[StepSamples]) -> StepSamples:
    return StepSamples(
        np.concatenate([one.begin_s for one in parts]),
        np.concatenate([one.end_s for one in parts]),
        np.concatenate([one.power_w for one in parts]),
    )
