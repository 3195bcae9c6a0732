"""Events that most decoders make alike: one sample at a time, bytes that were nothing, questions without an answer."""

import numpy as np

from firmware_bridge.samples import FrameError, SampleBlock

MIN_STEP_S = 1e-6
"""The least time between two samples of a meter without a clock of its own."""


def later_s(t_host_s: float, last_s: float) -> float:
    """Return the time of a reading that arrived at ``t_host_s``, always later than the last one's."""
    return max(float(t_host_s), last_s + MIN_STEP_S)


def desync(count: int, t_host_s: float) -> list[FrameError]:
    """Say that ``count`` bytes were no part of any frame, if there were such."""
    return [FrameError("desync", count, t_host_s)] if count else []


def unanswered(count: int, t_host_s: float) -> list[FrameError]:
    """Say that ``count`` questions were given up, if there were such."""
    return [FrameError("stale", count, t_host_s, "no answer in time")] if count else []


def one_sample(
    t_s: float,
    *,
    voltage_v: float,
    current_a: float,
    power_w: float,
    range_index: int | None = None,
    flags: int = 0,
    counter_j: float | None = None,
) -> SampleBlock:
    """Return a block of one sample, shape (1,); what is None or no flag has no column."""
    return SampleBlock(
        t_device_s=np.array([t_s]),
        voltage_v=np.array([voltage_v]),
        current_a=np.array([current_a]),
        power_w=np.array([power_w]),
        range_index=None if range_index is None else np.array([range_index], dtype=np.int8),
        flags=np.array([flags], dtype=np.uint8) if flags else None,
        counter_j=None if counter_j is None else np.array([counter_j]),
    )
