"""The windows of a report as columns: from the lake up to its cursor, from the journal's tail after it."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.journal import Journal
from collector.sinks.lake import SCHEMA, LakeSink, read_lake, rows_to_table

COLUMNS: Final = (
    "row_id",
    "fleet",
    "device_id",
    "meter_driver",
    "meter_id",
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
)
_PAGE_ROWS: Final = 20_000
_HOUR_NS: Final = 3_600_000_000_000


def read_windows(journal: Journal, lake_dir: Path | None) -> pa.Table:
    """Return every committed window once, with ``COLUMNS``.

    The cursor is read first and the lake only up to it: a batch that the collector writes meanwhile is still in the
    journal's tail. Where the lake ends before the cursor (it was moved away), the journal serves the rest.
    """
    last_row_id = journal.last_row_id()
    in_lake = 0
    parts = []
    if lake_dir is not None and (cursor := journal.cursor(LakeSink.name)) > 0:
        lake = read_lake(lake_dir, list(COLUMNS), last_row_id=cursor)
        in_lake = pc.max(lake["row_id"]).as_py() or 0
        parts.append(lake)
    while in_lake < last_row_id and (page := journal.rows_after(in_lake, _PAGE_ROWS)):
        parts.append(rows_to_table(page).select(COLUMNS))
        in_lake = page[-1].row_id
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table().select(COLUMNS)


def floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Return a column as float64, shape (rows,); null becomes NaN."""
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def integers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Return a column without nulls as int64, shape (rows,)."""
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def group_hourly(table: pa.Table) -> pa.Table:
    """Return sums per (fleet, device_id, meter_driver, meter_id, hour): the finest that a report looks at.

    ``independent_j2``: variance of the parts that do average out. ``net_...``: the same sums over windows with a
    declared idle power; ``net_idle_j`` is what idling would have taken, ``net_idle_u_j`` its uncertainty (the same
    baseline for all, hence linear) and ``net_idle_u_windows`` how many windows state one.
    """
    duration_s, gap_s, energy_j = (floats(table, name) for name in ("duration_s", "gap_s", "energy_j"))
    systematic_j = floats(table, "energy_u_systematic_j")
    independent_j2 = np.maximum(floats(table, "energy_u_j") ** 2 - systematic_j**2, 0.0)
    idle_w, idle_u_w = floats(table, "idle_power_w"), floats(table, "idle_power_u_w")
    covered_s = np.maximum(duration_s - gap_s, 0.0)
    count = integers(table, "inference_count")
    net = ~np.isnan(idle_w)
    u_known = net & ~np.isnan(idle_u_w)
    start_unix_ns = integers(table, "t_start_unix_ns")
    sums = {
        "windows": np.ones(len(net), dtype=np.int64),
        "simulated_windows": np.asarray(table["simulated"].cast(pa.int64()).to_numpy()),
        "duration_s": duration_s,
        "covered_s": covered_s,
        "gap_s": gap_s,
        "energy_j": energy_j,
        "systematic_j": systematic_j,
        "independent_j2": independent_j2,
        "inference_count": count,
        "net_windows": net.astype(np.int64),
        "net_duration_s": np.where(net, duration_s, 0.0),
        "net_covered_s": np.where(net, covered_s, 0.0),
        "net_energy_j": np.where(net, energy_j, 0.0),
        "net_idle_j": np.where(net, idle_w * covered_s, 0.0),
        "net_idle_u_j": np.where(u_known, idle_u_w * covered_s, 0.0),
        "net_idle_u_windows": u_known.astype(np.int64),
        "net_systematic_j": np.where(net, systematic_j, 0.0),
        "net_independent_j2": np.where(net, independent_j2, 0.0),
        "net_inference_count": np.where(net, count, 0),
    }
    keys = ["fleet", "device_id", "meter_driver", "meter_id"]
    stamps = {
        "hour": start_unix_ns // _HOUR_NS,
        "first_unix_ns": start_unix_ns,
        "last_unix_ns": start_unix_ns + np.rint(duration_s * 1e9).astype(np.int64),
    }
    columns = {name: table[name] for name in keys} | stamps | sums
    wanted = [("first_unix_ns", "min"), ("last_unix_ns", "max"), *((name, "sum") for name in sums)]
    grouped = pa.table(columns).group_by([*keys, "hour"]).aggregate(wanted)
    plain_names = {f"{name}_{function}": name for name, function in wanted}
    return grouped.rename_columns([plain_names.get(name, name) for name in grouped.column_names])


def distinct(table: pa.Table, name: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the distinct values of a text column by (fleet, device_id)."""
    found: dict[tuple[str, str], list[str]] = {}
    groups = table.group_by(["fleet", "device_id", name]).aggregate([])
    for row in groups.to_pylist():
        found.setdefault((row["fleet"], row["device_id"]), []).append(row[name])
    return {key: tuple(sorted(values)) for key, values in found.items()}
