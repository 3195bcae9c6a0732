"""``edgejoule agent bench``: opens everything, benches, keeps the record and delivers it.

A model with a state is brought to its first state once, before the check set; its state then runs on through
warm-up and windows. To reset it between windows would put a pause, for some models a second load, at every edge.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from edge_agent.alignment.align import Aligner
from edge_agent.alignment.play import BusyTimes, play_pattern
from edge_agent.assembly import Prepared, birth_now, calibration_of, open_outbox, state_of
from edge_agent.bench.measured import LoadedModel
from edge_agent.bench.plan import Plan, make_plan
from edge_agent.bench.power_trace import PowerTrace
from edge_agent.bench.progress import Progress
from edge_agent.bench_session import BenchSession, Show
from edge_agent.bench_spool import BenchSpool
from edge_agent.config import AgentConfig
from edge_agent.inference.runner import InferenceRunner
from edge_agent.outbox import Outbox
from edge_agent.preparing import prepare
from edge_agent.publisher import Publisher
from edge_agent.service import StopFlag
from edge_agent.window import Identity
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import BenchRecord, Birth
from edge_agent.workload import Run
from firmware_bridge.meter import Meter
from firmware_bridge.step_pattern import StepPattern

DELIVERY_TIMEOUT_S: Final = 20.0
DELIVERY_STEP_S: Final = 0.1
MARK_S: Final = 0.35
"""What a mark takes at the start, about."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to bench. ``keep``: in the state directory, whose lock is then held. ``publish``: also deliver it now."""

    config: AgentConfig
    smoke: bool = False
    keep: bool = True
    publish: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """``trace`` and ``parts_device_s``: power over the bench, and where its parts were, for a drawing.

    ``kept``: the record's file in the state directory, None if it was not to be kept. ``delivered``: whether the
    collector has it, None if it was not asked to. ``note``: why it could not be kept.
    """

    record: BenchRecord
    trace: PowerTrace
    parts_device_s: tuple[tuple[str, float, float], ...] = ()
    kept: Path | None = None
    delivered: bool | None = None
    note: str = ""


def bench(order: Order, show: Show, stop: StopFlag) -> Outcome:
    """Bench, keep, deliver. Raises ConfigurationError or a FirmwareBridgeError if it cannot start.

    Raises BenchStoppedError when ``stop`` is requested while it measures.
    """
    config = order.config
    prepared, plan = plan_of(order)
    with ExitStack() as stack:
        state_dir = stack.enter_context(state_of(config)) if order.keep else None
        spool = None if state_dir is None else BenchSpool(state_dir)
        outcome, identity, runner = _measure(config, prepared, plan, show, stop)
        if state_dir is None or spool is None:
            return outcome
        try:
            outcome = replace(outcome, kept=spool.add(outcome.record))
        except RejectedRecordError as error:
            return replace(outcome, note=str(error))
        if not order.publish:
            return outcome
        birth = partial(birth_now, config, identity, runner=runner, model=prepared.model.facts)
        with _publishing(config, state_dir, spool, birth):
            delivered = _delivered(spool, outcome.record.bench_id, show, stop)
        return replace(outcome, delivered=delivered)


def plan_of(order: Order) -> tuple[Prepared, Plan]:
    """Find what the order names, and plan the bench; nothing is opened. Raises ConfigurationError."""
    config = order.config
    prepared = prepare(config)
    sheet = prepared.driver.data_sheet
    return prepared, make_plan(config.bench, sheet, align_s=_align_s(config, prepared), smoke=order.smoke)


def _measure(
    config: AgentConfig, prepared: Prepared, plan: Plan, show: Show, stop: StopFlag
) -> tuple[Outcome, Identity, InferenceRunner | None]:
    trace = PowerTrace()
    with ExitStack() as stack:
        meter = stack.enter_context(
            Meter(
                prepared.driver,
                config.meter.port,
                options=config.meter.options,
                calibration=calibration_of(config),
                on_block=trace.take,
            )
        )
        session = BenchSession(config, prepared, meter, trace, show, stop)
        record, measured, identity = session.run(plan, lambda model: _start_aligner(session, model, stack))
    runner = measured.model.runner if measured.model else None
    return Outcome(record, trace, tuple(measured.parts_device_s)), identity, runner


def _start_aligner(session: BenchSession, model: LoadedModel, stack: ExitStack) -> Aligner:
    """Return what ties the clocks together; the model itself is the load that step correlation looks for."""
    loop = model.make_loop()
    stop = session.stop

    def work_until(until_s: float) -> tuple[float, float]:
        burst = loop.run(Run(until_s))
        return burst.t_begin_s, burst.ends_s[-1]

    def play(pattern: StepPattern) -> BusyTimes:
        return play_pattern(pattern, work_until, lambda: stop.requested)

    return stack.enter_context(Aligner(session.meter, session.config.align, play, stopped=lambda: stop.requested))


def _align_s(config: AgentConfig, prepared: Prepared) -> float:
    """Return about how long it takes to tie the clocks together."""
    method = config.align.method
    polled = prepared.driver.data_sheet.clock == "host_arrival"
    if method == "step_correlation" or (method == "auto" and polled):
        return config.align.pattern_s + 2.0
    return 0.0 if method == "none" else config.align.pulses * MARK_S


@contextmanager
def _publishing(
    config: AgentConfig, state_dir: Path, spool: BenchSpool, birth: Callable[[Outbox], Birth]
) -> Iterator[None]:
    with closing(open_outbox(config, state_dir)) as outbox:
        device = config.device
        publisher = Publisher(
            config.broker,
            device.fleet,
            device.id,
            outbox,
            lambda: birth(outbox),
            spool=spool,
            settings=config.publish,
        )
        publisher.start()
        try:
            yield
        finally:
            publisher.stop()


def _delivered(spool: BenchSpool, bench_id: str, show: Show, stop: StopFlag) -> bool:
    """Wait until the collector has stored the bench; a request to stop ends the wait. It stays on disk else."""
    began_s = time.monotonic()
    requests = stop.count
    while bench_id in spool.pending_ids():
        waited_s = time.monotonic() - began_s
        if waited_s > DELIVERY_TIMEOUT_S or stop.count != requests:
            return False
        show(Progress("delivery", waited_s, DELIVERY_TIMEOUT_S))
        time.sleep(DELIVERY_STEP_S)
    return True
