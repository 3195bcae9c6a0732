"""Tells devices how clean their grid is, now and soon: each zone's intensities, retained, to every fleet.

Only what sources say of the hours goes out. The yearly average says nothing about when, so where no source speaks
there is a hole, and a zone that no source knows is not spoken of at all. A zone is told anew when something new is
known of it, when its present slot ends, and with every connection: the broker may have lost what it retained.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import msgspec
import structlog

from collector.background import Background
from collector.carbon.revisions import IntensityRevision
from collector.intensity.stored import StoredIntensity
from collector.journal import Journal
from collector.journal_file import JournalGoneError
from edge_agent.wire.codec import encode
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.grid import MAX_SLOTS, GridForecast, GridSlot
from edge_agent.wire.records import Identifier
from edge_agent.wire.topics import grid_topic

NS_PER_S: Final = 1_000_000_000
CHECK_S: Final = 1.0
FLEETS_S: Final = 5.0
LOOK_AGAIN_S: Final = 60.0
"""So often at least it is looked what is known: that a source has repeated itself shows nowhere else."""
_LOG = structlog.get_logger()


class Connection(Protocol):
    """A connection to a broker."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, retained, at QoS 1; without effect after its end."""


def forecast_of(
    intensity: StoredIntensity, zone: str, now_unix_ns: int, horizon_s: float, *, simulated: bool = False
) -> GridForecast | None:
    """Return what sources say of a zone from the present slot on; None for nothing. Raises ConfigurationError.

    At most ``MAX_SLOTS``, the first ones. ``simulated``: the intensities are made up.
    """
    end_unix_ns = now_unix_ns + round(horizon_s * NS_PER_S)
    held = intensity.held(zone, now_unix_ns, end_unix_ns)
    steps = zip(
        held.timeline.starts_unix_ns.tolist(),
        held.timeline.ends_unix_ns.tolist(),
        held.timeline.gco2e_per_kwh.tolist(),
        held.held_by,
        strict=True,
    )
    said = [
        (_slot(max(start, 0), end, value, one), one)
        for start, end, value, one in steps
        if one is not None and end > now_unix_ns and start < end_unix_ns
    ][:MAX_SLOTS]
    if not said:
        return None
    return GridForecast(
        zone=zone,
        kind=intensity.kind,
        source=", ".join(dict.fromkeys(one.source for _, one in said)),
        t_unix_ns=now_unix_ns,
        said_unix_ns=max(max(0, intensity.said_unix_ns(one, slot.t_start_unix_ns)) for slot, one in said),
        slots=tuple(slot for slot, _ in said),
        simulated=simulated,
    )


def fleets_of(journal: Journal) -> list[str]:
    """Return the fleets of which a device was ever heard. Raises sqlite3.Error."""
    with journal.snapshot() as db:
        return [fleet for (fleet,) in db.execute("SELECT DISTINCT fleet FROM devices ORDER BY fleet")]


class GridPublisher(Background):
    """See the module's text. ``zones``: as devices call them. ``version``: changes when something new is known.

    ``fleets``: who is to be told. ``connection``: the one that stands, None for none.
    """

    def __init__(
        self,
        intensity: StoredIntensity,
        zones: Iterable[str],
        *,
        version: Callable[[], object],
        fleets: Callable[[], Sequence[str]],
        connection: Callable[[], Connection | None],
        horizon_s: float,
        simulated: bool = False,
    ) -> None:
        super().__init__("grid-publisher")
        self._intensity, self._horizon_s, self._simulated = intensity, horizon_s, simulated
        self._zones = tuple(zone for zone in dict.fromkeys(zones) if _is_topic_name(zone))
        self._version, self._fleets, self._connection = version, fleets, connection
        self._known: dict[str, GridForecast] = {}
        self._seen: object = None
        self._look_again_unix_ns = self._fleets_again_unix_ns = 0
        self._of_fleets: Sequence[str] = ()
        self._told_on: Connection | None = None
        self._said: dict[str, GridForecast] = {}
        self._trouble = ""

    def turn(self, now_unix_ns: int) -> int:
        """Publish what is new, if there is a connection; return how many messages that were.

        Raises ConfigurationError, JournalGoneError, sqlite3.Error: try again.
        """
        connection = self._connection()
        if connection is None:
            return 0
        if connection is not self._told_on:
            self._told_on, self._said, self._look_again_unix_ns = connection, {}, 0
        if not self._looked(now_unix_ns):
            return 0
        sent = 0
        for fleet in self._of_fleets:
            for zone, found in self._known.items():
                topic = grid_topic(fleet, zone)
                if not _same(found, self._said.get(topic)):
                    connection.publish(topic, encode(found))
                    self._said[topic] = found
                    sent += 1
        return sent

    def _looked(self, now_unix_ns: int) -> bool:
        """Find out what is known and who is to be told, where that is due; return whether either was looked at."""
        fleets_due = now_unix_ns >= self._fleets_again_unix_ns
        look_due = self._version() != self._seen or now_unix_ns >= self._look_again_unix_ns
        if fleets_due:
            self._of_fleets = self._fleets()
            self._fleets_again_unix_ns = now_unix_ns + round(FLEETS_S * NS_PER_S)
        if look_due:
            self._look(now_unix_ns)
        return fleets_due or look_due

    def _look(self, now_unix_ns: int) -> None:
        """Find out what is known now, and until when that says all."""
        self._seen = self._version()
        found = {
            zone: forecast_of(self._intensity, zone, now_unix_ns, self._horizon_s, simulated=self._simulated)
            for zone in self._zones
        }
        self._known = {zone: one for zone, one in found.items() if one is not None}
        ends = [_end_of_first(one) for one in self._known.values()]
        self._look_again_unix_ns = min([*ends, now_unix_ns + round(LOOK_AGAIN_S * NS_PER_S)])

    def _run(self) -> None:
        while not self._stopping.wait(CHECK_S):
            trouble = ""
            try:
                self.turn(time.time_ns())
            except (ConfigurationError, JournalGoneError, sqlite3.Error) as error:
                trouble = str(error)
            if trouble and trouble != self._trouble:
                _LOG.warning("grid_forecast_not_published", reason=trouble)
            self._trouble = trouble


@contextmanager
def publishing(publisher: GridPublisher | None) -> Iterator[list[GridPublisher]]:
    """Run it, if there is one, while the block runs."""
    if publisher is None:
        yield []
        return
    publisher.start()
    try:
        yield [publisher]
    finally:
        publisher.close()


def _slot(start_unix_ns: int, end_unix_ns: int, value: float, revision: IntensityRevision) -> GridSlot:
    return GridSlot(
        t_start_unix_ns=start_unix_ns,
        duration_s=(end_unix_ns - start_unix_ns) / NS_PER_S,
        gco2e_per_kwh=value,
        forecast=revision.is_forecast,
    )


def _end_of_first(found: GridForecast) -> int:
    first = found.slots[0]
    return first.t_start_unix_ns + round(first.duration_s * NS_PER_S)


def _same(found: GridForecast, before: GridForecast | None) -> bool:
    """Tell whether that was said already, the time of saying it aside."""
    return before is not None and msgspec.structs.replace(found, t_unix_ns=before.t_unix_ns) == before


def _is_topic_name(zone: str) -> bool:
    """Tell whether a zone can stand in a topic; say so where it cannot."""
    try:
        msgspec.convert(zone, Identifier)
    except msgspec.ValidationError:
        remedy = "devices are not told of it; use letters, digits, '.', '_' and '-', 64 at most, and map it in zones"
        _LOG.warning("zone_is_no_topic", zone=zone, remedy=remedy)
        return False
    return True
