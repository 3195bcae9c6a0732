"""The grams of hours, assessed again: from all windows of an hour, or not at all.

An hour's other sums stay as they are. Where not every window that it sums up can be found any more, or where an
earlier version closed it without saying how many there were, it keeps its old grams, and that is told.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from typing import Final

from collector.journal import Journal
from collector.live_grams import Grams
from collector.sinks import hourly_table
from collector.sinks.hourly import HOUR_NS, MEASUREMENT, SUMMED_SUFFIX, tags_of
from collector.sinks.hourly_sums import GramSums
from collector.sinks.hourly_table import HourState, Tags
from collector.sinks.line_protocol import tagged
from collector.sinks.metered_rows import MeteredRow
from collector.sinks.tag_places import TagPlaces

Key = tuple[int, int]
"""Series and hour."""
_CLOSED_MEANWHILE: Final = "closed meanwhile; run it again"
_CLOSED_BEFORE: Final = "closed by an earlier version, which did not keep how many windows they had"
_INCOMPLETE: Final = "not all of their windows are in the lake or the journal any more"
_SAME: Final = HourState(0, None, None, 0)


class HourGrams:
    """The hours that begin in ``[start, end)``, which are whole hours. In one thread, one use.

    ``devices``: None for all. ``left``: hours that keep their grams, by reason. ``hours``: those that got new ones.
    """

    def __init__(
        self,
        journal: Journal,
        sink_name: str,
        journal_id: str,
        places: TagPlaces,
        *,
        start_unix_ns: int,
        end_unix_ns: int,
        devices: Container[str] | None = None,
    ) -> None:
        self._journal, self._sink_name, self._journal_id, self._places = journal, sink_name, journal_id, places
        self._hours = start_unix_ns // HOUR_NS, end_unix_ns // HOUR_NS
        self._devices = devices
        self._open: dict[Key, GramSums] = defaultdict(GramSums)
        self._closed: dict[Key, GramSums] = defaultdict(GramSums)
        self.left: Counter[str] = Counter()
        self.hours = 0
        with journal.transaction() as db:
            self.up_to_row_id = journal.cursor(sink_name + SUMMED_SUFFIX)
            self._before = hourly_table.states(db, *self._hours)
            self._tags = hourly_table.tags_by_series(db)
        self._series = {hourly_table.tags_text(tags): number for number, tags in self._tags.items()}

    def add(self, rows: Iterable[tuple[MeteredRow, Grams]]) -> None:
        """Take windows that start in these hours, each once; those that the sums do not have yet are passed over."""
        groups: dict[tuple[Key, bool], list[tuple[MeteredRow, Grams]]] = defaultdict(list)
        for row, grams in rows:
            if row.row_id > self.up_to_row_id:
                continue
            place = self._places.of(row.device_id, row.row_id)
            tags = tags_of(row.fleet, row.device_id, row, place, self._journal_id)
            series = self._series.get(hourly_table.tags_text(tags))
            if series is not None:
                key = series, row.t_start_unix_ns // HOUR_NS
                groups[key, row.row_id <= self._before.get(key, _SAME).closed_up_to].append((row, grams))
        for (key, is_closed), windows in groups.items():
            (self._closed if is_closed else self._open)[key].add(windows)

    def catch_up(self) -> tuple[int, int]:
        """Return after which row and up to which one windows were summed up since; to be called in a transaction."""
        before, self.up_to_row_id = self.up_to_row_id, self._journal.cursor(self._sink_name + SUMMED_SUFFIX)
        with self._journal.transaction() as db:
            self._tags = hourly_table.tags_by_series(db)
        self._series = {hourly_table.tags_text(tags): number for number, tags in self._tags.items()}
        return before, self.up_to_row_id

    def finish(self) -> list[str]:
        """Put the grams into the open hours' sums, in the same transaction; return the lines of closed hours."""
        lines: list[str] = []
        with self._journal.transaction() as db:
            for key, state in hourly_table.states(db, *self._hours).items():
                tags = self._tags[key[0]]
                if self._devices is not None and tags["device"] not in self._devices:
                    continue
                if state.part > 0:
                    lines += self._closed_lines(key, state, tags)
                if state.windows is None:
                    continue
                if self._open[key].windows != state.windows:
                    self.left[_INCOMPLETE] += 1
                    continue
                hourly_table.put(db, *key, hourly_table.sums_of(db, *key).with_grams(self._open[key]))
                self.hours += 1
        return lines

    def _closed_lines(self, key: Key, state: HourState, tags: Tags) -> list[str]:
        """Return the points of a closed hour: the first one has all grams, for points of one hour add up."""
        grams = self._closed[key]
        reason = ""
        if self._before.get(key, _SAME).closed_up_to != state.closed_up_to:
            reason = _CLOSED_MEANWHILE
        elif state.closed_windows is None:
            reason = _CLOSED_BEFORE
        elif state.closed_windows != grams.windows:
            reason = _INCOMPLETE
        if reason:
            self.left[reason] += 1
            return []
        self.hours += 1
        return [_line(tags, key[1], part, grams, is_zero=part > 0) for part in range(state.part)]


def _line(tags: Tags, hour: int, part: int, grams: GramSums, *, is_zero: bool) -> str:
    counts, numbers = grams.fields()
    fields = [f"{name}={0 if is_zero else value}i" for name, value in counts.items()]
    fields += [f"{name}={0.0 if is_zero else value!r}" for name, value in numbers.items()]
    return f"{tagged(MEASUREMENT, tags)} {','.join(fields)} {hour * HOUR_NS + part}"
