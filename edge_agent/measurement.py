"""The measurement: steps through the work, cuts windows, stores them, and says how the agent is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from edge_agent.alignment.align import Aligner
from edge_agent.baseline import LAST_READING_TIMEOUT_S, meter_epoch, supply_voltage_v
from edge_agent.clock import ClockReading, HostClock, has_stepped, read_clock, stamp
from edge_agent.config import AgentConfig
from edge_agent.device.cpu import CpuShare
from edge_agent.device.observer import DeviceObserver
from edge_agent.inference.errors import InferenceError
from edge_agent.outbox import Outbox
from edge_agent.progress import STORE_LIMIT_S, ProgressFile, StoreSign
from edge_agent.publisher import Publisher
from edge_agent.recorder import WindowRecorder
from edge_agent.remote.counts import OrderCounts
from edge_agent.service import StopFlag, Watchdog
from edge_agent.window import Conditions, Identity, IdleBaseline
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Health
from edge_agent.work.protocol import Cut, Work
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import DataSheet
from firmware_bridge.meter import Meter, MeterHealth
from firmware_bridge.stream import host_time_s

SETTLE_POLL_S: Final = 0.02
MIN_MARKED_S: Final = 0.5
"""Shorter windows, which only an application can ask for, get no mark of their own at their end."""

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """The agent's parts, put together by ``assembly``. ``identity`` tells whose figures the windows are now.

    ``watchdog`` and ``progress``: None where this process is not the agent's own. ``orders``: how many were done and
    refused; None where nobody may order anything.
    """

    config: AgentConfig
    sheet: DataSheet
    calibration: Calibration | None
    meter: Meter
    outbox: Outbox
    publisher: Publisher
    identity: Callable[[], Identity]
    watchdog: Watchdog | None
    progress: ProgressFile | None = None
    orders: OrderCounts | None = None


@dataclass(frozen=True, slots=True)
class _Before:
    """How things stood when the last window closed."""

    clock: ClockReading
    frame_errors: int
    meter_clock_steps: int


class Measurement:
    """One run of the work, from the first window to the last."""

    def __init__(
        self,
        parts: Parts,
        work: Work,
        recorder: WindowRecorder,
        observer: DeviceObserver,
        aligner: Aligner,
        idle: IdleBaseline | None,
    ) -> None:
        self._parts, self._work, self._recorder = parts, work, recorder
        self._observer, self._aligner, self._idle = observer, aligner, idle
        self._level = False
        health = parts.meter.health()
        self._before = _Before(read_clock(), _total_errors(health), health.clock_steps)
        self._meter_changes = health.meter_changes
        self._meter_connected = True
        self._cpu = CpuShare()
        self._t_health_s = host_time_s()
        self._store = StoreSign(STORE_LIMIT_S + 10.0 * parts.sheet.max_interval_s)
        if parts.watchdog is not None:
            parts.watchdog.watch(self._store.fault)

    def run(self, stop: StopFlag) -> None:
        """Work until ``stop`` or the work's end; then close the partial window and bring it into the outbox.

        So too where the work cannot go on, and then raise its ConfigurationError or InferenceError.
        """
        try:
            while not (stop.requested or self._work.ended):
                self._work.step()
                self._tend(host_time_s())
        except (ConfigurationError, InferenceError):
            self._finish()
            raise
        self._finish()

    def _tend(self, now_s: float) -> None:
        cuts = self._work.cuts()
        for cut in cuts:
            self._close(cut)
        self._align(now_s, at_boundary=any(cut.counts.duration_s >= MIN_MARKED_S for cut in cuts))
        self._observer.tend(now_s)
        self._settle(now_s)
        if self._parts.watchdog is not None:
            self._parts.watchdog.feed(now_s)
        if now_s >= self._t_health_s:
            self._t_health_s = now_s + self._parts.config.health.interval_s
            self._publish_health()

    def _settle(self, now_s: float) -> None:
        recorder, progress = self._recorder, self._parts.progress
        stored = recorder.settle()
        if stored:
            self._parts.publisher.notify()
        self._store.note(now_s, waiting=recorder.waiting, stored=stored, failed=recorder.store_failed)
        if progress is not None:
            progress.made(stored)
            progress.tend(now_s, meter_connected=self._meter_connected)

    def _align(self, now_s: float, *, at_boundary: bool) -> None:
        if at_boundary:
            self._level = not self._level
            self._aligner.edge(self._level)
        self._aligner.tick(now_s)

    def _close(self, cut: Cut) -> None:
        meter, before = self._watch_meter(), self._before
        clock = read_clock()
        t_start_unix_ns, clock_state = stamp(cut.counts.t_start_s, before.clock, clock)
        self._before = _Before(clock, _total_errors(meter), meter.clock_steps)
        idle = self._idle
        conditions = Conditions(
            t_start_unix_ns=t_start_unix_ns,
            clock_state=clock_state,
            frame_error_count=max(0, self._before.frame_errors - before.frame_errors),
            clock_stepped=has_stepped(before.clock, clock) or meter.clock_steps > before.meter_clock_steps,
            voltage_v=supply_voltage_v(self._parts.meter),
            idle=idle,
            baseline_is_old=idle is not None and idle.is_old(cut.counts.t_end_s, meter_epoch(meter)),
            device=self._observer.end_window(host_time_s(), self._work.inference_cpu_s),
        )
        identity = self._recorder.identity
        if cut.model is not None:
            identity = replace(identity, model_id=cut.model.model_id, model_sha256=cut.model.sha256)
        self._recorder.close(cut.counts, conditions, identity, cut.on_joined)

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
        self._parts.publisher.publish_health(health_now(self._parts, self._watch_meter(), self._cpu.ratio()))

    def _finish(self) -> None:
        for cut in self._work.last_cuts():
            self._close(cut)
        deadline_s = host_time_s() + LAST_READING_TIMEOUT_S
        while self._recorder.settle() >= 0 and self._recorder.waiting and host_time_s() < deadline_s:
            time.sleep(SETTLE_POLL_S)
        self._recorder.settle_now()
        self._parts.publisher.notify()
        if self._parts.watchdog is not None:
            self._parts.watchdog.forget(self._store.fault)
        self._work.close()


def _total_errors(health: MeterHealth) -> int:
    return sum(health.frame_errors.values())


def health_now(parts: Parts, meter: MeterHealth, agent_cpu_ratio: float | None) -> Health:
    """Return how the agent is."""
    outbox, orders = parts.outbox.stats(), parts.orders
    return Health(
        device_id=parts.config.device.id,
        boot_id=parts.outbox.boot_id,
        t_unix_ns=time.time_ns(),
        clock_state=HostClock().state(parts.outbox.placing),
        last_seq=outbox.last_seq,
        acked_seq=outbox.acked_seq,
        outbox_windows=outbox.windows,
        outbox_bytes=outbox.bytes,
        dropped_windows=outbox.dropped_windows,
        meter_connected=meter.connected,
        meter_frame_errors=meter.frame_errors,
        meter_reconnects=meter.reconnects,
        agent_cpu_ratio=agent_cpu_ratio,
        commands_done=0 if orders is None else orders.commands_done,
        commands_refused={} if orders is None else orders.commands_refused,
    )
