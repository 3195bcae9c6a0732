"""DuckDB behind ibis, with its memory bounded: what does not fit goes to a temporary directory and comes back.

ibis writes the SQL and DuckDB runs it: ibis' own connection lags behind what DuckDB deprecates. Files of a local
directory are read by DuckDB itself, those at an address through pyarrow and fsspec.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import ibis
import pyarrow as pa
import pyarrow.dataset as ds

from collector.assessment.engine import Limits
from collector.assessment.engine_parts import FreeNames, OpenScans, first_line, sql_of, temporary
from collector.assessment.query import Table
from collector.sinks.lake_place import LocalPlace, Place
from edge_agent.wire.errors import ConfigurationError

_INTERRUPTED: Final = "Query interrupted"
"""What DuckDB says, as a RuntimeError, when Ctrl-C ends a query."""


class DuckdbEngine:
    """One DuckDB; see ``engine.Engine``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._names = FreeNames()
        self._scans = OpenScans()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            spill = opening.enter_context(temporary(self._limits.temp_dir))
            settings: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": f"{self._limits.memory_bytes}B",
                "threads": self._limits.threads,
                "temp_directory": spill,
                "preserve_insertion_order": False,
            }
            self._connection = opening.enter_context(duckdb.connect(config=settings))
            self._connection.sql("SET parquet_metadata_cache = true")  # every file is asked for more than once
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @contextmanager
    def scan(self, place: Place, names: Sequence[str], schema: pa.Schema) -> Iterator[Table]:
        """Give the rows of these files; see ``engine.Engine``."""
        with self._names.one() as name, self._told(place, names), place.readable(list(names)) as (root, files):
            paths = [f"{root}/{one}" for one in names]
            if isinstance(place, LocalPlace):
                found = self._connection.read_parquet(paths, union_by_name=True, hive_partitioning=False)
                found.create_view(name)
                present = set(found.columns)
            else:
                self._connection.register(name, ds.dataset(paths, filesystem=files, format="parquet", schema=schema))
                present = set(schema.names)
            known = pa.schema([field for field in schema if field.name in present])
            try:
                yield ibis.table(ibis.Schema.from_pyarrow(known), name=name)
            finally:
                if isinstance(place, LocalPlace):
                    self._connection.sql(f"DROP VIEW IF EXISTS {name}")
                else:
                    self._connection.unregister(name)

    @contextmanager
    def table(self, content: pa.Table) -> Iterator[Table]:
        """Give a table of this memory."""
        with self._names.one() as name:
            self._connection.register(name, content)
            try:
                yield ibis.table(ibis.Schema.from_pyarrow(content.schema), name=name)
            finally:
                self._connection.unregister(name)

    def answer(self, question: Table) -> pa.Table:
        """Return what an expression gives; see ``engine.Engine``."""
        try:
            found: Any = self._connection.sql(sql_of(question, "duckdb"))
            rows = found.to_arrow_table()
        except RuntimeError as error:
            if str(error) == _INTERRUPTED:
                raise KeyboardInterrupt from error
            raise
        except duckdb.OutOfMemoryException as error:
            raise ConfigurationError(
                f"--memory-mb {self._limits.memory_bytes / 1e6:g} is too little for this lake; give more, or fewer "
                f"--threads, or room in --temp-dir ({first_line(str(error))})"
            ) from error
        return rows.cast(question.schema().to_pyarrow())  # sums of integers are wider in DuckDB

    @contextmanager
    def _told(self, place: Place, names: Sequence[str]) -> Iterator[None]:
        """Turn what goes wrong in reading these files into one line that says what to do."""
        with self._scans.one(place, names):
            try:
                yield
            except (OSError, duckdb.Error, pa.ArrowException) as error:
                ours = isinstance(error, duckdb.ProgrammingError) and not isinstance(
                    error, duckdb.InvalidInputException
                )
                if ours or isinstance(error, duckdb.InterruptException):
                    raise
                raise self._scans.unreadable(place, first_line(str(error))) from error
