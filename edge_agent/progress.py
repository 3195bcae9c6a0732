"""What the agent says of its own progress: to the service manager's watchdog, and to whoever put this version here.

``progress.json`` in the state directory tells how many windows this very process has made and how many of them a
collector says that it has stored. The installer of a new version waits for it: see ``docs/deploy-boards.md``.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final, Protocol

import structlog

from edge_agent.device.kernel import kernel_boot_id
from edge_agent.outbox import OutboxStats

PROGRESS_NAME: Final = "progress.json"
SCHEMA: Final = 1
SHORTEST_INTERVAL_S: Final = 1.0
YOUNG_S: Final = 600.0
"""So long after its start somebody may wait for the file; later it is written less often, to spare the card."""
CALM_INTERVAL_S: Final = 60.0
READER_LIMIT_S: Final = 20.0
"""A reader comes round every half second; opening a port takes seconds where a network is between."""
STORE_LIMIT_S: Final = 30.0

_LOG = structlog.get_logger()


class Delivered(Protocol):
    """What is needed of an outbox."""

    @property
    def boot_id(self) -> str:
        """Return the boot id that windows get now."""

    def stats(self) -> OutboxStats:
        """Return the numbers of this instant."""

    def settled_seq(self, boot_id: str, above_seq: int = 0) -> int:
        """Return up to which number, from ``above_seq`` on, nothing is left to deliver or to declare."""


class ProgressFile:
    """Writes ``progress.json`` into ``state_dir``: whole or not at all, and no more often than it must."""

    def __init__(self, state_dir: Path, outbox: Delivered, now_s: float) -> None:
        """Begin at host time ``now_s``: what ``outbox`` holds by then is not this process's work."""
        self._path, self._outbox = state_dir / PROGRESS_NAME, outbox
        before = outbox.stats()
        self._first_seq, self._dropped = before.last_seq, before.dropped_windows
        self._made = 0
        self._t_start_s, self._t_next_s = now_s, now_s
        self._said: tuple[int, int, int, bool] | None = None
        self._failed = False
        self._fixed = {
            "schema": SCHEMA,
            "version": metadata.version("edgejoule"),
            "prefix": str(Path(sys.prefix).resolve()),
            "pid": os.getpid(),
            "boot_id": kernel_boot_id(),
            "started_unix_ns": time.time_ns(),
        }

    def made(self, windows: int) -> None:
        """Count ``windows`` that this process has put into the outbox."""
        self._made += windows

    def tend(self, now_s: float, *, meter_connected: bool) -> None:
        """Write the file at host time ``now_s``, if something changed and it is time."""
        if now_s < self._t_next_s:
            return
        self._t_next_s = now_s + (SHORTEST_INTERVAL_S if now_s < self._t_start_s + YOUNG_S else CALM_INTERVAL_S)
        self.write(meter_connected=meter_connected)

    def write(self, *, meter_connected: bool) -> None:
        """Write the file now, if something changed. A full disk is told once, and keeps nobody from measuring."""
        stats = self._outbox.stats()
        says = (self._made, self._stored(stats), stats.windows, meter_connected)
        if says == self._said:
            return
        names = ("windows_made", "windows_stored", "outbox_windows", "meter_connected")
        text = json.dumps({**self._fixed, **dict(zip(names, says, strict=True)), "t_unix_ns": time.time_ns()})
        fresh = self._path.with_name(f".{self._path.name}.new")
        try:
            fresh.write_text(f"{text}\n", encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:
            if not self._failed:
                _LOG.warning("progress_not_written", path=str(self._path), reason=error.strerror)
            self._failed = True
            return
        self._said, self._failed = says, False

    def _stored(self, stats: OutboxStats) -> int:
        """Return how many of this process's windows a collector has stored, never more than is certain.

        Whatever is settled and was not dropped since the start was stored.
        """
        settled = self._outbox.settled_seq(self._outbox.boot_id, self._first_seq) - self._first_seq
        return max(0, min(self._made, settled - (stats.dropped_windows - self._dropped)))


class StoreSign:
    """Does what was measured get into the outbox? A sign for the watchdog, asked at every step.

    ``patience_s``: how long a closed window may wait beyond what the meter needs to reach its end.
    """

    def __init__(self, patience_s: float = STORE_LIMIT_S) -> None:
        self._patience_s = patience_s
        self._waiting, self._since_s = 0, 0.0
        self._failed = False

    def note(self, now_s: float, *, waiting: int, stored: int, failed: bool) -> None:
        """Take how many closed windows wait at host time ``now_s``, how many were just stored, whether that failed."""
        if not waiting or stored or not self._waiting:
            self._since_s = now_s
        self._waiting, self._failed = waiting, failed

    def fault(self, now_s: float) -> str:
        """Return what keeps windows out of the outbox at host time ``now_s``, "" for nothing."""
        if self._failed:
            return "the outbox cannot be written"
        if self._waiting and now_s > self._since_s + self._patience_s:
            return f"a closed window has waited {now_s - self._since_s:.0f} s for the outbox"
        return ""


def reader_fault(silent_s: Callable[[], float | None]) -> str:
    """Return what is wrong with the meter's reader, "" for nothing: a silent or unplugged meter is not its fault."""
    age_s = silent_s()
    if age_s is None or age_s <= READER_LIMIT_S:
        return ""
    return f"the meter's reader has not come round for {age_s:.0f} s"
