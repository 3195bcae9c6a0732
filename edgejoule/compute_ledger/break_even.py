"""After how many inferences a model has earned back what its making cost. Pure.

Development energy over the joules that an inference saves is a ratio of two uncertain figures; its interval is
Fieller's (E. C. Fieller, J. Roy. Stat. Soc. B 16, 1954), which has no upper end where the saving may be none.
"""

import math
from statistics import NormalDist
from typing import Final

import msgspec

NORMAL_95: Final = NormalDist().inv_cdf(0.975)


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Standard uncertainties (k = 1). ``inferences``: None where nothing is saved, as far as anybody measured.

    ``low`` to ``high``: 95 % interval; ``high`` is None without an end, and ``low`` too where no number of inferences
    earns it back.
    """

    development_j: float
    development_u_j: float
    saved_j: float
    saved_u_j: float
    inferences: float | None
    low: float | None
    high: float | None


def break_even(development_j: float, development_u_j: float, saved_j: float, saved_u_j: float) -> BreakEven:
    """Return after how many inferences ``development_j`` is earned back by ``saved_j`` an inference.

    The two are independent: they were measured by different instruments at different times. Raises ValueError for a
    figure that is not finite, or an uncertainty or development below zero.
    """
    figures = (development_j, development_u_j, saved_j, saved_u_j)
    if not all(map(math.isfinite, figures)) or min(development_j, development_u_j, saved_u_j) < 0.0:
        raise ValueError(f"development, saving and their uncertainties are finite, and not below zero: {figures}")
    low, high = _fieller(*figures)
    return BreakEven(
        development_j=development_j,
        development_u_j=development_u_j,
        saved_j=saved_j,
        saved_u_j=saved_u_j,
        inferences=development_j / saved_j if saved_j > 0.0 else None,
        low=low,
        high=high,
    )


def _fieller(made_j: float, made_u_j: float, saved_j: float, saved_u_j: float) -> tuple[float | None, float | None]:
    """Return the numbers n >= 0 for which made - n saved is not surely other than zero.

    They solve n^2 a - 2 n b + c <= 0.
    """
    a = saved_j**2 - (NORMAL_95 * saved_u_j) ** 2
    b = made_j * saved_j
    c = made_j**2 - (NORMAL_95 * made_u_j) ** 2
    root = math.sqrt(max(b * b - a * c, 0.0))
    if a > 0.0:  # surely saved, or surely not: between the two solutions, where these are not below zero
        high = (b + root) / a
        low = c / (b + root) if c > 0.0 and b + root > 0.0 else 0.0
        return (low, high) if c <= 0.0 or b > 0.0 else (None, None)
    if c <= 0.0:
        return 0.0, None
    return (c / (b + root), None) if b + root > 0.0 else (None, None)
