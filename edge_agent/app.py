"""The agent: runs a model, meters it, and keeps every window until the collector has stored it."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

import structlog

from edge_agent.assembly import BlockTap, Ordered, Prepared, Present, assembled, flush, state_of
from edge_agent.config import AgentConfig
from edge_agent.measurement import Parts
from edge_agent.preparing import prepare
from edge_agent.remote.model_files import ModelFiles
from edge_agent.remote.office import Office, Surroundings
from edge_agent.remote.settings import SettingsFile
from edge_agent.service import StopFlag, Watchdog, notify
from edge_agent.shift import Running, Shift, first_running
from edge_agent.sources import WorkUntil
from edge_agent.stretch import Stretches
from edge_agent.work.protocol import Work

__all__ = ["Prepared", "measure", "prepare", "run_agent"]

_LOG = structlog.get_logger()


def run_agent(config: AgentConfig, stop: StopFlag) -> None:
    """Measure until ``stop`` is requested or the inputs end, then deliver what is left.

    Raises ConfigurationError or a FirmwareBridgeError if it cannot start. Once started it goes on: without the
    meter with gaps, without the broker into the outbox.
    """
    if config.remote.operators or config.job or config.grid.zone:
        _run_with_orders(config, stop)
    else:
        _run_alone(config, stop)
    _LOG.info("agent_stopped", device=config.device.id)


def measure(parts: Parts, make_work: Callable[[float], Work], work_until: WorkUntil, stop: StopFlag) -> None:
    """Align the clocks, idle for the baseline, then measure the work that ``make_work`` returns for its begin.

    ``work_until``: what loads the machine for the alignment. Raises ConfigurationError for an alignment that cannot be
    with this meter.
    """
    with Stretches(parts, work_until, stop) as stretches:
        stretches.begin(parts)
        if not stop.requested:
            stretches.run(parts, make_work, stop)


def _run_alone(config: AgentConfig, stop: StopFlag) -> None:
    """Run as the configuration says, whatever anybody orders."""
    prepared = prepare(config)
    with ExitStack() as stack:
        state_dir = stack.enter_context(state_of(config))
        running = Running(config, prepared)
        stack.callback(running.close)
        present = Present(config, prepared, running.executor)
        parts = stack.enter_context(assembled(present, state_dir, Watchdog()))
        notify("READY=1")
        measure(parts, partial(running.source.make_work, parts), running.source.work_until, stop)
        notify("STOPPING=1")
        flush(parts.publisher, parts.outbox, stop)


def _run_with_orders(config: AgentConfig, stop: StopFlag) -> None:
    """Run with an ear for orders, and with what they have changed before."""
    prepare(config)
    with ExitStack() as stack:
        state_dir = stack.enter_context(state_of(config))
        office, settings, tap = Office(config, state_dir), SettingsFile(state_dir), BlockTap()
        running = first_running(config, settings, ModelFiles(state_dir))
        present = Present(running.config, running.prepared, running.executor, running.close)
        stack.callback(present.release)
        ordered = Ordered(office.inbox, office.replies, office.counts, tap)
        parts = stack.enter_context(assembled(present, state_dir, Watchdog(), ordered))
        around = Surroundings(parts.publisher, parts.meter, parts.outbox, settings, lambda: present.config)
        shift = Shift(
            config,
            running,
            present,
            parts,
            desk=office.desk,
            tap=tap,
            settings=settings,
            state_dir=state_dir,
            stop=stop,
        )
        with closing(office):
            office.start(around)
            notify("READY=1")
            shift.run()
        notify("STOPPING=1")
        flush(parts.publisher, parts.outbox, stop)
