"""From a data sheet's limits, or a user's calibration certificate, to the uncertainty of each sample. Pure."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from firmware_bridge.driver import DataSheet, GainDistribution
from firmware_bridge.samples import F64, SampleBlock

RECTANGULAR: Final = 1.0 / 3.0**0.5
"""Half-width of a rectangular distribution to its standard uncertainty (JCGM 100:2008, 4.3.7)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A user's certificate for the current channel of one meter; it replaces the data sheet's current limits.

    True current = ``gain_ratio`` x indicated + ``offset_a``. ``gain_u_ratio`` and ``offset_u_a`` are standard
    uncertainties (k = 1). ``certificate`` and ``date`` say where the figures come from.
    """

    gain_ratio: float = 1.0
    offset_a: float = 0.0
    gain_u_ratio: float = 0.0
    offset_u_a: float = 0.0
    certificate: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for figures that no certificate can hold."""
        if not self.gain_ratio > 0.0:
            raise ValueError(f"gain_ratio must be above zero, not {self.gain_ratio}")
        if not (self.gain_u_ratio >= 0.0 and self.offset_u_a >= 0.0):
            raise ValueError("gain_u_ratio and offset_u_a are standard uncertainties: they cannot be negative")


def apply_calibration(block: SampleBlock, calibration: Calibration | None) -> SampleBlock:
    """Return the block with current, power and counter corrected; without a calibration the block itself.

    The meter's own counter has the same gain. What an offset of current adds to it depends on all voltages since it
    began, which nobody has: with an offset it is left out, as it would contradict the corrected samples.
    """
    if calibration is None:
        return block
    counter_j = None if block.counter_j is None or calibration.offset_a else calibration.gain_ratio * block.counter_j
    return replace(
        block,
        counter_j=counter_j,
        current_a=calibration.gain_ratio * block.current_a + calibration.offset_a,
        power_w=calibration.gain_ratio * block.power_w + calibration.offset_a * block.voltage_v,
    )


def power_u_w(sheet: DataSheet, block: SampleBlock, calibration: Calibration | None = None) -> F64:
    """Return each sample's systematic standard uncertainty of power in watts, shape ``(n,)``.

    P = V x I with gain and offset limits of both channels, by range, as independent rectangular distributions.
    It is the part that samples share, so it adds linearly over time; noise and quantisation are not in it. A meter
    that measures power itself (AC) has limits for power, which a user's certificate for current replaces too.
    Where a meter shows less than the power at which it starts, the load may be anything up to that: a limit too.
    """
    power_u = _power_u_w(sheet, block, calibration)
    if sheet.starting_power_w <= 0.0:
        return power_u
    start_u_w = np.where(np.abs(block.power_w) < sheet.starting_power_w, RECTANGULAR * sheet.starting_power_w, 0.0)
    return np.maximum(power_u, start_u_w)


def _power_u_w(sheet: DataSheet, block: SampleBlock, calibration: Calibration | None) -> F64:
    if sheet.power_gain_limit_ratio is not None and calibration is None:
        offsets_w = _of_range(block, [one.power_offset_limit_w for one in sheet.ranges])
        gain_u_w = gain_u_ratio(sheet, sheet.power_gain_limit_ratio) * block.power_w
        own_u: F64 = _root_sum_square(gain_u_w, RECTANGULAR * offsets_w)
        return own_u
    volts, amps = np.abs(block.voltage_v), np.abs(block.current_a)
    voltage_u_v = RECTANGULAR * _root_sum_square(sheet.voltage_gain_limit_ratio * volts, sheet.voltage_offset_limit_v)
    if calibration is not None:
        current_u_a = _root_sum_square(calibration.gain_u_ratio * amps, calibration.offset_u_a)
    else:
        gains_u = _of_range(block, [gain_u_ratio(sheet, one.gain_limit_ratio) for one in sheet.ranges])
        offset_a = _of_range(block, [one.offset_limit_a for one in sheet.ranges])
        current_u_a = _root_sum_square(gains_u * amps, RECTANGULAR * offset_a)
    power_u: F64 = _root_sum_square(amps * voltage_u_v, volts * current_u_a)
    return power_u


def gain_u_ratio(sheet: DataSheet, gain_limit_ratio: float) -> float:
    """Return the standard uncertainty of a gain that the sheet states as ``gain_limit_ratio``."""
    return gain_limit_ratio if sheet.gain_distribution == "normal" else RECTANGULAR * gain_limit_ratio


@dataclass(frozen=True, slots=True)
class SystematicPart:
    """One constant error of a meter at one operating point, as standard uncertainty of power in watts.

    ``kind``: does it grow with the power ("gain"), or is it there at any power ("offset")? An offset is the same
    in two states of one load and cancels in their difference.
    """

    name: str
    kind: Literal["gain", "offset"]
    u_w: float
    distribution: GainDistribution


def systematic_parts(
    sheet: DataSheet, *, voltage_v: float, current_a: float, calibration: Calibration | None = None
) -> tuple[SystematicPart, ...]:
    """Return the parts of ``power_u_w`` at one operating point, by name; parts that are zero are left out.

    The range is the smallest that holds the current. An offset of voltage acts in proportion to the current: at one
    supply voltage that is a gain, and so is one of current in proportion to the voltage, which hardly changes: that
    is an offset of power.
    """
    volts, amps = abs(voltage_v), abs(current_a)
    span = next((one for one in sheet.ranges if amps <= one.max_current_a), sheet.ranges[-1])
    normal: GainDistribution = "normal"
    flat: GainDistribution = "rectangular"
    parts: list[SystematicPart]
    if sheet.power_gain_limit_ratio is not None and calibration is None:
        gain_u_w = gain_u_ratio(sheet, sheet.power_gain_limit_ratio) * volts * amps
        parts = [
            SystematicPart("power gain", "gain", gain_u_w, sheet.gain_distribution),
            SystematicPart("power offset", "offset", RECTANGULAR * span.power_offset_limit_w, flat),
        ]
    else:
        parts = [
            SystematicPart("voltage gain", "gain", RECTANGULAR * sheet.voltage_gain_limit_ratio * volts * amps, flat),
            SystematicPart("voltage offset", "gain", RECTANGULAR * sheet.voltage_offset_limit_v * amps, flat),
        ]
        if calibration is not None:
            parts += [
                SystematicPart("current gain (certificate)", "gain", calibration.gain_u_ratio * volts * amps, normal),
                SystematicPart("current offset (certificate)", "offset", calibration.offset_u_a * volts, normal),
            ]
        else:
            gain_u_w = gain_u_ratio(sheet, span.gain_limit_ratio) * volts * amps
            parts += [
                SystematicPart("current gain", "gain", gain_u_w, sheet.gain_distribution),
                SystematicPart("current offset", "offset", RECTANGULAR * span.offset_limit_a * volts, flat),
            ]
    return tuple(part for part in parts if part.u_w > 0.0)


def power_step_w(sheet: DataSheet, block: SampleBlock) -> F64:
    """Return the step of power that one step of V and one of I make at each sample in watts, shape ``(n,)``."""
    if sheet.power_resolution_w is not None:
        return np.full(len(block), sheet.power_resolution_w)
    step_a = _of_range(block, [one.resolution_a for one in sheet.ranges])
    power_step: F64 = _root_sum_square(block.voltage_v * step_a, block.current_a * sheet.voltage_resolution_v)
    return power_step


def _of_range(block: SampleBlock, values: list[float]) -> F64:
    """Return the value of each sample's range, shape ``(n,)`` or ``(1,)``; of the largest where none is named."""
    table, index = np.array(values), block.range_index
    if index is None:
        return table[-1:]
    return table[index[:1]] if (index == index[0]).all() else table[index]


def _root_sum_square(a: F64, b: F64 | float) -> F64:
    """Return sqrt(a^2 + b^2); np.hypot costs several times as much to guard against overflow."""
    root: F64 = np.sqrt(a * a + b * b)
    return root
