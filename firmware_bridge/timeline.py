"""One continuous timeline from one or many connections to a meter: register, clock fit, outages. Pure: time comes in.

The timeline starts as the device's clock of the first connection. A device restarts its clock when it is connected
again; its samples are then moved to where the host's clock says that they belong, and the outage is gap.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from firmware_bridge.calibration import Calibration, apply_calibration, power_step_w, power_u_w
from firmware_bridge.clock import ClockFit
from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import EnergyRegister
from firmware_bridge.samples import EnergyReading, Event, FrameError, MeterIdentity, SampleBlock

SILENT_S: Final = 2.0
MIN_LAG_S: Final = 0.010
"""A device clock this far behind for six seconds means loss that neither counter nor driver could show."""
LAG_CHECK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of some events: blocks, calibrated and on the timeline, and what the meter said of itself."""

    blocks: tuple[SampleBlock, ...]
    identity: MeterIdentity | None
    complaint: str


@dataclass(frozen=True, slots=True)
class SyncState:
    """How meter time was aligned to host time, and how far it may be off (seconds)."""

    method: Literal["host_clock", "arrival_fit"]
    residual_s: float


class Timeline:
    """Feeds blocks into an EnergyRegister on a timeline that reconnections do not break. Not thread-safe."""

    def __init__(
        self, sheet: DataSheet, calibration: Calibration | None = None, *, limit_w: float | None = None
    ) -> None:
        self._sheet = sheet
        self._calibration = calibration
        self._register = EnergyRegister(sheet, limit_w=limit_w)
        self._fit = ClockFit()
        self._own_clock = sheet.clock != "host_arrival"
        self._shift_s = 0.0
        self._new_connection = False
        self._identity: MeterIdentity | None = None
        self._last_arrival_s: float | None = None
        self._next_lag_check_s = 0.0

    def reconnected(self) -> None:
        """Say that the next block's clock began anew: a new connection, or a meter that was reset."""
        self._new_connection = self._own_clock and self._last_arrival_s is not None

    def take(self, events: Iterable[Event], t_host_s: float, frame_errors: Counter[str]) -> Intake:
        """Take a decoder's events of ``t_host_s``: integrate blocks, count errors into ``frame_errors``."""
        blocks: list[SampleBlock] = []
        identity: MeterIdentity | None = None
        complaint = ""
        for event in events:
            if isinstance(event, SampleBlock):
                blocks.append(self.add(event, t_host_s))
            elif isinstance(event, FrameError):
                frame_errors[event.kind] += event.count
                if event.kind == "lost":
                    self.add_lost(event.count)
                elif event.kind == "reset":
                    self._began_anew()
                elif event.kind == "protocol":
                    complaint = event.detail
            else:
                if self._is_another(event):
                    self._began_anew()
                identity = self._identity = event
        return Intake(tuple(blocks), identity, complaint)

    def add(self, block: SampleBlock, t_host_s: float) -> SampleBlock:
        """Take a block that arrived at ``t_host_s``; return it calibrated, its times on this timeline."""
        block = apply_calibration(block, self._calibration)
        if self._own_clock:
            self._align(float(block.t_device_s[0]), float(block.t_device_s[-1]), t_host_s)
            if self._shift_s:
                block = replace(block, t_device_s=block.t_device_s + self._shift_s)
            self._fit.observe(float(block.t_device_s[-1]), t_host_s)
        u_w = power_u_w(self._sheet, block, self._calibration)
        self._register.add(block, u_w, power_step_w(self._sheet, block))
        self._last_arrival_s = t_host_s
        return block

    def add_lost(self, count: int) -> None:
        """Count samples that the decoder reports as lost."""
        self._register.add_lost(count)

    def first(self) -> EnergyReading | None:
        """Return the register at the stream's begin, None before the first sample."""
        return self._register.first()

    def latest(self) -> EnergyReading:
        """Return the register after the last sample."""
        return self._register.latest()

    def reading_at(self, t_host_s: float, now_s: float) -> EnergyReading | None:
        """Return the register at a host time, None if it cannot be told yet at ``now_s``.

        When the meter has been silent for two seconds (and longer than its maximum interval), the time up to
        ``t_host_s`` is declared a gap; samples that turn up for it later are counted as lost.
        """
        if self._last_arrival_s is None or t_host_s > now_s:
            return None
        t_s = self._fit.to_device(t_host_s) if self._own_clock else t_host_s
        reading = self._register.reading_at(t_s)
        if reading is None and now_s - self._last_arrival_s > max(SILENT_S, self._sheet.max_interval_s):
            self._register.add_gap_until(t_s)
            reading = self._register.reading_at(t_s)
        return reading

    def silent_s(self, now_s: float) -> float | None:
        """Return how long ago the last sample arrived, None before the first."""
        return None if self._last_arrival_s is None else now_s - self._last_arrival_s

    def sync(self) -> SyncState:
        """Return how meter time is aligned.

        Without a clock of the meter's own, the time of a value is that of the answer. The value may be the mean
        since the last question, whose middle is half an interval back, and the answer takes its time: together less
        than one interval.
        """
        if self._own_clock:
            return SyncState("arrival_fit", self._fit.residual_s)
        return SyncState("host_clock", self._sheet.sample_interval_s)

    def _began_anew(self) -> None:
        self.reconnected()
        self._register.begin_anew()

    def _is_another(self, identity: MeterIdentity) -> bool:
        """Tell whether another unit answers now, whose own counter does not go on from the last one's."""
        last = self._identity
        return last is not None and (last.model, last.serial_number) != (identity.model, identity.serial_number)

    def _align(self, first_s: float, last_s: float, t_host_s: float) -> None:
        """Set the shift that brings this connection's clock onto the timeline."""
        if self._new_connection:
            self._new_connection = False
            expected_s = self._fit.to_device(t_host_s) - last_s
            earliest_s = (self._register.end_s or 0.0) + self._sheet.max_interval_s - first_s
            self._shift_s = max(expected_s, earliest_s)
            self._fit = ClockFit()
            return
        if t_host_s < self._next_lag_check_s:
            return
        self._next_lag_check_s = t_host_s + LAG_CHECK_S
        lag_s = self._fit.lag_s
        if lag_s > MIN_LAG_S:
            self._shift_s += lag_s
            self._fit = ClockFit()
