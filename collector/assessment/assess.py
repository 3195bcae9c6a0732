"""A fleet's assessment over any period: what it used, did and emitted, from the lake's windows and their roll-ups.

Days are read in portions, each answered where its rows lie; what is kept of them are sums by device and month. So
memory hangs on the number of devices and months, not on that of the windows.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa

from collector.assessment.cells import Cells
from collector.assessment.engine import Engine, Limits, make_engine
from collector.assessment.hardware import hardware_of
from collector.assessment.lake_files import DaySources, day_of, days_between, sources
from collector.assessment.places import Places, intensity_slots
from collector.assessment.query import DAY_NS, Table, as_windows, cells, within
from collector.assessment.reading import Counted, lake_windows, portions, rolled_up_parts, window_parts
from collector.assessment.slots import FINEST_S, slot_table
from collector.assessment.summary import summary
from collector.assessment.values import FleetAssessment, Options, Reading
from collector.intensity.provider import IntensityProvider
from collector.inventory import Inventory
from collector.journal import Journal
from collector.journal_identity import known_journal_id
from collector.model_row import developments
from collector.sinks.lake import LakeSink, rows_to_table
from collector.store_config import LakeWhere
from edge_agent.wire.errors import ConfigurationError

_HOUR_NS: Final = 3_600_000_000_000
_PAGE_ROWS: Final = 20_000
_PAGES_AT_ONCE: Final = 10
Progress = Callable[[int, int], None]
"""Hears how many days of how many are read."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """``[start_unix_ns, end_unix_ns)``, on full five minutes. Raises ConfigurationError for another."""

    start_unix_ns: int
    end_unix_ns: int

    def __post_init__(self) -> None:
        if self.end_unix_ns <= self.start_unix_ns:
            raise ConfigurationError("the period ends before it begins; give --from before --to")
        if self.start_unix_ns % (FINEST_S * 10**9) or self.end_unix_ns % (FINEST_S * 10**9):
            raise ConfigurationError("a period begins and ends on full five minutes; correct --from and --to")

    @property
    def split_days(self) -> frozenset[str]:
        """Return the days in which the period begins or ends inside an hour: there windows are better than hours."""
        return frozenset(day_of(edge) for edge in (self.start_unix_ns, self.end_unix_ns) if edge % _HOUR_NS)

    def cuts(self, day: str, slot_s: int) -> bool:
        """Return whether the period begins or ends inside of a slot of this day."""
        edges = (self.start_unix_ns, self.end_unix_ns)
        return any(edge % (slot_s * 10**9) and day_of(edge) == day for edge in edges)


class Stored(NamedTuple):
    """What is assessed: the windows of ``lake``, and those of ``journal`` (open to read) that are not in it yet."""

    lake: LakeWhere | None = None
    journal: Journal | None = None


class Gathered(NamedTuple):
    """What was kept of a period, by device, model, meter and month, before anything is summed up of it."""

    kept: Cells
    places: Places
    options: Options
    reading: Reading


class _Run:
    """One assessment under way. Every portion has an engine of its own, so what it keeps of files ends with it."""

    def __init__(self, places: Places, kept: Cells, period: Period, options: Options, limits: Limits) -> None:
        self.places, self.kept, self.period, self._limits = places, kept, period, limits
        self.fleet, self.by_release = options.fleet, options.by_release
        self.counted = Counted()
        self.rolled_up_days = 0
        self.cut_days: list[str] = []
        self.window_files = 0
        self.journal_rows = 0

    def portion(self, where: LakeWhere, days: Sequence[DaySources]) -> None:
        """Read some days of the lake."""
        names = [name for day in days for name in day.windows]
        first_unix_ns, last_unix_ns = _span(days)
        by_slot: dict[int, list[str]] = {}
        for day in days:
            if day.rolled_up is not None:
                if self.by_release:
                    raise ConfigurationError(
                        f"lake {where}: of {day.day} some windows are left as a roll-up alone, which does not tell "
                        "releases apart; name models, or a period whose windows are all there"
                    )
                by_slot.setdefault(day.rolled_up.slot_s, []).append(day.day)
                if self.period.cuts(day.day, day.rolled_up.slot_s):
                    self.cut_days.append(day.day)
        with make_engine(self._limits) as engine:
            if names:
                with lake_windows(engine, where, names, by_release=self.by_release) as (windows, repeated):
                    self.counted.repeated += repeated
                    self._windows(engine, windows, first_unix_ns, last_unix_ns)
            for slot_s, rolled in by_slot.items():
                timelines = self.places.timelines(first_unix_ns, last_unix_ns + DAY_NS)
                grid = slot_table(timelines, first_unix_ns, last_unix_ns + DAY_NS, slot_s)
                with rolled_up_parts(engine, where, rolled) as parts:
                    self._cells(engine, [parts], grid)
                self.rolled_up_days += len(rolled)
        self.window_files += len(names)

    def tail(self, rows: pa.Table) -> None:
        """Read rows that are not in the lake yet."""
        self.journal_rows += rows.num_rows
        with make_engine(self._limits) as engine, engine.table(rows) as found:
            self._windows(
                engine,
                as_windows(found, by_release=self.by_release),
                self.period.start_unix_ns,
                self.period.end_unix_ns,
            )

    def _windows(self, engine: Engine, windows: Table, first_unix_ns: int, last_unix_ns: int) -> None:
        start, end = self.period.start_unix_ns, self.period.end_unix_ns
        begins, ends = max(first_unix_ns, start), min(last_unix_ns + DAY_NS, end)
        if ends <= begins:
            return
        inside = within(windows, start, end)
        slot_s, grid = intensity_slots(self.places.timelines(begins, ends), begins, ends, (start, end))
        parts, counted = window_parts(engine, inside, slot_s)
        self.counted.add(counted)
        self._cells(engine, parts, grid)

    def _cells(self, engine: Engine, parts: Sequence[Table], grid: pa.Table) -> None:
        start, end = self.period.start_unix_ns, self.period.end_unix_ns
        with ExitStack() as held:
            zones = held.enter_context(engine.table(self.places.zone_table()))
            intensities = held.enter_context(engine.table(grid))
            for one in parts:
                wanted = one.filter(one.fleet == self.fleet) if self.fleet else one
                self.kept.add(engine.answer(cells(wanted, zones, intensities, start, end)))


def assess(
    stored: Stored,
    inventory: Inventory,
    intensity: IntensityProvider,
    period: Period,
    options: Options | None = None,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> FleetAssessment:
    """Return what the fleet used, did and emitted in the period.

    Raises ConfigurationError for what cannot be read, for a zone that ``intensity`` cannot know, for marginal
    intensities, and for a policy that a device has no numbers for.
    """
    found = gather(stored, inventory, intensity, period, options, limits=limits, progress=progress)
    edges = period.start_unix_ns, period.end_unix_ns
    return summary(found.kept, found.places, inventory, edges, found.options, found.reading)


def gather(
    stored: Stored,
    inventory: Inventory,
    intensity: IntensityProvider,
    period: Period,
    options: Options | None = None,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Gathered:
    """Return what ``assess`` sums up; it may also be asked by release.

    Raises ConfigurationError as ``assess`` does, and for releases of a day of which only a roll-up is left.
    """
    lake, journal = stored
    chosen = _with_developments(options or Options(), inventory, intensity)
    hardware = hardware_of(inventory, chosen.time_basis, chosen.policy)
    places = Places(inventory, hardware, intensity, period.start_unix_ns, period.end_unix_ns)
    kept = Cells(hardware, places.yearly_g_per_j())
    cursor = 0 if journal is None or lake is None else journal.cursor(LakeSink.name)
    run = _Run(places, kept, period, chosen, limits or Limits())
    if lake is not None:
        own = None if journal is None else (known_journal_id(journal), cursor)
        before, last = day_of(period.start_unix_ns - DAY_NS), day_of(period.end_unix_ns - 1)
        split_days = days_between(before, last) if chosen.by_release else period.split_days
        days = sources(lake, before, last, own, split_days)
        done = 0
        for portion in portions(days):
            run.portion(lake, portion)
            done += len(portion)
            if progress is not None:
                progress(done, len(days))
    if journal is not None:
        for rows in _tail(journal, cursor):
            run.tail(rows)
    kept.add_service(period.start_unix_ns, period.end_unix_ns)
    reading = Reading(
        rolled_up_days=run.rolled_up_days,
        window_files=run.window_files,
        rows=run.counted.windows,
        rows_repeated=run.counted.repeated,
        rows_unusable=run.counted.unusable,
        journal_rows=run.journal_rows,
        cut_days=tuple(run.cut_days),
    )
    return Gathered(kept, places, chosen, reading)


def _with_developments(options: Options, inventory: Inventory, intensity: IntensityProvider) -> Options:
    made = developments(inventory.models, intensity.yearly, inventory.where)
    return msgspec.structs.replace(options, developments=(*options.developments, *made))


def _tail(journal: Journal, cursor: int) -> Iterator[pa.Table]:
    """Give the rows after the cursor, some pages at a time."""
    pages: list[pa.Table] = []
    while page := journal.rows_after(cursor, _PAGE_ROWS):
        pages.append(rows_to_table(page))
        cursor = page[-1].row_id
        if len(pages) == _PAGES_AT_ONCE:
            yield pa.concat_tables(pages)
            pages = []
    if pages:
        yield pa.concat_tables(pages)


def _span(days: Sequence[DaySources]) -> tuple[int, int]:
    """Return when the first of these days begins and the last one ends."""
    first, last = (dt.datetime.fromisoformat(f"{one.day}T00:00:00+00:00") for one in (days[0], days[-1]))
    return int(first.timestamp()) * 10**9, int(last.timestamp()) * 10**9 + DAY_NS
