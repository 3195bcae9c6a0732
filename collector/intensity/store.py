"""Grid intensities as they became known: one SQLite file of revisions, from which nothing is ever removed.

WAL: one process writes while others read. A reader opens the file for each question and keeps nothing open; a file
that is not there yet holds nothing.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.carbon.steps import check_no_overlap
from collector.intensity import store_file
from edge_agent.wire.errors import ConfigurationError


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of one zone of one source: the first and the last moment that a value holds for.

    ``revisions``: all of them, superseded ones included.
    """

    source: str
    zone: str
    kind: IntensityKind
    revisions: int
    first_unix_ns: int
    last_unix_ns: int
    last_fetched_unix_ns: int


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time of which something new became known."""

    source: str
    zone: str
    kind: IntensityKind
    start_unix_ns: int
    end_unix_ns: int


class IntensityStore:
    """The revisions of every source. May be shared by threads. Raises ConfigurationError for a file that is not one.

    ``read_only``: for commands beside a running collector.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._db = None if read_only else store_file.open_writer(path)
        self._added = 0

    def close(self) -> None:
        """Close the file; whatever was added is on the disk already."""
        with self._lock:
            if self._db is not None:
                self._db.close()

    def add(self, revisions: Iterable[IntensityRevision]) -> int:
        """Store what is new and return how many revisions that were; durable when it returns, all or none.

        A value that its source said last of the same stretch is not stored again. Raises ValueError where one answer
        of a source says two things of the same moment.
        """
        ordered = sorted(set(revisions), key=_order)
        check_no_overlap(ordered)
        with self._writing() as db:
            series = store_file.Series(db)
            added = sum(store_file.add_one(db, series.of(one), one) for one in ordered)
            self._added += added
        return added

    def note_said(self, answer: Iterable[IntensityRevision], at_unix_ns: int) -> None:
        """Note that a source gave this answer then, also where it is what it said before and nothing is added.

        Kept is only the stretch without holes around that moment, of the last answer that had one.
        """
        by_series: dict[store_file.OneSeriesName, list[tuple[int, int]]] = {}
        for one in answer:
            stretches = by_series.setdefault((one.source, one.zone, one.kind), [])
            stretches.append((one.valid_from_unix_ns, one.valid_to_unix_ns))
        found = {name: _around(stretches, at_unix_ns) for name, stretches in by_series.items()}
        if any(found.values()):
            with self._writing() as db:
                for name, stretch in found.items():
                    if stretch is not None:
                        store_file.note_said(db, name, stretch, at_unix_ns)

    def said_at(self, source: str, zone: str, kind: IntensityKind, t_unix_ns: int) -> int | None:
        """Return when the source last spoke of that moment, as far as ``note_said`` was told; else None."""
        with self._reading() as db:
            return None if db is None else store_file.said_at(db, (source, zone, kind), t_unix_ns)

    def add_passport(self, passport: SourcePassport) -> None:
        """Keep where a source's values come from; a new text replaces the old one."""
        text = msgspec.json.encode(passport).decode()
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO passports (source, passport) VALUES (?, ?)", (passport.id, text))

    def passports(self) -> dict[str, SourcePassport]:
        """Return the passport of every source that was stored, by source."""
        with self._reading() as db:
            rows = (
                [] if db is None else db.execute("SELECT source, passport FROM passports ORDER BY source").fetchall()
            )
            return {source: msgspec.json.decode(text, type=SourcePassport) for source, text in rows}

    def revisions(
        self,
        zone: str,
        kind: IntensityKind,
        start_unix_ns: int,
        end_unix_ns: int,
        *,
        known_at_unix_ns: int | None = None,
        sources: Sequence[str] | None = None,
    ) -> list[IntensityRevision]:
        """Return what was known then of the stretch, None for all that is known; superseded revisions included.

        ``zone``: as its source calls it. ``sources``: None for every source that knows the zone.
        """
        found: list[IntensityRevision] = []
        with self._reading() as db:
            for series in [] if db is None else store_file.Series(db).all(zone=zone, kind=kind):
                if db is not None and (sources is None or series.source in sources):
                    found += store_file.select(db, series, start_unix_ns, end_unix_ns, known_at_unix_ns)
        return found

    def extents(self) -> list[Extent]:
        """Return what is stored, by source, zone and kind."""
        with self._reading() as db:
            return [] if db is None else [Extent(**row) for row in store_file.extents(db)]

    def extent(self, source: str, zone: str, kind: IntensityKind) -> Extent | None:
        """Return what is stored of one zone of one source, None for nothing."""
        with self._reading() as db:
            found = [] if db is None else list(store_file.extents(db, (source, zone, kind)))
        return Extent(**found[0]) if found else None

    def newest(self) -> int:
        """Return the number of the revision stored last, 0 for none: with it ``touched_after`` finds what is newer."""
        with self._reading() as db:
            return 0 if db is None else store_file.newest(db)

    def fetched_at(self, number: int) -> int | None:
        """Return when the revision of that number became known, None if there is none."""
        with self._reading() as db:
            return None if db is None else store_file.fetched_at(db, number)

    def touched_after(self, number: int) -> list[Touched]:
        """Return the stretches of which revisions after that number speak, joined where they touch one another."""
        with self._reading() as db:
            return [] if db is None else [Touched(**row) for row in store_file.touched_after(db, number)]

    def version(self) -> tuple[int, int]:
        """Return what changes when the store has changed, also by another process; cheap. Readers never see a change.

        A command that only reads answers from one state; ask a new store for a newer one.
        """
        with self._lock:
            if self._db is None:
                return 0, 0
            try:
                (data_version,) = self._db.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise ConfigurationError(f"{self.path}: cannot read the stored intensities: {error}") from error
            return int(data_version), self._added

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for one transaction. Raises ConfigurationError when it cannot be written."""
        with self._lock:
            if self._db is None:
                raise ConfigurationError(f"{self.path}: opened only to read; open the store to write")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                with contextlib.ExitStack() as on_failure:
                    on_failure.callback(_roll_back, self._db)
                    yield self._db
                    self._db.execute("COMMIT")
                    on_failure.pop_all()
            except sqlite3.Error as error:
                raise ConfigurationError(f"{self.path}: {error}; free space, or end what holds the file") from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Hold the file; None for a reader where there is none yet. Raises ConfigurationError."""
        with self._lock, contextlib.ExitStack() as opened:
            db = self._db
            try:
                if db is None and not store_file.is_empty(self.path):
                    db = opened.enter_context(contextlib.closing(store_file.open_reader(self.path)))
                yield db
            except (OSError, sqlite3.Error) as error:
                raise ConfigurationError(f"{self.path}: cannot read the stored intensities: {error}") from error
            except (ValueError, msgspec.DecodeError) as error:
                raise ConfigurationError(
                    f"{self.path}: holds what is no intensity: {error}; bring back a copy, or fetch into another file"
                ) from error


def _around(stretches: Iterable[tuple[int, int]], t_unix_ns: int) -> tuple[int, int] | None:
    """Return the stretch without holes that has the moment in it, None where there is none."""
    ordered = sorted(stretches)
    start = end = ordered[0][0]
    for first, last in ordered:
        if first > end:
            if end > t_unix_ns:
                break
            start = first
        end = max(end, last)
    return (start, end) if start <= t_unix_ns < end else None


def _order(one: IntensityRevision) -> tuple[int, str, str, int]:
    return one.fetched_at_unix_ns, one.source, one.zone, one.valid_from_unix_ns


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")
