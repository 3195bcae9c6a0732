"""What every engine does alike: free names for its tables, SQL for its questions, one line for its errors."""

import functools
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from collector.assessment.query import Table
from collector.sinks.lake_place import Place
from edge_agent.wire.errors import ConfigurationError


class FreeNames:
    """Names that are free again after use, so that like questions are the same SQL; see ``sql_of``."""

    def __init__(self) -> None:
        self._used: set[int] = set()

    @contextmanager
    def one(self) -> Iterator[str]:
        """Give a name."""
        number = next(number for number in itertools.count(1) if number not in self._used)
        self._used.add(number)
        try:
            yield f"edgejoule_{number}"
        finally:
            self._used.remove(number)


def sql_of(question: Table, dialect: str) -> str:
    """Return the SQL of an expression."""
    return _sql(question.op(), dialect)


@functools.lru_cache(maxsize=64)
def _sql(operation: Any, dialect: str) -> str:
    """Return the SQL of an expression's operation: to write it takes longer than to answer it for a few windows."""
    return str(ibis.to_sql(operation.to_expr(), dialect=dialect))


def temporary(directory: Path | None) -> "tempfile.TemporaryDirectory[str]":
    """Return a directory for what does not fit into memory. Raises ConfigurationError where none can be made."""
    try:
        return tempfile.TemporaryDirectory(prefix="edgejoule-assess-", dir=directory)
    except OSError as error:
        raise ConfigurationError(
            f"--temp-dir {directory}: cannot write there: {error.strerror}; name another directory"
        ) from error


class OpenScans:
    """The files that an engine reads at the moment: a question may be asked of several scans."""

    def __init__(self) -> None:
        self._open: list[tuple[Place, Sequence[str]]] = []

    @contextmanager
    def one(self, place: Place, names: Sequence[str]) -> Iterator[None]:
        """Read these as well."""
        self._open.append((place, names))
        try:
            yield
        finally:
            self._open.pop()

    def unreadable(self, place: Place, words: str) -> ConfigurationError:
        """Return what went wrong in reading as one line that names the damaged file and says what to do."""
        files = (f"{at.where}/{name}" for at, names in self._open for name in names if not _readable(at, name))
        where = next(files, f"lake {place.where}")
        return ConfigurationError(f"{where}: cannot read it: {words}; move a damaged file away, or correct [lake]")


def _readable(place: Place, name: str) -> bool:
    try:
        with place.open(name) as file:
            pq.read_table(file)
    except (OSError, pa.ArrowException):
        return False
    return True


def first_line(words: str) -> str:
    """Return the first line of what an error says, printable and not too long."""
    line = next(iter(words.splitlines()), "no reason given")[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
