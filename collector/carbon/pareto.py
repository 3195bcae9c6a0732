"""Which models nothing beats in both score and cost, and what the next point of score costs. Pure.

Arrays have shape ``(models, worlds)``. That the last parts of quality cost the most is Gupta's observation (half of a
speech recogniser's training emissions for its last 0.3 of word error rate); here it is a figure of each step.
"""

from statistics import NormalDist
from typing import Final

import numpy as np

from collector.carbon.estimate import F64

_Z_95: Final = NormalDist().inv_cdf(0.975)
_NEAREST: Final = 1e-6
"""A score nearer to 0 or 1 than this has no end on the scale of odds."""


def on_front(scores: F64, costs: F64) -> "np.typing.NDArray[np.bool_]":
    """Return where no other model has at least the score for at most the cost, and one of them better."""
    front = np.ones(scores.shape, dtype=np.bool_)
    for index in range(len(scores)):
        at_least = (scores >= scores[index]) & (costs <= costs[index])
        better = (scores > scores[index]) | (costs < costs[index])
        front[index] = ~np.any(at_least & better, axis=0)
    return front


def drawn_score(value: float, low: float, high: float, z: F64) -> F64:
    """Return draws of a score of 0..1 with its 95 % interval, for standard normal ``z``: two-piece normal in log odds.

    Raises ValueError unless ``0 <= low <= value <= high <= 1``.
    """
    if not 0.0 <= low <= value <= high <= 1.0:
        raise ValueError(f"a score needs 0 <= low <= value <= high <= 1, not {low}, {value}, {high}")
    below, middle, above = (_log_odds(one) for one in (low, value, high))
    moved = middle + np.where(z < 0.0, z * (middle - below), z * (above - middle)) / _Z_95
    return np.asarray(1.0 / (1.0 + np.exp(-moved)), dtype=np.float64)


def step_costs(scores: F64, costs: F64) -> F64:
    """Return the cost of one hundredth of score from the first to the second model in every world, NaN where none.

    ``scores``, ``costs``: shape ``(2, worlds)``. NaN where the second one does not score higher.
    """
    gained = 100.0 * (scores[1] - scores[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(gained > 0.0, (costs[1] - costs[0]) / gained, np.nan), dtype=np.float64)


def _log_odds(score: float) -> float:
    inside = min(max(score, _NEAREST), 1.0 - _NEAREST)
    return float(np.log(inside / (1.0 - inside)))
