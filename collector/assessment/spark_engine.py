"""Spark behind ibis: the same questions on the same Parquet files, for what one machine cannot answer.

ibis writes the SQL, Spark runs it. Without spark-submit it is a Spark of this machine, its heap bounded by the limits.
On a cluster every machine has to see the lake's directory under the same path.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import ibis
import pyarrow as pa

from collector.assessment.engine import Limits
from collector.assessment.engine_parts import FreeNames, OpenScans, sql_of, temporary
from collector.assessment.query import Table
from collector.assessment.spark_session import spark_session
from collector.assessment.spark_words import has_ended, root_cause
from collector.sinks.lake_place import LocalPlace, Place
from edge_agent.wire.errors import ConfigurationError

_GLOB: Final = str.maketrans({letter: f"\\{letter}" for letter in "\\*?[]{}"})
_OUT_OF_MEMORY: Final = ("OutOfMemoryError", "SparkOutOfMemoryError", "UNABLE_TO_ACQUIRE_MEMORY", "maxResultSize")


class _SqlOptions(ibis.config.Config):  # type: ignore[misc]  # ibis has no types
    """What ibis' writer of Spark's SQL asks for; its own stands in a module that also loads pandas."""

    treat_nan_as_null: bool = False


class SparkEngine:
    """A session of Spark with views of its own; see ``engine.Engine``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._names = FreeNames()
        self._scans = OpenScans()

    def __enter__(self) -> Self:
        if ibis.options.pyspark is None:
            ibis.options.pyspark = _SqlOptions()
        self._session = spark_session(self._limits)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave: the views have ended with their blocks, and Spark itself ends with the process."""

    @contextmanager
    def scan(self, place: Place, names: Sequence[str], schema: pa.Schema) -> Iterator[Table]:
        """Give the rows of these files; see ``engine.Engine``."""
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415  an extra of its own

        with self._names.one() as name, self._told(place, names), self._directory(place, names) as root:
            paths = [f"file://{root.translate(_GLOB)}/{one.translate(_GLOB)}" for one in names]
            found = self._session.read.schema(from_arrow_schema(schema)).parquet(*paths)
            found.createOrReplaceTempView(name)
            try:
                yield ibis.table(ibis.Schema.from_pyarrow(schema), name=name)
            finally:
                self._session.catalog.dropTempView(name)

    @contextmanager
    def table(self, content: pa.Table) -> Iterator[Table]:
        """Give a table of this memory."""
        with self._names.one() as name:
            self._session.createDataFrame(content).createOrReplaceTempView(name)
            try:
                yield ibis.table(ibis.Schema.from_pyarrow(content.schema), name=name)
            finally:
                self._session.catalog.dropTempView(name)

    def answer(self, question: Table) -> pa.Table:
        """Return what an expression gives; see ``engine.Engine``."""
        rows = self._session.sql(sql_of(question, "pyspark")).toArrow()
        return rows.cast(question.schema().to_pyarrow())

    @contextmanager
    def _directory(self, place: Place, names: Sequence[str]) -> Iterator[str]:
        """Give the directory in which Spark finds these files: what lies at an address is copied."""
        if isinstance(place, LocalPlace):
            yield str(Path(place.where).absolute())
            return
        if not str(self._session.sparkContext.master).startswith("local"):
            raise ConfigurationError(
                f"lake {place.where}: a Spark of many machines cannot read an address of fsspec; put the lake into a "
                "directory that all of them see, or use --engine duckdb"
            )
        with temporary(self._limits.temp_dir) as copy:
            for name in names:
                target = Path(copy, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                with place.open(name) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
            yield copy

    @contextmanager
    def _told(self, place: Place, names: Sequence[str]) -> Iterator[None]:
        """Turn what goes wrong in reading these files into one line that says what to do."""
        from py4j.protocol import Py4JError  # noqa: PLC0415  an extra of its own
        from pyspark.errors import AnalysisException, ParseException, PySparkException  # noqa: PLC0415

        with self._scans.one(place, names):
            try:
                yield
            except (OSError, pa.ArrowException, PySparkException, Py4JError) as error:
                missing = "PATH_NOT_FOUND" in str(error)
                if isinstance(error, (AnalysisException, ParseException)) and not missing:
                    raise
                if has_ended(error):
                    raise ConfigurationError(
                        f"Spark has ended while it read the lake {place.where}: perhaps the system killed it for want "
                        "of memory; give less --memory-mb, or fewer --threads"
                    ) from error
                words = root_cause(error)
                if any(word in words for word in _OUT_OF_MEMORY):
                    raise ConfigurationError(
                        f"--memory-mb {self._limits.memory_bytes / 1e6:g} is too little for this lake with Spark; "
                        f"give more, or fewer --threads ({words})"
                    ) from error
                raise self._scans.unreadable(place, words) from error
