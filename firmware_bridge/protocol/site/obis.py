"""Data sets of electricity meters: ``1-0:1.8.0*255(000123.4*kWh)`` and what the codes mean. Pure.

Codes: IEC 62056-6-1 (OBIS), C.D.E of an A-B:C.D.E*F code. Text form: IEC 62056-21, 5.7 and 6.6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_SETS: Final = 400
_SET = re.compile(
    r"(?:(?P<a>\d{1,3})-(?P<b>\d{1,3}):)?(?P<cde>[0-9A-Z]{1,3}\.[0-9A-Z]{1,3}(?:\.[0-9A-Z]{1,3})?)"
    r"(?:[*&](?P<f>\d{1,3}))?(?P<values>(?:\([^()\r\n]*\))+)"
)
_CONTINUED = re.compile(r"(?:\([^()\r\n]*\))+")
_QUANTITY = re.compile(r"([+-]?\d{1,12})(?:\.(\d{1,9}))?\*(\w{1,8})")
_UNITS: Final = {
    "MWh": ("Wh", 1e6),
    "kWh": ("Wh", 1e3),
    "Wh": ("Wh", 1.0),
    "kW": ("W", 1e3),
    "W": ("W", 1.0),
    "V": ("V", 1.0),
    "A": ("A", 1.0),
}
_VOLTS, _AMPERES = ("32.7.0", "52.7.0", "72.7.0"), ("31.7.0", "51.7.0", "71.7.0")
_PHASES = (("21.7.0", "22.7.0", "36.7.0"), ("41.7.0", "42.7.0", "56.7.0"), ("61.7.0", "62.7.0", "76.7.0"))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in W, Wh, V or A, and the step that its last digit makes."""

    value: float
    step: float
    unit: str


@dataclass(frozen=True, slots=True)
class Electricity:
    """What a site's meter says now. None: it does not say.

    ``power_w``: drawn less fed back. ``voltages_v``, ``currents_a``: of the phases that it names.
    ``import_wh``, ``export_wh``: counters of all tariffs.
    """

    power_w: Quantity | None
    voltages_v: tuple[float, ...]
    currents_a: tuple[float, ...]
    import_wh: Quantity | None
    export_wh: Quantity | None


class FormWatch:
    """Judges readouts that come without check sum, each by the one before."""

    def __init__(self) -> None:
        self._last: frozenset[str] | None = None

    def believes(self, text: str, bad_lines: int, sets: Mapping[str, str], numbers: Mapping[str, Quantity]) -> bool:
        """Tell whether a readout looks whole: clean lines, the same codes, units and steps as the last."""
        form = frozenset(sets) | {f"{code} {one.unit} {one.step:g}" for code, one in numbers.items()}
        same = self._last is None or form == self._last
        self._last = form
        return same and not bad_lines and all(" " <= char <= "~" or char in "\r\n" for char in text)


def scaled(number: float, step: float, unit: str) -> Quantity | None:
    """Return a number in its base unit, None for units that are not W, Wh, V or A."""
    if unit not in _UNITS:
        return None
    base, factor = _UNITS[unit]
    return Quantity(number * factor, step * factor, base)


def read_sets(text: str) -> tuple[dict[str, str], int]:
    """Return the data sets by code (``A-B:`` and ``*F`` as sent), and how many lines were no data set.

    The first of a code counts. A line that only holds values belongs to the set before it (DSMR 2 and 3 do that).
    """
    sets: dict[str, str] = {}
    bad = at = 0
    code = ""
    while at < len(text) and len(sets) < MOST_SETS:
        if text[at] in "\r\n":
            at += 1
            continue
        found = _SET.match(text, at)
        more = None if found else _CONTINUED.match(text, at)
        if found:
            code = text[at : found.start("values")]
            sets.setdefault(code, found["values"])
            at = found.end()
        elif more and code:
            sets[code] += more[0]
            at = more.end()
        else:
            bad += 1
            line_end = text.find("\n", at)
            at = len(text) if line_end < 0 else line_end + 1
    return sets, bad


def quantities(sets: Mapping[str, str]) -> dict[str, Quantity]:
    """Return the numbers of electricity as they stand now, by C.D.E: no other medium, no value of a past period."""
    found: dict[str, Quantity] = {}
    for code, values in sets.items():
        parts = _SET.fullmatch(code + values)
        if parts is None or parts["a"] not in {None, "1"} or parts["f"] not in {None, "255"}:
            continue
        number = _QUANTITY.fullmatch(values[1:-1])
        if number is None:
            continue
        decimals = number[2] or ""
        quantity = scaled(float(f"{number[1]}.{decimals}"), 10.0 ** -len(decimals), number[3])
        if quantity is not None:
            found.setdefault(parts["cde"], quantity)
    return found


def electricity(found: Mapping[str, Quantity]) -> Electricity:
    """Return power, voltages, currents and counters from numbers by C.D.E."""
    return Electricity(
        power_w=_power(found),
        voltages_v=tuple(found[code].value for code in _VOLTS if code in found and found[code].value > 0.0),
        currents_a=tuple(found[code].value for code in _AMPERES if code in found),
        import_wh=_counter(found, "1"),
        export_wh=_counter(found, "2"),
    )


def _power(found: Mapping[str, Quantity]) -> Quantity | None:
    """Return the net power: 16.7.0, else 1.7.0 less 2.7.0, else the sum of the phases that are named, else 15.7.0.

    15.7.0 has no sign: it is taken only where the meter does not count what is fed back, as older eHZ meters do not.
    """
    if "16.7.0" in found:
        return found["16.7.0"]
    if "1.7.0" in found:
        return _difference(found["1.7.0"], found.get("2.7.0"))
    total: Quantity | None = None
    for drawn, fed, net in _PHASES:
        phase = found.get(net)
        if phase is None and drawn in found:
            phase = _difference(found[drawn], found.get(fed))
        if phase is not None:
            total = phase if total is None else _sum(total, phase)
    if total is None and not any(code.startswith("2.8.") for code in found):
        return found.get("15.7.0")
    return total


def _counter(found: Mapping[str, Quantity], direction: str) -> Quantity | None:
    """Return the counter of one direction: the total, else the sum of the tariffs."""
    total = found.get(f"{direction}.8.0")
    if total is not None:
        return total
    for tariff in ("1", "2", "3", "4"):
        part = found.get(f"{direction}.8.{tariff}")
        if part is not None:
            total = part if total is None else _sum(total, part)
    return total


def _sum(one: Quantity, other: Quantity) -> Quantity:
    """Add two numbers that were each cut to their step: together they are off by both."""
    return Quantity(one.value + other.value, one.step + other.step, one.unit)


def _difference(one: Quantity, other: Quantity | None) -> Quantity:
    """Subtract power fed back from power drawn: one of them is zero."""
    return one if other is None else Quantity(one.value - other.value, max(one.step, other.step), one.unit)
