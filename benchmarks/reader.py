"""What reading a meter costs: CPU time of the reader's thread, as a part of the time that passes.

The emulated meter runs in a process of its own, at its full rate, on a pseudo-terminal; here is a ``Meter`` as anybody
opens it. Its thread reads, decodes, integrates and keeps the history. The floor is a thread that does nothing at all,
so the ratio is the share of one core.
"""

import multiprocessing
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Measurement, benchmark
from edgejoule.signals import setting
from firmware_bridge.driver import MeterDriver
from firmware_bridge.emulate import MeterEmulator
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import all_drivers, get_driver
from tests.fakes.meter_talk import levels_a

SETTLE_S = 1.5
ROUND_S = 1.0
ROUNDS = 3
START_S = 20.0


def serve(name: str, link: Path) -> None:
    """Emulate a meter until the process is told to end."""
    driver = get_driver(name)
    sheet = driver.data_sheet
    stop = threading.Event()
    signal.signal(signal.SIGTERM, setting(stop))
    load = ConstantLoad(levels_a(sheet)[1] * sheet.nominal_voltage_v)
    MeterEmulator(driver, link, load).run(stop)


@contextmanager
def emulated(driver: MeterDriver) -> Iterator[str]:
    """Run the meter in another process; give its port."""
    with tempfile.TemporaryDirectory(prefix="edgejoule-bench-") as folder:
        link = Path(folder) / "port"
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(driver.name, link), daemon=True)
        process.start()
        try:
            until_s = time.monotonic() + START_S
            while not link.exists():
                if not process.is_alive() or time.monotonic() > until_s:
                    raise RuntimeError(f"{driver.name}: its emulator did not start")
                time.sleep(0.02)
            yield str(link)
        finally:
            process.terminate()
            process.join()


def shares(meter: Meter, rounds: int) -> Iterator[tuple[float, float]]:
    """Measure a meter's reader for some rounds: CPU seconds, and seconds that passed."""
    (ident,) = (thread.ident for thread in threading.enumerate() if thread.name == f"meter {meter.port}")
    if ident is None:
        raise RuntimeError(f"{meter.port}: the reader has not started")
    clock = time.pthread_getcpuclockid(ident)
    for _ in range(rounds):
        began_s, cpu_s = time.monotonic(), time.clock_gettime(clock)
        time.sleep(ROUND_S)
        yield time.clock_gettime(clock) - cpu_s, time.monotonic() - began_s


@benchmark
def reader_cpu() -> Iterator[Measurement]:
    for driver in all_drivers():
        with emulated(driver) as port, Meter(driver, port) as meter:
            time.sleep(SETTLE_S)
            before = meter.snapshot().sample_count
            spent = list(shares(meter, ROUNDS))
            rate_hz = (meter.snapshot().sample_count - before) / sum(wall_s for _, wall_s in spent)
            wall_s = statistics.median(wall_s for _, wall_s in spent)
        yield Measurement(
            name=f"{driver.name}: read {rate_hz:,.0f} samples/s"
            if rate_hz > 10
            else f"{driver.name}: read {rate_hz:.2g}/s",
            ours=[cpu_s / one_s * wall_s for cpu_s, one_s in spent],
            other=[wall_s] * len(spent),
            other_name="the time that passes: share of a core",
            kind="floor",
        )
