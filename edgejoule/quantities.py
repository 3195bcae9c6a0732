"""Numbers for people: SI prefixes, and as many digits as the uncertainty leaves."""

import math
from typing import Final

_PREFIXES: Final = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def with_prefix(value: float | None, unit: str, digits: int = 3) -> str:
    """Return for example ``61.2 µJ``; an en dash for an unknown value."""
    if value is None or not math.isfinite(value):
        return "–"
    exponent = _exponent(value)
    return f"{_rounded(value / 10.0**exponent, digits)} {_PREFIXES[exponent]}{unit}"


def with_uncertainty(value: float | None, u: float | None, unit: str) -> str:
    """Return for example ``61.2 ± 0.4 µJ``; ``u`` in the unit of ``value``, shown with two digits."""
    if value is None or u is None or not math.isfinite(value) or not math.isfinite(u):
        return with_prefix(value, unit)
    exponent = _exponent(value if abs(value) >= u else u)
    scale = 10.0**exponent
    decimals = max(0, 1 - math.floor(math.log10(u / scale))) if u > 0 else 3
    return f"{value / scale:.{decimals}f} ± {u / scale:.{decimals}f} {_PREFIXES[exponent]}{unit}"


def _exponent(value: float) -> int:
    if value == 0:
        return 0
    return min(9, max(-12, 3 * math.floor(math.log10(abs(value)) / 3)))


def _rounded(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"
