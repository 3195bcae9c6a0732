"""The lake's benches: ``<directory>/_bench/date=YYYY-MM-DD/benches-<journal>-<first row id>.parquet``.

The underscore keeps them apart: readers of the lake's own folder, of any version, pass such folders over, so that
nobody gets benches among the windows; name ``_bench`` to read them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import pyarrow as pa

from collector.sinks.bench_fields import BOOLEANS, FLOATS, INTEGERS, STRINGS
from collector.sinks.lake import LakeSink
from collector.sinks.lake_place import place_of
from collector.sinks.parquet_days import ParquetDays, read_days
from collector.store_config import LakeWhere
from collector.values import StoredBench, WriteOutcome

DIRECTORY_NAME: Final = "_bench"
_OF_ROW: Final[dict[str, tuple[pa.DataType, Callable[[StoredBench], Any]]]] = {
    "row_id": (pa.int64(), lambda row: row.row_id),
    "fleet": (pa.string(), lambda row: row.fleet),
    "device_id": (pa.string(), lambda row: row.device_id),
    "received_unix_ns": (pa.int64(), lambda row: row.received_unix_ns),
    "t_start_unix_ns": (pa.int64(), lambda row: row.bench.t_start_unix_ns),
    "valid": (pa.bool_(), lambda row: row.valid),
    "simulated": (pa.bool_(), lambda row: row.bench.simulated),
    "device_class": (pa.string(), lambda row: row.bench.device_class),
    "model_id": (pa.string(), lambda row: row.bench.model_id),
    "runtime": (pa.string(), lambda row: row.bench.runtime.runtime),
    "runtime_delegate": (pa.string(), lambda row: row.bench.runtime.delegate),
    "meter_driver": (pa.string(), lambda row: row.bench.meter_driver),
    "boundary": (pa.string(), lambda row: row.bench.boundary),
    "record_json": (pa.string(), lambda row: msgspec.json.encode(row.bench).decode()),
}
_OF_BENCH: Final = {
    **{name: (pa.float64(), of) for name, of in FLOATS.items()},
    **{name: (pa.int64(), of) for name, of in INTEGERS.items()},
    **{name: (pa.string(), of) for name, of in STRINGS.items()},
    **{name: (pa.bool_(), of) for name, of in BOOLEANS.items()},
}
SCHEMA: Final[pa.Schema] = pa.schema([(name, column[0]) for name, column in (_OF_ROW | _OF_BENCH).items()])
"""One row per bench. Null is unknown. ``record_json``: the whole record, budgets and single windows included."""


class BenchLakeSink:
    """Feeds the lake's benches from the journal."""

    name = f"{LakeSink.name}/bench"

    def __init__(self, where: LakeWhere, max_rows: int = 100, max_wait_s: float = 60.0, *, journal: str = "") -> None:
        """``where``: the lake's place. ``journal``: the id of the journal that feeds it."""
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        self._days: ParquetDays[StoredBench] = ParquetDays(
            place_of(where, DIRECTORY_NAME),
            "benches",
            benches_to_table,
            lambda row: row.bench.t_start_unix_ns,
            ("row_id", "fleet", "device_id", "bench_id"),
            journal,
        )

    def write(self, rows: list[StoredBench]) -> WriteOutcome[StoredBench]:
        """Write one file per day that occurs in ``rows``. All rows are accepted, or all are kept with the reason."""
        return self._days.write(rows)

    def close(self) -> None:
        """Let go of connections."""
        self._days.place.close()


def benches_to_table(rows: Iterable[StoredBench]) -> pa.Table:
    """Return ``rows`` as flat typed columns (``SCHEMA``)."""
    listed = list(rows)
    columns = [[of(row) for row in listed] for _, of in _OF_ROW.values()]
    columns += [[of(row.bench) for row in listed] for _, of in _OF_BENCH.values()]
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def read_lake_benches(where: LakeWhere) -> pa.Table:
    """Return the benches of the lake; an absent one gives a table of no rows. Raises OSError."""
    return read_days(place_of(where, DIRECTORY_NAME), SCHEMA, SCHEMA.names)
