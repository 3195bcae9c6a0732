"""Assesses again what InfluxDB holds, when an intensity was revised or the inventory changed.

Only the gram fields are written, over the same points: same tags, same stamp. So it changes nothing to do it twice.
Windows come from the lake and the journal. Hours are summed again from all of their windows; see ``hourly_grams``.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from collector.assess import Assessor
from collector.journal import Journal
from collector.live_grams import Grams
from collector.sinks import tag_places
from collector.sinks.gram_lines import GramEncoder
from collector.sinks.hourly import HOUR_NS, write_changed
from collector.sinks.hourly_grams import HourGrams
from collector.sinks.influx_rows import StoreAwayError, Writer, write_lines
from collector.sinks.metered_rows import DAY_NS, MeteredRow, day_rows, journal_rows
from collector.sinks.tag_places import TagPlaces
from collector.store_config import LakeWhere

_LINES_PER_BODY: Final = 5000


class Reassessed(msgspec.Struct, frozen=True, kw_only=True):
    """What was assessed again. ``points``: windows whose grams were written to the live store.

    ``refused``: points that the store would not take, ``refused_why`` for the first. ``unknown``: windows without
    operational grams; what the stores have of old ones stays there, with the quality ``unknown`` and, in hours, with
    ``operational_windows`` 0. ``hours``: hourly sums that got new grams; ``hours_left``: those that keep their old
    ones, by reason.
    """

    windows: int = 0
    points: int = 0
    refused: int = 0
    refused_why: str = ""
    unknown: int = 0
    hours: int = 0
    hours_left: dict[str, int] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """A store of grams. ``name``: of the sink that feeds it. ``since_unix_ns``: what is older it does not keep."""

    name: str
    writer: Writer
    since_unix_ns: int = 0


@dataclass(slots=True)
class _Tally:
    windows: int = 0
    points: int = 0
    refused: int = 0
    refused_why: str = ""
    unknown: int = 0
    hours: int = 0
    hours_left: Counter[str] = field(default_factory=Counter)


class Reassessment:
    """See the module's text. ``journal``: open for writing where there is an ``hourly`` store, which lies in it.

    ``journal_id``: what rows of this journal carry in the lake and in hourly points. It owns the writers.
    """

    def __init__(
        self,
        journal: Journal,
        journal_id: str,
        lake_dir: LakeWhere | None,
        assessor: Assessor,
        *,
        live: Target | None = None,
        hourly: Target | None = None,
    ) -> None:
        self.assessor = assessor
        self._journal, self._journal_id, self._lake_dir = journal, journal_id, lake_dir
        self._live, self._hourly = live, hourly
        self._encoder = GramEncoder(assessor)

    @property
    def live_name(self) -> str:
        """Return the name of the live store's cursor, "" without one."""
        return "" if self._live is None else self._live.name

    def run(
        self,
        start_unix_ns: int,
        end_unix_ns: int,
        devices: Container[str] | None = None,
        on_day: Callable[[], None] = lambda: None,
        *,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Reassessed:
        """Assess the windows that start in ``[start, end)``, widened to whole hours; ``devices``: None for all.

        ``on_day``: called when a day is done; see ``days_of``. ``stopping``: asked every some thousand windows whether
        to give up, which raises StoreAwayError as a store does that is away: the day's hours keep their grams. Raises
        ConfigurationError when the lake cannot be read.
        """
        tally = _Tally()
        for first, end in days_of(start_unix_ns, end_unix_ns):
            self._day(first, end, devices, tally, stopping)
            on_day()
        return Reassessed(
            windows=tally.windows,
            points=tally.points,
            refused=tally.refused,
            refused_why=tally.refused_why,
            unknown=tally.unknown,
            hours=tally.hours,
            hours_left=dict(tally.hours_left),
        )

    def close(self) -> None:
        """Close the writers' connections."""
        for target in (self._live, self._hourly):
            if target is not None:
                target.writer.close()

    def _day(
        self,
        start_unix_ns: int,
        end_unix_ns: int,
        devices: Container[str] | None,
        tally: _Tally,
        stopping: Callable[[], bool],
    ) -> None:
        hours = self._hour_grams(start_unix_ns, end_unix_ns, devices)
        live_to = 0 if self._live is None else self._journal.cursor(self._live.name)
        up_to = max(live_to, 0 if hours is None else hours.up_to_row_id)
        places, refused = self._live_places(), self._dead_letters()
        for rows in day_rows(self._journal, self._lake_dir, start_unix_ns, end_unix_ns, up_to):
            if stopping():
                raise StoreAwayError("stopped before all grams were assessed again")
            assessed = list(self._assessed(rows, devices))
            tally.windows += len(assessed)
            tally.unknown += sum(1 for _, grams in assessed if grams.figures[0] is None)
            if hours is not None:
                hours.add(assessed)
            self._write_live([(r, g) for r, g in assessed if r.row_id <= live_to], places, refused, tally)
        if hours is not None and self._hourly is not None:
            self._write_hours(hours, self._hourly, (start_unix_ns, end_unix_ns), devices)
            tally.hours += hours.hours
            tally.hours_left += hours.left

    def _hour_grams(self, start_unix_ns: int, end_unix_ns: int, devices: Container[str] | None) -> HourGrams | None:
        if self._hourly is None or end_unix_ns <= self._hourly.since_unix_ns:
            return None
        with self._journal.transaction() as db:
            places = tag_places.read(db, self._hourly.name)
        return HourGrams(
            self._journal,
            self._hourly.name,
            self._journal_id,
            places,
            start_unix_ns=start_unix_ns,
            end_unix_ns=end_unix_ns,
            devices=devices,
        )

    def _assessed(self, rows: list[MeteredRow], devices: Container[str] | None) -> Iterator[tuple[MeteredRow, Grams]]:
        for row in rows:
            if devices is None or row.device_id in devices:
                yield row, self.assessor.grams(row.device_id, row)

    def _live_places(self) -> TagPlaces:
        if self._live is None:
            return TagPlaces(())
        with self._journal.snapshot() as db:
            return tag_places.read(db, self._live.name)

    def _dead_letters(self) -> set[str]:
        """Return which windows the live store refused: they have no point there, and get none."""
        prefix = f"sink/{self.live_name}/"
        with self._journal.snapshot() as db:
            rows = db.execute("SELECT topic FROM dead_letters WHERE topic >= ? AND topic < ?", (prefix, prefix + "~"))
            return {str(topic).removeprefix(prefix) for (topic,) in rows}

    def _write_live(
        self, assessed: list[tuple[MeteredRow, Grams]], places: TagPlaces, refused: set[str], tally: _Tally
    ) -> None:
        if self._live is None:
            return
        lines = []
        for row, grams in assessed:
            name = f"{row.fleet}/{row.device_id}/{row.boot_id}/{row.seq}" if refused else ""
            if row.t_start_unix_ns < self._live.since_unix_ns or name in refused:
                continue
            if line := self._encoder.encode(row, grams, places.of(row.device_id, row.row_id)):
                lines.append(line)
        for start in range(0, len(lines), _LINES_PER_BODY):
            outcome = write_lines(lines[start : start + _LINES_PER_BODY], self._live.writer)
            if outcome.retry_reason:
                raise StoreAwayError(outcome.retry_reason)
            tally.points += outcome.settled - len(outcome.refused)
            tally.refused += len(outcome.refused)
            tally.refused_why = tally.refused_why or next(iter(outcome.refused.values()), "")

    def _write_hours(
        self, hours: HourGrams, target: Target, period: tuple[int, int], devices: Container[str] | None
    ) -> None:
        with self._journal.transaction():
            for rows in journal_rows(self._journal, *period, *hours.catch_up()):
                hours.add(self._assessed(rows, devices))
            lines = hours.finish()
        reason = write_lines(lines, target.writer).retry_reason or write_changed(self._journal, target.writer)
        if reason:
            raise StoreAwayError(reason)


def days_of(start_unix_ns: int, end_unix_ns: int) -> list[tuple[int, int]]:
    """Return the stretch, widened to whole hours, in parts that lie each within one UTC day; the newest first."""
    start, end = start_unix_ns // HOUR_NS * HOUR_NS, -(-end_unix_ns // HOUR_NS) * HOUR_NS
    days = range(start // DAY_NS, -(-end // DAY_NS))
    return [(max(start, day * DAY_NS), min(end, (day + 1) * DAY_NS)) for day in reversed(days)]
