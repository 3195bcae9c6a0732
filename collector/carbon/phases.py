"""Phases of a model's life: what its making takes once, and what every inference takes. Pure; arrays ``(worlds,)``.

Development and deployment in the sense of Wright et al. 2023 (Efficiency is not enough) and of Luccioni et al. 2023
(BLOOM). Units are whatever both figures share: joules, or grams of one kind of intensity.
"""

from typing import Final, Literal

import numpy as np

from collector.carbon.estimate import F64

Outcome = Literal["from", "until", "always", "never"]
"""``from``: the other one takes less in all from so many inferences on; ``until``: up to so many."""
OUTCOMES: Final[tuple[Outcome, ...]] = ("from", "until", "always", "never")


def development_share(development: F64, per_inference: F64, inferences: float) -> F64:
    """Return which part of all that a model takes its making is, after so many inferences, 0..1.

    Raises ValueError for a negative number of inferences.
    """
    if inferences < 0.0:
        raise ValueError(f"a number of inferences cannot be negative: {inferences}")
    whole = development + inferences * per_inference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0.0, development / whole, np.nan), dtype=np.float64)


def break_even(extra_development: float, saved_per_inference: float) -> tuple[Outcome, float | None]:
    """Return when one model takes less in all than another: how, and at how many inferences (None: at none).

    ``extra_development``: what its making takes more, which can be negative; ``saved_per_inference``: what an
    inference takes less. The sign is the answer where no number can be (N* with a denominator of the wrong sign).
    """
    if extra_development >= 0.0 >= saved_per_inference and (extra_development, saved_per_inference) != (0.0, 0.0):
        return "never", None
    if extra_development <= 0.0 <= saved_per_inference:
        return "always", None
    return "from" if extra_development > 0.0 else "until", extra_development / saved_per_inference


def break_evens(extra_development: F64, saved_per_inference: F64) -> tuple[F64, F64]:
    """Return ``break_even`` in every world: the index of the outcome in ``OUTCOMES``, and the number, NaN for none."""
    dearer, cheaper = extra_development > 0.0, extra_development < 0.0
    saves, wastes = saved_per_inference > 0.0, saved_per_inference < 0.0
    kinds = np.select([dearer & saves, cheaper & wastes, ~dearer & ~wastes], [0, 1, 2], default=3)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        numbers = np.where(kinds <= 1, extra_development / saved_per_inference, np.nan)
    return np.asarray(kinds, dtype=np.float64), np.asarray(numbers, dtype=np.float64)
