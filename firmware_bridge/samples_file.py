"""Samples as rows of a table, in a CSV or Parquet file. Figures are written so that they read back the same."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError
from firmware_bridge.samples import SampleBlock

COLUMNS: Final = (*("t_device_s", "voltage_v", "current_a", "power_w", "range_index", "logic", "flags", "counter_j"),)
"""``flags`` are the bits of ``SampleFlag``; a cell is empty where the meter has no such column."""
GROUP_ROWS: Final = 250_000


class SamplesFile:
    """A file of samples, ``.csv`` or ``.parquet``. Use as a context manager.

    Rows go to ``PATH.part``, which takes the name once it is whole; after an error it is removed, after a kill it
    stays. Raises ConfigurationError for another ending or a path that cannot be written, FirmwareBridgeError where
    the disk takes no more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._part = path.with_name(path.name + ".part")
        if path.suffix not in _FORMATS:
            raise ConfigurationError(f"{path}: samples go to a file that ends in .csv or .parquet")
        try:
            self._sink = _FORMATS[path.suffix](self._part)
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{path}: pyarrow is not installed; write .csv, or pip install 'edgejoule[collector]'"
            ) from error

    def write(self, block: SampleBlock) -> None:
        """Write a block's samples as rows."""
        with self._explained():
            self._sink.write(block)
        self.rows += len(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._explained():
                self._sink.close()
                if error is None:
                    self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FirmwareBridgeError(f"{self.path}: cannot write it: {error.strerror}; free some space") from error


class _CsvSink:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def write(self, block: SampleBlock) -> None:
        empty = [""] * len(block)
        columns = (getattr(block, name) for name in COLUMNS)
        self._writer.writerows(zip(*(empty if one is None else one.tolist() for one in columns), strict=True))

    def close(self) -> None:
        self._file.close()


class _ParquetSink:
    def __init__(self, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415  an optional dependency
        from pyarrow import parquet  # noqa: PLC0415

        self._pa = pa
        kinds = {"range_index": pa.int8(), "logic": pa.uint8(), "flags": pa.uint8()}
        self._schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
        self._file = path.open("wb")
        self._writer = parquet.ParquetWriter(self._file, self._schema)
        self._batches: list[Any] = []
        self._rows = 0

    def write(self, block: SampleBlock) -> None:
        columns = (getattr(block, name) for name in COLUMNS)
        arrays = [
            self._pa.nulls(len(block), kind) if column is None else self._pa.array(column, kind)
            for column, kind in zip(columns, self._schema.types, strict=True)
        ]
        self._batches.append(self._pa.record_batch(arrays, schema=self._schema))
        self._rows += len(block)
        if self._rows >= GROUP_ROWS:
            self._put()

    def close(self) -> None:
        try:
            self._put()
            self._writer.close()
        finally:
            self._file.close()

    def _put(self) -> None:
        if self._batches:
            self._writer.write_table(self._pa.Table.from_batches(self._batches))
        self._batches, self._rows = [], 0


_FORMATS: Final[dict[str, Callable[[Path], _CsvSink | _ParquetSink]]] = {".csv": _CsvSink, ".parquet": _ParquetSink}
