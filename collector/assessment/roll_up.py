"""Roll-ups: the windows of a day summed by device, model, meter and hour, as Parquet beside the windows.

A year of windows need not be read again for every question, and windows may be removed when their roll-up is made: it
holds all that an assessment takes of them. A day's roll-up is written as a whole and names what it was made of, so
making it again changes nothing unless windows came since. What a window leaves to the first hour of the next day
stands in the roll-up of the day in which it starts.
"""

import io
from collections.abc import Callable, Sequence
from typing import Final, Literal

import ibis
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.assessment.engine import Engine, Limits, make_engine
from collector.assessment.lake_files import (
    DIRECTORY_NAME,
    PARTS_SCHEMA,
    RollUpNote,
    note_bytes,
    roll_up_name,
    roll_ups,
    window_files,
)
from collector.assessment.query import KEYS, SLOT
from collector.assessment.reading import lake_windows, window_parts
from collector.assessment.slots import SLOTS_S
from collector.sinks.lake_place import place_of
from collector.store_config import LakeWhere
from edge_agent.wire.errors import ConfigurationError

DEFAULT_SLOT_S: Final = 3600
Action = Literal["made", "up_to_date", "windows_gone"]


class DayOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one day.

    ``windows_gone``: windows came since the roll-up was made, but files that it was made of are no longer there, so
    it was left as it is; an assessment adds the new ones to it. ``windows``: summed up; ``parts``: rows that are left.
    """

    day: str
    action: Action
    windows: int = 0
    parts: int = 0
    repeated: int = 0
    unusable: int = 0


def roll_up(
    where: LakeWhere,
    first_day: str,
    last_day: str,
    *,
    slot_s: int = DEFAULT_SLOT_S,
    redo: bool = False,
    limits: Limits | None = None,
    on_day: Callable[[int, int, DayOutcome], None] | None = None,
) -> list[DayOutcome]:
    """Make the roll-ups of the days ``first_day`` to ``last_day`` (YYYY-MM-DD, both included) that have windows.

    ``redo``: also where nothing came since. ``on_day``: hears the number of the day, of how many, and its outcome.
    Raises ConfigurationError when the lake cannot be read or written.
    """
    if slot_s not in SLOTS_S:
        raise ConfigurationError(f"--slot-s {slot_s}: slots are of {', '.join(map(str, SLOTS_S))} seconds")
    present = {day: names for day, names in window_files(where).items() if first_day <= day <= last_day}
    known = roll_ups(where, present)
    outcomes = []
    with make_engine(limits or Limits()) as engine:
        for number, (day, names) in enumerate(sorted(present.items()), start=1):
            note = known.get(day)
            if note is not None and not set(note.inputs) <= set(names):
                gone: Action = "windows_gone" if set(names) - set(note.inputs) else "up_to_date"
                outcome = DayOutcome(day=day, action=gone)
            elif note is not None and set(note.inputs) == set(names) and note.slot_s == slot_s and not redo:
                outcome = DayOutcome(day=day, action="up_to_date", windows=note.windows)
            else:
                outcome = _make(engine, where, day, names, slot_s)
            outcomes.append(outcome)
            if on_day is not None:
                on_day(number, len(present), outcome)
    return outcomes


def _make(engine: Engine, where: LakeWhere, day: str, names: Sequence[str], slot_s: int) -> DayOutcome:
    with lake_windows(engine, where, names) as (windows, repeated):
        parts, counted = window_parts(engine, windows, slot_s)
        found = engine.answer(ibis.union(*parts) if len(parts) > 1 else parts[0])
    table = _merged(found)
    note = RollUpNote(
        slot_s=slot_s,
        inputs=tuple(sorted(names)),
        windows=counted.windows - counted.unusable,
        repeated=repeated,
        unusable=counted.unusable,
    )
    content = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(note_bytes(note)), content, compression="zstd")
    place = place_of(where, DIRECTORY_NAME)
    try:
        place.write(roll_up_name(day), content.getvalue())
    except OSError as error:
        raise ConfigurationError(
            f"{place.where}: cannot write: {error.strerror or error}; free space or correct the permissions"
        ) from error
    finally:
        place.close()
    return DayOutcome(
        day=day,
        action="made",
        windows=note.windows,
        parts=table.num_rows,
        repeated=repeated,
        unusable=counted.unusable,
    )


def _merged(found: pa.Table) -> pa.Table:
    """Return one row for each key and slot, in an order that does not depend on how they were found."""
    keys = [*KEYS, SLOT]
    sums = [name for name in PARTS_SCHEMA.names if name not in keys]
    grouped = found.group_by(keys).aggregate([(name, "sum") for name in sums])
    plain = grouped.rename_columns([name.removesuffix("_sum") for name in grouped.column_names])
    ordered = plain.take(pc.sort_indices(plain, sort_keys=[(name, "ascending") for name in (SLOT, *KEYS)]))
    return ordered.select(PARTS_SCHEMA.names).cast(PARTS_SCHEMA)
