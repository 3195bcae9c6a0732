"""The PPK2's numbers: commands, calibration constants, and the word on the wire.

Word, little-endian, 100,000 per second::

    31      24 23         18 17  16  14 13           0
    | logic   | counter     | 0 | range | ADC code    |
    | D7..D0  | 0..63       |   | 0..4  | 16383: full |

Source: behaviour of Nordic's own host application (pc-nrfconnect-ppk, src/device/serialDevice.ts), described anew.
"""

import math
from collections.abc import Mapping

import numpy as np

from firmware_bridge.samples import F64

START, STOP, METADATA = b"\x06", b"\x07", b"\x19"
POWER_OFF, POWER_ON = b"\x0c\x00", b"\x0c\x01"
MODES = {"ampere": b"\x11\x01", "source": b"\x11\x02"}
SET_VOLTAGE = b"\x0d"

RANGES = 5
RANGE_ENDS_A = (50e-6, 500e-6, 5e-3, 50e-3, 1.0)
MOST_A = 1.2
"""More than the meter carries, its gain error included. The converter alone goes on to about 13 A."""
CONSTANTS = ("R", "GS", "GI", "O", "S", "I", "UG")
FULL_SCALE = 0x3FFF
COUNTER_PERIOD = 64
TABLE_MASK = 0x3FFFF
"""The low 18 bits of a word: ADC code, range and the reserved bit; the index into ``current_table_a``, clipped."""
ADC_VOLTS_PER_COUNT = 1.8 / 163840
_METADATA_TEXT = ("Calibrated", "HW", "mode", "IA", "VDD")


def parse_metadata(text: str) -> dict[str, float | str]:
    """Return the ``KEY: VALUE`` lines before END: constants as numbers (nan where the meter says so), others as text.

    Lines end with a line feed or a semicolon, in any order. Raises ValueError that names what is missing: a constant
    is never filled in.
    """
    values: dict[str, float | str] = {}
    wanted = {f"{name}{index}" for name in CONSTANTS for index in range(RANGES)}
    for line in text.replace(";", "\n").splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            continue
        if key in wanted:
            values[key] = _number(key, value)
        elif key in _METADATA_TEXT:
            values[key] = value
    missing = sorted(wanted - set(values))
    if missing:
        raise ValueError(f"metadata lacks {', '.join(missing)}")
    return values


def _number(key: str, value: str) -> float:
    """Read one constant. C libraries print ``-nan`` and ``inf``; Python reads both."""
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"metadata has {key} = {value!r}, not a number") from None
    return number if math.isfinite(number) else math.nan


def unknown_ranges(constants: Mapping[str, float | str]) -> list[int]:
    """Return the ranges that cannot be converted: a constant is not a number, or R is zero."""
    return [
        index
        for index in range(RANGES)
        if constants[f"R{index}"] == 0.0 or any(math.isnan(float(constants[f"{name}{index}"])) for name in CONSTANTS)
    ]


def current_table_a(constants: Mapping[str, float | str], supply_v: float) -> F64:
    """Return the current of every (range, ADC code) by the low 18 bits of a word, shape (81921,).

    nan: ranges that cannot be converted, and at the end, where all words belong that have a range above 4 or the
    reserved bit set (``take`` with ``mode="clip"``).
    """
    code = np.arange(FULL_SCALE + 1) * 4.0
    flat = np.full(RANGES * (FULL_SCALE + 1) + 1, np.nan)
    table = _rows(flat)
    unknown = unknown_ranges(constants)
    for index in range(RANGES):
        if index in unknown:
            continue
        r, gs, gi, o, s, i, ug = (float(constants[f"{name}{index}"]) for name in CONSTANTS)
        x = (code - o) * (ADC_VOLTS_PER_COUNT / r)
        table[index] = ug * (x * (gs * x + gi) + (s * supply_v + i))
    return flat


def _rows(table_a: F64) -> F64:
    return table_a[:-1].reshape(RANGES, FULL_SCALE + 1)


def ceilings_a(table_a: F64) -> F64:
    """Return the most that each range can show, shape (5,): its full-scale code, but not above ``MOST_A``."""
    ceilings: F64 = np.minimum(_rows(table_a)[:, FULL_SCALE], MOST_A)
    return ceilings


def mark_pinned(table_a: F64) -> None:
    """Put inf into the table where the converter is at its end, or shows more than the meter carries."""
    rows = _rows(table_a)
    rows[rows > MOST_A] = np.inf
    rows[~np.isnan(rows[:, FULL_SCALE]), FULL_SCALE] = np.inf
