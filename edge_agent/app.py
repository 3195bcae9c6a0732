"""The agent: runs a model, meters it, and keeps every window until the collector has stored it."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Literal

import structlog

from edge_agent.alignment.align import Aligner
from edge_agent.alignment.opening import check_line
from edge_agent.alignment.play import BusyTimes, play_pattern
from edge_agent.assembly import Prepared, assembled, flush, state_of
from edge_agent.baseline import measure_baseline
from edge_agent.chosen_model import chosen_model
from edge_agent.config import AgentConfig
from edge_agent.device.observer import DeviceObserver
from edge_agent.inputs.directory import array_files
from edge_agent.measurement import Measurement, Parts
from edge_agent.recorder import WindowRecorder
from edge_agent.service import StopFlag, Watchdog, notify
from edge_agent.sources import WorkUntil, open_source
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Boundary
from edge_agent.work.protocol import Work
from firmware_bridge.driver import MeterDriver
from firmware_bridge.registry import get_driver
from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.stream import host_time_s, is_pseudo_terminal, is_simulated_port

__all__ = ["Prepared", "measure", "prepare", "run_agent"]

_LOG = structlog.get_logger()


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
    check_line(config.align, driver)
    if config.input.source == "directory":
        _ = array_files(Path(config.input.path))
    return Prepared(driver, chosen_model(config), _boundary(config.meter.boundary, driver))


def run_agent(config: AgentConfig, stop: StopFlag) -> None:
    """Measure until ``stop`` is requested or the inputs end, then deliver what is left.

    Raises ConfigurationError or a FirmwareBridgeError if it cannot start. Once started it goes on: without the
    meter with gaps, without the broker into the outbox.
    """
    prepared = prepare(config)
    with ExitStack() as stack:
        state_dir = stack.enter_context(state_of(config))
        source = open_source(config, prepared, stack)
        parts = stack.enter_context(assembled(config, prepared, state_dir, source.executor, Watchdog()))
        notify("READY=1")
        measure(parts, partial(source.make_work, parts), source.work_until, stop)
        notify("STOPPING=1")
        flush(parts.publisher, parts.outbox, stop)
    _LOG.info("agent_stopped", device=config.device.id)


def measure(parts: Parts, make_work: Callable[[float], Work], work_until: WorkUntil, stop: StopFlag) -> None:
    """Align the clocks, idle for the baseline, then measure the work that ``make_work`` returns for its begin.

    ``work_until``: what loads the machine for the alignment. Raises ConfigurationError for an alignment that cannot be
    with this meter.
    """
    config, idle = parts.config, None

    def stopped() -> bool:
        if parts.watchdog is not None:
            parts.watchdog.feed(host_time_s())
        return stop.requested

    def play(pattern: StepPattern) -> BusyTimes:
        return play_pattern(pattern, work_until, stopped)

    with ExitStack() as stack:
        aligner = stack.enter_context(Aligner(parts.meter, config.align, play, stopped=stopped))
        aligner.start()
        if config.window.baseline_s > 0.0 and not stop.requested:
            idle = measure_baseline(parts.meter, parts.sheet, config.window.baseline_s, stop, parts.watchdog)
        if stop.requested:
            return
        t_first_s = host_time_s()
        recorder = WindowRecorder(
            parts.meter, parts.sheet, parts.outbox, parts.identity(), t_first_s, parts.calibration
        )
        observer = stack.enter_context(closing(DeviceObserver(t_first_s)))
        Measurement(parts, make_work(t_first_s), recorder, observer, aligner, idle).run(stop)


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
