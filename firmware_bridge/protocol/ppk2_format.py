"""The PPK2's numbers: calibration constants, the word on the wire, and the filter for range changes.

Word, little-endian, 100,000 per second::

    31      24 23         18 17  16  14 13           0
    | logic   | counter     | 0 | range | ADC code    |
    | D7..D0  | 0..63       |   | 0..4  | 16383: full |

Source: behaviour of Nordic's own host application (pc-nrfconnect-ppk, src/device/serialDevice.ts), described anew.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.samples import F64, I8

RANGES = 5
CONSTANTS = ("R", "GS", "GI", "O", "S", "I", "UG")
FULL_SCALE = 0x3FFF
COUNTER_PERIOD = 64
TABLE_MASK = 0x1FFFF
ADC_VOLTS_PER_COUNT = 1.8 / 163840
_METADATA_TEXT = ("Calibrated", "HW", "mode", "IA", "VDD")

# Fraction of a new sample in the running mean, for all ranges and for the last one; samples that the mean replaces
# after a range change; samples of the last range that do not enter it.
_ALPHA, _ALPHA_LAST_RANGE = 0.18, 0.06
_REPLACED, _HELD = 3, 2
_MEMORY = 1024


def parse_metadata(text: str) -> dict[str, float | str]:
    """Return the ``KEY: VALUE`` lines before END: constants as numbers (nan where the meter says so), others as text.

    Raises ValueError that names what is missing: a constant is never filled in.
    """
    values: dict[str, float | str] = {}
    wanted = {f"{name}{index}" for name in CONSTANTS for index in range(RANGES)}
    for line in text.splitlines():
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


def current_table_a(constants: Mapping[str, float | str], supply_v: float) -> F64:
    """Return the current of every (range, ADC code), shape (131072,), indexed by the low 17 bits of a word.

    nan: full scale (pinned, not measured), ranges above 4, and ranges whose constants are not numbers.
    """
    code = np.arange(FULL_SCALE + 1) * 4.0
    table = np.full((8, FULL_SCALE + 1), np.nan)
    for index in range(RANGES):
        r, gs, gi, o, s, i, ug = (float(constants[f"{name}{index}"]) for name in CONSTANTS)
        if r == 0.0:
            continue
        x = (code - o) * ADC_VOLTS_PER_COUNT / r
        table[index] = ug * (x * (gs * x + gi) + (s * supply_v + i))
    table[:, FULL_SCALE] = np.nan
    return table.reshape(-1)


def running_mean(values: F64, alpha: float) -> F64:
    """Return y[n] = alpha * x[n] + (1 - alpha) * y[n-1], all n at once: the sum is doubled in length each pass.

    The start counts as zero, so give at least 1024 values of history: what lies further back weighs below 1e-27.
    """
    mean = alpha * values
    weight, span = 1.0 - alpha, 1
    while weight > 1e-18 and span < len(mean):
        mean[span:] += weight * mean[:-span]
        weight, span = weight * weight, span * 2
    return mean


class RangeChangeFilter:
    """Replaces the spikes of a range change by a running mean, as Nordic's application does.

    After a change three samples are replaced by the mean so far (a slower one in the last range); the first two
    samples of the last range do not enter either mean.
    """

    def __init__(self) -> None:
        self._history: F64 | None = None
        self._range = -1
        self._since = _REPLACED

    def apply(self, current_a: F64, range_index: I8) -> F64:
        """Return the filtered current of consecutive samples, shape (n,), continuing the last call."""
        if self._history is None:
            self._history = np.full(_MEMORY, current_a[0])
            self._range = int(range_index[0])
        since = self._samples_since_change(range_index)
        replaced = since < _REPLACED
        if not replaced.any():
            self._history = np.concatenate((self._history, current_a[-_MEMORY:]))[-_MEMORY:]
            return current_a
        last_range = range_index == RANGES - 1
        enters = ~(last_range & (since < _HELD))
        past = np.concatenate((self._history, current_a[enters]))
        self._history = past[-_MEMORY:]
        at = np.cumsum(enters)[replaced] + (_MEMORY - 1)
        filtered = current_a.copy()
        filtered[replaced] = np.where(
            last_range[replaced],
            running_mean(past, _ALPHA_LAST_RANGE)[at],
            running_mean(past, _ALPHA)[at],
        )
        return filtered

    def _samples_since_change(self, range_index: I8) -> NDArray[np.int64]:
        index = np.arange(len(range_index))
        changed = np.empty(len(range_index), dtype=np.bool_)
        changed[0] = range_index[0] != self._range
        np.not_equal(range_index[1:], range_index[:-1], out=changed[1:])
        last_change = np.maximum.accumulate(np.where(changed, index, -1 - self._since))
        since: NDArray[np.int64] = index - last_change
        self._range = int(range_index[-1])
        self._since = int(min(since[-1], _REPLACED))
        return since
