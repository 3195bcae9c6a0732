"""Which files of a lake answer for which day: its windows, or the roll-up that was made of them.

A roll-up lies in ``<lake>/_rolled_up/date=YYYY-MM-DD/parts.parquet`` and names the window files that it was made of.
The underscore keeps it apart from the windows: see ``sinks.lake_benches``.
"""

import base64
import datetime as dt
import zlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from collector.assessment.query import COUNTS, KEYS, SLOT, SPLIT
from collector.sinks.lake_place import Place, place_of
from collector.sinks.parquet_days import first_row_id, journal_of
from collector.store_config import LakeWhere
from edge_agent.wire.errors import ConfigurationError

DIRECTORY_NAME: Final = "_rolled_up"
NOTE_KEY: Final = b"edgejoule_roll_up"
_DAY_PREFIX: Final = "date="

PARTS_SCHEMA: Final[pa.Schema] = pa.schema(
    [
        *((name, pa.string()) for name in KEYS),
        (SLOT, pa.int64()),
        *((name, pa.int64()) for name in COUNTS),
        *((name, pa.float64()) for name in SPLIT),
    ]
)
"""One row for each slot of time in which a device used energy, by model and meter; see ``query.PART_COLUMNS``."""


class RollUpNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a roll-up says of itself. ``inputs``: names of the window files. ``windows``: how many it sums up.

    ``repeated``: windows that lay in the lake twice and were counted once; ``unusable``: left out.
    """

    slot_s: int
    inputs: tuple[str, ...]
    windows: int
    repeated: int = 0
    unusable: int = 0
    version: int = 1


class DaySources(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one UTC day, ``day`` as YYYY-MM-DD.

    ``windows``: window files to read; ``rolled_up``: the roll-up to read, None for none. Where both are given, the
    windows came after the roll-up, and what it was made of is gone.
    """

    day: str
    windows: tuple[str, ...] = ()
    rolled_up: RollUpNote | None = None


def roll_up_name(day: str) -> str:
    """Return the name of a day's roll-up."""
    return f"{_DAY_PREFIX}{day}/parts.parquet"


def day_of(t_unix_ns: int) -> str:
    """Return the UTC day of a moment as YYYY-MM-DD."""
    return dt.datetime.fromtimestamp(t_unix_ns // 1_000_000_000, tz=dt.UTC).date().isoformat()


def days_between(first_day: str, last_day: str) -> frozenset[str]:
    """Return the days from one to the other, both included, all as YYYY-MM-DD."""
    first, last = dt.date.fromisoformat(first_day), dt.date.fromisoformat(last_day)
    return frozenset((first + dt.timedelta(days=step)).isoformat() for step in range((last - first).days + 1))


def window_files(where: LakeWhere, not_after: tuple[str, int] | None = None) -> dict[str, list[str]]:
    """Return the names of the window files by day.

    ``not_after``: a journal's id and its lake cursor: its files after the cursor are left to the journal. Raises
    ConfigurationError when the lake cannot be listed.
    """
    days: dict[str, list[str]] = defaultdict(list)
    for name in sorted(_names(place_of(where))):
        begins = first_row_id(name)
        if begins is None or (not_after and journal_of(name) == not_after[0] and begins > not_after[1]):
            continue
        days[_day(name)].append(name)
    return days


def roll_ups(where: LakeWhere, days: Iterable[str] | None = None) -> dict[str, RollUpNote]:
    """Return what the roll-ups of these days (all by default) say of themselves. Raises ConfigurationError."""
    place = place_of(where, DIRECTORY_NAME)
    wanted = None if days is None else set(days)
    named = {_day(name): name for name in _names(place) if name == roll_up_name(_day(name))}
    return {day: _note(place, name) for day, name in sorted(named.items()) if wanted is None or day in wanted}


def sources(
    where: LakeWhere,
    first_day: str,
    last_day: str,
    not_after: tuple[str, int] | None,
    split_days: frozenset[str] = frozenset(),
) -> list[DaySources]:
    """Return what to read for the days ``first_day`` to ``last_day``, both included, in order; each window once.

    A roll-up is good as long as every window file of its day was there when it was made, even if files have been
    removed since. With newer files the windows themselves are read, and only where some of them are gone the roll-up
    and the newer files. ``not_after``: see ``window_files``. ``split_days``: where windows are wanted as long as all
    are there. Raises ConfigurationError.
    """
    present = {day: names for day, names in window_files(where, not_after).items() if first_day <= day <= last_day}
    rolled = {day: note for day, note in roll_ups(where).items() if first_day <= day <= last_day}
    found = []
    for day in sorted(present.keys() | rolled.keys()):
        names, note = set(present.get(day, ())), rolled.get(day)
        inputs = set() if note is None else set(note.inputs)
        if note is None or (inputs <= names and (names - inputs or day in split_days)):
            found.append(DaySources(day=day, windows=tuple(sorted(names))))
        else:
            found.append(DaySources(day=day, windows=tuple(sorted(names - inputs)), rolled_up=note))
    return found


def note_bytes(note: RollUpNote) -> dict[bytes, bytes]:
    """Return the note as metadata of a Parquet file; a day has thousands of input names, hence compressed."""
    return {NOTE_KEY: base64.b64encode(zlib.compress(msgspec.json.encode(note)))}


def _note(place: Place, name: str) -> RollUpNote:
    where = f"{place.where}/{name}"
    try:
        with place.open(name) as file:
            metadata = pq.read_schema(file).metadata or {}
        return msgspec.json.decode(zlib.decompress(base64.b64decode(metadata[NOTE_KEY])), type=RollUpNote)
    except (OSError, KeyError, ValueError, zlib.error, pa.ArrowException, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"{where}: is no roll-up that this version can read ({error}); remove it, and make it again with: "
            "edgejoule carbon roll-up"
        ) from error


def _names(place: Place) -> list[str]:
    try:
        return place.names()
    except OSError as error:
        raise ConfigurationError(
            f"lake {place.where}: cannot read it: {error}; correct [lake] or its access"
        ) from error


def _day(name: str) -> str:
    return name.partition("/")[0].removeprefix(_DAY_PREFIX)
