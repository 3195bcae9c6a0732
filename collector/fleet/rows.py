"""The windows of a report as columns: from the lake up to its cursor, from the journal's tail after it."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.journal import Journal
from collector.journal_identity import known_journal_id
from collector.sinks.lake import SCHEMA, LakeSink, read_lake, rows_to_table
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
_HOUR_NS: Final = 3_600_000_000_000


def read_windows(journal: Journal, lake_dir: LakeWhere | None) -> pa.Table:
    """Return every committed window once, with ``COLUMNS``.

    The cursor is read first and the lake only up to it: a batch that the collector writes meanwhile is still in the
    journal's tail. Where the lake ends before the cursor (it was moved away), the journal serves the rest.
    """
    last_row_id = journal.last_row_id()
    in_lake = 0
    parts = []
    if lake_dir is not None and (cursor := journal.cursor(LakeSink.name)) > 0:
        lake = read_lake(lake_dir, list(COLUMNS), last_row_id=cursor, journal=known_journal_id(journal))
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
    """Return sums per (fleet, device_id, meter_driver, meter_id, systematic_id, hour): the finest a report looks at.

    ``systematic_id``: the meter's type where an older agent did not say. ``independent_j2``: variance of the parts
    that do average out. ``net_...``: the same sums over windows with a net energy; ``net_u_windows`` of them state an
    uncertainty. What a window states of its net energy is split into the part that is independent, that of its gross
    energy, and the rest, which is common: ``net_systematic_j``. Of an older agent's windows net energy is found from
    the idle power, whose uncertainty is ``net_idle_u_j`` (the same baseline for all, hence linear).
    """
    duration_s, gap_s, energy_j = (floats(table, name) for name in ("duration_s", "gap_s", "energy_j"))
    systematic_j = floats(table, "energy_u_systematic_j")
    independent_j2 = np.maximum(floats(table, "energy_u_j") ** 2 - systematic_j**2, 0.0)
    idle_w, idle_u_w = floats(table, "idle_power_w"), floats(table, "idle_power_u_w")
    covered_s = np.maximum(duration_s - gap_s, 0.0)
    count = integers(table, "inference_count")
    said_net_j, said_net_u_j = floats(table, "net_energy_j"), floats(table, "net_energy_u_j")
    said = ~np.isnan(said_net_j) & ~np.isnan(said_net_u_j)
    net_j = np.where(np.isnan(said_net_j), energy_j - idle_w * covered_s, said_net_j)
    net = ~np.isnan(net_j)
    from_idle = net & ~said & ~np.isnan(idle_u_w)
    said_common_j = np.sqrt(np.maximum(np.where(said, said_net_u_j, 0.0) ** 2 - independent_j2, 0.0))
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
        "net_energy_j": np.where(net, net_j, 0.0),
        "net_idle_u_j": np.where(from_idle, idle_u_w * covered_s, 0.0),
        "net_u_windows": (said | from_idle).astype(np.int64),
        "net_systematic_j": np.where(said, said_common_j, np.where(net, systematic_j, 0.0)),
        "net_independent_j2": np.where(net, independent_j2, 0.0),
        "net_inference_count": np.where(net, count, 0),
    }
    keys = ["fleet", "device_id", "meter_driver", "meter_id", "systematic_id"]
    stamps = {
        "hour": start_unix_ns // _HOUR_NS,
        "first_unix_ns": start_unix_ns,
        "last_unix_ns": start_unix_ns + np.rint(duration_s * 1e9).astype(np.int64),
    }
    columns = {name: table[name] for name in keys} | {"systematic_id": _systematic_ids(table)} | stamps | sums
    wanted = [("first_unix_ns", "min"), ("last_unix_ns", "max"), *((name, "sum") for name in sums)]
    grouped = pa.table(columns).group_by([*keys, "hour"]).aggregate(wanted)
    plain_names = {f"{name}_{function}": name for name, function in wanted}
    return grouped.rename_columns([plain_names.get(name, name) for name in grouped.column_names])


def _systematic_ids(table: pa.Table) -> pa.ChunkedArray:
    """Return whose systematic errors the rows' are; see ``sums.systematic_id_of``."""
    said = pc.fill_null(table["systematic_id"], "")
    return pc.if_else(pc.equal(said, ""), table["meter_driver"], said)


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
