"""What an emulated meter measures: a constant, a profile from a file, or the CPU use of a running process."""

import csv
import os
import time
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from firmware_bridge.errors import ConfigurationError

PID_FILE_CHECK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """Mean power over one step in watts; ``voltage_v`` is None where the source does not say."""

    power_w: float
    voltage_v: float | None = None


class LoadSource(Protocol):
    """Something that draws power. Time runs in seconds since the emulation began."""

    def step(self, begin_s: float, end_s: float) -> Load:
        """Return the mean load from ``begin_s`` to ``end_s``; each call begins where the last one ended."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """Always the same power."""

    power_w: float

    def step(self, begin_s: float, end_s: float) -> Load:  # noqa: ARG002  the protocol's arguments
        """Return the constant."""
        return Load(self.power_w)


class ProfileLoad:
    """Power by steps: each row holds from its ``t_s`` to the next one's, the last for ever."""

    def __init__(self, rows: list[tuple[float, float, float | None]]) -> None:
        """Take rows of (t_s, power_w, voltage_v or None). Raises ValueError unless times begin at 0 and increase."""
        if not rows or rows[0][0] != 0.0 or any(b[0] <= a[0] for a, b in pairwise(rows)):
            raise ValueError("t_s must begin at 0 and increase")
        self._rows = rows
        self._times_s = [row[0] for row in rows]

    @classmethod
    def from_csv(cls, path: Path) -> "ProfileLoad":
        """Read columns ``t_s,power_w[,voltage_v]``. Raises ConfigurationError that names file and fault."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [_profile_row(row) for row in csv.DictReader(file)]
            return cls(rows)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot read the load profile: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{path}: not a load profile ({error}); write the columns t_s,power_w and optionally voltage_v"
            ) from error

    def step(self, begin_s: float, end_s: float) -> Load:
        """Return the time-weighted mean power, and the voltage at the end of the step."""
        first = max(bisect_right(self._times_s, begin_s) - 1, 0)
        last = max(bisect_right(self._times_s, end_s) - 1, 0)
        if end_s <= begin_s or first == last:
            return Load(*self._rows[last][1:])
        edges_s = [begin_s, *self._times_s[first + 1 : last + 1], end_s]
        energy_j = sum(row[1] * (edges_s[i + 1] - edges_s[i]) for i, row in enumerate(self._rows[first : last + 1]))
        return Load(energy_j / (end_s - begin_s), self._rows[last][2])


def _profile_row(row: dict[str, str]) -> tuple[float, float, float | None]:
    volts = row.get("voltage_v")
    return float(row["t_s"]), float(row["power_w"]), float(volts) if volts else None


class ProcessLoad:
    """Idle power plus a slope times the CPU use of the process that a pid file names (1 = one core busy).

    The file may appear later, and name another process after a restart; until then the load is idle.
    """

    def __init__(self, pid_file: Path, *, idle_w: float, busy_w: float) -> None:
        self._pid_file = pid_file
        self._idle_w = idle_w
        self._busy_w = busy_w
        self._cores = os.cpu_count() or 1
        self._pid: int | None = None
        self._cpu_s = 0.0
        self._next_check_s = 0.0

    def step(self, begin_s: float, end_s: float) -> Load:
        """Return the load from the CPU time that the process used since the last call."""
        if end_s >= self._next_check_s:
            self._next_check_s = end_s + PID_FILE_CHECK_S
            self._follow(_read_pid(self._pid_file))
        used_s = self._used_s()
        elapsed_s = end_s - begin_s
        utilisation_ratio = min(max(used_s / elapsed_s, 0.0), float(self._cores)) if elapsed_s > 0.0 else 0.0
        return Load(self._idle_w + (self._busy_w - self._idle_w) * utilisation_ratio)

    def _follow(self, pid: int | None) -> None:
        if pid == self._pid:
            return
        self._pid = pid
        cpu_s = None if pid is None else process_cpu_s(pid)
        if cpu_s is None:
            self._pid = None
        else:
            self._cpu_s = cpu_s

    def _used_s(self) -> float:
        cpu_s = None if self._pid is None else process_cpu_s(self._pid)
        if cpu_s is None:
            self._pid = None
            return 0.0
        used_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        return used_s


def process_cpu_s(pid: int) -> float | None:
    """Return the CPU seconds that a process has used, all threads together; None if there is no such process.

    The kernel's per-process CPU clock has nanoseconds (clock_getcpuclockid(3) makes the same clock number); the
    counters in /proc are the fallback where a sandbox has no such clocks.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def _read_pid(path: Path) -> int | None:
    try:
        pid = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 else None
