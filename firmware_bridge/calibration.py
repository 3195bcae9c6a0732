"""From a data sheet's limits, or a user's calibration certificate, to the uncertainty of each sample. Pure."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from firmware_bridge.driver import DataSheet, GainDistribution, MeterRange
from firmware_bridge.samples import F64, I8, SampleBlock

_Limits: TypeAlias = tuple[float, float, float] | tuple[F64, F64, F64]

RECTANGULAR: Final = 1.0 / 3.0**0.5
"""Half-width of a rectangular distribution to its standard uncertainty (JCGM 100:2008, 4.3.7)."""

SAME_RANGE_RATIO: Final = 0.1
"""A register's uncertainty that is more than this beside that of the mean power in its range is of several ranges. So
may be that of bursts within one range which rise from below its offset: nothing cancels then either, the safe side."""


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


class PowerUncertainty:
    """What a meter's limits, or a certificate, say of the power of its samples; what does not change is squared once.

    P = V x I with gain and offset limits of both channels, by range, as independent distributions. With u as the
    standard uncertainty of a gain and o of an offset::

        u(P)^2 = V^2 I^2 (uv^2 + ui^2) + I^2 ov^2 + V^2 oi^2

    A meter that measures power itself (AC) has limits for power, which a user's certificate for current replaces too.
    """

    def __init__(self, sheet: DataSheet, calibration: Calibration | None = None) -> None:
        self._sheet = sheet
        self._power_gain_ratio = sheet.power_gain_limit_ratio if calibration is None else None
        self._voltage_offset_v2 = (RECTANGULAR * sheet.voltage_offset_limit_v) ** 2
        self._voltage_step_v2 = sheet.voltage_resolution_v**2
        self._starting_u_w = RECTANGULAR * sheet.starting_power_w
        self._ranges = [self._squares(one, calibration) for one in sheet.ranges]
        self._columns = np.array(self._ranges).T

    def of(self, block: SampleBlock) -> tuple[F64, F64]:
        """Return each sample's systematic standard uncertainty and display step of power in watts, shape ``(n,)``.

        The uncertainty is the part that samples share, so it adds linearly over time; noise and quantisation are not
        in it. Where a meter shows less than the power at which it starts, the load may be anything up to that: a
        limit too. The step is the power that one step of V and one of I make.
        """
        if len(block) == 1:
            return self._of_one(block)
        first_v = float(block.voltage_v[0])
        volts = first_v if (block.voltage_v == first_v).all() else block.voltage_v
        limits = self._limits(block.range_index)
        u_w = np.sqrt(self._variance(limits, block.power_w, volts, block.current_a))
        if self._starting_u_w:
            low = np.abs(block.power_w) < self._sheet.starting_power_w
            u_w = np.maximum(u_w, np.where(low, self._starting_u_w, 0.0))
        if self._sheet.power_resolution_w is not None:
            return u_w, np.full(len(block), self._sheet.power_resolution_w)
        return u_w, np.sqrt(self._step_w2(limits, volts, block.current_a))

    def _of_one(self, block: SampleBlock) -> tuple[F64, F64]:
        """Return the same for a block of one sample, in plain floats."""
        watts, volts, amps = float(block.power_w[0]), float(block.voltage_v[0]), float(block.current_a[0])
        limits = self._ranges[-1 if block.range_index is None else int(block.range_index[0])]
        u_w = math.sqrt(self._variance(limits, watts, volts, amps))
        if abs(watts) < self._sheet.starting_power_w:
            u_w = max(u_w, self._starting_u_w)
        step_w = self._sheet.power_resolution_w
        if step_w is None:
            step_w = math.sqrt(self._step_w2(limits, volts, amps))
        return np.array([u_w]), np.array([step_w])

    def _variance(self, limits: _Limits, watts: Any, volts: Any, amps: Any) -> Any:
        """Return u(P)^2 of one sample or of many; ``volts`` may be one figure for all."""
        gain, offset, _ = limits
        if self._power_gain_ratio is not None:
            return watts * watts * gain + offset
        volts2 = volts * volts
        return amps * amps * (volts2 * gain + self._voltage_offset_v2) + volts2 * offset

    def _step_w2(self, limits: _Limits, volts: Any, amps: Any) -> Any:
        return amps * amps * self._voltage_step_v2 + volts * volts * limits[2]

    def _limits(self, index: I8 | None) -> _Limits:
        """Return the squares of each sample's range (the largest where none is named), one figure if all share it."""
        if index is None:
            return self._ranges[-1]
        if (index == index[0]).all():
            return self._ranges[int(index[0])]
        gain, offset, step = self._columns[:, index]
        return gain, offset, step

    def _squares(self, one: MeterRange, calibration: Calibration | None) -> tuple[float, float, float]:
        """Return one range's squares: of its gains and offset as standard uncertainties, and of its step."""
        step_a2 = one.resolution_a**2
        if self._power_gain_ratio is not None:
            gain_u = gain_u_ratio(self._sheet, self._power_gain_ratio)
            return gain_u**2, (RECTANGULAR * one.power_offset_limit_w) ** 2, step_a2
        voltage_u = RECTANGULAR * self._sheet.voltage_gain_limit_ratio
        if calibration is not None:
            return voltage_u**2 + calibration.gain_u_ratio**2, calibration.offset_u_a**2, step_a2
        current_u = gain_u_ratio(self._sheet, one.gain_limit_ratio)
        return voltage_u**2 + current_u**2, (RECTANGULAR * one.offset_limit_a) ** 2, step_a2


def power_u_w(sheet: DataSheet, block: SampleBlock, calibration: Calibration | None = None) -> F64:
    """Return each sample's systematic standard uncertainty of power in watts, shape ``(n,)``."""
    return PowerUncertainty(sheet, calibration).of(block)[0]


def power_step_w(sheet: DataSheet, block: SampleBlock) -> F64:
    """Return the step of power that one step of V and one of I make at each sample in watts, shape ``(n,)``."""
    return PowerUncertainty(sheet).of(block)[1]


def gain_u_ratio(sheet: DataSheet, gain_limit_ratio: float) -> float:
    """Return the standard uncertainty of a gain that the sheet states as ``gain_limit_ratio``."""
    return gain_limit_ratio if sheet.gain_distribution == "normal" else RECTANGULAR * gain_limit_ratio


@dataclass(frozen=True, slots=True)
class SystematicPart:
    """One constant error of a meter at one operating point, as standard uncertainty of power in watts.

    ``kind``: does it grow with the power ("gain"), or is it there at any power ("offset")? An offset is the same
    in two states of one load and cancels in their difference. "unseen" is what a meter does not show below the power
    at which it starts: of each state its own, it never cancels.
    ``range_index``: of the measuring range whose own error it is, None where all ranges have it in common.
    """

    name: str
    kind: Literal["gain", "offset", "unseen"]
    u_w: float
    distribution: GainDistribution
    range_index: int | None = None


def systematic_parts(
    sheet: DataSheet, *, voltage_v: float, current_a: float, calibration: Calibration | None = None
) -> tuple[SystematicPart, ...]:
    """Return the parts of ``power_u_w`` at one operating point, by name; parts that are zero are left out.

    The range is the smallest that holds the current. An offset of voltage acts in proportion to the current: at one
    supply voltage that is a gain, and so is one of current in proportion to the voltage, which hardly changes: that
    is an offset of power. Below the power at which the meter starts, all that is known is that power: one part.
    """
    volts, amps = abs(voltage_v), abs(current_a)
    fitting = [index for index, one in enumerate(sheet.ranges) if amps <= one.max_current_a]
    index = fitting[0] if fitting else len(sheet.ranges) - 1
    span = sheet.ranges[index]
    own = None if sheet.ranges_share_errors or len(sheet.ranges) == 1 else index
    normal: GainDistribution = "normal"
    flat: GainDistribution = "rectangular"
    parts: list[SystematicPart]
    if sheet.power_gain_limit_ratio is not None and calibration is None:
        gain_u_w = gain_u_ratio(sheet, sheet.power_gain_limit_ratio) * volts * amps
        parts = [
            SystematicPart("power gain", "gain", gain_u_w, sheet.gain_distribution),
            SystematicPart("power offset", "offset", RECTANGULAR * span.power_offset_limit_w, flat, own),
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
                SystematicPart("current gain", "gain", gain_u_w, sheet.gain_distribution, own),
                SystematicPart("current offset", "offset", RECTANGULAR * span.offset_limit_a * volts, flat, own),
            ]
    if volts * amps < sheet.starting_power_w:
        u_w = max(math.hypot(*(part.u_w for part in parts)), RECTANGULAR * sheet.starting_power_w)
        parts = [SystematicPart("power below its start", "unseen", u_w, flat)]
    return tuple(part for part in parts if part.u_w > 0.0)
