"""Joules of CPU time by a table: a model for machines on which nothing measures, with limits as wide as that is.

``cpu_power.toml`` beside this file has the rows, each with what it rests on.
"""

import math
import platform
import re
import resource
from functools import cache
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge_agent.wire.toml_config import read_toml

TABLE: Final = Path(__file__).with_name("cpu_power.toml")
_SQRT_12: Final = math.sqrt(12.0)

Watts = Annotated[float, Meta(gt=0.0, le=1e4)]


class CpuPower(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a busy hardware thread draws, between two limits (rectangular, JCGM 100:2008, 4.3.7).

    ``pattern``: a regular expression that is searched for in the processor's name.
    """

    pattern: str
    low_w: Watts
    high_w: Watts
    source: str
    vintage: str
    basis: str

    @property
    def power_w(self) -> float:
        """Return the middle of the limits."""
        return 0.5 * (self.low_w + self.high_w)

    @property
    def power_u_w(self) -> float:
        """Return its standard uncertainty."""
        return (self.high_w - self.low_w) / _SQRT_12


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    processor: list[CpuPower]


@cache
def power_table(path: Path = TABLE) -> tuple[CpuPower, ...]:
    """Return the rows in their order. Raises ConfigurationError for a damaged file."""
    return tuple(read_toml(path, _Table).processor)


def power_of(processor: str) -> CpuPower:
    """Return the first row that fits the processor's name; the last one fits every name."""
    return next(row for row in power_table() if re.search(row.pattern, processor))


def processor_name(root: Path = Path("/")) -> str:
    """Return the board's name where there is one (Arm), else the processor's, else its architecture."""
    board = _text(root / "proc/device-tree/model").rstrip("\0").strip()
    named = re.search(r"^model name\s*:\s*(\S.*?)\s*$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    return board or (named[1] if named else "") or platform.machine() or "unknown"


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return math.fsum(one.ru_utime + one.ru_stime for one in used)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
