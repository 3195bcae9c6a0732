"""Power and energy over time, thinned to what a plot can show."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.fleet.rows import floats, integers
from collector.fleet.values import DeviceSeries

MAX_BINS: Final = 240
_NS_PER_S: Final = 1_000_000_000


def device_series(table: pa.Table, max_bins: int = MAX_BINS) -> list[DeviceSeries]:
    """Return one series for each device of ``table`` (``rows.COLUMNS``).

    A bin is as long as the longest window, or longer where the whole time would need more than ``max_bins``. Each
    device's bins begin half a bin before its first window, so that small shifts of a start do not change the bin.
    """
    if table.num_rows == 0:
        return []
    starts = integers(table, "t_start_unix_ns")
    span_ns = int(starts.max() - starts.min())
    longest_ns = round(float(floats(table, "duration_s").max()) * _NS_PER_S)
    bin_ns = max(longest_ns, -(-(span_ns + 1) // (max_bins - 1)), 1)
    keys = table.group_by(["fleet", "device_id"]).aggregate([]).to_pylist()
    ordered = sorted((key["fleet"], key["device_id"]) for key in keys)
    return [_one(table, fleet, device_id, bin_ns) for fleet, device_id in ordered]


def _one(table: pa.Table, fleet: str, device_id: str, bin_ns: int) -> DeviceSeries:
    mine = table.filter((pc.field("fleet") == fleet) & (pc.field("device_id") == device_id))
    starts, duration_s = integers(mine, "t_start_unix_ns"), floats(mine, "duration_s")
    origin_unix_ns = int(starts.min())
    index = (starts - origin_unix_ns + bin_ns // 2) // bin_ns
    size = int(index.max()) + 1
    covered_s = np.bincount(index, np.maximum(duration_s - floats(mine, "gap_s"), 0.0), size)
    middle_s = np.bincount(index, (starts - origin_unix_ns) / _NS_PER_S + duration_s / 2.0, size)
    energy_j = np.bincount(index, floats(mine, "energy_j"), size)
    u_j = np.bincount(index, floats(mine, "energy_u_j"), size)
    windows = np.bincount(index, minlength=size)
    used = np.flatnonzero(windows)
    return DeviceSeries(
        fleet=fleet,
        device_id=device_id,
        bin_s=bin_ns / _NS_PER_S,
        t_unix_ns=tuple(origin_unix_ns + round(middle_s[i] / windows[i] * _NS_PER_S) for i in used),
        power_w=tuple(float(energy_j[i] / covered_s[i]) if covered_s[i] > 0.0 else None for i in used),
        energy_per_window_j=tuple((energy_j[used] / windows[used]).tolist()),
        energy_per_window_u_j=tuple((u_j[used] / windows[used]).tolist()),
    )
