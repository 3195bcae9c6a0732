"""A recognisable load: a seeded sequence of busy and idle times, made for a meter's sample interval. Pure.

Lengths are drawn continuously, so that their edges fall at every phase of a meter that samples at a fixed rate: at
equal lengths all edges would tell the same. The sequence is not repeated, for it would suit itself one period later
as well; that parts of it agree is seen by leaving parts of it out (``firmware_bridge.steps``).
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Self

import numpy as np

from firmware_bridge.samples import F64

MIN_CHIP_S: Final = 0.04
"""A processor that changes its clock, and the capacitors behind a supply, need milliseconds."""
CHIP_INTERVALS: Final = 1.2
"""A busy time shorter than a meter's interval is seen in part only."""
LONGEST_CHIPS: Final = 2.5
MIN_RUNS: Final = 7
"""Fewer changes suit more than one place."""
DRAWS: Final = 24
"""So many sequences are drawn; the one that suits itself least at any other place is taken."""


@dataclass(frozen=True, slots=True)
class StepPattern:
    """When to be busy: (begin, end) in seconds since the pattern began, in order. Idle at both ends of ``total_s``.

    ``chip_s``: the shortest time between two changes.
    """

    busy_s: tuple[tuple[float, float], ...]
    chip_s: float
    total_s: float

    @classmethod
    def draw(cls, interval_s: float, total_s: float, seed: int) -> Self:
        """Draw one for a meter with this sample interval. Raises ValueError where it needs more time to be told."""
        chip_s = _chip_s(interval_s)
        runs = round(2.0 * total_s / (chip_s * (1.0 + LONGEST_CHIPS)))
        runs -= 1 - runs % 2  # odd: it begins and ends idle
        if runs < MIN_RUNS:
            raise ValueError(
                f"{total_s:g} s are too short for a pattern that a meter of one value in {interval_s:g} s shows: "
                f"take at least {shortest_s(interval_s):.0f} s"
            )
        rng = np.random.default_rng(seed)
        drawn = [rng.uniform(1.0, LONGEST_CHIPS, runs) for _ in range(DRAWS)]
        fitting = [lengths * (total_s / float(lengths.sum())) for lengths in drawn]
        best = min(fitting, key=lambda lengths: side_lobe_ratio(lengths, chip_s))
        ends_s = [0.0, *accumulate(best.tolist())]
        busy = tuple((ends_s[index], ends_s[index + 1]) for index in range(1, runs, 2))
        return cls(busy, float(best.min()), total_s)


def shortest_s(interval_s: float) -> float:
    """Return the shortest time in which a pattern can be played to a meter with this sample interval."""
    return MIN_RUNS * _chip_s(interval_s) * (1.0 + LONGEST_CHIPS) / 2.0


def side_lobe_ratio(lengths_s: F64, chip_s: float) -> float:
    """Return how well a sequence of idle and busy times suits itself at another place: 1 as well as at its own."""
    step_s = chip_s / 4.0
    t_s = np.arange(0.0, float(lengths_s.sum()), step_s)
    levels = (np.searchsorted(np.cumsum(lengths_s), t_s, side="right") % 2).astype(np.float64)
    levels -= levels.mean()
    size = 2 * len(levels)
    spectrum = np.fft.rfft(levels, size)
    lobes = np.fft.irfft(spectrum * spectrum.conj(), size)[: len(levels)]
    beyond = int(LONGEST_CHIPS * chip_s / step_s)
    return float(lobes[beyond:].max() / lobes[0])


def _chip_s(interval_s: float) -> float:
    return max(CHIP_INTERVALS * interval_s, MIN_CHIP_S)
