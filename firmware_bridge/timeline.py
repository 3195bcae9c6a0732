"""One continuous timeline from one or many connections to a meter: register, clock fit, outages. Pure: time comes in.

The timeline starts as the device's clock of the first connection. A device restarts its clock when it is connected
again; its samples are then moved to where the host's clock says that they belong, and the outage is gap. The same is
done where the device's clock goes back without a word. One that jumps ahead is moved back at once: an arrival that is
far too early proves it, and no second was lost. One that falls behind for good has lost samples that nobody saw: that
is found within seconds, and becomes gap.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from firmware_bridge.calibration import Calibration, PowerUncertainty, apply_calibration
from firmware_bridge.clock import MIN_DELAY_S, ClockEstimate, ClockFit, Line
from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import EnergyRegister
from firmware_bridge.markers import EdgeFinder, HostMark, MarkerClock, MarkerEdge, MarkerEstimate
from firmware_bridge.samples import EnergyReading, Event, FrameError, MeterIdentity, SampleBlock
from firmware_bridge.steps import StepAlignment

SILENT_S: Final = 2.0
MIN_LAG_S: Final = 0.010
"""A device clock this far behind for six seconds means loss that neither counter nor driver could show."""
LAG_CHECK_S: Final = 1.0
MARKER_REACH_S: Final = 0.050
"""How far beyond the arrival fit's own limit an edge is looked for: a hub or adapter may hold every byte so long."""
LATE_INTERVALS: Final = 3.0
LATE_S: Final = 0.5
"""So late may a polled meter show a step: it averages, refreshes what it shows, and takes its time to answer."""

SyncMethod: TypeAlias = Literal["host_clock", "arrival_fit", "step_correlation", "serial_marker", "gpio_marker"]


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of some events: blocks, calibrated and on the timeline, and what the meter said of itself."""

    blocks: tuple[SampleBlock, ...]
    identity: MeterIdentity | None
    complaint: str


@dataclass(frozen=True, slots=True)
class SyncState:
    """How meter time was aligned to host time, and how far it may be off (seconds)."""

    method: SyncMethod
    residual_s: float


class Timeline:
    """Feeds blocks into an EnergyRegister on a timeline that reconnections do not break. Not thread-safe."""

    def __init__(
        self, sheet: DataSheet, calibration: Calibration | None = None, *, limit_w: float | None = None
    ) -> None:
        self._sheet = sheet
        self._calibration = calibration
        self._uncertainty = PowerUncertainty(sheet, calibration)
        self._register = EnergyRegister(sheet, limit_w=limit_w)
        self._fit = ClockFit()
        self._own_clock = sheet.clock != "host_arrival"
        self._shift_s = 0.0
        self._new_connection = False
        self._identity: MeterIdentity | None = None
        self._last_arrival_s: float | None = None
        self._next_lag_check_s = 0.0
        self._last_device_s: float | None = None
        self._finder = EdgeFinder(sheet.sample_interval_s)
        self._markers = MarkerClock()
        self._lag: MarkerEstimate | None = None
        self._lag_line: Line | None = None
        self._steps: StepAlignment | None = None
        self._step_line: Line | None = None
        self._step_now = 0.0, 0.0
        self._path_delay_s = 0.0
        self.clock_epoch = 0
        self.meter_changes = 0

    def reconnected(self, path_delay_s: float | None = None) -> None:
        """Say that the next block's clock began anew: a new connection, or a meter that was reset.

        ``path_delay_s``: what the way to the meter takes at least, beyond a USB cable: a network; None as before.
        """
        self._new_connection = self._own_clock and self._last_arrival_s is not None
        self._last_device_s = None
        self._forget_steps()
        if path_delay_s is not None:
            self._path_delay_s = path_delay_s
            if self._last_arrival_s is None:
                self._fit = self._new_fit(steps=0)

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
                    self.meter_changes += 1
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
        edges = self._finder.feed(block, t_host_s)
        if edges:
            self._markers.add_edges(edges)
            self._lag_line = None
        self._register.add(block, *self._uncertainty.of(block))
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
        t_s = self._to_device(t_host_s)
        reading = self._register.reading_at(t_s)
        if reading is None and now_s - self._last_arrival_s > max(SILENT_S, self._sheet.max_interval_s):
            self._register.add_gap_until(t_s)
            reading = self._register.reading_at(t_s)
        return reading

    def silent_s(self, now_s: float) -> float | None:
        """Return how long ago the last sample arrived, None before the first."""
        return None if self._last_arrival_s is None else now_s - self._last_arrival_s

    def mark(self, mark: HostMark) -> None:
        """Take note that the host drove a marker line, or commanded a mark."""
        self._markers.add_mark(mark)
        self._lag_line = None

    def align(self, found: StepAlignment | None) -> None:
        """Go by a load that was found this much later than ``arrival_device_s``, until the clock restarts."""
        self._steps, self._step_line = found, None

    def arrival_device_s(self, t_host_s: float) -> float:
        """Return the time on this timeline that arrivals alone give a host time. ValueError before the first."""
        return self._fit.to_device(t_host_s) if self._own_clock else t_host_s

    def step_search_s(self) -> tuple[float, float]:
        """Return the lowest and the highest lag at which a load may be found in the samples."""
        if self._own_clock:
            reach_s = self._fit.residual_s + MARKER_REACH_S
            return -reach_s, reach_s + 4.0 * self._path_delay_s
        interval_s = max(self._sheet.sample_interval_s, self._sheet.refresh_interval_s or 0.0)
        return -interval_s, LATE_INTERVALS * interval_s + LATE_S

    def edges(self) -> tuple[MarkerEdge, ...]:
        """Return the latest edges of the marker inputs, on this timeline."""
        return tuple(self._markers.edges)

    def clock(self) -> ClockEstimate | None:
        """Return offset and drift of the meter's clock, None where it has none or before the first sample."""
        return self._fit.estimate() if self._own_clock and self._fit.ready else None

    @property
    def clock_steps(self) -> int:
        """Return how often the meter's clock was found to have jumped, gone back, or fallen behind for good."""
        return self._fit.steps

    def sync(self) -> SyncState:
        """Return how meter time is aligned: by marker edges where three or more agree, by a load found, by arrival.

        What neither can know of is samples that went missing unseen since: the arrivals of the last second tell.

        Without a clock of the meter's own, the time of a value is that of the answer. The value may be the mean
        since the last question, whose middle is half an interval back, and the answer takes its time: together less
        than one interval. A register that the meter refreshes by itself is up to one refresh old, and its mean is
        of the refresh before: one and a half of them.
        """
        lag = self._marker_lag()
        if lag is not None:
            method: SyncMethod = "serial_marker" if lag.commanded else "gpio_marker"
            return SyncState(method, lag.limit_s + self._fit.late_s)
        steps = self._step_lag()
        if steps is not None:
            late_s = self._fit.late_s if self._own_clock else 0.0
            return SyncState("step_correlation", steps[1] + late_s)
        if self._own_clock:
            return SyncState("arrival_fit", self._fit.residual_s)
        return SyncState(
            "host_clock", max(self._sheet.sample_interval_s, 1.5 * (self._sheet.refresh_interval_s or 0.0))
        )

    def _to_device(self, t_host_s: float) -> float:
        lag, steps = self._marker_lag(), self._step_lag()
        lag_s = lag.lag_s if lag is not None else steps[0] if steps is not None else 0.0
        return self.arrival_device_s(t_host_s) + lag_s

    def _step_lag(self) -> tuple[float, float] | None:
        """Return by how much later than arrivals say the samples show what the host did, and the limit on that.

        With a clock of the meter's own there are two ways to go on from where the load was found, and the better one
        is taken: by the clock's drift since, or by the delay that arrivals had then. The first is off by what the
        drift is uncertain by times the age, the second by what the arrival fit was off by then and is now.
        """
        steps = self._steps
        if steps is None or not self._own_clock or steps.t_host_s is None or not self._fit.ready:
            return None if steps is None else (steps.lag_s, steps.residual_s)
        if self._fit.line is not self._step_line:
            self._step_line = self._fit.line
            age_s = abs((self._last_arrival_s or 0.0) - steps.t_host_s)
            drifted_s = 2.0 * self._fit.estimate().drift_u_ratio * age_s
            wander_s = 2.0 * max(self._fit.residual_s - self._unseen_delay_s, 0.0)
            self._step_now = steps.lag_s, steps.residual_s + wander_s
            if drifted_s < wander_s:
                lag_s = steps.t_s + steps.lag_s - self._fit.to_device(steps.t_host_s)
                self._step_now = lag_s, steps.residual_s + drifted_s
        return self._step_now

    def _marker_lag(self) -> MarkerEstimate | None:
        """Return what the marks say; they are compared again where there is a new mark, edge or line of arrivals."""
        if not self._markers.has_marks or not self._own_clock or not self._fit.ready:
            return None
        if self._fit.line is not self._lag_line:
            self._lag_line = self._fit.line
            self._lag = self._markers.estimate(
                self._fit.to_device,
                reach_s=self._fit.residual_s + MARKER_REACH_S,
                drift_u_ratio=self._fit.estimate().drift_u_ratio,
                now_s=self._last_arrival_s or 0.0,
            )
        return self._lag

    def _began_anew(self) -> None:
        self.reconnected()
        self._register.begin_anew()

    def _is_another(self, identity: MeterIdentity) -> bool:
        """Tell whether another unit answers now, whose own counter does not go on from the last one's."""
        last = self._identity
        return last is not None and (last.model, last.serial_number) != (identity.model, identity.serial_number)

    def _align(self, first_s: float, last_s: float, t_host_s: float) -> None:
        """Set the shift that brings this connection's clock onto the timeline."""
        went_back = self._last_device_s is not None and first_s <= self._last_device_s
        self._last_device_s = last_s
        if self._new_connection or went_back:
            self._new_connection = False
            expected_s = self._fit.to_device(t_host_s) - last_s
            earliest_s = (self._register.end_s or 0.0) + self._sheet.max_interval_s - first_s
            self._restart(max(expected_s, earliest_s), step=went_back)
            return
        lead_s = self._fit.lead_s(last_s + self._shift_s, t_host_s)
        if lead_s:
            next_s = (self._register.end_s or 0.0) + self._sheet.sample_interval_s
            self._restart(max(self._shift_s - lead_s, min(next_s - first_s, self._shift_s)), step=True)
            return
        if t_host_s < self._next_lag_check_s:
            return
        self._next_lag_check_s = t_host_s + LAG_CHECK_S
        lag_s = self._fit.lag_s
        if lag_s > max(MIN_LAG_S, 4.0 * self._path_delay_s):
            self._restart(self._shift_s + lag_s, step=True)

    def _restart(self, shift_s: float, *, step: bool) -> None:
        """Move the device clock to its new place: what was learnt of the old one holds no longer."""
        self._shift_s = shift_s
        self._fit = self._new_fit(steps=self._fit.steps + step)
        self._finder.restart()
        self._markers.restart()
        self._lag = None
        self._forget_steps()

    def _forget_steps(self) -> None:
        self._steps = None
        self.clock_epoch += 1

    @property
    def _unseen_delay_s(self) -> float:
        return MIN_DELAY_S + self._path_delay_s

    def _new_fit(self, *, steps: int) -> ClockFit:
        return ClockFit(steps=steps, unseen_delay_s=self._unseen_delay_s)
