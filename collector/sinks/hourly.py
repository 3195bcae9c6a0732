"""Hourly sums as InfluxDB points: measurement ``inference_hourly``, one point per series and hour, for the long term.

The collector sums itself, since neither Flux nor continuous queries exist in every version. Sums and cursor move in
one transaction of the journal, so every window is in its hour once, whatever is killed; a late window corrects its
hour, whose point is written again over the old one. See docs/decisions/0015.

Tags: those of a window's line, and ``systematic_id`` (within one, ``energy_u_systematic_j`` adds linearly) and
``journal``, the id of the journal that summed: points of several collectors, or after a lost journal, add up.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from collector.assess import Assessor, DevicePlace
from collector.journal import Journal
from collector.live_grams import NO_GRAMS, Grams
from collector.sinks import hourly_table
from collector.sinks.hourly_table import Hour, Tags
from collector.sinks.influx_rows import Writer, write_lines
from collector.sinks.line_protocol import Tagged, tagged
from collector.values import StoredWindow, WriteOutcome
from edge_agent.wire.records import InferenceWindow

MEASUREMENT: Final = "inference_hourly"
SUMMED_SUFFIX: Final = "/summed"
HOUR_NS: Final = 3_600_000_000_000
KEPT_HOURS: Final = 40 * 24
"""Sums of hours that began longer ago are dropped from the journal once the store has them."""
_PAGE_POINTS: Final = 5000
_LOG = structlog.get_logger()


class SummedAs(Tagged, Protocol):
    """What of a window stands in the tags of its hour."""

    @property
    def systematic_id(self) -> str:
        """Whose systematic error it has."""


class HourlySink:
    """Feeds the long-term store with sums of the journal's windows."""

    def __init__(  # noqa: PLR0913  what it is made of, all by name
        self,
        journal: Journal,
        journal_id: str,
        writer: Writer,
        assessor: Assessor | None = None,
        *,
        name: str = "influxdb/hourly",
        max_rows: int = 10_000,
        max_wait_s: float = 60.0,
        now_unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        self._journal = journal
        self._journal_id = journal_id
        self._writer = writer
        self._assessor = assessor
        self._now_unix_ns = now_unix_ns
        self._closed_hour = 0
        with journal.transaction() as db:
            hourly_table.create(db)

    def write(self, rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        """Add up the rows that were not added yet, and write every hour that they changed.

        All rows are accepted when the store has their hours, else all are kept; they are not added twice.
        """
        with self._journal.transaction():
            summed = self._journal.cursor(self.name + SUMMED_SUFFIX)
            if fresh := [row for row in rows if row.row_id > summed]:
                self._add(fresh)
                self._journal.set_cursor(self.name + SUMMED_SUFFIX, fresh[-1].row_id)
        if reason := write_changed(self._journal, self._writer):
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        self._close_old_hours()
        return WriteOutcome(accepted=len(rows))

    def close(self) -> None:
        """Close the writer's connections."""
        self._writer.close()

    def _add(self, rows: list[StoredWindow]) -> None:
        groups: dict[tuple[str | int, ...], list[tuple[InferenceWindow, Grams]]] = defaultdict(list)
        tags: dict[tuple[str | int, ...], tuple[Tags, int]] = {}
        for row in rows:
            w = row.window
            hour = w.t_start_unix_ns // HOUR_NS
            key: tuple[str | int, ...] = (
                *(row.fleet, row.device_id, w.model_id, w.meter_driver, w.boundary),
                *(w.systematic_id, w.simulated, hour),
            )
            groups[key].append((w, self._grams(row)))
            if key not in tags:
                tags[key] = self._tags(row), hour
        with self._journal.transaction() as db:
            for key, windows in groups.items():
                named, hour = tags[key]
                series = hourly_table.series_id(db, named)
                hourly_table.put(db, series, hour, hourly_table.sums_of(db, series, hour).add(windows))

    def _grams(self, row: StoredWindow) -> Grams:
        return NO_GRAMS if self._assessor is None else self._assessor.grams(row.device_id, row.window)

    def _tags(self, row: StoredWindow) -> Tags:
        place = DevicePlace() if self._assessor is None else self._assessor.describe(row.device_id)
        return tags_of(row.fleet, row.device_id, row.window, place, self._journal_id)

    def _close_old_hours(self) -> None:
        """Do it when the clock's hour has changed, but keep away from a clock that was never set."""
        hour = self._now_unix_ns() // HOUR_NS - KEPT_HOURS
        if hour > self._closed_hour:
            self._closed_hour = hour
            with self._journal.transaction() as db:
                hourly_table.close_before(db, hour, self._journal.cursor(self.name + SUMMED_SUFFIX))


def tags_of(fleet: str, device_id: str, w: SummedAs, place: DevicePlace, journal_id: str) -> Tags:
    """Return the tags of a window's hour, in lexical order; they stay with the hour if the inventory changes."""
    return {
        "boundary": w.boundary,
        "device": device_id,
        "device_class": place.device_class,
        "fleet": fleet,
        "journal": journal_id,
        "meter_driver": w.meter_driver,
        "model": w.model_id,
        "simulated": "true" if w.simulated else "false",
        "site": place.site,
        "systematic_id": w.systematic_id or w.meter_driver,
        "zone": place.zone,
    }


def write_changed(journal: Journal, writer: Writer) -> str:
    """Write every hour that has changed; return why not, "" when the store has all. Two processes may do so."""
    while True:
        with journal.transaction() as db:
            hours = hourly_table.dirty(db, _PAGE_POINTS)
        if not hours:
            return ""
        outcome = write_lines([line_of(hour) for hour in hours], writer)
        with journal.transaction() as db:
            hourly_table.written(db, hours[: outcome.settled])
        for place, reason in outcome.refused.items():
            refused = hours[place]
            _LOG.warning("hourly_point_refused", tags=refused.tags, hour=refused.hour, reason=reason)
        if outcome.retry_reason:
            return outcome.retry_reason


def line_of(hour: Hour) -> str:
    """Return the point of an hour: at its start, a part of it one nanosecond later for each part before."""
    counts, numbers = hour.sums.fields()
    fields = [f"{name}={value}i" for name, value in counts.items()]
    fields += [f"{name}={value!r}" for name, value in numbers.items()]
    return f"{tagged(MEASUREMENT, hour.tags)} {','.join(fields)} {hour.hour * HOUR_NS + hour.part}"
