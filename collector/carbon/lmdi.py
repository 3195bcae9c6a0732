"""What a change is made of: the logarithmic mean Divisia index, LMDI-I, additive and multiplicative. Pure.

A quantity ``V`` is a chain of levels, ``t_1, t_2, ..., V``, and so the product of the factors ``t_1``, ``t_2 / t_1``,
..., ``V / t_(k-1)``: devices, inferences, joules, grams are devices x inferences per device x joules per inference x
grams per joule. The effect of a factor ``x`` on the change from ``V_0`` to ``V_T`` is ``L(V_T, V_0) ln(x_T / x_0)``
with the logarithmic mean ``L(a, b) = (a - b) / ln(a / b)``, ``L(a, a) = a`` (Ang 2005, Energy Policy 33, 867-871).
The effects sum to the change, and their opposites are those of the way back. Sums over groups keep both.

Zeros take the analytical limits of Ang, Zhang & Choi 1998 (Energy 23, 489-495), as LMDIR has them from table 2: of a
quantity that appears or vanishes, the factor that was or becomes zero carries all of the change, and the others none.
A quotient of two zeros has no value; that it counts as unchanged is the choice made here. See docs/decomposition.md.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from collector.carbon.estimate import F64

_NEAR: Final = 1.0
"""Up to this relative distance the logarithm of a ratio is taken from the distance: no digits are lost to rounding."""


def log_ratio(after: F64 | float, before: F64 | float) -> F64:
    """Return ``ln(after / before)`` of positive numbers, to the last digits also where they are nearly equal.

    Exactly opposite when the two are swapped.
    """
    start, end = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    low, high = np.minimum(start, end), np.maximum(start, end)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        distance = (high - low) / low
        near = np.log1p(distance)
        far = np.log(high) - np.log(low)
    return np.asarray(np.where(distance <= _NEAR, near, far) * np.where(end >= start, 1.0, -1.0), dtype=np.float64)


def log_mean(a: F64 | float, b: F64 | float) -> F64:
    """Return ``L(a, b)`` of numbers that are not negative: 0 where one of them is 0, ``a`` where both are equal."""
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    both = (one > 0.0) & (other > 0.0)
    safe_a, safe_b = np.where(both, one, 1.0), np.where(both, other, 1.0)
    distance, logarithm = safe_a - safe_b, log_ratio(safe_a, safe_b)
    equal = logarithm == 0.0
    mean = np.where(equal, safe_a, distance / np.where(equal, 1.0, logarithm))
    return np.asarray(np.where(both, mean, 0.0), dtype=np.float64)


def chain_effects(before: Sequence[Any], after: Sequence[Any]) -> F64:
    """Return the effect of each factor of a chain of levels on the change of its last level, in its unit.

    ``before``, ``after``: the levels ``t_1, ..., V``, numbers or arrays of one shape. Shape of the result: (levels,
    *shape). Raises ValueError for levels that are negative or not finite, for two lists of different length, and for
    a level above zero that follows one of zero: a quotient would be infinite, and has no limit.
    """
    if len(before) != len(after) or not before:
        raise ValueError(f"both sides need the same levels, not {len(before)} and {len(after)}")
    start, end = _levels(before), _levels(after)
    logs = np.zeros(np.broadcast_shapes(start.shape, end.shape))
    known = (start > 0.0) & (end > 0.0)
    own = log_ratio(np.where(known, end, 1.0), np.where(known, start, 1.0))
    logs[0] = own[0]
    logs[1:] = own[1:] - own[:-1]
    effects = log_mean(end[-1], start[-1]) * logs
    for zeros, other, sign in ((start, end, 1.0), (end, start, -1.0)):
        moved = (zeros[-1] == 0.0) & (other[-1] > 0.0)
        first = np.argmax(zeros == 0.0, axis=0)
        for index in range(len(effects)):
            effects[index] = np.where(moved, np.where(first == index, sign * other[-1], 0.0), effects[index])
    return np.asarray(effects, dtype=np.float64)


def ratio_effects(effects: Sequence[float], before: float, after: float) -> tuple[float, ...] | None:
    """Return the multiplicative effects: by which number each factor multiplies the sum of all groups.

    ``effects``: additive ones of all factors, summed over the groups; ``before``, ``after``: that sum's levels. Their
    product is ``after / before``. None where one side is zero: the ratio has no finite value, or none at all.
    """
    if not (before > 0.0 and after > 0.0):
        return None
    mean = float(log_mean(after, before))
    return tuple(math.exp(effect / mean) for effect in effects)


def rebound_ratio(volume: float, efficiency: float) -> float | None:
    """Return which part of an expected saving more use has taken back: ``volume / |efficiency|``.

    ``volume``, ``efficiency``: effects in one unit; an efficiency that rose has a negative one, and saves as much.
    ``1 - actual saving / expected saving``, where the actual saving leaves other factors out. None without a gain in
    efficiency: there is no saving to take back.
    """
    return volume / -efficiency if efficiency < 0.0 else None


def _levels(given: Sequence[Any]) -> F64:
    levels = np.stack(np.broadcast_arrays(*(np.asarray(one, dtype=np.float64) for one in given)))
    if not np.isfinite(levels).all() or (levels < 0.0).any():
        raise ValueError("a level of a decomposition is a finite number that is not negative")
    if ((levels[:-1] == 0.0) & (levels[1:] > 0.0)).any():
        raise ValueError("a level above zero follows one of zero: their quotient is infinite, and has no limit")
    return levels
