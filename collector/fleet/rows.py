"""The windows of a report as columns: from the lake up to its cursor, from the journal's tail after it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.journal import Journal
from collector.journal_identity import known_journal_id
from collector.sinks.lake import LakeSink, lake_pages, rows_to_table
from collector.store_config import LakeWhere

COLUMNS: Final = (
    "row_id",
    "fleet",
    "device_id",
    "meter_driver",
    "meter_id",
    "systematic_id",
    "boundary",
    "model_id",
    "simulated",
    "t_start_unix_ns",
    "duration_s",
    "energy_j",
    "energy_u_j",
    "energy_u_systematic_j",
    "gap_s",
    "inference_count",
    "idle_power_w",
    "idle_power_u_w",
    "net_energy_j",
    "net_energy_u_j",
    "flags",
)
_PAGE_ROWS: Final = 20_000


def window_pages(
    journal: Journal,
    lake_dir: LakeWhere | None,
    last_row_id: int | None = None,
    columns: Sequence[str] = COLUMNS,
) -> Iterator[pa.Table]:
    """Yield every committed window once, with ``columns``, in the order of ``row_id``, page by page.

    ``last_row_id``: only up to it, for whoever has to see the same windows twice. ``columns``: ``row_id`` among them.

    The cursor is read first and the lake only up to it: a batch that the collector writes meanwhile is still in the
    journal's tail. Where the lake ends before the cursor (it was moved away), the journal serves the rest.
    """
    if last_row_id is None:
        last_row_id = journal.last_row_id()
    done = 0
    if lake_dir is not None and (cursor := min(journal.cursor(LakeSink.name), last_row_id)) > 0:
        for page in lake_pages(lake_dir, list(columns), cursor, known_journal_id(journal)):
            yield page
            done = page["row_id"][-1].as_py()
    while done < last_row_id and (rows := journal.rows_after(done, min(_PAGE_ROWS, last_row_id - done))):
        yield rows_to_table(rows, columns)
        done = rows[-1].row_id


def joined(pages: Iterable[pa.Table], least_rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in fewer pages, of ``least_rows`` or more but for the last one."""
    held: list[pa.Table] = []
    for page in pages:
        held.append(page)
        if sum(one.num_rows for one in held) >= least_rows:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Return a column as float64, shape (rows,); null becomes NaN."""
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def integers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Return a column without nulls as int64, shape (rows,)."""
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def flag_counts(table: pa.Table) -> dict[tuple[str, str], dict[str, int]]:
    """Return how many windows carry which flag, by (fleet, device_id)."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    flags = table["flags"].combine_chunks()
    flagged = table.select(["fleet", "device_id"]).take(pc.list_parent_indices(flags))
    groups = flagged.append_column("flag", pc.list_flatten(flags)).group_by(["fleet", "device_id", "flag"])
    for row in groups.aggregate([([], "count_all")]).sort_by("flag").to_pylist():
        counts.setdefault((row["fleet"], row["device_id"]), {})[row["flag"]] = row["count_all"]
    return counts


def distinct(table: pa.Table, name: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the distinct values of a text column by (fleet, device_id)."""
    found: dict[tuple[str, str], list[str]] = {}
    groups = table.group_by(["fleet", "device_id", name]).aggregate([])
    for row in groups.to_pylist():
        found.setdefault((row["fleet"], row["device_id"]), []).append(row[name])
    return {key: tuple(sorted(values)) for key, values in found.items()}
