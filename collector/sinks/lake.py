"""The lake: Parquet files partitioned by UTC day, for analysis with anything that reads Parquet.

``<directory>/date=YYYY-MM-DD/windows-<first row id>.parquet``, zstd. A file's name comes from the first journal row
that it holds, so a batch that is written again after a crash (between the rename and the move of the cursor)
replaces its own files, however long the second batch is: no row is ever in the lake twice.
"""

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from collector.values import StoredWindow, WriteOutcome

_STRINGS: Final = ("clock_state", "model_id", "model_sha256", "meter_id", "meter_driver", "boundary", "sync_method")
_FLOATS: Final = (
    "duration_s",
    "energy_j",
    "energy_u_j",
    "energy_u_systematic_j",
    "gap_s",
    "busy_s",
    "sync_residual_s",
    "idle_power_w",
    "idle_power_u_w",
    "latency_p50_s",
    "latency_p95_s",
    "latency_max_s",
    "sample_count",
    "lost_count",
    "soc_temp_c",
    "freq_mhz",
)
_INTEGERS: Final = ("seq", "t_start_unix_ns", "inference_count", "frame_error_count")
_BOOLEANS: Final = ("simulated", "throttled")

SCHEMA: Final[pa.Schema] = pa.schema(
    [
        ("row_id", pa.int64()),
        ("fleet", pa.string()),
        ("device_id", pa.string()),
        ("boot_id", pa.string()),
        ("received_unix_ns", pa.int64()),
        *((name, pa.int64()) for name in _INTEGERS),
        *((name, pa.float64()) for name in _FLOATS),
        *((name, pa.string()) for name in _STRINGS),
        *((name, pa.bool_()) for name in _BOOLEANS),
        ("runtime", pa.string()),
        ("runtime_version", pa.string()),
        ("runtime_delegate", pa.string()),
        ("runtime_threads", pa.int32()),
    ]
)
"""One row per window. Null is unknown; units are in the names. Columns may be added, never renamed."""

_PARTITIONS: Final = ds.partitioning(pa.schema([("date", pa.string())]), flavor="hive")
_OF_ROW: Final[dict[str, Callable[[StoredWindow], Any]]] = {
    "row_id": lambda row: row.row_id,
    "fleet": lambda row: row.fleet,
    "device_id": lambda row: row.device_id,
    "boot_id": lambda row: row.boot_id,
    "received_unix_ns": lambda row: row.received_unix_ns,
    "runtime": lambda row: row.window.runtime.runtime,
    "runtime_version": lambda row: row.window.runtime.version,
    "runtime_delegate": lambda row: row.window.runtime.delegate,
    "runtime_threads": lambda row: row.window.runtime.threads,
}


class LakeSink:
    """Feeds the lake from the journal. Every file is fsynced and renamed, and its directory fsynced, before return."""

    name = "lake"

    def __init__(self, directory: Path, max_rows: int = 5000, max_wait_s: float = 60.0) -> None:
        self.directory = directory
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s

    def write(self, rows: list[StoredWindow]) -> WriteOutcome:
        """Write one file per day that occurs in ``rows``. All rows are accepted, or all are kept with the reason."""
        days: dict[str, list[StoredWindow]] = defaultdict(list)
        for row in rows:
            days[_day(row.window.t_start_unix_ns)].append(row)
        try:
            if rows and rows[0].row_id == 1 and self._is_of_another_journal(rows[0]):
                return WriteOutcome(accepted=0, kept=len(rows), retry_reason=self._other_journal(self.directory))
            for day, day_rows in days.items():
                refusal = self._write_day(day, day_rows)
                if refusal:
                    return WriteOutcome(accepted=0, kept=len(rows), retry_reason=refusal)
        except OSError as error:
            reason = f"{self.directory}: {error.strerror or error}; free space or correct the permissions"
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        except pa.ArrowException as error:
            reason = f"{self.directory}: a file that is already there is damaged ({error}); move it away"
            return WriteOutcome(accepted=0, kept=len(rows), retry_reason=reason)
        return WriteOutcome(accepted=len(rows))

    def close(self) -> None:
        """Nothing is open between two writes."""

    def _write_day(self, day: str, rows: list[StoredWindow]) -> str:
        path = self._path(day, rows[0])
        folder = path.parent
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _fsync_directory(self.directory)
        if path.exists() and not _begins_with(path, rows[0]):
            return self._other_journal(path)
        # A dot in front: readers of a Parquet folder pass such files over, so a torn one is never read.
        temporary = folder / f".{path.name}.tmp"
        with temporary.open("wb") as file:
            pq.write_table(rows_to_table(rows), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _fsync_directory(folder)
        return ""

    def _is_of_another_journal(self, first_row: StoredWindow) -> bool:
        """Return whether the lake holds files, but not the one that a journal's first row begins, always the first."""
        path = self._path(_day(first_row.window.t_start_unix_ns), first_row)
        return not path.exists() and any(self.directory.glob("date=*/*.parquet"))

    def _other_journal(self, place: Path) -> str:
        return f"{place} came from another journal; move {self.directory} away and start with an empty lake"

    def _path(self, day: str, first_row: StoredWindow) -> Path:
        return self.directory / f"date={day}" / f"windows-{first_row.row_id:020d}.parquet"


def rows_to_table(rows: Iterable[StoredWindow]) -> pa.Table:
    """Return ``rows`` as flat typed columns (``SCHEMA``)."""
    listed = list(rows)
    columns = []
    for field in SCHEMA:
        of_row = _OF_ROW.get(field.name)
        name = field.name
        values = [of_row(row) for row in listed] if of_row else [getattr(row.window, name) for row in listed]
        columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def read_lake(directory: Path, columns: list[str] | None = None, last_row_id: int | None = None) -> pa.Table:
    """Return the lake's rows up to ``last_row_id`` (all by default) with the named ``columns`` (all of ``SCHEMA``).

    An absent or empty directory gives a table of no rows. Rows are in no particular order.
    """
    names = SCHEMA.names if columns is None else columns
    if not directory.is_dir():
        return SCHEMA.empty_table().select(names)
    lake = ds.dataset(directory, format="parquet", schema=SCHEMA, partitioning=_PARTITIONS)
    wanted = None if last_row_id is None else ds.field("row_id") <= last_row_id
    return lake.to_table(columns=names, filter=wanted)


def _day(t_unix_ns: int) -> str:
    return dt.datetime.fromtimestamp(t_unix_ns // 1_000_000_000, tz=dt.UTC).date().isoformat()


def _begins_with(path: Path, row: StoredWindow) -> bool:
    """Return whether the file's first row is ``row``: another journal's rows must not be overwritten."""
    first = pq.ParquetFile(path).read_row_group(0, columns=["row_id", "device_id", "boot_id", "seq"]).slice(0, 1)
    return bool(
        first.to_pylist()
        == [{"row_id": row.row_id, "device_id": row.device_id, "boot_id": row.boot_id, "seq": row.window.seq}]
    )


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
