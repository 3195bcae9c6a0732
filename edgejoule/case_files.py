"""The cases of a comparison as files: written as they come, a few at a time in memory, whole or not at all."""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from edge_agent.wire.errors import ConfigurationError

MOST_KEPT_ROWS: Final = 200_000
"""So many rows are handed back, of the columns that a page reads some 40 MB; of more than that none are."""


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """Where the cases go: a CSV file, a Parquet file, both or neither."""

    csv: Path | None = None
    parquet: Path | None = None


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None:
        """Append rows."""

    def close(self) -> None:
        """Write what has to stand at the end."""


def write_cases(chunks: Iterable[pa.Table], files: CaseFiles, keep: Sequence[str] = ()) -> pa.Table | None:
    """Write all rows, and return their columns ``keep``; None without any, or if there are too many rows.

    Chunks have the columns of the first one. A file appears when it is complete. Raises ConfigurationError where one
    cannot be written.
    """
    kept: list[pa.Table] | None = [] if keep else None
    rows = 0
    with ExitStack() as stack:
        outputs = [
            stack.enter_context(_Output(path, option, start))
            for path, option, start in (
                (files.csv, "--csv", pyarrow.csv.CSVWriter),
                (files.parquet, "--parquet", _parquet_writer),
            )
            if path is not None
        ]
        for chunk in chunks:
            for output in outputs:
                output.append(chunk)
            rows += chunk.num_rows
            if kept is not None:
                kept.append(chunk.select([name for name in chunk.column_names if name in keep]))
            kept = None if rows > MOST_KEPT_ROWS else kept
        for output in outputs:
            output.complete()
    return pa.concat_tables(kept) if kept else None


def _parquet_writer(file: BinaryIO, schema: pa.Schema) -> _Writer:
    writer: _Writer = pyarrow.parquet.ParquetWriter(file, schema, compression="zstd")
    return writer


class _Output:
    """One file, under another name until it is complete. What is no plain file (a pipe) is written as it comes."""

    def __init__(self, path: Path, option: str, start: Callable[[BinaryIO, pa.Schema], _Writer]) -> None:
        self._path, self._option, self._start = path, option, start
        self._plain = not path.exists() or path.is_file()
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial") if self._plain else path
        self._writer: _Writer | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise self._fault(error) from error
        return self

    def append(self, table: pa.Table) -> None:
        assert self._file is not None, "entered"
        try:
            if self._writer is None:
                self._writer = self._start(self._file, table.schema)
            self._writer.write_table(table)
        except OSError as error:
            raise self._fault(error) from error

    def complete(self) -> None:
        """Make the file appear."""
        assert self._file is not None, "entered"
        try:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._file.flush()
            if self._plain:
                os.fsync(self._file.fileno())
            self._file.close()
            if self._plain:
                self._partial.replace(self._path)
        except OSError as error:
            raise self._fault(error) from error

    def __exit__(self, *_: object) -> None:
        for opened in (self._writer, self._file):
            if opened is not None:
                with suppress(OSError):
                    opened.close()
        if self._plain:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    def _fault(self, error: OSError) -> ConfigurationError:
        why = error.strerror or str(error)
        return ConfigurationError(f"{self._option} {self._path}: cannot write it: {why}; name a file in another place")
