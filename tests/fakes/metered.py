"""Ask an emulated meter and its truth the same question: how many joules between two moments?"""

import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.energy import energy_between
from firmware_bridge.meter import Meter
from firmware_bridge.samples import EnergyDelta, EnergyReading
from firmware_bridge.stream import host_time_s


def wait_for_reading(meter: Meter, t_host_s: float, timeout_s: float = 10.0) -> EnergyReading:
    """Return the reading at a host time once samples have reached it."""
    deadline_s = host_time_s() + timeout_s
    while (reading := meter.reading_at(t_host_s)) is None:
        if host_time_s() > deadline_s:
            raise AssertionError(f"no reading for {t_host_s} within {timeout_s} s: {meter.health()}")
        time.sleep(0.01)
    return reading


def measure(meter: Meter, seconds: float, work: Callable[[], None] = lambda: None) -> tuple[EnergyDelta, int, int]:
    """Measure some work and a while; return what the meter saw and the two moments as unix nanoseconds."""
    begin_s, begin_unix_ns = host_time_s(), time.time_ns()
    work()
    time.sleep(seconds)
    end_s, end_unix_ns = host_time_s(), time.time_ns()
    first, last = wait_for_reading(meter, begin_s), wait_for_reading(meter, end_s)
    return energy_between(first, last), begin_unix_ns, end_unix_ns


def true_energy_j(truth: Path, begin_unix_ns: int, end_unix_ns: int) -> float:
    """Return the true energy between two moments, linear between the ticks of the truth file, once it has both."""
    deadline_s = time.monotonic() + 10.0
    while not (rows := _whole_rows(truth)) or rows[-1][0] <= end_unix_ns:
        if time.monotonic() > deadline_s:
            raise AssertionError(f"the truth does not reach {end_unix_ns}")
        time.sleep(0.02)
    return _at(rows, end_unix_ns) - _at(rows, begin_unix_ns)


def _whole_rows(truth: Path) -> list[tuple[int, float]]:
    lines = truth.read_text(encoding="ascii").splitlines(keepends=True)[1:]
    cells = [line.split(",") for line in lines if line.endswith("\n")]
    return [(int(cell[0]), float(cell[1])) for cell in cells]


def _at(rows: list[tuple[int, float]], t_unix_ns: int) -> float:
    after = bisect_left(rows, (t_unix_ns, 0.0))
    if not 0 < after < len(rows):
        raise AssertionError(f"the truth does not reach {t_unix_ns}")
    (t0_ns, e0_j), (t1_ns, e1_j) = rows[after - 1], rows[after]
    return e0_j + (e1_j - e0_j) * (t_unix_ns - t0_ns) / (t1_ns - t0_ns)
