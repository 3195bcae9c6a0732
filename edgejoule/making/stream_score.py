"""How a classifier of windows does on a stream: what it announces, what it misses, what it announces wrongly. Pure.

One window's answer is no announcement: a class is announced once it was the likeliest in ``run`` windows in a row, and
once for as long as it stays so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StreamScore:
    """Over ``recordings_count`` recordings of one class each, ``seconds`` in all.

    ``missed_count``: recordings whose class was never announced. ``false_count``: announcements of another class;
    ``wrong_recordings_count``: recordings with any of these.
    """

    recordings_count: int
    missed_count: int
    false_count: int
    wrong_recordings_count: int
    seconds: float


def announcements(answers: Sequence[int] | NDArray[np.int64], run: int) -> list[int]:
    """Return the classes that are announced, in order; ``answers``: the likeliest class of each window."""
    return [answer for answer, group in groupby(map(int, answers)) if sum(1 for _ in group) >= run]


def stream_score(
    streams: Iterable[tuple[NDArray[np.int64], int]], *, run: int, seconds_per_window: float
) -> StreamScore:
    """Return the score of recordings, each as its windows' answers (n,) and its true class."""
    recordings = missed = false = wrong_recordings = windows = 0
    for answers, truth in streams:
        announced = announcements(answers, run)
        others = sum(1 for one in announced if one != truth)
        recordings += 1
        windows += len(answers)
        missed += truth not in announced
        false += others
        wrong_recordings += others > 0
    return StreamScore(recordings, missed, false, wrong_recordings, windows * seconds_per_window)
