"""Who used the processor: this process, its inference, everybody else. All figures in cores.

Source: proc_stat(5), time in user, nice, system, irq, softirq; guests are within user, steal is not ours.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from edge_agent.device.files import KeptFile, integer

_BUSY_COLUMNS = (1, 2, 3, 6, 7)


class CpuShare:
    """This process's own use of the processor, in cores, between two calls."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.monotonic(), time.process_time()

    def ratio(self) -> float | None:
        """Return CPU seconds for each second since the last call, None if no time has passed."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        elapsed_s, used_s = wall_s - self._wall_s, cpu_s - self._cpu_s
        if elapsed_s <= 0.0:
            return None
        self._wall_s, self._cpu_s = wall_s, cpu_s
        return max(0.0, used_s / elapsed_s)


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds up to one moment: of this process, inside its inference, of the whole machine; None: unknown."""

    t_s: float
    own_s: float
    inference_s: float | None
    machine_s: float | None


@dataclass(frozen=True, slots=True)
class CpuRatios:
    """Cores used between two moments: see ``InferenceWindow``. ``other`` is good to a tick (10 ms) each core."""

    agent: float | None = None
    overhead: float | None = None
    other: float | None = None


def cpu_ratios(before: CpuTimes, after: CpuTimes) -> CpuRatios:
    """Return who used how many cores from ``before`` to ``after``; nothing is known of no time."""
    elapsed_s = after.t_s - before.t_s
    if elapsed_s <= 0.0:
        return CpuRatios()
    own_s = after.own_s - before.own_s
    overhead = other = None
    if before.inference_s is not None and after.inference_s is not None:
        overhead = max(0.0, own_s - (after.inference_s - before.inference_s)) / elapsed_s
    if before.machine_s is not None and after.machine_s is not None:
        other = max(0.0, after.machine_s - before.machine_s - own_s) / elapsed_s
    return CpuRatios(max(0.0, own_s) / elapsed_s, overhead, other)


class CpuClock:
    """Reads the processor times of this process and of the machine."""

    def __init__(self, proc_root: Path = Path("/proc")) -> None:
        self._stat = KeptFile(proc_root / "stat")
        self._ticks_hz = os.sysconf("SC_CLK_TCK")

    def read(self, now_s: float, inference_s: float | None) -> CpuTimes:
        """Return the times at host time ``now_s``; ``inference_s`` is passed through."""
        return CpuTimes(now_s, time.process_time(), inference_s, busy_s(self._stat.text(), self._ticks_hz))

    def close(self) -> None:
        """Close the file."""
        self._stat.close()


def busy_s(stat: str, ticks_hz: float) -> float | None:
    """Return the busy seconds of all cores from the text of /proc/stat, None if its first line is not theirs."""
    words = stat.partition("\n")[0].split()
    if len(words) <= max(_BUSY_COLUMNS) or words[0] != "cpu":
        return None
    ticks = [integer(words[column]) for column in _BUSY_COLUMNS]
    known = [one for one in ticks if one is not None]
    return sum(known) / ticks_hz if len(known) == len(ticks) else None
