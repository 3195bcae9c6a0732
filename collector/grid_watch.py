"""Keeps the store of grid intensities up to date while the collector runs, and the grams that rest on them.

One thread asks each source when its time has come, for what was revised and for what is new. Whatever the store has
learned since, from here or from a command beside the collector, is then assessed again: the hours that new revisions
touch. How far that has come lies in the journal, so nothing is left out after a crash or while InfluxDB was away.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import structlog

from collector.assess import NS_PER_S, Assessor
from collector.background import Background
from collector.carbon.operational import IntensityKind
from collector.intensity.configured import ConfiguredSource
from collector.intensity.errors import SourceError
from collector.intensity.fetch import fetch_into
from collector.intensity.store import IntensityStore, Touched
from collector.intensity.stored import SourceZone
from collector.journal import Journal
from collector.journal_file import JournalGoneError, identity, why_not_written
from collector.sinks.influx_rows import StoreAwayError
from edge_agent.wire.errors import ConfigurationError

ASSESSED_NOTE: Final = "intensities_assessed"
"""In the journal: the last revision whose hours were assessed again, as number and time of fetching.

The time tells another file, or a copy that was brought back, in which the same number is another revision.
"""
CHECK_S: Final = 60.0
FIRST_PAUSE_S: Final = 60.0
LONGEST_GAP_S: Final = 366 * 86_400.0
"""After a longer pause no more than this is asked for; what lies before: edgejoule carbon intensity fetch."""
_BEGIN_AGAIN: Final = "start the collector again, which asks its sources anew"
_BEHIND_S: Final = 120.0
_POLL_S: Final = 0.2
_BEFORE_NS: Final = 60 * NS_PER_S
"""A window that begins before a step may reach into it; whole hours are assessed, which covers longer ones mostly."""
_DAY_NS: Final = 86_400 * NS_PER_S
_LOG = structlog.get_logger()


class Tally(Protocol):
    """What was assessed again."""

    @property
    def windows(self) -> int:
        """Windows."""

    @property
    def hours(self) -> int:
        """Hourly sums."""

    @property
    def hours_left(self) -> dict[str, int]:
        """Hourly sums that keep their old grams, by reason."""


class Reassesses(Protocol):
    """Writes grams of past windows again; see ``reassess``."""

    @property
    def live_name(self) -> str:
        """The cursor of the live store, "" without one."""

    def run(
        self,
        start_unix_ns: int,
        end_unix_ns: int,
        devices: frozenset[str] | None = None,
        *,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Tally:
        """Assess ``[start, end)`` again. Raises StoreAwayError, also when ``stopping``, or ConfigurationError."""


class Revisions:
    """Brings live grams up to what the store of intensities knows. In one thread.

    ``zones``: of each kind of intensity, what each zone of the inventory is at the sources. ``reassesses``: None where
    no store has grams.
    """

    def __init__(
        self,
        journal: Journal,
        store: IntensityStore,
        zones: Mapping[IntensityKind, Mapping[str, Sequence[SourceZone]]],
        assessor: Assessor,
        reassesses: Reassesses | None,
        now_unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._journal, self._store, self._assessor, self._reassesses = journal, store, assessor, reassesses
        self._now_unix_ns = now_unix_ns
        self._devices = {kind: _devices_at(of_kind, assessor) for kind, of_kind in zones.items()}
        self._file = identity(store.path)

    def catch_up(self, stopping: threading.Event) -> int:
        """Assess again what newer revisions touch; return how many windows that was. Does nothing if there are none.

        Raises StoreAwayError, and then begins again the next time.
        """
        if identity(self._store.path) != self._file:
            raise ConfigurationError(f"{self._store.path}: removed or replaced while it was open: {_BEGIN_AGAIN}")
        newest, mark = self._store.newest(), self._mark()
        if newest <= mark:
            return 0
        self._assessor.forget()
        written = 0
        if self._reassesses is not None and (days := self._days(self._store.touched_after(mark))):
            self._wait_for_lines(self._reassesses.live_name, stopping)
            for (start, end), devices in days:
                if stopping.is_set():
                    return written
                done = self._reassesses.run(start, end, devices, stopping=stopping.is_set)
                written += done.windows
                if done.windows:
                    _LOG.info("grams_assessed_again", windows=done.windows, hours=done.hours, day=_day_text(start))
                for reason, hours in done.hours_left.items():
                    _LOG.warning("hours_keep_their_grams", hours=hours, reason=reason, day=_day_text(start))
        self._journal.set_note(ASSESSED_NOTE, f"{newest} {self._store.fetched_at(newest)}")
        return written

    def _mark(self) -> int:
        """Return the number of the last revision that was assessed, 0 if it is none of this store."""
        number, _, fetched_at = (self._journal.note(ASSESSED_NOTE) or "0").partition(" ")
        return int(number) if fetched_at == str(self._store.fetched_at(int(number))) else 0

    def _days(self, touched: list[Touched]) -> list[tuple[tuple[int, int], frozenset[str]]]:
        """Return what to assess of each day, the newest first: a stretch of it, and which devices."""
        now_unix_ns = self._now_unix_ns()
        stretches: dict[int, tuple[int, int]] = {}
        devices: dict[int, frozenset[str]] = {}
        for one in touched:
            there = self._devices.get(one.kind, {}).get((one.source, one.zone), frozenset())
            start, end = one.start_unix_ns - _BEFORE_NS, min(one.end_unix_ns, now_unix_ns)
            for day in range(start // _DAY_NS, -(-end // _DAY_NS)) if there and start < end else ():
                first, last = max(start, day * _DAY_NS), min(end, (day + 1) * _DAY_NS)
                known = stretches.get(day, (first, last))
                stretches[day] = min(known[0], first), max(known[1], last)
                devices[day] = devices.get(day, frozenset()) | there
        return [(stretches[day], devices[day]) for day in sorted(stretches, reverse=True)]

    def _wait_for_lines(self, live_name: str, stopping: threading.Event) -> None:
        """Wait until the store has every line that may have been made with what is now forgotten."""
        if not live_name:
            return
        row_id = self._journal.last_row_id()
        end_s = time.monotonic() + _BEHIND_S
        while self._journal.cursor(live_name) < row_id and not stopping.is_set():
            if time.monotonic() > end_s:
                raise StoreAwayError(f"{live_name} is behind: grams are assessed again when it has caught up")
            stopping.wait(_POLL_S)


class GridWatch(Background):
    """See the module's text. Told to stop, it lets the question that is open be answered or time out."""

    def __init__(
        self,
        sources: Sequence[ConfiguredSource],
        store: IntensityStore,
        catch_up: Callable[[threading.Event], int],
        now_unix_ns: Callable[[], int] = time.time_ns,
        check_s: float = CHECK_S,
    ) -> None:
        super().__init__("grid-watch")
        self._sources, self._store, self._catch_up = tuple(sources), store, catch_up
        self._now_unix_ns, self._check_s = now_unix_ns, check_s
        self._due_s = [0.0] * len(self._sources)
        self._pause_s = [0.0] * len(self._sources)
        self._told: dict[str, str] = {}

    def _run(self) -> None:
        while not self._stopping.is_set():
            for number, configured in enumerate(self._sources):
                if self._due_s[number] <= time.monotonic() and not self._stopping.is_set():
                    wait_s = self._ask(number, configured)
                    self._due_s[number] = time.monotonic() + wait_s
            self._assess_again()
            until_due_s = min(self._due_s, default=0.0) - time.monotonic() if self._sources else self._check_s
            self._stopping.wait(max(min(until_due_s, self._check_s), 0.0))

    def _ask(self, number: int, configured: ConfiguredSource) -> float:
        """Ask for every zone; return how long to wait until the next time."""
        pause_s = 0.0
        for zone in configured.zones:
            name = f"{configured.source.passport.id} {zone}"
            try:
                self._fetch(configured, zone)
            except SourceError as error:
                self._tell(name, "intensities_not_fetched", str(error))
                pause_s = max(pause_s, FIRST_PAUSE_S, error.retry_after_s or 0.0)
                pause_s = pause_s if error.retry else max(pause_s, configured.every_s)
            except (ConfigurationError, ValueError) as error:
                self._tell(name, "intensities_not_stored", str(error))
                pause_s = max(pause_s, FIRST_PAUSE_S)
            else:
                self._tell(name, "intensities_fetched_again", "")
        self._pause_s[number] = max(pause_s, 2.0 * self._pause_s[number]) if pause_s else 0.0
        return min(self._pause_s[number], max(configured.every_s, pause_s)) if pause_s else configured.every_s

    def _fetch(self, configured: ConfiguredSource, zone: str) -> None:
        now_unix_ns = self._now_unix_ns()
        source = configured.source
        start_unix_ns = now_unix_ns - round(configured.history_s * NS_PER_S)
        known = self._store.extent(source.passport.id, zone, source.kind)
        if known is not None:  # nothing of the time in which no collector ran is left out
            earliest = now_unix_ns - round(LONGEST_GAP_S * NS_PER_S)
            start_unix_ns = min(start_unix_ns, max(known.last_unix_ns, earliest))
        end_unix_ns = now_unix_ns + max(round(configured.ahead_s * NS_PER_S), 1)
        for _ in fetch_into(self._store, source, zone, start_unix_ns, end_unix_ns, now_unix_ns):
            if self._stopping.is_set():
                return

    def _assess_again(self) -> None:
        if self._stopping.is_set():
            return
        try:
            self._catch_up(self._stopping)
        except (StoreAwayError, ConfigurationError, JournalGoneError) as error:
            self._tell("", "grams_not_assessed_again", str(error))
        except sqlite3.OperationalError as error:
            self._tell("", "grams_not_assessed_again", why_not_written(error))
        else:
            self._tell("", "grams_assessed_again_at_last", "")

    def _tell(self, what: str, event: str, reason: str) -> None:
        """Log a change of state once, but not what a stop brings. ``what``: source and zone, "" for the stores."""
        if reason == self._told.get(what, "") or self._stopping.is_set():
            return
        self._told[what] = reason
        if reason:
            _LOG.warning(event, reason=reason)
        else:
            _LOG.info(event, of=what)


@contextmanager
def watching(watch: GridWatch | None) -> Iterator[list[GridWatch]]:
    """Run it, if there is one, while the block runs."""
    if watch is None:
        yield []
        return
    watch.start()
    try:
        yield [watch]
    finally:
        watch.close()


def _devices_at(zones: Mapping[str, Sequence[SourceZone]], assessor: Assessor) -> dict[SourceZone, frozenset[str]]:
    """Return the devices that stand in each zone of a source."""
    standing: dict[str, set[str]] = {}
    for device_id in assessor.device_ids:
        standing.setdefault(assessor.describe(device_id).zone.casefold(), set()).add(device_id)
    found: dict[SourceZone, frozenset[str]] = {}
    for zone, at_sources in zones.items():
        for source_zone in at_sources:
            found[source_zone] = found.get(source_zone, frozenset()) | standing.get(zone.casefold(), set())
    return found


def _day_text(t_unix_ns: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(t_unix_ns // NS_PER_S))
