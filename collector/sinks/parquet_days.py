"""Rows of one kind as Parquet files, partitioned by UTC day: how a file comes to be, and when it must not.

``<directory>/date=YYYY-MM-DD/<prefix>-<first row id>.parquet``, zstd. A file's name comes from the first journal row
that it holds, so a batch that is written again after a crash (between the rename and the move of the cursor)
replaces its own files, however long the second batch is: no row is ever in the lake twice.
"""

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import pyarrow as pa
import pyarrow.parquet as pq

from collector.values import Row, WriteOutcome


@dataclass(frozen=True, slots=True)
class ParquetDays(Generic[Row]):
    """``to_table``: rows as columns, among them ``identity``, which tell one journal's row from another's.

    ``t_unix_ns``: by which a row belongs to a day.
    """

    directory: Path
    prefix: str
    to_table: Callable[[list[Row]], pa.Table]
    t_unix_ns: Callable[[Row], int]
    identity: tuple[str, ...]

    def write(self, rows: list[Row]) -> WriteOutcome[Row]:
        """Write one file per day that occurs in ``rows``. All rows are accepted, or all are kept with the reason.

        Every file is fsynced and renamed, and its directory fsynced, before return.
        """
        days: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            days[self._day(row)].append(row)
        try:
            if rows and rows[0].row_id == 1 and self._is_of_another_journal(rows[0]):
                return WriteOutcome(accepted=0, kept=len(rows), retry_reason=self._other_journal(self.directory))
            for day_rows in days.values():
                refusal = self._write_day(day_rows)
                if refusal:
                    return WriteOutcome(accepted=0, kept=len(rows), retry_reason=refusal)
        except OSError as error:
            reason = f"{self.directory}: {error.strerror or error}; free space or correct the permissions"
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        except pa.ArrowException as error:
            reason = f"{self.directory}: a file that is already there is damaged ({error}); move it away"
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        return WriteOutcome(accepted=len(rows))

    def _write_day(self, rows: list[Row]) -> str:
        path = self._path(rows[0])
        folder = path.parent
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _fsync_directory(self.directory)
        if path.exists() and not self._begins_with(path, rows[0]):
            return self._other_journal(path)
        # A dot in front: readers of a Parquet folder pass such files over, so a torn one is never read.
        temporary = folder / f".{path.name}.tmp"
        with temporary.open("wb") as file:
            pq.write_table(self.to_table(rows), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _fsync_directory(folder)
        return ""

    def _is_of_another_journal(self, first_row: Row) -> bool:
        """Return whether the lake holds files, but not the one that a journal's first row begins, always the first."""
        return not self._path(first_row).exists() and any(self.directory.glob("date=*/*.parquet"))

    def _other_journal(self, place: Path) -> str:
        return f"{place} came from another journal; move {self.directory} away and start with an empty lake"

    def _path(self, first_row: Row) -> Path:
        return self.directory / f"date={self._day(first_row)}" / f"{self.prefix}-{first_row.row_id:020d}.parquet"

    def _begins_with(self, path: Path, row: Row) -> bool:
        """Return whether the file's first row is ``row``: another journal's rows must not be overwritten."""
        columns = list(self.identity)
        first = pq.ParquetFile(path).read_row_group(0, columns=columns).slice(0, 1)
        return bool(first.to_pylist() == self.to_table([row]).select(columns).to_pylist())

    def _day(self, row: Row) -> str:
        return dt.datetime.fromtimestamp(self.t_unix_ns(row) // 1_000_000_000, tz=dt.UTC).date().isoformat()


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
