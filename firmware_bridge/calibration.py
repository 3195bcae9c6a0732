"""From a data sheet's limits, or a user's calibration certificate, to the uncertainty of each sample. Pure."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from firmware_bridge.driver import DataSheet
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
        own_u: F64 = RECTANGULAR * _root_sum_square(sheet.power_gain_limit_ratio * block.power_w, offsets_w)
        return own_u
    volts, amps = np.abs(block.voltage_v), np.abs(block.current_a)
    voltage_u_v = RECTANGULAR * _root_sum_square(sheet.voltage_gain_limit_ratio * volts, sheet.voltage_offset_limit_v)
    if calibration is not None:
        current_u_a = _root_sum_square(calibration.gain_u_ratio * amps, calibration.offset_u_a)
    else:
        gain_ratio = _of_range(block, [one.gain_limit_ratio for one in sheet.ranges])
        offset_a = _of_range(block, [one.offset_limit_a for one in sheet.ranges])
        current_u_a = RECTANGULAR * _root_sum_square(gain_ratio * amps, offset_a)
    power_u: F64 = _root_sum_square(amps * voltage_u_v, volts * current_u_a)
    return power_u


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
