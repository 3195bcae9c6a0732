"""DuckDB behind ibis, with its memory bounded: what does not fit goes to a temporary directory and comes back.

ibis writes the SQL and DuckDB runs it: ibis' own connection lags behind what DuckDB deprecates. Files of a local
directory are read by DuckDB itself, those at an address through pyarrow and fsspec.
"""

import functools
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import ibis
import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from collector.assessment.query import Table
from collector.sinks.lake_place import LocalPlace, Place
from edge_agent.wire.errors import ConfigurationError

DEFAULT_MEMORY_BYTES: Final = 1_000_000_000
_LEAST_MEMORY_BYTES: Final = 100_000_000
_MOST_THREADS: Final = 256
_INTERRUPTED: Final = "Query interrupted"
"""What DuckDB says, as a RuntimeError, when Ctrl-C ends a query."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an assessment may use. ``memory_bytes`` bounds DuckDB; Python with its libraries comes on top of it.

    ``temp_dir``: where what does not fit into it goes; None: where the system keeps temporary files.
    """

    memory_bytes: int = DEFAULT_MEMORY_BYTES
    threads: int = 2
    temp_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.memory_bytes < _LEAST_MEMORY_BYTES:
            raise ConfigurationError(
                f"--memory-mb {self.memory_bytes / 1e6:g} is too little to read a lake with; "
                f"give at least {_LEAST_MEMORY_BYTES / 1e6:g}"
            )
        if not 1 <= self.threads <= _MOST_THREADS:
            raise ConfigurationError(f"--threads {self.threads}: give 1 to {_MOST_THREADS}, about as many as cores")


class Engine:
    """One DuckDB, a context manager: its temporary files end with it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used: set[int] = set()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            spill = opening.enter_context(self._temporary())
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

    def _temporary(self) -> "tempfile.TemporaryDirectory[str]":
        try:
            return tempfile.TemporaryDirectory(prefix="edgejoule-assess-", dir=self._limits.temp_dir)
        except OSError as error:
            raise ConfigurationError(
                f"--temp-dir {self._limits.temp_dir}: cannot write there: {error.strerror}; name another directory"
            ) from error

    @contextmanager
    def scan(self, place: Place, names: Sequence[str], schema: pa.Schema) -> Iterator[Table]:
        """Give the rows of these files, at least one, as a table; a column that a file lacks is null there.

        Raises ConfigurationError when a file cannot be read, also while the table is used.
        """
        with self._free_name() as name, _told(place, names), place.readable(list(names)) as (root, files):
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
        with self._free_name() as name:
            self._connection.register(name, content)
            try:
                yield ibis.table(ibis.Schema.from_pyarrow(content.schema), name=name)
            finally:
                self._connection.unregister(name)

    def answer(self, question: Table) -> pa.Table:
        """Return what an expression gives.

        Raises ConfigurationError when its memory does not suffice, and KeyboardInterrupt for Ctrl-C.
        """
        try:
            found: Any = self._connection.sql(_sql(question.op()))
            rows = found.to_arrow_table()
        except RuntimeError as error:
            if str(error) == _INTERRUPTED:
                raise KeyboardInterrupt from error
            raise
        except duckdb.OutOfMemoryException as error:
            raise ConfigurationError(
                f"--memory-mb {self._limits.memory_bytes / 1e6:g} is too little for this lake; give more, or fewer "
                f"--threads, or room in --temp-dir ({_first_line(error)})"
            ) from error
        return rows.cast(question.schema().to_pyarrow())  # sums of integers are wider in DuckDB

    @contextmanager
    def _free_name(self) -> Iterator[str]:
        """Give a name that is free again afterwards, so that like questions are the same SQL; see ``_sql``."""
        number = next(number for number in itertools.count(1) if number not in self._used)
        self._used.add(number)
        try:
            yield f"edgejoule_{number}"
        finally:
            self._used.remove(number)


@functools.lru_cache(maxsize=64)
def _sql(question: Any) -> str:
    """Return the SQL of an expression's operation: to write it takes longer than to answer it for a few windows."""
    return str(ibis.to_sql(question.to_expr(), dialect="duckdb"))


@contextmanager
def _told(place: Place, names: Sequence[str]) -> Iterator[None]:
    """Turn what goes wrong in reading these files into one line that says what to do."""
    try:
        yield
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        ours = isinstance(error, duckdb.ProgrammingError) and not isinstance(error, duckdb.InvalidInputException)
        if ours or isinstance(error, duckdb.InterruptException):
            raise
        damaged = next((name for name in names if not _readable(place, name)), "")
        where = f"{place.where}/{damaged}" if damaged else f"lake {place.where}"
        raise ConfigurationError(
            f"{where}: cannot read it: {_first_line(error)}; move a damaged file away, or correct [lake]"
        ) from error


def _readable(place: Place, name: str) -> bool:
    try:
        with place.open(name) as file:
            pq.read_table(file)
    except (OSError, pa.ArrowException):
        return False
    return True


def _first_line(error: BaseException) -> str:
    line = next(iter(str(error).splitlines()), type(error).__name__)[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
