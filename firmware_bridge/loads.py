"""What an emulated meter measures: a constant, a profile from a file, or the CPU use of a running process."""

import csv
import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, Protocol, runtime_checkable

import numpy as np

from firmware_bridge.driver import DataSheet
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.samples import F64, U8

PID_FILE_CHECK_S: Final = 0.5
MARKER_BITS: Final = 0xFF
BOARD_W: Final = 2.0
"""A small board at rest: what a meter for boards is shown where nobody names a load."""
STEPS_OF_A_READING: Final = 10.0
"""As many of a meter's steps, or starting powers, make a load that it shows well."""
SHARE_OF_FULL_SCALE: Final = 0.4
"""Of what the meter carries: twice as much is still inside, whatever the unit's gain error."""


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


@runtime_checkable
class SteppedLoad(LoadSource, Protocol):
    """A load that is known at every moment, not only as the mean of a step."""

    def changes_s(self, begin_s: float, end_s: float) -> list[float]:
        """Return the times after ``begin_s`` and before ``end_s`` at which the load steps, in order."""
        ...

    def marker_at(self, t_s: F64) -> U8 | None:
        """Return the levels of the marker inputs as bits at each time, None where the load has no markers."""
        ...


class LoadCurve:
    """What was drawn up to each moment, joules piecewise linear in time: samples take their means from it."""

    def __init__(self, voltage_v: float) -> None:
        """Begin at time 0 with nothing drawn; ``voltage_v`` stands where a load does not say its own."""
        self._voltage_v = voltage_v
        self._t_s, self._drawn_j, self._volts = [0.0], [0.0], [voltage_v]

    def draw(self, until_s: float, load: Load) -> None:
        """Let ``load`` be drawn from the last time to ``until_s``."""
        length_s = until_s - self._t_s[-1]
        if length_s > 0.0:
            self._t_s.append(until_s)
            self._drawn_j.append(self._drawn_j[-1] + load.power_w * length_s)
            self._volts.append(load.voltage_v or self._voltage_v)

    def means(self, edges_s: F64) -> tuple[F64, F64]:
        """Return mean power between each two edges (shape ``(n + 1,)``), and the voltage at the end of each.

        Forgets what lies before the last edge: edges of later calls do not go back behind it.
        """
        times_s = np.array(self._t_s)
        power_w = np.diff(np.interp(edges_s, times_s, self._drawn_j)) / np.diff(edges_s)
        at = np.minimum(np.searchsorted(times_s, edges_s[1:], side="left"), len(times_s) - 1)
        voltage_v = np.array(self._volts)[at]
        self._forget(max(int(np.searchsorted(times_s, edges_s[-1], side="right")) - 1, 0))
        return power_w, voltage_v

    def _forget(self, first: int) -> None:
        base_j = self._drawn_j[first]
        self._t_s, self._volts = self._t_s[first:], self._volts[first:]
        self._drawn_j = [drawn_j - base_j for drawn_j in self._drawn_j[first:]]


def readable_power_w(sheet: DataSheet) -> float:
    """Return watts that this meter shows well: a small board's where it can, more for a house's meter.

    At its nominal voltage; less than a board where the meter carries no board, such as one for 50 mA.
    """
    step_w = sheet.power_resolution_w or min(one.resolution_a for one in sheet.ranges) * sheet.nominal_voltage_v
    full_w = max(one.max_current_a for one in sheet.ranges) * sheet.nominal_voltage_v
    return min(max(BOARD_W, STEPS_OF_A_READING * max(step_w, sheet.starting_power_w)), SHARE_OF_FULL_SCALE * full_w)


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """Always the same power."""

    power_w: float

    def step(self, begin_s: float, end_s: float) -> Load:  # noqa: ARG002  the protocol's arguments
        """Return the constant."""
        return Load(self.power_w)


class ProfileRow(NamedTuple):
    """The load from ``t_s`` on. ``marker``: the levels of the meter's digital inputs as bits."""

    t_s: float
    power_w: float
    voltage_v: float | None = None
    marker: int | None = None


class ProfileLoad:
    """Power by steps: each row holds from its ``t_s`` to the next one's, the last for ever."""

    def __init__(self, rows: Sequence[tuple[float, float, float | None] | ProfileRow]) -> None:
        """Take rows of (t_s, power_w, voltage_v or None). Raises ValueError unless times begin at 0 and increase."""
        self._rows = [ProfileRow(*row) for row in rows]
        if not rows or rows[0][0] != 0.0 or not all(b.t_s > a.t_s for a, b in pairwise(self._rows)):
            raise ValueError("t_s must begin at 0 and increase")
        self._times_s = [row.t_s for row in self._rows]
        self._marker: U8 | None = None
        if any(row.marker is not None for row in self._rows):
            self._marker = np.array([row.marker or 0 for row in self._rows], dtype=np.uint8)

    @classmethod
    def from_csv(cls, path: Path) -> "ProfileLoad":
        """Read columns ``t_s,power_w[,voltage_v][,marker]``. Raises ConfigurationError that names file and fault."""
        line = 0
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, skipinitialspace=True)
                rows = []
                for row in reader:
                    line = reader.line_num
                    rows.append(_profile_row(row))
            line = 0
            return cls(rows)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot read the load profile: {error.strerror}") from error
        except KeyError as error:
            raise _no_profile(path, f"no column {error}") from error
        except (TypeError, ValueError, csv.Error) as error:
            raise _no_profile(path, f"line {line}: {error}" if line else str(error)) from error

    def step(self, begin_s: float, end_s: float) -> Load:
        """Return the time-weighted mean power, and the voltage at the end of the step."""
        first = max(bisect_right(self._times_s, begin_s) - 1, 0)
        last = max(bisect_right(self._times_s, end_s) - 1, 0)
        row = self._rows[last]
        if end_s <= begin_s or first == last:
            return Load(row.power_w, row.voltage_v)
        edges_s = [begin_s, *self._times_s[first + 1 : last + 1], end_s]
        energy_j = sum(
            row.power_w * (edges_s[i + 1] - edges_s[i]) for i, row in enumerate(self._rows[first : last + 1])
        )
        return Load(energy_j / (end_s - begin_s), self._rows[last].voltage_v)

    def changes_s(self, begin_s: float, end_s: float) -> list[float]:
        """Return the times of the rows that begin inside."""
        return self._times_s[bisect_right(self._times_s, begin_s) : bisect_left(self._times_s, end_s)]

    def marker_at(self, t_s: F64) -> U8 | None:
        """Return the levels of the marker inputs as bits at each time, None without a column of them."""
        if self._marker is None:
            return None
        levels: U8 = self._marker[np.maximum(np.searchsorted(self._times_s, t_s, side="right") - 1, 0)]
        return levels


def _profile_row(row: dict[str, str]) -> ProfileRow:
    if row["t_s"] is None or row["power_w"] is None:
        raise ValueError("it has too few columns")
    volts, bits = row.get("voltage_v"), row.get("marker")
    power_w, marker = float(row["power_w"]), int(bits, 0) if bits else None
    if not 0.0 <= power_w < float("inf"):
        raise ValueError(f"power_w is {row['power_w']}, give watts from 0 up")
    if volts and not 0.0 < float(volts) < float("inf"):
        raise ValueError(f"voltage_v is {volts}, give volts above 0")
    if marker is not None and not 0 <= marker <= MARKER_BITS:
        raise ValueError(f"marker is {bits}, give the inputs' levels as bits, 0 to {MARKER_BITS}")
    return ProfileRow(float(row["t_s"]), power_w, float(volts) if volts else None, marker)


def _no_profile(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: not a load profile ({why}); write the columns t_s,power_w and optionally voltage_v, marker"
    )


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
