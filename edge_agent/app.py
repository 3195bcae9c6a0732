"""The agent: runs a model, meters it, and keeps every window until the collector has stored it."""

import platform
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from edge_agent.clock import read_clock
from edge_agent.config import AgentConfig
from edge_agent.device.kernel import kernel_boot_id
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.inference_loop import InferenceLoop, accuracy_ratio, check_set_for, tensors_of
from edge_agent.measurement import Measurement, Parts, measure_baseline
from edge_agent.model_catalog import CatalogModel, find_model, verify
from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.recorder import WindowRecorder
from edge_agent.service import StopFlag, notify
from edge_agent.state_dir import locked_state_dir, pid_file
from edge_agent.window import Identity
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Birth, Boundary
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import MeterDriver
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import host_time_s, is_pseudo_terminal, is_simulated_port

FLUSH_TIMEOUT_S: Final = 30.0
FLUSH_STEP_S: Final = 0.5
OUTBOX_NAME: Final = "outbox.sqlite3"

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a configuration names, found and verified, before any port is opened."""

    driver: MeterDriver
    model: CatalogModel
    boundary: Boundary


def prepare(config: AgentConfig) -> Prepared:
    """Find driver and model and check that they fit. Raises ConfigurationError (of either package)."""
    driver = get_driver(config.meter.driver)
    _ = driver.make_decoder(config.meter.options)
    driver = driver.for_options(config.meter.options)
    if is_simulated_port(config.meter.port) and not is_pseudo_terminal(config.meter.port):
        raise ConfigurationError(
            f"[meter] port = {config.meter.port!r} is a recording, and an agent measures what its model draws now; "
            "name a meter's port, and play recordings with: edgejoule meter replay"
        )
    return Prepared(driver, _verified_model(config), _boundary(config.meter.boundary, driver))


def run_agent(config: AgentConfig, stop: StopFlag) -> None:
    """Measure until ``stop`` is requested, then deliver what is left.

    Raises ConfigurationError or a FirmwareBridgeError if it cannot start. Once started it goes on: without the
    meter with gaps, without the broker into the outbox.
    """
    prepared = prepare(config)
    with ExitStack() as stack:
        state_dir = stack.enter_context(locked_state_dir(Path(config.device.state_dir)))
        stack.enter_context(pid_file(Path(config.device.pid_file) if config.device.pid_file else None))
        runner = load_runner(prepared.model.path, threads=config.model.threads, engine=config.model.engine)
        tensors = _warm_up(prepared.model, runner)
        outbox = stack.enter_context(closing(Outbox(state_dir / OUTBOX_NAME, kernel_boot_id())))
        meter = stack.enter_context(_meter(config, prepared.driver))
        identity = partial(_identity, config, prepared, runner, meter)
        _LOG.info("agent_started", device=config.device.id, boot_id=outbox.boot_id, **msgspec.to_builtins(identity()))
        publisher = Publisher(
            config.broker, config.device.fleet, config.device.id, outbox, lambda: _birth(config, identity(), outbox)
        )
        publisher.start()
        stack.callback(publisher.stop)
        notify("READY=1")
        parts = Parts(config, meter.driver.data_sheet, meter, outbox, publisher, identity)
        _measure(parts, InferenceLoop(runner, tensors, host_time_s), stop)
        notify("STOPPING=1")
        flush(publisher, outbox, stop)
    _LOG.info("agent_stopped", device=config.device.id)


def flush(publisher: Publisher, outbox: Outbox, stop: StopFlag, timeout_s: float = FLUSH_TIMEOUT_S) -> bool:
    """Wait until the collector has everything; a second request to stop ends the wait. What is left stays on disk."""
    requests = stop.count
    deadline_s = time.monotonic() + timeout_s
    done = publisher.flush(0.0)
    while not done and time.monotonic() < deadline_s and stop.count == requests:
        done = publisher.flush(FLUSH_STEP_S)
    if done:
        _LOG.info("outbox_delivered")
    else:
        _LOG.warning("outbox_not_delivered", windows=outbox.stats().windows, note="kept on disk for the next start")
    return done


def _measure(parts: Parts, loop: InferenceLoop, stop: StopFlag) -> None:
    idle = None
    if parts.config.window.baseline_s > 0.0:
        idle = measure_baseline(parts.meter, parts.sheet, parts.config.window.baseline_s, stop)
    if stop.requested:
        return
    t_first_s = host_time_s()
    recorder = WindowRecorder(parts.meter, parts.sheet, parts.outbox, parts.identity(), t_first_s)
    Measurement(parts, loop, recorder, idle, t_first_s, read_clock()).run(stop)


def _boundary(asked: Boundary | Literal["site"], driver: MeterDriver) -> Boundary:
    """Return the boundary if the driver's meter measures there. Raises ConfigurationError: one line."""
    offered = [one for one in driver.data_sheet.boundaries if one != "site"]
    if not offered:
        raise ConfigurationError(
            f"[meter] driver = {driver.name!r}: it measures a whole site, not this device; an agent needs a meter "
            "that only this device draws through (edgejoule meter list)"
        )
    if asked == "site":
        raise ConfigurationError(
            "[meter] boundary = 'site': a whole site's energy is not this device's; where only this device draws "
            f"through the {driver.name}, the boundary is {' or '.join(offered)}"
        )
    if asked not in offered:
        raise ConfigurationError(f"[meter] boundary = {asked!r}: a {driver.name} measures {' or '.join(offered)}")
    return asked


def _verified_model(config: AgentConfig) -> CatalogModel:
    section = config.model
    if section.path:
        model = CatalogModel(
            model_id=section.id,
            path=Path(section.path),
            sha256=section.sha256 or "",
            task="",
            check_set=Path(section.check_set) if section.check_set else None,
        )
    else:
        model = find_model(section.id)
        if section.sha256 not in {None, model.sha256}:
            raise ConfigurationError(
                f"[model] sha256 = {section.sha256}, but the catalog's {section.id} is {model.sha256}; remove the "
                "key, or give the path of your own file"
            )
    verify(model)
    return model


def _warm_up(model: CatalogModel, runner: InferenceRunner) -> list[Tensor]:
    """Run the check set once: the model is warm, and the log says what it is worth in this configuration."""
    check_set = check_set_for(model, runner)
    tensors = tensors_of(check_set, runner)
    _LOG.info(
        "model_loaded",
        model=model.model_id,
        runtime=msgspec.to_builtins(runner.identity),
        load_s=round(runner.load_s, 6),
        first_invoke_s=round(runner.first_invoke_s, 6),
        inputs=len(tensors) if model.check_set else "random",
        accuracy_ratio=accuracy_ratio(runner, tensors, check_set.y),
    )
    return tensors


def _meter(config: AgentConfig, driver: MeterDriver) -> Meter:
    table = config.meter.calibration
    calibration = Calibration(**msgspec.structs.asdict(table)) if table else None
    return Meter(driver, config.meter.port, options=config.meter.options, calibration=calibration)


def _identity(config: AgentConfig, prepared: Prepared, runner: InferenceRunner, meter: Meter) -> Identity:
    """Return whose figures the windows are now; the meter may be exchanged while the agent runs."""
    reported = meter.health().identity
    serial_number = reported.serial_number if reported else ""
    return Identity(
        model_id=prepared.model.model_id,
        model_sha256=prepared.model.sha256,
        runtime=runner.identity,
        meter_id=config.meter.meter_id or serial_number or f"{prepared.driver.name}-{config.device.id}",
        meter_driver=prepared.driver.name,
        boundary=prepared.boundary,
        simulated=config.meter.simulated or meter.is_simulated,
    )


def _birth(config: AgentConfig, identity: Identity, outbox: Outbox) -> Birth:
    return Birth(
        device_id=config.device.id,
        boot_id=outbox.boot_id,
        agent_version=metadata.version("edgejoule"),
        device_class=config.device.device_class,
        t_unix_ns=time.time_ns(),
        model_id=identity.model_id,
        model_sha256=identity.model_sha256,
        runtime=identity.runtime,
        meter_id=identity.meter_id,
        meter_driver=identity.meter_driver,
        boundary=identity.boundary,
        window_s=config.window.window_s,
        python_version=platform.python_version(),
        platform=platform.platform(),
        simulated=identity.simulated,
        held_boots=tuple(backlog.boot_id for backlog in outbox.backlogs()),
    )
