"""The health gate: a version is good when windows that it made are stored by a collector.

The agent says so in ``progress.json``; see ``edge_agent/progress.py``. A stale file of another version, or of another
process of the same one, does not count.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import files
from .problems import InstallError

if TYPE_CHECKING:
    from pathlib import Path

    from .report import Report
    from .service import NoService

DEFAULT_WINDOWS = 1
DEFAULT_S = 180.0
POLL_S = 0.5
TELL_S = 5.0
MAX_RESTARTS = 3
"""A version that ends so often within the gate's time is not waited for."""
GATE_PERCENT = (88, 99)


@dataclass(frozen=True)
class Gate:
    """``windows``: how many must be stored, within ``seconds``."""

    windows: int = DEFAULT_WINDOWS
    seconds: float = DEFAULT_S


@dataclass(frozen=True)
class Process:
    """Which process wrote a ``progress.json``."""

    pid: int
    started_unix_ns: int


def process_behind(progress: Path) -> Process | None:
    """Return who wrote the file, None where it is not there."""
    said = files.read_json(progress)
    return _process(said) if isinstance(said, dict) else None


def wait_for_delivery(
    progress: Path, prefix: Path, gate: Gate, service: NoService, report: Report, before: Process | None
) -> None:
    """Return when the version at ``prefix`` has delivered. Raises InstallError with how far it came.

    ``before``: the process that ran until now, whose word counts no more.
    """
    begin_s = time.monotonic()
    first, last = GATE_PERCENT
    told = ("", begin_s)
    while True:
        said = _of_version(files.read_json(progress), prefix, before)
        stored = _number(said, "windows_stored")
        if said is not None and stored >= gate.windows and _alive(_number(said, "pid")):
            return
        waited_s = time.monotonic() - begin_s
        restarts = service.state().restarts
        if waited_s >= gate.seconds or restarts >= MAX_RESTARTS:
            raise InstallError("gate", _failure(said, gate, waited_s, restarts), _remedy(said))
        stand, now_s = _stand(said, gate), begin_s + waited_s
        if stand != told[0] or now_s >= told[1] + TELL_S:
            told = (stand, now_s)
            share = max(stored / gate.windows, min(1.0, waited_s / gate.seconds))
            report.step("gate", first + (last - first) * share, stand)
        time.sleep(POLL_S)


def _of_version(said: Any, prefix: Path, before: Process | None) -> dict[str, Any] | None:
    if not isinstance(said, dict) or said.get("schema") != 1:
        return None
    if said.get("prefix") != os.path.realpath(str(prefix)) or _process(said) == before:
        return None
    return said


def _process(said: dict[str, Any]) -> Process:
    return Process(_number(said, "pid"), _number(said, "started_unix_ns"))


def _number(said: dict[str, Any] | None, key: str) -> int:
    value = None if said is None else said.get(key)
    return value if type(value) is int else 0


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stand(said: dict[str, Any] | None, gate: Gate) -> str:
    if said is None:
        return "the new version starts"
    return "{} of {} windows stored, {} made".format(
        _number(said, "windows_stored"), gate.windows, _number(said, "windows_made")
    )


def _failure(said: dict[str, Any] | None, gate: Gate, waited_s: float, restarts: int) -> str:
    if restarts >= MAX_RESTARTS:
        return f"the new version ended {restarts} times in {waited_s:.0f} s"
    if said is None:
        return f"the new version did not begin to measure within {waited_s:.0f} s"
    made, stored = _number(said, "windows_made"), _number(said, "windows_stored")
    if not made:
        return f"the new version runs, but made no window within {waited_s:.0f} s"
    return (
        f"the new version made {made} windows within {waited_s:.0f} s, of which a collector stored {stored}, "
        f"and {gate.windows} are asked for"
    )


def _remedy(said: dict[str, Any] | None) -> str:
    if said is not None and _number(said, "windows_made"):
        return "see whether broker and collector can be reached: edgejoule doctor; or give it longer: --gate-seconds"
    return "see what it says: journalctl --unit edgejoule-agent"
