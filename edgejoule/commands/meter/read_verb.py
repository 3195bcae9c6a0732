"""``edgejoule meter read``: live volts, amperes, watts and joules."""

import argparse
import contextlib
import math
import queue
import time
from dataclasses import dataclass
from typing import Final

from edgejoule.commands.meter.common import options_of, refuse_to_overwrite, stop_on_signal
from edgejoule.commands.meter.figures import Figures, print_figures
from edgejoule.commands.meter.live import REFRESH_S, LiveDisplay, Now, clock_text
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, write_json
from firmware_bridge.clock import ClockEstimate
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.meter import Meter, MeterHealth
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyDelta, EnergyReading, SampleBlock
from firmware_bridge.samples_file import SamplesFile
from firmware_bridge.timeline import SILENT_S, SyncState

HELD_SAMPLES: Final = 1_000_000
"""Samples that may wait for the file: some 64 MB, ten seconds of the fastest meter."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What ``meter read`` measured. ``total.energy_u_systematic_j`` is a standard uncertainty (k = 1).

    ``energy_limits_j``: least and most that was drawn, gaps included. ``clock``: the meter's against the host's.
    """

    driver: str
    port: str
    simulated: bool
    total: EnergyDelta
    energy_limits_j: tuple[float, float]
    health: MeterHealth
    sync: SyncState
    clock: ClockEstimate | None


class _Rows:
    """Takes samples from the reader's thread, and puts them into the file from this one."""

    def __init__(self, file: SamplesFile) -> None:
        self._file = file
        self._blocks: queue.SimpleQueue[SampleBlock] = queue.SimpleQueue()
        self._taken = self._written = 0
        self.left_out = 0

    def take(self, block: SampleBlock) -> None:
        """Keep a block, or count it as left out where the file cannot follow."""
        if self._taken - self._written > HELD_SAMPLES:
            self.left_out += len(block)
            return
        self._taken += len(block)
        self._blocks.put(block)

    def write(self, until_s: float = math.inf) -> None:
        """Write what has come, up to this device time."""
        with contextlib.suppress(queue.Empty):
            while True:
                block = self._blocks.get_nowait()
                self._written += len(block)
                if block.t_device_s[0] <= until_s:
                    self._file.write(block)


def run(arguments: argparse.Namespace) -> int:
    """Read until the time is over or somebody stops it."""
    driver = get_driver(arguments.driver)
    options = options_of(arguments)
    driver.make_decoder(options)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal())
        rows = None
        if arguments.csv is not None:
            refuse_to_overwrite(arguments.csv, force=arguments.force)
            rows = _Rows(stack.enter_context(SamplesFile(arguments.csv)))
        meter = Meter(
            driver,
            arguments.port,
            options=options,
            limit_w=arguments.limit_w,
            on_block=None if rows is None else rows.take,
        )
        with meter:
            first = meter.first() or meter.snapshot()
            end_s = None if arguments.seconds is None else time.monotonic() + arguments.seconds
            with LiveDisplay(driver.title, simulated=meter.is_simulated) as live:
                while not stop.wait(REFRESH_S if end_s is None else min(REFRESH_S, end_s - time.monotonic())):
                    if meter.wait_until_ended(0.0) or (end_s is not None and time.monotonic() >= end_s):
                        break
                    if rows is not None:
                        rows.write()
                    live.show(_now(meter, first))
            last = _reading(meter)
            result = _result(meter, energy_between(first, last))
        if rows is not None:
            rows.write(last.t_device_s)
            _say_left_out(rows.left_out)
    return _report(result, as_json=arguments.json)


def _say_left_out(count: int) -> None:
    if count:
        stderr_console().print(f"note: {count:,} samples are not in the file, writing it was too slow", markup=False)


def _report(result: ReadResult, *, as_json: bool) -> int:
    if as_json:
        write_json(result)
    else:
        health = result.health
        more = {"clock": clock_text(result.sync, result.clock)}
        more |= {"reconnected": str(health.reconnects)} if health.reconnects else {}
        more |= {"last trouble": health.last_error} if health.last_error else {}
        print_figures(
            Figures(
                total=result.total,
                limits_j=result.energy_limits_j,
                identity=health.identity,
                frame_errors=health.frame_errors,
                simulated=result.simulated,
                more=more,
            )
        )
    return EXIT_DONE if result.total.covered_s > 0.0 else EXIT_NO


def _reading(meter: Meter) -> EnergyReading:
    """Return the register; where the meter has been silent, the silence is a gap in it."""
    age_s = meter.health().last_sample_age_s
    if age_s is not None and age_s > max(SILENT_S, meter.driver.data_sheet.max_interval_s):
        return meter.reading_at(meter.now_s()) or meter.snapshot()
    return meter.snapshot()


def _now(meter: Meter, first: EnergyReading) -> Now:
    reading = _reading(meter)
    total = energy_between(first, reading)
    health = meter.health()
    return Now(
        block=meter.latest_block() if health.connected else None,
        total=total,
        reading=reading,
        limits_j=energy_limits_j(total, meter.driver.data_sheet),
        frame_errors=health.frame_errors,
        identity=health.identity,
        sync=meter.sync(),
        clock=meter.clock(),
    )


def _result(meter: Meter, total: EnergyDelta) -> ReadResult:
    return ReadResult(
        driver=meter.driver.name,
        port=meter.port,
        simulated=meter.is_simulated,
        total=total,
        energy_limits_j=energy_limits_j(total, meter.driver.data_sheet),
        health=meter.health(),
        sync=meter.sync(),
        clock=meter.clock(),
    )
