"""The parts that a stretch of days is made of, read in portions that keep memory bounded."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import ibis
import msgspec

from collector.assessment.engine import Engine
from collector.assessment.lake_files import (
    DIRECTORY_NAME,
    PARTS_SCHEMA,
    DaySources,
    roll_up_name,
)
from collector.assessment.query import Table, as_windows, long_parts, once, repeated, short_parts, survey
from collector.sinks.lake import SCHEMA
from collector.sinks.lake_place import place_of
from collector.sinks.parquet_days import journal_of
from collector.store_config import LakeWhere

FILES_AT_ONCE: Final = 500
DAYS_AT_ONCE: Final = 31


class Counted(msgspec.Struct, kw_only=True):
    """What was met in windows: ``repeated`` lay there twice and count once, ``unusable`` are left out."""

    windows: int = 0
    repeated: int = 0
    unusable: int = 0

    def add(self, other: "Counted") -> None:
        """Add another stretch's."""
        self.windows += other.windows
        self.repeated += other.repeated
        self.unusable += other.unusable


def portions(days: Iterable[DaySources]) -> Iterator[list[DaySources]]:
    """Give the days in order, as many at once as ``FILES_AT_ONCE`` window files or ``DAYS_AT_ONCE`` allow."""
    portion: list[DaySources] = []
    for day in days:
        portion.append(day)
        if len(portion) == DAYS_AT_ONCE or sum(len(one.windows) for one in portion) >= FILES_AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion


@contextmanager
def lake_windows(
    engine: Engine, where: LakeWhere, names: Sequence[str], *, by_release: bool = False
) -> Iterator[tuple[Table, int]]:
    """Give the windows of these files, each once, and how many lay there again. ``by_release``: see ``as_windows``."""
    by_journal: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_journal[journal_of(name)].append(name)
    place = place_of(where)
    with ExitStack() as held:
        scans = [held.enter_context(engine.scan(place, own, SCHEMA)) for own in by_journal.values()]
        copies = [as_windows(scan, by_release=by_release) for scan in scans]
        every = ibis.union(*copies) if len(copies) > 1 else copies[0]
        boots = engine.answer(repeated(copies)) if len(copies) > 1 else None
        if boots is None or boots.num_rows == 0:
            yield every, 0
            return
        single = once(every, held.enter_context(engine.table(boots)))
        yield single, _count(engine, every) - _count(engine, single)


def window_parts(engine: Engine, windows: Table, slot_s: int) -> tuple[list[Table], Counted]:
    """Return the expressions whose rows are the windows' parts, and what was counted on the way."""
    (found,) = engine.answer(survey(windows, slot_s)).to_pylist()
    parts = [short_parts(windows, slot_s)]
    if found["long_windows"]:
        parts.append(long_parts(windows, slot_s))
    return parts, Counted(windows=found["windows"], unusable=found["unusable_windows"])


@contextmanager
def rolled_up_parts(engine: Engine, where: LakeWhere, days: Sequence[str]) -> Iterator[Table]:
    """Give the parts that the roll-ups of these days hold; they are all of one slot length."""
    place = place_of(where, DIRECTORY_NAME)
    with engine.scan(place, [roll_up_name(day) for day in days], PARTS_SCHEMA) as found:
        yield found.select(*PARTS_SCHEMA.names)


def _count(engine: Engine, windows: Table) -> int:
    found: Any = engine.answer(windows.aggregate(rows=windows.count())).to_pylist()[0]["rows"]
    return int(found)
