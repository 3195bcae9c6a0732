"""The measurement: paces the workload, cuts windows, stores them, and says how the agent is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from edge_agent.clock import ClockReading, read_clock, stamp
from edge_agent.config import DEFAULT_DUTY_RATIO, AgentConfig, WorkloadSection
from edge_agent.device.cpu import CpuShare
from edge_agent.device.state import read_device_state
from edge_agent.inference_loop import InferenceLoop
from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.recorder import WindowRecorder
from edge_agent.service import StopFlag, Watchdog
from edge_agent.uncertainty.energy import energy_budget
from edge_agent.window import Conditions, Identity, IdleBaseline, WindowCounts, WindowSeries
from edge_agent.wire.records import Health
from edge_agent.workload import DutyPacer, Pacer, RatePacer, Run, SaturatingPacer
from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import energy_between
from firmware_bridge.meter import Meter, MeterHealth
from firmware_bridge.samples import EnergyReading
from firmware_bridge.stream import host_time_s

MAX_SLEEP_S: Final = 0.1
LAST_READING_TIMEOUT_S: Final = 5.0
MIN_BASELINE_COVERAGE_RATIO: Final = 0.5

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """The agent's parts, put together by ``app``. ``identity`` tells whose figures the windows are now."""

    config: AgentConfig
    sheet: DataSheet
    meter: Meter
    outbox: Outbox
    publisher: Publisher
    identity: Callable[[], Identity]


def make_pacer(workload: WorkloadSection, t_first_s: float) -> Pacer:
    """Return the pacer that the configuration asks for."""
    if workload.kind == "saturate":
        return SaturatingPacer()
    if workload.inferences_per_s is not None:
        return RatePacer(t_first_s, workload.inferences_per_s)
    return DutyPacer(t_first_s, workload.duty_ratio or DEFAULT_DUTY_RATIO)


class Measurement:
    """One run of the workload, from the first window to the last."""

    def __init__(
        self,
        parts: Parts,
        loop: InferenceLoop,
        recorder: WindowRecorder,
        idle: IdleBaseline | None,
        t_first_s: float,
        clock: ClockReading,
    ) -> None:
        self._parts, self._loop, self._recorder, self._idle = parts, loop, recorder, idle
        self._pacer = make_pacer(parts.config.workload, t_first_s)
        self._series = WindowSeries(t_first_s, parts.config.window.window_s)
        self._clock_before = clock
        health = parts.meter.health()
        self._frame_errors_before, self._meter_changes = _total_errors(health), health.meter_changes
        self._meter_connected = True
        self._cpu = CpuShare()
        self._watchdog = Watchdog()
        self._t_health_s = t_first_s

    def run(self, stop: StopFlag) -> None:
        """Work until ``stop``; then close the partial window and bring it into the outbox."""
        while not stop.requested:
            self._step()
            now_s = host_time_s()
            self._tend(now_s)
        self._finish()

    def _step(self) -> None:
        """Run one burst, or sleep a little. Neither goes much beyond the open window's end."""
        now_s = host_time_s()
        order = self._pacer.next(now_s)
        if isinstance(order, Run):
            burst = self._loop.run(Run(min(order.until_s, self._series.t_next_s), order.max_count))
            self._pacer.ran(len(burst.ends_s), burst.t_begin_s, burst.ends_s[-1])
            self._series.add(burst)
        else:
            wait_s = min(order.until_s, self._series.t_next_s) - now_s
            time.sleep(min(max(wait_s, 0.0), MAX_SLEEP_S))

    def _tend(self, now_s: float) -> None:
        counts = self._series.advance(now_s)
        if counts is not None:
            self._close(counts)
        if self._recorder.settle():
            self._parts.publisher.notify()
        if not self._recorder.store_failed:
            self._watchdog.feed(now_s)
        if now_s >= self._t_health_s:
            self._t_health_s = now_s + self._parts.config.health.interval_s
            self._publish_health()

    def _close(self, counts: WindowCounts) -> None:
        meter_health = self._watch_meter()
        clock = read_clock()
        t_start_unix_ns, clock_state = stamp(counts.t_start_s, self._clock_before, clock)
        errors = _total_errors(meter_health)
        device = read_device_state()
        conditions = Conditions(
            t_start_unix_ns=t_start_unix_ns,
            clock_state=clock_state,
            frame_error_count=max(0, errors - self._frame_errors_before),
            soc_temp_c=device.soc_temp_c,
            freq_mhz=device.freq_mhz,
            throttled=device.throttled,
            idle=self._idle,
        )
        self._clock_before, self._frame_errors_before = clock, errors
        self._recorder.close(counts, conditions)

    def _watch_meter(self) -> MeterHealth:
        health = self._parts.meter.health()
        if health.connected != self._meter_connected:
            self._meter_connected = health.connected
            if health.connected:
                _LOG.info("meter_back", port=self._parts.meter.port, reconnects=health.reconnects)
            else:
                _LOG.warning("meter_lost", port=self._parts.meter.port, note="windows go on with gaps")
        if health.meter_changes != self._meter_changes:
            self._meter_changes = health.meter_changes
            self._note_exchange()
        return health

    def _note_exchange(self) -> None:
        """Another unit answers than before: windows that close from now on bear its name."""
        self._recorder.identity = self._parts.identity()
        own = self._parts.config.meter
        stale = [name for name, held in (("meter_id", own.meter_id), ("calibration", own.calibration)) if held]
        _LOG.warning(
            "meter_exchanged",
            meter_id=self._recorder.identity.meter_id,
            remedy=f"[meter] {' and '.join(stale)}: of the meter before; correct and start again" if stale else "",
        )

    def _publish_health(self) -> None:
        meter, outbox = self._watch_meter(), self._parts.outbox.stats()
        _, clock_state = stamp(0.0, self._clock_before, read_clock())
        self._parts.publisher.publish_health(
            Health(
                device_id=self._parts.config.device.id,
                boot_id=self._parts.outbox.boot_id,
                t_unix_ns=time.time_ns(),
                clock_state=clock_state,
                last_seq=outbox.last_seq,
                acked_seq=outbox.acked_seq,
                outbox_windows=outbox.windows,
                outbox_bytes=outbox.bytes,
                dropped_windows=outbox.dropped_windows,
                meter_connected=meter.connected,
                meter_frame_errors=meter.frame_errors,
                meter_reconnects=meter.reconnects,
                agent_cpu_ratio=self._cpu.ratio(),
            )
        )

    def _finish(self) -> None:
        now_s = host_time_s()
        for counts in (self._series.advance(now_s), self._series.close(now_s)):
            if counts is not None:
                self._close(counts)
        deadline_s = now_s + LAST_READING_TIMEOUT_S
        while self._recorder.settle() >= 0 and self._recorder.waiting and host_time_s() < deadline_s:
            time.sleep(MAX_SLEEP_S / 5.0)
        self._recorder.settle_now()
        self._parts.publisher.notify()
        if isinstance(self._pacer, RatePacer) and self._pacer.missed_count:
            _LOG.warning("inferences_missed", count=self._pacer.missed_count, remedy="lower inferences_per_s")


def measure_baseline(meter: Meter, sheet: DataSheet, baseline_s: float, stop: StopFlag) -> IdleBaseline | None:
    """Idle for ``baseline_s`` and return the mean power, None if the meter covered less than half or ``stop`` came."""
    t_start_s = now_s = host_time_s()
    start: EnergyReading | None = None
    watchdog = Watchdog()
    while now_s < t_start_s + baseline_s and not stop.requested:
        watchdog.feed(now_s)
        start = start or meter.reading_at(t_start_s)
        time.sleep(min(MAX_SLEEP_S, t_start_s + baseline_s - now_s))
        now_s = host_time_s()
    if stop.requested:
        return None
    start, end = start or _await_reading(meter, t_start_s), _await_reading(meter, t_start_s + baseline_s)
    delta = energy_between(start, end) if start and end else None
    if delta is None or delta.mean_power_w is None or delta.covered_s < MIN_BASELINE_COVERAGE_RATIO * baseline_s:
        _LOG.warning("baseline_not_measured", reason="the meter covered less than half of it", baseline_s=baseline_s)
        return None
    budget = energy_budget(delta, sheet, sync_residual_s=meter.sync().residual_s, busy_ratio=0.0)
    idle = IdleBaseline(delta.mean_power_w, budget.combined_j / delta.covered_s)
    _LOG.info("baseline_measured", idle_power_w=round(idle.power_w, 6), idle_power_u_w=round(idle.power_u_w, 6))
    return idle


def _await_reading(meter: Meter, t_host_s: float) -> EnergyReading | None:
    deadline_s = host_time_s() + LAST_READING_TIMEOUT_S
    reading = meter.reading_at(t_host_s)
    while reading is None and host_time_s() < deadline_s:
        time.sleep(MAX_SLEEP_S / 5.0)
        reading = meter.reading_at(t_host_s)
    return reading


def _total_errors(health: MeterHealth) -> int:
    return sum(health.frame_errors.values())
