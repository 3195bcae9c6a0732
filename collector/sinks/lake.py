"""The lake: Parquet files partitioned by UTC day, for analysis with anything that reads Parquet.

Windows lie in ``<lake>/date=YYYY-MM-DD/windows-<journal>-<first row id>.parquet``; see ``parquet_days``. Columns may
be added: files of an earlier version lack them, and are read with nulls there. Where several collectors share a lake,
a window that a device had to send twice may be there from both: tell rows apart by device_id, boot_id and seq.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from collector.sinks.lake_place import place_of
from collector.sinks.parquet_days import ParquetDays, read_days, rows_in_order
from collector.store_config import LakeWhere
from collector.values import StoredWindow, WriteOutcome
from edge_agent.wire.errors import ConfigurationError

_STRINGS: Final = (
    "clock_state",
    "model_id",
    "model_sha256",
    "meter_id",
    "meter_driver",
    "boundary",
    "sync_method",
    "systematic_id",
    "governor",
)
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
    "net_energy_j",
    "net_energy_u_j",
    "freq_min_mhz",
    "freq_max_mhz",
    "soc_temp_max_c",
    "agent_cpu_ratio",
    "overhead_cpu_ratio",
    "other_cpu_ratio",
    "t_start_early_s",
)
_INTEGERS: Final = ("seq", "t_start_unix_ns", "t_start_boot_ns", "inference_count", "frame_error_count")
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
        ("flags", pa.list_(pa.string())),
        ("runtime", pa.string()),
        ("runtime_version", pa.string()),
        ("runtime_delegate", pa.string()),
        ("runtime_threads", pa.int32()),
    ]
)
"""One row per window. Null is unknown; units are in the names. Columns may be added, never renamed."""

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
    """Feeds the lake's windows from the journal."""

    name = "lake"

    def __init__(self, where: LakeWhere, max_rows: int = 5000, max_wait_s: float = 60.0, *, journal: str = "") -> None:
        """``journal``: the id of the journal that feeds it. Raises ConfigurationError; see ``lake_place``."""
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        self._days: ParquetDays[StoredWindow] = ParquetDays(
            place_of(where),
            "windows",
            rows_to_table,
            lambda row: row.window.t_start_unix_ns,
            ("row_id", "device_id", "boot_id", "seq"),
            journal,
        )

    def write(self, rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        """Write one file per day that occurs in ``rows``. All rows are accepted, or all are kept with the reason."""
        return self._days.write(rows)

    def close(self) -> None:
        """Let go of connections."""
        self._days.place.close()


def rows_to_table(rows: Iterable[StoredWindow], names: Sequence[str] | None = None) -> pa.Table:
    """Return ``rows`` as flat typed columns: those of ``SCHEMA``, or only the named ones."""
    listed = list(rows)
    columns = []
    schema = SCHEMA if names is None else pa.schema([SCHEMA.field(name) for name in names])
    for field in schema:
        of_row = _OF_ROW.get(field.name)
        name = field.name
        values = [of_row(row) for row in listed] if of_row else [getattr(row.window, name) for row in listed]
        columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def read_lake(
    where: LakeWhere, columns: list[str] | None = None, last_row_id: int | None = None, journal: str = ""
) -> pa.Table:
    """Return the lake's rows up to ``last_row_id`` (all by default) with the named ``columns`` (all of ``SCHEMA``).

    ``journal``: only the rows that came from the journal of this id. An absent or empty lake gives a table of no
    rows. Rows are in no particular order. Raises ConfigurationError when the lake cannot be read.
    """
    names = SCHEMA.names if columns is None else columns
    wanted = None if last_row_id is None else ds.field("row_id") <= last_row_id
    try:
        return read_days(place_of(where), SCHEMA, names, journal, wanted)
    except OSError as error:
        raise ConfigurationError(f"lake {where}: cannot read it: {error}; correct [lake] or its access") from error


def lake_pages(where: LakeWhere, columns: list[str], last_row_id: int, journal: str) -> Iterator[pa.Table]:
    """Yield the same rows page by page, in the order of ``row_id``, which has to be one of ``columns``.

    Raises ConfigurationError when the lake cannot be read.
    """
    try:
        yield from rows_in_order(place_of(where), SCHEMA, columns, journal, ds.field("row_id") <= last_row_id)
    except OSError as error:
        raise ConfigurationError(f"lake {where}: cannot read it: {error}; correct [lake] or its access") from error
