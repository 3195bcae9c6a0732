"""Figures and lists as people read them: SI prefixes, digits as the uncertainty leaves them, a dash for unknown."""

import math
from collections.abc import Sequence
from typing import Final

from collector.carbon.estimate import Estimate

UNKNOWN: Final = "–"
_PREFIXES: Final = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
_TINY: Final = 1e-15
_HUGE: Final = 1e15
"""Beyond the prefixes by a thousand and more: nothing that is measured, and as digits a line of noughts."""
_NAMED_AT_MOST: Final = 6
NBSP: Final = "\N{NO-BREAK SPACE}"


def some_of(names: Sequence[str]) -> str:
    """Return the names, of many only the first: a line over a thousand devices stays one that can be read."""
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def prefix_of(value: float) -> tuple[float, str]:
    """Return the power of ten, and its letter, that show ``value`` with one to three digits before the point."""
    if value == 0 or not math.isfinite(value):
        return 1.0, ""
    exponent = min(9, max(-12, 3 * math.floor(math.log10(abs(value)) / 3 + 1e-12)))
    return 10.0**exponent, _PREFIXES[exponent]


def si(value: float | None, unit: str, digits: int = 3) -> str:
    """Return for example ``4.12 W``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value and not _TINY <= abs(value) < _HUGE:
        return f"{value:.{digits - 1}e}{NBSP}{unit}"
    scale, letter = prefix_of(value)
    return f"{significant(value / scale, digits)}{NBSP}{letter}{unit}"


def si_u(value: float | None, u: float | None, unit: str) -> str:
    """Return for example ``61.2 ± 0.4 µJ``; the uncertainty has two digits, the value as many places as it."""
    if value is None or u is None or not math.isfinite(value) or not math.isfinite(u) or u <= 0.0:
        return si(value, unit)
    scale, letter = prefix_of(max(abs(value), u))
    places = max(0, 1 - math.floor(math.log10(u / scale)))
    return f"{value / scale:.{places}f} ± {u / scale:.{places}f}{NBSP}{letter}{unit}"


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` significant digits, without exponent."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def grams(estimate: Estimate | None) -> str:
    """Return the value of an estimate in grams, with the prefix that suits it."""
    return UNKNOWN if estimate is None else si(estimate.value, "g")


def grams_range(estimate: Estimate | None) -> str:
    """Return ``low to high`` in the prefix of the value, empty when unknown."""
    return _range(estimate, "g")


def joules_range(estimate: Estimate | None) -> str:
    """Return ``low to high`` of joules, empty when unknown."""
    return _range(estimate, "J")


def _range(estimate: Estimate | None, unit: str) -> str:
    if estimate is None:
        return ""
    scale, letter = prefix_of(estimate.value)
    low, high = significant(estimate.low / scale, 2), significant(estimate.high / scale, 2)
    return f"{low} to {high}{NBSP}{letter}{unit}"


def plain(estimate: Estimate) -> str:
    """Return value and range of an estimate in its own unit."""
    return f"{significant(estimate.value)} ({significant(estimate.low, 2)} to {significant(estimate.high, 2)})"


def percent(ratio: float | None, places: int = 0) -> str:
    """Return a ratio as per cent; what is not quite all never reads as 100 %."""
    if ratio is None:
        return UNKNOWN
    text = f"{100 * ratio:.{places}f}"
    if ratio < 1.0 and float(text) == 100.0:
        text = f"{math.floor(100 * ratio * 10**2) / 10**2:.2f}"
    return f"{text}{NBSP}%"


def count(number: int) -> str:
    """Return an integer with no-break spaces between thousands."""
    return f"{number:,}".replace(",", NBSP)


def span(seconds: float) -> str:
    """Return a length of time with the two units that matter."""
    whole = round(seconds)
    if whole < 120:
        return f"{significant(seconds)}{NBSP}s"
    for size, name, smaller, smaller_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{NBSP}{name}" + (f" {rest}{NBSP}{smaller_name}" if rest else "")
    return f"{whole}{NBSP}s"
