"""What follows what in the open meter's stream: order, loss, the unrolled clock, and the chip's own energy counter."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.protocol.pico_ina228.format import (
    BUS_STEP_V,
    ENERGY_PERIOD,
    ENERGY_STEPS,
    INTERVAL_US,
    SHUNT_STEP_V,
    SampleFrame,
    columns,
)
from firmware_bridge.samples import F64, U8, FrameError

PERIOD: Final = 1 << 32
HALF: Final = PERIOD // 2
_CLOCK_TOLERANCE_RATIO: Final = 0.05
_CLOCK_TOLERANCE_US: Final = 200_000
"""Conversions times their nominal interval is the time that must have passed; the chip's oscillator is good to 1 %."""
_STALE_LIMIT: Final = 60
_LEAST_COUNTER_J: Final = 1e-6
"""What a counter that begins anew steps back by, below zero if it must: who follows it sees each beginning."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From register codes to volts and amperes: the shunt, the range, and the record of the unit's calibration."""

    shunt_ohm: float
    adc_range: int
    current_gain: float = 1.0
    current_offset_a: float = 0.0
    voltage_gain: float = 1.0
    voltage_offset_v: float = 0.0

    @property
    def current_step_a(self) -> float:
        """Return what one step of the shunt code is in amperes, before calibration."""
        return SHUNT_STEP_V[self.adc_range] / self.shunt_ohm

    @property
    def energy_step_j(self) -> float:
        """Return what one step of ENERGY is in joules, before calibration."""
        return ENERGY_STEPS * self.current_step_a

    def current_a(self, codes: NDArray[np.int32]) -> F64:
        """Return the calibrated current."""
        return codes.astype(np.float64) * (self.current_step_a * self.current_gain) + self.current_offset_a

    def voltage_v(self, codes: NDArray[np.int32]) -> F64:
        """Return the calibrated voltage."""
        return codes.astype(np.float64) * (BUS_STEP_V * self.voltage_gain) + self.voltage_offset_v


@dataclass(slots=True)
class Run:
    """Frames in a row as columns of shape ``(n,)``; ``counter_j`` is NaN where the chip's counter is not known."""

    t_device_s: list[F64] = field(default_factory=list)
    shunt: list[NDArray[np.int32]] = field(default_factory=list)
    bus: list[NDArray[np.int32]] = field(default_factory=list)
    marker: list[U8] = field(default_factory=list)
    counter_j: list[F64] = field(default_factory=list)


class FrameTrack:
    """Takes frames in the order in which they came. ``elapsed_us`` is device time since the first sample's begin.

    Time goes on over a reset of the meter, whose clock begins anew: then by one interval.
    """

    def __init__(self) -> None:
        self._last: SampleFrame | None = None
        self._last_us = 0
        self._next_seq = 0
        self._started = False
        self._stale_count = 0
        self._counter = _ChipCounter()
        self.elapsed_us = 0
        self.late_count = 0

    def begins_anew(self, frame: SampleFrame) -> bool:
        """Tell whether the meter was reset since the last frame; then all begins anew here too.

        Another boot number says so, or, as one of 65536 resets draws the same number, sample numbers that step back
        where the stream was started again or for a whole second.
        """
        if self._last is None:
            return False
        stepped_back = (frame.seq - self._next_seq) % PERIOD >= HALF
        stepped_back = stepped_back and (self._started or self._stale_count >= _STALE_LIMIT)
        if self._last.boot == frame.boot and not stepped_back:
            return False
        self._last = None
        self._counter = _ChipCounter()
        return True

    def begin_stream(self) -> None:
        """Say that the meter was stopped and started: samples between were never taken."""
        self._started = True

    def take(self, frame: SampleFrame, scale: Scale, t_host_s: float, run: Run) -> list[FrameError]:
        """Add a frame to the run; return what is wrong with it or missing before it."""
        steps_us, shunt, bus, marker = columns(frame.body)
        if frame.count > 1 and steps_us[1:].min() == 0:
            return [FrameError("implausible", 1, t_host_s, "two samples at one time")]
        joined = self._last is not None and not self._started
        ahead = (frame.seq - self._next_seq) % PERIOD if joined else 0
        self._stale_count = self._stale_count + 1 if ahead >= HALF else 0
        if ahead >= HALF:
            return [FrameError("stale", 1, t_host_s, "a frame came twice or late")]
        errors: list[FrameError] = [FrameError("lost", ahead, t_host_s, "frames are missing")] if ahead else []
        late = self._late(frame, ahead) if joined else 0
        if late:
            self.late_count += late
            errors.append(FrameError("lost", late, t_host_s, "the meter did not read them in time"))
        before_us, clock_error = self._step_us(frame, t_host_s)
        if clock_error:
            self._counter.distrust()
        steps_us[0] = before_us
        t_us = self.elapsed_us + np.cumsum(steps_us)
        self.elapsed_us = int(t_us[-1])
        run.t_device_s.append(t_us.astype(np.float64) / 1e6)
        run.shunt.append(shunt)
        run.bus.append(bus)
        run.marker.append(marker)
        energy_j = scale.voltage_v(bus) * scale.current_a(shunt) * (steps_us.astype(np.float64) / 1e6)
        run.counter_j.append(self._counter.at_samples(frame, scale, self.elapsed_us, (shunt, bus), energy_j, late))
        self._last = frame
        self._last_us = (frame.t_us + int(steps_us[1:].sum())) % PERIOD
        self._next_seq = (frame.seq + frame.count) % PERIOD
        self._started = False
        return errors + clock_error

    def _late(self, frame: SampleFrame, ahead: int) -> int:
        """Return how many conversions ended, since the last frame, that the meter had no time to read."""
        if self._last is None:
            return 0
        conversions = (frame.conversion - self._last.conversion) % PERIOD
        return max(0, conversions - ahead - frame.count)

    def _step_us(self, frame: SampleFrame, t_host_s: float) -> tuple[int, list[FrameError]]:
        """Return the time from the last sample to this frame's first, its 32 bits unrolled by the conversions."""
        interval_us = INTERVAL_US[frame.profile]
        if self._last is None:
            return interval_us, []
        shown_us = (frame.t_us - self._last_us) % PERIOD
        conversions = (frame.conversion - self._last.conversion) % PERIOD - (frame.count - 1)
        expected_us = max(1, conversions) * interval_us
        step_us = shown_us + PERIOD * max(0, round((expected_us - shown_us) / PERIOD))
        if step_us == 0 or abs(step_us - expected_us) > _CLOCK_TOLERANCE_RATIO * expected_us + _CLOCK_TOLERANCE_US:
            detail = f"the meter's clock moved {step_us} us in {conversions} conversions"
            return expected_us, [FrameError("implausible", 1, t_host_s, detail)]
        return step_us, []


class _ChipCounter:
    """The chip's ENERGY, as joules on the meter's clock and with its calibration.

    The chip counts power times nominal time by an oscillator good to 1 %; the quartz of the microcontroller tells how
    long those conversions took, so the increment is scaled by that. The chip counts reverse current as if it were
    forward (its register is unsigned): from a frame with reverse current on nothing is shown, and the counter begins
    anew at zero with the first frame that has none.
    """

    def __init__(self) -> None:
        self._shown_j: float | None = None
        self._broken = False
        self._raw = 0
        self._conversion = 0
        self._at_us = 0

    def distrust(self) -> None:
        """Begin anew with the next frame: what came before does not join."""
        self._broken = True

    def at_samples(
        self,
        frame: SampleFrame,
        scale: Scale,
        at_us: int,
        codes: tuple[NDArray[np.int32], NDArray[np.int32]],
        energy_j: F64,
        late: int,
    ) -> F64:
        """Return the counter at each sample, shape ``(n,)``, NaN where it is not known.

        The chip tells it at the frame's last sample. Where every conversion of the frame is in it, the samples'
        ``energy_j`` tells the rest backwards from there, but never below what was shown before.
        """
        counter_j = np.full(frame.count, np.nan)
        before_j = self._shown_j
        shunt, bus = codes
        if int(shunt.min()) < 0:
            self._broken = True
        elif frame.energy is not None:
            counter_j[-1] = end_j = self._advance(frame, frame.energy, scale, at_us, (shunt, bus))
            if not late and (before_j is None or end_j >= before_j):
                after_j = np.cumsum(energy_j[:0:-1])[::-1]
                counter_j[:-1] = np.maximum(end_j - after_j, 0.0 if before_j is None else before_j)
        return counter_j

    def _advance(
        self,
        frame: SampleFrame,
        energy: int,
        scale: Scale,
        at_us: int,
        codes: tuple[NDArray[np.int32], NDArray[np.int32]],
    ) -> float:
        """Return the counter at the frame's last sample."""
        moved = (energy - self._raw) % ENERGY_PERIOD
        conversions = (frame.conversion - self._conversion) % PERIOD
        if self._shown_j is None:
            self._shown_j = energy * scale.energy_step_j
        elif self._broken or moved > ENERGY_PERIOD // 2 or conversions == 0:
            self._shown_j = min(self._shown_j, _LEAST_COUNTER_J) - _LEAST_COUNTER_J
        else:
            span_us = at_us - self._at_us
            measured_j = moved * scale.energy_step_j * span_us / (conversions * INTERVAL_US[frame.profile])
            self._shown_j += max(0.0, _calibrated_j(scale, measured_j, span_us * 1e-6, codes))
        self._broken = False
        self._raw, self._conversion, self._at_us = energy, frame.conversion, at_us
        return self._shown_j


def _calibrated_j(
    scale: Scale, measured_j: float, span_s: float, codes: tuple[NDArray[np.int32], NDArray[np.int32]]
) -> float:
    """Return energy with gains and offsets, the offsets' share by the frame's mean voltage and current."""
    shunt, bus = codes
    volts = float(bus.mean()) * BUS_STEP_V * scale.voltage_gain
    amperes = float(shunt.mean()) * scale.current_step_a * scale.current_gain
    offset_w = scale.current_offset_a * volts + scale.voltage_offset_v * (amperes + scale.current_offset_a)
    return measured_j * scale.current_gain * scale.voltage_gain + offset_w * span_s
