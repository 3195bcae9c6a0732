"""What metering adds to a device that runs a model: CPU time, wake-ups, and the time that an inference takes.

One process runs the shipped model in bursts, with pauses in between, as a device does that has something to do a
hundred times a second; a ``Meter`` in the same process reads the emulated meter at its full rate. The emulator is
another process on a pseudo-terminal, so that its cost is not counted. Slices without and with the meter take turns:
a machine that is slower for a while is slower for both. Three figures for each meter:

- CPU time of the thread that reads, as a share of one core while the model runs; two meters carry a promise;
- voluntary context switches of the process: how often it wakes up, with metering against without;
- time of an inference within a burst, with metering against without: what the model notices.

A slice with a lost sample, a gap or less time covered than has passed gives no figure and is repeated.
``python -m benchmarks metering_cost --meters ppk2,tc66c`` asks for some meters only.
"""

import os
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.harness import METERS_VARIABLE, Measurement, benchmark
from benchmarks.reader import emulated
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.model_catalog import find_model
from firmware_bridge.driver import MeterDriver
from firmware_bridge.meter import Meter
from firmware_bridge.registry import all_drivers, get_driver

ROUNDS: Final = 3
SLICE_S: Final = 1.0
SETTLE_S: Final = 0.5
PERIOD_S: Final = 0.01
BURST_S: Final = 0.005
LEAST_COVERED_RATIO: Final = 0.8
"""A stream is decoded in blocks of 0.08 s, so a slice of a second may hold one less."""
OPEN_S: Final = 30.0
LIMIT_RATIOS: Final = {"ppk2": 0.03, "tc66c": 0.005}
"""Share of one core that is promised."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one stretch of running the model cost. ``reader_cpu_s`` is 0 without a meter."""

    wall_s: float
    inference_s: float
    wakes_hz: float
    reader_cpu_s: float = 0.0


def run_bursts(runner: InferenceRunner, tensor: Tensor, seconds: float) -> Slice:
    """Infer for half of each period, sleep for the rest."""
    count, busy_s = 0, 0.0
    wakes = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    began_s = burst_s = time.monotonic()
    while burst_s < began_s + seconds:
        now_s = burst_s
        while now_s < burst_s + BURST_S:
            runner.infer(tensor)
            count += 1
            now_s = time.monotonic()
        busy_s += now_s - burst_s
        time.sleep(max(burst_s + PERIOD_S - now_s, 0.0))
        burst_s = time.monotonic()
    wakes = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - wakes
    wall_s = burst_s - began_s
    return Slice(wall_s, busy_s / count, wakes / wall_s)


def run_metered(driver: MeterDriver, port: str, runner: InferenceRunner, tensor: Tensor) -> Slice | None:
    """Run the same with the meter open; None where it did not deliver everything."""
    meter = Meter(driver, port)
    meter.open(OPEN_S)
    try:
        run_bursts(runner, tensor, SETTLE_S)
        (ident,) = (thread.ident for thread in threading.enumerate() if thread.name == f"meter {port}")
        clock = time.pthread_getcpuclockid(ident or 0)
        before, cpu_s = meter.snapshot(), time.clock_gettime(clock)
        errors = meter.health().frame_errors
        one = run_bursts(runner, tensor, SLICE_S)
        cpu_s = time.clock_gettime(clock) - cpu_s
        after = meter.snapshot()
        is_whole = after.lost_count == before.lost_count and after.gap_s == before.gap_s
        is_whole = is_whole and errors == meter.health().frame_errors
        if driver.data_sheet.clock != "host_arrival":
            is_whole = is_whole and after.covered_s - before.covered_s >= LEAST_COVERED_RATIO * one.wall_s
    finally:
        meter.close()
    return Slice(one.wall_s, one.inference_s, one.wakes_hz, cpu_s) if is_whole else None


def slices(driver: MeterDriver, runner: InferenceRunner, tensor: Tensor) -> tuple[list[Slice], list[Slice]]:
    """Take turns: slices without, and slices with the meter. Raises RuntimeError where it keeps losing samples."""
    alone: list[Slice] = []
    metered: list[Slice] = []
    with emulated(driver) as port:
        for _ in range(2 * ROUNDS):
            without = run_bursts(runner, tensor, SLICE_S)
            one = run_metered(driver, port, runner, tensor)
            if one is not None:
                alone.append(without)
                metered.append(one)
            if len(metered) == ROUNDS:
                return alone, metered
    raise RuntimeError(f"{driver.name}: samples were lost in more than half of the slices; is this machine busy?")


def chosen_drivers() -> tuple[MeterDriver, ...]:
    """Return the meters that were asked for, all by default. Raises ConfigurationError for one that is not known."""
    names = os.environ.get(METERS_VARIABLE, "")
    return tuple(get_driver(name.strip()) for name in names.split(",")) if names else tuple(all_drivers())


@benchmark
def metering_cost() -> Iterator[Measurement]:
    runner = load_runner(find_model("digits_mlp_int8").path)
    tensor = np.zeros(runner.input_shape, dtype=runner.input_dtype)
    run_bursts(runner, tensor, SETTLE_S)
    for driver in chosen_drivers():
        alone, metered = slices(driver, runner, tensor)
        yield Measurement(
            name=f"{driver.name}: CPU of metering while a model runs",
            ours=[one.reader_cpu_s for one in metered],
            other=[one.wall_s for one in metered],
            other_name="the time that passes: share of a core",
            kind="floor",
            limit_ratio=LIMIT_RATIOS.get(driver.name),
        )
        yield Measurement(
            name=f"{driver.name}: wake-ups with metering",
            ours=[one.wakes_hz for one in metered],
            other=[one.wakes_hz for one in alone],
            other_name="inference alone",
            kind="floor",
            unit="hz",
        )
        yield Measurement(
            name=f"{driver.name}: an inference while it is metered",
            ours=[one.inference_s for one in metered],
            other=[one.inference_s for one in alone],
            other_name="inference alone",
            kind="floor",
        )
