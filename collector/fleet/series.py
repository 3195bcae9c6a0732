"""Power and energy over time, thinned to what a plot can show."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.fleet.rows import floats, integers
from collector.fleet.values import DeviceSeries
from collector.fleet.window_sums import codes_of

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
    codes, names = codes_of([table["fleet"], table["device_id"]])
    order = np.argsort(codes, kind="stable")
    rows_of = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    columns = [floats(table, name) for name in ("duration_s", "gap_s", "energy_j", "energy_u_j")]
    found = [
        _one(names[codes[rows[0]]], starts[rows], [column[rows] for column in columns], bin_ns) for rows in rows_of
    ]
    return sorted(found, key=lambda one: (one.fleet, one.device_id))


def _one(
    name: tuple[str, ...], starts: npt.NDArray[np.int64], columns: list[npt.NDArray[np.float64]], bin_ns: int
) -> DeviceSeries:
    duration_s, gap_s, each_j, each_u_j = columns
    origin_unix_ns = int(starts.min())
    index = (starts - origin_unix_ns + bin_ns // 2) // bin_ns
    size = int(index.max()) + 1
    covered_s = np.bincount(index, np.maximum(duration_s - gap_s, 0.0), size)
    middle_s = np.bincount(index, (starts - origin_unix_ns) / _NS_PER_S + duration_s / 2.0, size)
    energy_j = np.bincount(index, each_j, size)
    u_j = np.bincount(index, each_u_j, size)
    windows = np.bincount(index, minlength=size)
    used = np.flatnonzero(windows)
    return DeviceSeries(
        fleet=name[0],
        device_id=name[1],
        bin_s=bin_ns / _NS_PER_S,
        t_unix_ns=tuple(origin_unix_ns + round(middle_s[i] / windows[i] * _NS_PER_S) for i in used),
        power_w=tuple(float(energy_j[i] / covered_s[i]) if covered_s[i] > 0.0 else None for i in used),
        energy_per_window_j=tuple((energy_j[used] / windows[used]).tolist()),
        energy_per_window_u_j=tuple((u_j[used] / windows[used]).tolist()),
    )
