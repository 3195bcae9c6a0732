"""A file of cases, CSV or Parquet: a row is a case, a column a field of the scenario by its path (edge.grid)."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from collector.analysis.comparison.document import GivenCases
from collector.analysis.comparison.grid import MOST_CASES
from edge_agent.wire.errors import ConfigurationError

_REMEDY: Final = "name a .csv or .parquet file whose columns are fields of the scenario, such as edge.grid"


def read_cases(path: Path) -> GivenCases:
    """Return the cases of a file. Raises ConfigurationError that names the row and the column of a fault."""
    table = _table(path)
    if not table.num_rows:
        raise ConfigurationError(f"{path}: there is no row in it; {_REMEDY}")
    if table.num_rows > MOST_CASES:
        raise ConfigurationError(f"{path}: {table.num_rows:,} rows are more than {MOST_CASES:,}; split the file")
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns[name] = _column(column, name, str(path))
    return GivenCases(table.num_rows, columns, str(path))


def _table(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        line = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"{path}: cannot read it: {line}; {_REMEDY}") from error
    names: Sequence[str] = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{path}: the column {twice!r} stands twice; remove one")
    return table


def _read_csv(path: Path) -> pa.Table:
    """Read all cells as text: what they stand for, the field says."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = [name.strip() for name in next(csv.reader(file), [])]
    if not any(header):
        raise ConfigurationError(f"{path}: there is no header in it; {_REMEDY}")
    text = {name: pa.string() for name in header}
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(column_names=header, skip_rows=1),
        parse_options=pa_csv.ParseOptions(newlines_in_values=False),
        convert_options=pa_csv.ConvertOptions(column_types=text, null_values=[""], strings_can_be_null=True),
    )


def _column(column: pa.ChunkedArray, name: str, where: str) -> tuple[tuple[object, ...], np.typing.NDArray[np.int64]]:
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise ConfigurationError(f"{where}: row {row + 1}: {name!r} is empty; give a value in every row")
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)) and not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_dictionary(kind)
    ):
        raise ConfigurationError(f"{where}: {name!r} holds {kind}; give texts or numbers")
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    encoded = column.combine_chunks().dictionary_encode()
    return tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
