"""What ``[input] source`` names, opened: where the work comes from that is metered."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import structlog

from edge_agent.application.models import ModelTable
from edge_agent.application.server import MAX_CLIENTS, ApplicationServer
from edge_agent.application.work import ApplicationWork
from edge_agent.assembly import Executor, Prepared
from edge_agent.config import AgentConfig
from edge_agent.inference_loop import InferenceLoop
from edge_agent.inputs.directory import directory_inputs
from edge_agent.inputs.tensor_stream import ByteSource, SocketSource, StdinSource
from edge_agent.inputs.unix_socket import listening
from edge_agent.loaded_model import LoadedModel, load_model
from edge_agent.measurement import Parts
from edge_agent.uncertainty.net import MeterLimits
from edge_agent.window_series import WindowSeries
from edge_agent.wire.errors import ConfigurationError
from edge_agent.work.own import OwnWork
from edge_agent.work.paced import PacedWorkload, make_pacer
from edge_agent.work.protocol import Work, Workload
from edge_agent.work.stream import StreamWorkload
from edge_agent.workload import Run
from firmware_bridge.stream import host_time_s

MakeWork: TypeAlias = Callable[[Parts, float], Work]
WorkUntil: TypeAlias = Callable[[float], tuple[float, float]]
"""Is busy up to a host time, at least once, and returns from when to when it was."""

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """``make_work`` returns the work for the host time at which the first window begins.

    ``work_until`` loads the machine: by the model over its check set, or by arithmetic where another program has it.
    """

    executor: Executor
    make_work: MakeWork
    work_until: WorkUntil


def open_source(config: AgentConfig, prepared: Prepared, stack: ExitStack) -> Source:
    """Load the model and open the inputs, or the application's socket; ``stack`` closes them.

    Raises ConfigurationError.
    """
    if config.input.source == "application":
        return _application(config, prepared, stack)
    loaded = load_model(config.model, prepared.model)
    make_workload = _workload(config, loaded, stack)

    def make_work(parts: Parts, t_first_s: float) -> Work:
        loaded.runner.reset()
        series = WindowSeries(t_first_s, parts.config.window.window_s)
        return OwnWork(make_workload(t_first_s), series, host_time_s, loaded.runner.identity.threads)

    return Source(Executor(loaded.runner.identity, loaded.runner), make_work, partial(_infer_until, loaded.loop))


def application_executor(config: AgentConfig) -> Executor:
    """Return what runs an application's model. Raises ConfigurationError if the configuration is for other inputs."""
    if config.input.source != "application" or config.input.runtime is None:
        raise ConfigurationError(
            f"[input] source = {config.input.source!r}: a program that meters its own inferences needs source = "
            '"application" and [input.runtime]'
        )
    return Executor(config.input.runtime)


def spin_until(until_s: float) -> tuple[float, float]:
    """Be busy with arithmetic on one core: see ``WorkUntil``."""
    t_begin_s = now_s = host_time_s()
    while now_s < until_s:
        _ = sum(number * number for number in range(1000))
        now_s = host_time_s()
    return t_begin_s, now_s


def _infer_until(loop: InferenceLoop, until_s: float) -> tuple[float, float]:
    burst = loop.run(Run(until_s))
    return burst.t_begin_s, burst.ends_s[-1]


def _workload(config: AgentConfig, loaded: LoadedModel, stack: ExitStack) -> Callable[[float], Workload]:
    if config.input.source in {"stdin", "socket"}:
        source = _byte_source(config, stack)
        return lambda _: StreamWorkload(source, loaded.runner, host_time_s)
    loop = loaded.loop
    if config.input.source == "directory":
        inputs, count = directory_inputs(Path(config.input.path), loaded.runner)
        _LOG.info("inputs_found", path=config.input.path, inputs=count, in_memory=isinstance(inputs, list))
        loop = InferenceLoop(loaded.runner, inputs, host_time_s)
    return lambda t_first_s: PacedWorkload(make_pacer(config.workload, t_first_s), loop)


def _byte_source(config: AgentConfig, stack: ExitStack) -> ByteSource:
    if config.input.source == "stdin":
        return StdinSource()
    return SocketSource(stack.enter_context(listening(Path(config.input.path), backlog=MAX_CLIENTS)))


def _application(config: AgentConfig, prepared: Prepared, stack: ExitStack) -> Source:
    executor = application_executor(config)
    if not config.input.path:
        raise ConfigurationError('[input] source = "application" needs path, the Unix socket, to be run by itself')
    models = ModelTable(config, prepared.model)
    listener = stack.enter_context(listening(Path(config.input.path), backlog=MAX_CLIENTS))

    def make_work(parts: Parts, t_first_s: float) -> Work:
        limits = MeterLimits(parts.sheet, parts.calibration)
        work = ApplicationWork(t_first_s, parts.config.window.window_s, limits, host_time_s)
        server = ApplicationServer(listener, work, models, lambda: _status(parts))
        server.start()
        stack.callback(server.close)
        _LOG.info("application_socket", path=config.input.path)
        return work

    return Source(executor, make_work, spin_until)


def _status(parts: Parts) -> str:
    identity, power_w = parts.identity(), parts.meter.latest_power_w()
    words = {
        "device": parts.config.device.id,
        "meter": identity.meter_id.replace(" ", "_"),
        "meter_connected": "yes" if parts.meter.health().connected else "no",
        "power_w": None if power_w is None else f"{power_w:.6g}",
        "simulated": "yes" if identity.simulated else "no",
    }
    return " ".join(f"{name}={value}" for name, value in words.items() if value is not None)
