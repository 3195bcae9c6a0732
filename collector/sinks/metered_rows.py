"""What of stored windows grams and their places in InfluxDB hang on, a day at a time: from the lake and the journal.

A day is read from the lake up to the lake's cursor and from the journal behind it. The journal is in the order of
receipt, so reading begins a day before the first moment that is asked for: a device whose clock was ahead by more is
found in the lake only.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Final, NamedTuple

import pyarrow.compute as pc

from collector.journal import Journal
from collector.journal_identity import known_journal_id
from collector.sinks.lake import SCHEMA, LakeSink
from collector.sinks.lake_place import place_of
from collector.sinks.parquet_days import batches_of_day
from collector.store_config import LakeWhere
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError

DAY_NS: Final = 86_400_000_000_000
PAGE_ROWS: Final = 5000


class MeteredRow(NamedTuple):
    """One window, in the order of the lake's columns of the same names."""

    row_id: int
    fleet: str
    device_id: str
    boot_id: str
    seq: int
    t_start_unix_ns: int
    duration_s: float
    energy_j: float
    energy_u_j: float
    inference_count: int
    model_id: str
    meter_driver: str
    boundary: str
    simulated: bool
    systematic_id: str


_WINDOW_FIELDS: Final = MeteredRow._fields[4:]


def metered_row(row: StoredWindow) -> MeteredRow:
    """Return what of a journal's row is needed."""
    rest = (getattr(row.window, name) for name in _WINDOW_FIELDS)
    return MeteredRow(row.row_id, row.fleet, row.device_id, row.boot_id, *rest)


def day_rows(
    journal: Journal, lake_dir: LakeWhere | None, start_unix_ns: int, end_unix_ns: int, up_to_row_id: int
) -> Iterator[list[MeteredRow]]:
    """Yield the windows that start in ``[start, end)``, which lies within one UTC day, up to a row of the journal.

    Raises ConfigurationError when the lake cannot be read.
    """
    after = 0
    if lake_dir is not None and (cursor := journal.cursor(LakeSink.name)) > 0:
        after = min(cursor, up_to_row_id)
        yield from _of_lake(lake_dir, known_journal_id(journal), start_unix_ns, end_unix_ns, after)
    yield from journal_rows(journal, start_unix_ns, end_unix_ns, after, up_to_row_id)


def journal_rows(
    journal: Journal, start_unix_ns: int, end_unix_ns: int, after_row_id: int, up_to_row_id: int
) -> Iterator[list[MeteredRow]]:
    """Yield those of the journal's windows after a row and up to another one that start in ``[start, end)``."""
    after = max(after_row_id, _received_before(journal, start_unix_ns - DAY_NS) if after_row_id == 0 else 0)
    while after < up_to_row_id and (page := journal.rows_after(after, PAGE_ROWS)):
        after = page[-1].row_id
        found = [
            metered_row(row)
            for row in page
            if row.row_id <= up_to_row_id and start_unix_ns <= row.window.t_start_unix_ns < end_unix_ns
        ]
        if found:
            yield found


def _of_lake(
    lake_dir: LakeWhere, journal: str, start_unix_ns: int, end_unix_ns: int, last_row_id: int
) -> Iterator[list[MeteredRow]]:
    day = dt.datetime.fromtimestamp(start_unix_ns // 1_000_000_000, tz=dt.UTC).date().isoformat()
    start, row_id = pc.field("t_start_unix_ns"), pc.field("row_id")
    wanted = (start >= start_unix_ns) & (start < end_unix_ns) & (row_id <= last_row_id)
    names = list(MeteredRow._fields)
    try:
        for batch in batches_of_day(place_of(lake_dir), SCHEMA, names, journal, day, wanted):
            if batch.num_rows:
                columns = (batch.column(name).to_pylist() for name in names)
                yield [_without_null(MeteredRow(*values)) for values in zip(*columns, strict=True)]
    except OSError as error:
        raise ConfigurationError(f"lake {lake_dir}: cannot read it: {error}; correct [lake] or its access") from error


def _without_null(row: MeteredRow) -> MeteredRow:
    return row._replace(systematic_id="") if row.systematic_id is None else row


def _received_before(journal: Journal, t_unix_ns: int) -> int:
    """Return a row up to which every window came before that moment, by halving: rows are in the order of receipt."""
    low, high = journal.first_row_id() - 1, journal.last_row_id()
    while low < high:
        middle = (low + high + 1) // 2
        page = journal.rows_after(middle - 1, 1)
        if page and page[0].received_unix_ns < t_unix_ns:
            low = middle
        else:
            high = middle - 1
    return low
