"""Who answers the questions of ``query``: DuckDB on this machine, or Spark where one machine is not enough.

A question is an ibis expression; an engine gives tables to ask of, and answers with Arrow. Both read the same Parquet
files, and give the same numbers.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self

import msgspec
import pyarrow as pa

from collector.assessment.query import Table
from collector.sinks.lake_place import Place
from edge_agent.wire.errors import ConfigurationError

DEFAULT_MEMORY_BYTES: Final = 1_000_000_000
EngineName = Literal["duckdb", "spark"]
_LEAST_MEMORY_BYTES: Final[dict[EngineName, int]] = {"duckdb": 100_000_000, "spark": 500_000_000}
"""Spark's: it does not start with a heap of less than 1.5 times the 300 MB that it reserves (spark.apache.org, Tuning,
Memory Management Overview)."""
_MOST_THREADS: Final = 256


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Who does the work, and what it may use. ``memory_bytes`` bounds the engine; Python comes on top of it.

    ``temp_dir``: where what does not fit into it goes; None: where the system keeps temporary files. A Spark that was
    started by spark-submit has its own limits, and these are not used.
    """

    memory_bytes: int = DEFAULT_MEMORY_BYTES
    threads: int = 2
    temp_dir: Path | None = None
    engine: EngineName = "duckdb"

    def __post_init__(self) -> None:
        if self.memory_bytes < (least := _LEAST_MEMORY_BYTES[self.engine]):
            raise ConfigurationError(
                f"--memory-mb {self.memory_bytes / 1e6:g} is too little to read a lake with {self.engine}; "
                f"give at least {least / 1e6:g}"
            )
        if not 1 <= self.threads <= _MOST_THREADS:
            raise ConfigurationError(f"--threads {self.threads}: give 1 to {_MOST_THREADS}, about as many as cores")


class Engine(Protocol):
    """Entered once, left once: what it keeps of files and tables ends with it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def scan(self, place: Place, names: Sequence[str], schema: pa.Schema) -> AbstractContextManager[Table]:
        """Give the rows of these files, at least one, as a table; a column that a file lacks is null there.

        A column that none of them has may be missing. Raises ConfigurationError when a file cannot be read, also while
        the table is used.
        """
        ...

    def table(self, content: pa.Table) -> AbstractContextManager[Table]:
        """Give a table of this memory."""
        ...

    def answer(self, question: Table) -> pa.Table:
        """Return what an expression over these tables gives, in no particular order, with the types that ibis says.

        Raises ConfigurationError when its memory does not suffice, and KeyboardInterrupt for Ctrl-C.
        """
        ...


def make_engine(limits: Limits) -> Engine:
    """Return the engine that ``limits`` name, not entered yet. Raises ConfigurationError when it is not installed."""
    if limits.engine == "spark":
        from collector.assessment.spark_engine import SparkEngine  # noqa: PLC0415  an extra of its own

        return SparkEngine(limits)
    from collector.assessment.duckdb_engine import DuckdbEngine  # noqa: PLC0415  only the one that is used

    return DuckdbEngine(limits)
