"""What the device knows of its grid: the latest forecast of its zone, kept over a restart.

A collector says it retained, so that it comes again with every connection; the file is for the time without one.
"""

import threading
from pathlib import Path
from typing import Final, Literal

import structlog

from edge_agent.durable_file import remove_durably, write_durably
from edge_agent.jobs.planner import KnownHours, Plan, no_clock, plan
from edge_agent.wire.codec import decode
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.grid import GridForecast
from edge_agent.wire.orders import Deferral
from edge_agent.wire.topics import grid_topic

FILE_NAME: Final = "grid.json"
DEFAULT_MAX_AGE_S: Final = 86_400.0
"""Markets and system operators speak at least once a day; whoever was silent for longer is away."""
_LOG = structlog.get_logger()


class GridBoard:
    """See the module's text. Thread-safe. ``zone`` "": the device does not know where it stands, and plans nothing.

    ``state_dir`` exists. ``kind``: the intensity that is planned by; a forecast of the other kind is not taken.
    """

    def __init__(
        self,
        state_dir: Path,
        fleet: str,
        zone: str,
        *,
        kind: Literal["average", "marginal"] = "average",
        max_age_s: float = DEFAULT_MAX_AGE_S,
    ) -> None:
        """Read what was known before the restart; a file that cannot be read, or says something else, is as none."""
        self.zone = zone
        self.topic = grid_topic(fleet, zone) if zone else ""
        self._kind: Literal["average", "marginal"] = kind
        self._max_age_s = max_age_s
        self._path = state_dir / FILE_NAME
        self._lock = threading.Lock()
        self._told = ""
        self._forecast = self._read() if zone else None

    @property
    def forecast(self) -> GridForecast | None:
        """Return what was heard last, None for nothing."""
        with self._lock:
            return self._forecast

    def take(self, topic: str, payload: bytes) -> bool:
        """Take a message; return whether it changed what is known. What is not for this zone, or no forecast, is left.

        An empty message takes back what was retained.
        """
        if not self.topic or topic != self.topic:
            return False
        try:
            fresh = _checked(payload, self.zone, self._kind) if payload else None
        except RejectedRecordError as error:
            self._tell("grid_forecast_refused", str(error))
            return False
        self._told = ""
        with self._lock:
            if fresh == self._forecast:
                return False
            self._forecast = fresh
            self._keep(payload)
        return True

    def plan(
        self, now_unix_ns: int, defer: Deferral, *, clock_known: bool = True, asked_unix_ns: int | None = None
    ) -> Plan:
        """Return the greenest start by what is known; see ``planner.plan``."""
        if not clock_known:
            return no_clock(now_unix_ns, defer, zone=self.zone)
        return plan(
            self.forecast,
            now_unix_ns,
            defer,
            max_age_s=self._max_age_s,
            zone=self.zone,
            kind=self._kind,
            asked_unix_ns=asked_unix_ns,
        )

    def _read(self) -> GridForecast | None:
        try:
            return _checked(self._path.read_bytes(), self.zone, self._kind)
        except FileNotFoundError:
            return None
        except (OSError, RejectedRecordError) as error:
            _LOG.warning("grid_forecast_not_kept", file=str(self._path), reason=str(error))
            return None

    def _keep(self, payload: bytes) -> None:
        """Write it down; where the disk refuses, it is known until the next restart."""
        try:
            if payload:
                write_durably(self._path, payload)
            else:
                remove_durably(self._path)
        except OSError as error:
            self._tell("grid_forecast_not_kept", f"{self._path}: {error.strerror}; check owner and free space")

    def _tell(self, event: str, reason: str) -> None:
        """Log a trouble once, not with each message."""
        if reason != self._told:
            self._told = reason
            _LOG.warning(event, reason=reason)


def _checked(payload: bytes, zone: str, kind: str) -> GridForecast:
    """Return the forecast if it is one of this zone and kind, its hours in order. Raises RejectedRecordError."""
    found = decode(payload, GridForecast)
    if (found.zone, found.kind) != (zone, kind):
        raise RejectedRecordError(
            f"a forecast of {found.kind} intensities of {found.zone}, but [grid] wants {kind} ones of {zone}: name "
            "the collector's zone and kind"
        )
    try:
        KnownHours(found)
    except ValueError as error:
        raise RejectedRecordError(str(error)) from error
    return found
