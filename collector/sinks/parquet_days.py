"""Rows of one kind as Parquet files, partitioned by UTC day: how a file comes to be, and when it must not.

``date=YYYY-MM-DD/<prefix>-<journal>-<first row id>.parquet``, zstd. A file's name comes from the journal and from the
first of its rows that the file holds, so a batch that is written again after a crash (between the rename and the move
of the cursor) replaces its own files, however long the second batch is: no row is ever in the lake twice. Journals
have ids of their own, so several collectors may share one lake. Files of earlier versions have no journal in their
names; what this journal wrote then is replaced under its old name.
"""

import datetime as dt
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from collector.sinks.lake_place import Place
from collector.values import Row, WriteOutcome

_BATCH_ROWS: Final = 20_000
_MOST_FILES: Final = 256
PARTITIONS: Final = ds.partitioning(pa.schema([("date", pa.string())]), flavor="hive")
_NAME: Final = re.compile(r"date=[^/]+/\w+-(?:(?P<journal>[0-9a-f]{16})-)?(?P<row>\d{20})\.parquet")


@dataclass(frozen=True, slots=True)
class ParquetDays(Generic[Row]):
    """``to_table``: rows as columns, among them ``identity``, which tell one journal's row from another's.

    ``t_unix_ns``: by which a row belongs to a day. ``journal``: the id in the names, "" for none.
    """

    place: Place
    prefix: str
    to_table: Callable[[list[Row]], pa.Table]
    t_unix_ns: Callable[[Row], int]
    identity: tuple[str, ...]
    journal: str = ""
    _nameless: list[frozenset[str]] = field(default_factory=list)
    """The names without a journal's id that were there at the first write; nothing adds to them."""

    def write(self, rows: list[Row]) -> WriteOutcome[Row]:
        """Write one file per day that occurs in ``rows``. All rows are accepted, or all are kept with the reason.

        Every file is there for good before return.
        """
        days: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            days[self._day(row)].append(row)
        where = self.place.where
        try:
            if rows and rows[0].row_id == 1 and self._is_of_another_journal(rows[0]):
                return WriteOutcome(accepted=0, kept=len(rows), retry_reason=self._other_journal(where))
            for day_rows in days.values():
                refusal = self._write_day(day_rows)
                if refusal:
                    return WriteOutcome(accepted=0, kept=len(rows), retry_reason=refusal)
        except OSError as error:
            reason = f"{where}: {error.strerror or error}; free space or correct the permissions"
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        except pa.ArrowException as error:
            reason = f"{where}: a file that is already there is damaged ({error}); move it away"
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        return WriteOutcome(accepted=len(rows))

    def _write_day(self, rows: list[Row]) -> str:
        name = self._name(rows[0])
        old_name = self._name(rows[0], journal="")
        if self.journal and old_name in self._old_names() and self._begins_with(old_name, rows[0]):
            name = old_name  # written by an earlier version, before the cursor moved
        elif self.place.exists(name) and not self._begins_with(name, rows[0]):
            return self._other_journal(f"{self.place.where}/{name}")
        content = io.BytesIO()
        pq.write_table(self.to_table(rows), content, compression="zstd")
        self.place.write(name, content.getvalue())
        return ""

    def _is_of_another_journal(self, first_row: Row) -> bool:
        """Return whether the lake holds files of this id, but not the one that the first row begins, always the first.

        So it is when a journal was put back from a copy, or, without an id, when it is another one.
        """
        if self.place.exists(self._name(first_row)):
            return False
        return any(journal_of(name) == self.journal for name in self.place.names())

    def _old_names(self) -> frozenset[str]:
        if not self._nameless:
            self._nameless.append(frozenset(name for name in self.place.names() if not journal_of(name)))
        return self._nameless[0]

    def _other_journal(self, where: str) -> str:
        return f"{where} came from another journal; move {self.place.where} away and start with an empty lake"

    def _name(self, first_row: Row, journal: str | None = None) -> str:
        journal = self.journal if journal is None else journal
        middle = f"{journal}-" if journal else ""
        return f"date={self._day(first_row)}/{self.prefix}-{middle}{first_row.row_id:020d}.parquet"

    def _begins_with(self, name: str, row: Row) -> bool:
        """Return whether the file's first row is ``row``: another journal's rows must not be overwritten."""
        columns = list(self.identity)
        with self.place.open(name) as file:
            first = pq.ParquetFile(file).read_row_group(0, columns=columns).slice(0, 1)
        return bool(first.to_pylist() == self.to_table([row]).select(columns).to_pylist())

    def _day(self, row: Row) -> str:
        return dt.datetime.fromtimestamp(self.t_unix_ns(row) // 1_000_000_000, tz=dt.UTC).date().isoformat()


def journal_of(name: str) -> str:
    """Return the id of the journal that a file came from, "" for a file of an earlier version."""
    found = _NAME.fullmatch(name)
    return (found["journal"] or "") if found else ""


def first_row_id(name: str) -> int | None:
    """Return the number of the first row of a file, as its name says it; None for a file of another kind."""
    found = _NAME.fullmatch(name)
    return int(found["row"]) if found else None


def read_days(place: Place, schema: pa.Schema, columns: list[str], journal: str = "", wanted: Any = None) -> pa.Table:
    """Return the rows of all files with ``columns`` of ``schema``, filtered by ``wanted``, in no particular order.

    ``journal``: only what came from it. Files without an id are counted as its own unless the file of its very first
    row has one: then it never wrote another kind. An absent directory gives no rows. Raises OSError.
    """
    names = _names_of(place, journal)
    if not names:
        return schema.empty_table().select(columns)
    with place.readable(names) as (root, files):
        paths = [f"{root}/{name}" for name in names]
        found = ds.dataset(
            paths, filesystem=files, format="parquet", schema=schema, partitioning=PARTITIONS, partition_base_dir=root
        )
        return found.to_table(columns=columns, filter=wanted)


def rows_in_order(
    place: Place, schema: pa.Schema, columns: list[str], journal: str, wanted: Any = None
) -> Iterator[pa.Table]:
    """Yield the rows as ``read_days`` finds them, in the order of ``row_id``, some files at a time.

    A batch of rows lies in the files of all days that it touches, and the next batch begins after its last row: what
    comes before the first row of the files that are still to be read is complete. Raises OSError.
    """
    names = sorted(_names_of(place, journal), key=lambda name: (first_row_id(name) or 0, name))
    if not names:
        return
    held = schema.empty_table().select(columns)
    with place.readable(names) as (root, files):
        at, count = 0, 1
        while at < len(names):
            paths = [f"{root}/{name}" for name in names[at : at + count]]
            at += count
            found = ds.dataset(paths, filesystem=files, format="parquet", schema=schema)
            read = found.to_table(columns=columns, filter=wanted)
            held = pa.concat_tables([held, read]).sort_by("row_id")
            complete = held.num_rows
            if at < len(names):
                complete = int(np.searchsorted(held["row_id"].to_numpy(), first_row_id(names[at]) or 0))
            if complete:
                yield held.slice(0, complete)
            held = held.slice(complete).combine_chunks()
            count = min(2 * count, _MOST_FILES) if read.num_rows < _BATCH_ROWS else max(count // 2, 1)


def batches_of_day(
    place: Place, schema: pa.Schema, columns: list[str], journal: str, day: str, wanted: Any = None
) -> Iterator[pa.RecordBatch]:
    """Yield one day's rows as ``read_days`` finds them, a batch at a time. ``day``: YYYY-MM-DD. Raises OSError."""
    names = [name for name in _names_of(place, journal) if name.startswith(f"date={day}/")]
    if not names:
        return
    with place.readable(names) as (root, files):
        paths = [f"{root}/{name}" for name in names]
        found = ds.dataset(paths, filesystem=files, format="parquet", schema=schema)
        yield from found.to_batches(columns=columns, filter=wanted, batch_size=_BATCH_ROWS, fragment_readahead=1)


def _names_of(place: Place, journal: str) -> list[str]:
    """Return the names of all files, or of those that came from one journal; see ``read_days``."""
    names = [name for name in place.names() if _NAME.fullmatch(name)]
    if journal:
        first = f"-{journal}-{1:020d}.parquet"
        own = {journal} if any(name.endswith(first) for name in names) else {journal, ""}
        names = [name for name in names if journal_of(name) in own]
    return names
