"""``edgejoule agent bench``: opens everything, benches, keeps the record and delivers it.

A model with a state is brought to its first state once, before the check set; its state then runs on through
warm-up and windows. To reset it between windows would put a pause, for some models a second load, at every edge.
"""

import platform
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

from edge_agent.alignment.align import Aligner
from edge_agent.alignment.play import BusyTimes, play_pattern
from edge_agent.app import prepare
from edge_agent.assembly import Prepared, birth_now, calibration_of, identity_now, open_outbox, state_of
from edge_agent.bench.measured import LoadedModel, Measured
from edge_agent.bench.plan import Plan, make_plan
from edge_agent.bench.power_trace import PowerTrace
from edge_agent.bench.progress import Progress
from edge_agent.bench.record import Context, conclude
from edge_agent.bench.run import Alignment, Rig, run_bench
from edge_agent.bench_spool import BenchSpool
from edge_agent.checking import tensors_of
from edge_agent.clock import ClockReading, read_clock, stamp
from edge_agent.config import AgentConfig
from edge_agent.device.kernel import kernel_boot_id
from edge_agent.device.observer import DeviceObserver
from edge_agent.inference.runner import InferenceRunner
from edge_agent.inference_loop import InferenceLoop
from edge_agent.loaded_model import load_with_inputs
from edge_agent.model_catalog import CatalogModel
from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.service import StopFlag
from edge_agent.window import Identity
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import BenchRecord, Birth
from edge_agent.workload import Run
from firmware_bridge.meter import Meter
from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.stream import host_time_s

DELIVERY_TIMEOUT_S: Final = 20.0
DELIVERY_STEP_S: Final = 0.1
MARK_S: Final = 0.35
"""What a mark takes at the start, about."""

Show = Callable[[Progress], None]


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


@dataclass(slots=True)
class _Session:
    config: AgentConfig
    prepared: Prepared
    meter: Meter
    stop: StopFlag
    began: ClockReading = field(default_factory=read_clock)
    aligner: Aligner | None = None


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
        session = _Session(config, prepared, meter, stop)
        sheet = meter.driver.data_sheet
        rig = Rig(
            meter=meter,
            max_interval_s=sheet.max_interval_s,
            device=stack.enter_context(closing(DeviceObserver(host_time_s()))),
            now_s=host_time_s,
            sleep_s=time.sleep,
            load=lambda: _load(config, prepared.model),
            show=show,
            stop=stop,
            alignment=lambda model: _start_aligner(session, model, stack),
        )
        measured = run_bench(rig, plan)
        identity = _identity(session, measured)
        record = conclude(measured, plan, _context(session, measured, identity, trace))
    runner = measured.model.runner if measured.model else None
    return Outcome(record, trace, tuple(measured.parts_device_s)), identity, runner


def _load(config: AgentConfig, model: CatalogModel) -> LoadedModel:
    runner, check_set = load_with_inputs(config.model, model)
    tensors = tensors_of(check_set, runner)
    return LoadedModel(
        runner,
        tensors,
        check_set,
        is_check_set=model.check_set is not None,
        make_loop=lambda: InferenceLoop(runner, tensors, host_time_s),
    )


def _start_aligner(session: _Session, model: LoadedModel, stack: ExitStack) -> Alignment:
    """Return what ties the clocks together; the model itself is the load that step correlation looks for."""
    loop = model.make_loop()
    stop = session.stop

    def work_until(until_s: float) -> tuple[float, float]:
        burst = loop.run(Run(until_s))
        return burst.t_begin_s, burst.ends_s[-1]

    def play(pattern: StepPattern) -> BusyTimes:
        return play_pattern(pattern, work_until, lambda: stop.requested)

    aligner = Aligner(session.meter, session.config.align, play, stopped=lambda: stop.requested)
    session.aligner = stack.enter_context(aligner)
    return aligner


def _align_s(config: AgentConfig, prepared: Prepared) -> float:
    """Return about how long it takes to tie the clocks together."""
    method = config.align.method
    polled = prepared.driver.data_sheet.clock == "host_arrival"
    if method == "step_correlation" or (method == "auto" and polled):
        return config.align.pattern_s + 2.0
    return 0.0 if method == "none" else config.align.pulses * MARK_S


def _identity(session: _Session, measured: Measured) -> Identity:
    if measured.model is None:
        raise RuntimeError("a bench that ends before its model is loaded has no record")
    identity = identity_now(session.config, session.prepared, measured.model.runner.identity, session.meter)
    simulated = identity.simulated or (session.aligner is not None and session.aligner.is_simulated)
    return replace(identity, simulated=simulated)


def _context(session: _Session, measured: Measured, identity: Identity, trace: PowerTrace) -> Context:
    t_first_s = measured.windows[0].t_start_s if measured.windows else measured.t_start_s
    t_first_unix_ns, clock_state = stamp(t_first_s, session.began, read_clock())
    spans = [(begin_s, end_s) for name, begin_s, end_s in measured.parts_device_s if name.startswith("window")]
    sheet = session.meter.driver.data_sheet
    volts = trace.voltage_v(spans[0][0], spans[-1][1]) if spans else None
    device = session.config.device
    return Context(
        identity=identity,
        device_id=device.id,
        device_class=device.device_class,
        boot_id=kernel_boot_id(),
        bench_id=f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}",
        clock_state=clock_state,
        agent_version=metadata.version("edgejoule"),
        python_version=platform.python_version(),
        platform=platform.platform(),
        sheet=sheet,
        calibration=calibration_of(session.config),
        systematic_id=identity.systematic_id,
        voltage_v=sheet.nominal_voltage_v if volts is None else volts,
        t_first_unix_ns=t_first_unix_ns,
        model=session.prepared.model.facts,
    )


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
