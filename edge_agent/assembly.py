"""Puts the agent's parts together: directory, outbox, meter, publisher; and takes them apart again."""

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge_agent.bench_spool import BenchSpool
from edge_agent.clock import HostClock, boot_now_ns, trusted_unix_ns
from edge_agent.config import AgentConfig
from edge_agent.device.kernel import kernel_boot_id
from edge_agent.inference.runner import InferenceRunner
from edge_agent.measurement import Parts
from edge_agent.model_catalog import CatalogModel, ModelFacts
from edge_agent.outbox import Outbox
from edge_agent.progress import ProgressFile, reader_fault
from edge_agent.publisher import Downlink, Publisher
from edge_agent.remote.counts import OrderCounts
from edge_agent.reply_spool import ReplySpool
from edge_agent.service import StopFlag, Watchdog
from edge_agent.state_dir import locked_state_dir, pid_file
from edge_agent.window import Identity, systematic_id
from edge_agent.wire.records import Birth, Boundary, RuntimeIdentity
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import MeterDriver
from firmware_bridge.meter import Meter
from firmware_bridge.samples import SampleBlock
from firmware_bridge.stream import host_time_s

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


@dataclass(frozen=True, slots=True)
class Executor:
    """What runs the model: this process with ``runner``, or another program that says so (``runner`` is None)."""

    runtime: RuntimeIdentity
    runner: InferenceRunner | None = None


@dataclass(slots=True)
class Present:
    """What runs now. Exchanged by the measuring thread, read by others. ``close``: lets go of it."""

    config: AgentConfig
    prepared: Prepared
    executor: Executor
    close: Callable[[], None] = lambda: None

    def release(self) -> None:
        """Let go of what runs by now."""
        self.close()


class BlockTap:
    """Hands the meter's blocks to whoever listens, in the meter's reader thread."""

    def __init__(self) -> None:
        self.listener: Callable[[SampleBlock], None] | None = None

    def take(self, block: SampleBlock) -> None:
        """Take a block."""
        if self.listener is not None:
            self.listener(block)


@dataclass(frozen=True, slots=True)
class Ordered:
    """What orders add to an agent: what listens, where replies wait, what is counted, and who taps the meter."""

    downlink: Downlink
    replies: ReplySpool
    counts: OrderCounts
    tap: BlockTap


@contextmanager
def state_of(config: AgentConfig) -> Iterator[Path]:
    """Hold the state directory and write the pid file for the length of the block. Raises ConfigurationError."""
    with ExitStack() as stack:
        path = stack.enter_context(locked_state_dir(Path(config.device.state_dir)))
        stack.enter_context(pid_file(Path(config.device.pid_file) if config.device.pid_file else None))
        yield path


@contextmanager
def assembled(
    present: Present, state_dir: Path, watchdog: Watchdog | None, ordered: Ordered | None = None
) -> Iterator[Parts]:
    """Open outbox and meter and start to publish, for the length of the block. ``ordered``: None where nobody orders.

    Raises ConfigurationError or a FirmwareBridgeError if the meter cannot be opened.
    """
    config = present.config
    with ExitStack() as stack:
        outbox = stack.enter_context(closing(open_outbox(config, state_dir)))
        calibration = calibration_of(config)
        meter = stack.enter_context(
            Meter(
                present.prepared.driver,
                config.meter.port,
                options=config.meter.options,
                calibration=calibration,
                on_block=ordered.tap.take if ordered else None,
            )
        )

        def identity() -> Identity:
            return identity_now(present.config, present.prepared, present.executor.runtime, meter)

        def birth() -> Birth:
            runner, facts = present.executor.runner, present.prepared.model.facts
            return birth_now(present.config, identity(), outbox, runner, facts)

        _LOG.info("agent_started", device=config.device.id, boot_id=outbox.boot_id, **msgspec.to_builtins(identity()))
        publisher = Publisher(
            config.broker,
            config.device.fleet,
            config.device.id,
            outbox,
            birth,
            spool=BenchSpool(state_dir),
            replies=ordered.replies if ordered else None,
            settings=config.publish,
            downlink=ordered.downlink if ordered else None,
        )
        publisher.start()
        stack.callback(publisher.stop)
        progress = None
        if watchdog is not None:
            watchdog.watch(lambda _: reader_fault(meter.reader_silent_s))
            progress = ProgressFile(state_dir, outbox, host_time_s())
            progress.write(meter_connected=True)
        sheet = meter.driver.data_sheet
        counts = ordered.counts if ordered else None
        yield Parts(config, sheet, calibration, meter, outbox, publisher, identity, watchdog, progress, counts)


def open_outbox(config: AgentConfig, state_dir: Path) -> Outbox:
    """Open the outbox as it is configured. Raises ConfigurationError."""
    limits = config.outbox
    return Outbox(
        state_dir / OUTBOX_NAME,
        kernel_boot_id(),
        max_bytes=limits.max_bytes,
        max_age_s=limits.max_age_s,
        synchronous=limits.synchronous,
        now_unix_ns=trusted_unix_ns,
        now_boot_ns=boot_now_ns,
    )


def flush(publisher: Publisher, outbox: Outbox, stop: StopFlag, timeout_s: float = FLUSH_TIMEOUT_S) -> bool:
    """Wait until the collector has everything; a second request to stop ends the wait. What is left stays on disk.

    The first request is the one that ended the measuring, where one did: a second that came before this counts.
    """
    requests = min(stop.count, 1)
    deadline_s = time.monotonic() + timeout_s
    done = publisher.flush(0.0)
    while not done and time.monotonic() < deadline_s and stop.count == requests:
        done = publisher.flush(FLUSH_STEP_S)
    if done:
        _LOG.info("outbox_delivered")
    else:
        _LOG.warning("outbox_not_delivered", windows=outbox.stats().windows, note="kept on disk for the next start")
    return done


def calibration_of(config: AgentConfig) -> Calibration | None:
    """Return the certificate that the configuration states."""
    table = config.meter.calibration
    return Calibration(**msgspec.structs.asdict(table)) if table else None


def identity_now(config: AgentConfig, prepared: Prepared, runtime: RuntimeIdentity, meter: Meter) -> Identity:
    """Return whose figures the windows are now; the meter may be exchanged while the agent runs."""
    reported = meter.health().identity
    serial_number = reported.serial_number if reported else ""
    meter_id = config.meter.meter_id or serial_number or f"{prepared.driver.name}-{config.device.id}"
    table = config.meter.calibration
    return Identity(
        model_id=prepared.model.model_id,
        model_sha256=prepared.model.sha256,
        runtime=runtime,
        meter_id=meter_id,
        meter_driver=prepared.driver.name,
        boundary=prepared.boundary,
        simulated=config.meter.simulated or meter.is_simulated or bool(config.align.marker_socket),
        systematic_id=systematic_id(prepared.driver.name, meter_id, table.certificate if table else None),
    )


def birth_now(
    config: AgentConfig, identity: Identity, outbox: Outbox, runner: InferenceRunner | None, model: ModelFacts
) -> Birth:
    """Return who this device is, as it says at every connect. ``model``: what is known of the model that it runs."""
    clock = HostClock()
    return Birth(
        device_id=config.device.id,
        boot_id=outbox.boot_id,
        agent_version=metadata.version("edgejoule"),
        device_class=config.device.device_class,
        t_unix_ns=clock.best_unix_ns(outbox.placing),
        clock_state=clock.state(outbox.placing),
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
        load_s=runner.load_s if runner else None,
        first_invoke_s=runner.first_invoke_s if runner else None,
        stateful=runner.stateful if runner else None,
        model_macs=model.macs,
        model_parameters=model.parameters,
        model_bytes=model.size_bytes,
        model_accuracy_ratio=model.accuracy_ratio,
    )
