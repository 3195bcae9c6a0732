"""What a factor must be before anything is computed with it, and before its table may leave the house. Pure."""

import difflib
from typing import Final

from collector.carbon.factors import Factor

SHIPPABLE: Final[dict[str, str]] = {
    "Apache-2.0": "the licence of this package",
    "MIT": "asks for its notice, which the source names",
    "BSD-3-Clause": "asks for its notice, which the source names",
    "CC0-1.0": "asks for nothing",
    "CC-BY-4.0": "asks for the author, the licence and the changes, which the table names",
    "OGL-UK-3.0": "asks for the author and the licence, which the table names",
    "cited fact": "a number of a publication, cited; no table or text of it is copied",
}
"""Licences of data that may be shipped with Apache-2.0 code, and why. What is not here may not be shipped."""

_FORBIDS: Final[dict[str, str]] = {
    "odbl": "passes its own terms on to the table",
    "dbcl": "passes its own terms on to the table",
    "agpl": "passes its own terms on to the package",
    "gpl": "passes its own terms on to the package",
    "mpl": "passes its own terms on to the file",
    "cc-by-sa": "passes its own terms on to the table",
    "cc-by-nc": "forbids commercial use",
    "cc-by-nd": "forbids changes",
    "proprietary": "is not free",
    "user's own": "belongs to the user",
}
_QUANTITIES: Final = frozenset(
    {
        "gCO2e", "kgCO2e", "tCO2e", "kgSbe", "gSbe", "J", "kWh", "MJ", "W", "mW", "L", "m3", "g", "kg", "cm2", "mm2",
        "mm", "m", "km", "GB", "MB", "unit", "board", "device", "ratio", "a", "h", "s",
    }
)  # fmt: skip
"""What the units of factors are made of: one of these, or one of them per another."""


def licence_fault(licence: str) -> str | None:
    """Return why data under ``licence`` may not be shipped with this package, or None when it may."""
    if licence in SHIPPABLE:
        return None
    named = licence.casefold().replace(" ", "-")
    why = next((why for word, why in _FORBIDS.items() if word.replace(" ", "-") in named), "is not known here")
    return (
        f"the licence {licence!r} {why}: leave the data out and let users fetch or enter them; "
        f"may be shipped: {', '.join(SHIPPABLE)}"
    )


def unit_fault(unit: str) -> str | None:
    """Return what is wrong with a unit, or None. Units are ``gCO2e/kWh``: a quantity, or one per another."""
    parts = unit.split("/")
    if len(parts) <= 2 and all(part in _QUANTITIES for part in parts):
        return None
    strange = next((part for part in parts if part not in _QUANTITIES), unit)
    near = difflib.get_close_matches(strange, sorted(_QUANTITIES), n=3, cutoff=0.4)
    hint = f"near: {', '.join(near)}" if near else f"known: {', '.join(sorted(_QUANTITIES))}"
    return f"the unit {unit!r} is none that is computed with; {hint}"


def factor_faults(factor: Factor, *, for_shipping: bool = False) -> tuple[str, ...]:
    """Return every fault of a factor, one line each; () for none.

    ``for_shipping``: also what forbids to ship it. A text that is missing, numbers that are not finite and a range
    that does not hold its value are refused before there is a ``Factor``.
    """
    figure = factor.estimate
    faults = [unit_fault(figure.unit)]
    if figure.low < 0.0:
        which = "value" if figure.value < 0.0 else "low"
        number = getattr(figure, which)
        faults.append(f"{which} is {number:g}: a factor cannot be negative; what is saved elsewhere is no factor")
    if for_shipping:
        faults.append(licence_fault(factor.licence))
    return tuple(fault for fault in faults if fault is not None)
