"""What a Yokogawa WT310/WT310E answers: numbers, ranges, one reading, and whether its values belong together.

One question asks five things at once and gets one line back, so that all of it is of one moment::

    :STAT:EESR?;:NUM:NORM:VAL?;:INP:VOLT:RANG?;:INP:CURR:RANG?;:INTEG:STAT?
    1;231.04E+00,0.1238E+00,28.533E+00,28.603E+00,2.0000E+00,0.9976E+00,50.001E+00,NAN;300.0E+00;500.0E-03;RESET

Source: Yokogawa IM WT310E-17EN (5.1 to 5.4 messages and numbers, 7.4 status), IM WT310E-01EN p. 2-7 (ranges),
IM WT310E-02EN p. 1-12 (over-range at 140 %, zero below 0.5 % of the range).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

VOLTAGE_RANGES_V: Final = (15.0, 30.0, 60.0, 150.0, 300.0, 600.0)
CURRENT_RANGES_A: Final = (5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Both with crest factor 3; with crest factor 6 the ranges are half of these."""
OVER_RANGE_RATIO: Final = 1.4
ITEMS: Final = ("U", "I", "P", "S", "Q", "LAMBda", "FU", "WH")
AC_RANGE_RATIO: Final = 0.0005
DC_RANGE_RATIO: Final = 0.002
"""The part of the range in the limit on power: 0.05 % at 45 to 66 Hz, 0.2 % at DC."""
OFFSETS_W_PER_A: Final = tuple(
    sorted({round(volts * ratio, 6) for ratio in (AC_RANGE_RATIO, DC_RANGE_RATIO) for volts in VOLTAGE_RANGES_V})
)
"""Each product of a voltage range with its part: ten steps for twelve pairs."""
POLL: Final = b":STAT:EESR?;:NUM:NORM:VAL?;:INP:VOLT:RANG?;:INP:CURR:RANG?;:INTEG:STAT?\n"
UPDATED_BIT: Final = 1
PEAK_OVER_BITS: Final = 0x180

_NUMBER: Final = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{0,6})?E[+-][0-9]{2}")
_WORDS: Final = MappingProxyType({"NAN": float("nan"), "INF": float("inf"), "-INF": float("-inf")})
_STATES: Final = ("RES", "STAR", "STOP", "TIM", "ERR", "READ")
_UNITS: Final = 5
_NEAR: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer. A value is NaN where the meter has none and infinite where its range is exceeded.

    ``events``: the extended event register since the last question; bit 0 says that there was an update.
    """

    events: int
    values: Mapping[str, float]
    voltage_range_v: float
    current_range_a: float
    integrator: str

    @property
    def is_updated(self) -> bool:
        """Has the meter measured since the question before?"""
        return bool(self.events & UPDATED_BIT)


def parse_number(text: str) -> float | None:
    """Return a number like 103.79E+00, NaN or infinity for the meter's words, None for anything else."""
    if text in _WORDS:
        return _WORDS[text]
    return float(text) if _NUMBER.fullmatch(text) else None


def format_number(value: float, digits: int = 5) -> str:
    """Return a number as the meter writes it: an exponent that three divides, ``digits`` digits, INF and NAN."""
    if value != value:  # noqa: PLR0124 only NaN differs from itself
        return "NAN"
    if value in {float("inf"), float("-inf")}:
        return "INF" if value > 0 else "-INF"
    exponent = 0
    if value:
        exponent = int(f"{value:.{digits - 1}e}".partition("e")[2]) // 3 * 3
    mantissa = value / 10.0**exponent
    whole = len(str(int(abs(float(f"{mantissa:.{digits - 1}f}")))))
    return f"{mantissa:.{max(digits - whole, 0)}f}E{exponent:+03d}"


def parse_reading(line: str) -> Reading | None:
    """Return the answer to ``POLL``, None where the line is none."""
    units = line.split(";")
    if len(units) != _UNITS or not re.fullmatch(r"[0-9]{1,5}", units[0]):
        return None
    numbers = [parse_number(text) for text in units[1].split(",")]
    ranges = [parse_number(text) for text in units[2:4]]
    if len(numbers) != len(ITEMS) or None in numbers or None in ranges or not units[4].startswith(_STATES):
        return None
    values = {name: number for name, number in zip(ITEMS, numbers, strict=True) if number is not None}
    voltage_range_v, current_range_a = (one for one in ranges if one is not None)
    return Reading(int(units[0]), values, voltage_range_v, current_range_a, units[4])


def contradiction(reading: Reading) -> str:
    """Say which values cannot belong together, empty where all can. They are redundant: S = U x I, P and Q make S.

    Below 0.5 % of its range a current shows as zero while power does not, hence the part of the range.
    """
    volts, amperes, watts, apparent, reactive, factor = (reading.values[name] for name in ITEMS[:6])
    range_va = reading.voltage_range_v * reading.current_range_a
    product_va = abs(volts * amperes)
    known_s, known_q, known_factor = (_is_finite(one) for one in (apparent, reactive, factor))
    square_slack = 0.03 * apparent**2 + (0.01 * range_va) ** 2
    checks = (
        ("U is above its range", abs(volts) > 1.01 * OVER_RANGE_RATIO * reading.voltage_range_v),
        ("I is above its range", abs(amperes) > 1.01 * OVER_RANGE_RATIO * reading.current_range_a),
        ("P is above U x I", abs(watts) > 1.01 * product_va + 0.01 * range_va),
        ("S is not U x I", known_s and abs(apparent - product_va) > 0.01 * apparent + 0.002 * range_va),
        (
            "P and Q do not make S",
            known_s and known_q and abs(watts**2 + reactive**2 - apparent**2) > square_slack,
        ),
        (
            "the power factor does not make P",
            known_factor and abs(abs(factor) * product_va - abs(watts)) > 0.02 * abs(watts) + 0.01 * range_va,
        ),
    )
    return next((text for text, is_wrong in checks if is_wrong), "")


def range_index(reading: Reading, crest_factor: int, range_ratio: float) -> int | None:
    """Return the place of the active ranges in the sheet's list, None where they are none of this meter's.

    With crest factor 6 or 6A a range is half as large and its part of the limit is taken to be that of the whole.
    """
    scale = 1.0 if crest_factor == 3 else 2.0
    current = _place(CURRENT_RANGES_A, scale * reading.current_range_a)
    voltage = _place(VOLTAGE_RANGES_V, scale * reading.voltage_range_v)
    if current is None or voltage is None:
        return None
    offset = _place(OFFSETS_W_PER_A, VOLTAGE_RANGES_V[voltage] * range_ratio)
    return None if offset is None else current * len(OFFSETS_W_PER_A) + offset


def _place(table: tuple[float, ...], value: float) -> int | None:
    places = [i for i, one in enumerate(table) if abs(one - value) <= _NEAR * one]
    return places[0] if places else None


def _is_finite(value: float) -> bool:
    return abs(value) != float("inf") and value == value  # noqa: PLR0124 only NaN differs from itself
