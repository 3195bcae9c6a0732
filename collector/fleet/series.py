"""Power and energy over time, thinned to what a plot can show.

Windows come in parts, twice: first ``Extent`` learns how long they last and where each device begins, then
``SeriesBins`` adds them up. What is kept grows with the number of devices, not with that of windows.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from collector.fleet.rows import floats, integers
from collector.fleet.values import DeviceSeries
from collector.fleet.window_sums import Columns, Key, codes_of

COLUMNS: Final = ("row_id", "fleet", "device_id", "t_start_unix_ns", "duration_s", "gap_s", "energy_j", "energy_u_j")
MAX_BINS: Final = 240
_NS_PER_S: Final = 1_000_000_000
_SUMS: Final = ("covered_s", "middle_s", "energy_j", "u_j", "windows")


class Extent:
    """When the windows of each device begin, when the last of all does, and how long the longest is."""

    def __init__(self) -> None:
        self.first_unix_ns: dict[Key, int] = {}
        self._last_unix_ns = 0
        self._longest_s = 0.0

    def add(self, table: pa.Table) -> None:
        """Take some windows (``rows.COLUMNS``)."""
        if not table.num_rows:
            return
        starts = integers(table, "t_start_unix_ns")
        self._last_unix_ns = max(self._last_unix_ns, int(starts.max()))
        self._longest_s = max(self._longest_s, float(floats(table, "duration_s").max()))
        codes, names = codes_of([table["fleet"], table["device_id"]])
        first = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(first, codes, starts)
        for name, begins in zip(names, first.tolist(), strict=True):
            key = name[0], name[1]
            self.first_unix_ns[key] = min(begins, self.first_unix_ns.get(key, begins))

    def bin_ns(self, max_bins: int) -> int:
        """Return the length of a bin: of the longest window, or more where there would be too many."""
        span_ns = self._last_unix_ns - min(self.first_unix_ns.values())
        return max(round(self._longest_s * _NS_PER_S), -(-(span_ns + 1) // (max_bins - 1)), 1)


class SeriesBins:
    """The sums by device and bin; each device's bins begin half a bin before its first window.

    So small shifts of a start do not change the bin.
    """

    def __init__(self, extent: Extent, max_bins: int = MAX_BINS) -> None:
        self._firsts = extent.first_unix_ns
        self._places = {key: place for place, key in enumerate(sorted(self._firsts))}
        self._size = max_bins + 1
        self._bin_ns = extent.bin_ns(max_bins) if self._firsts else 1
        self._sums = Columns(_SUMS, np.float64)
        self._sums.make_room(len(self._places) * self._size)

    def add(self, table: pa.Table) -> None:
        """Take some of the windows that the extent has seen, in the same order (``COLUMNS``)."""
        if not table.num_rows:
            return
        codes, names = codes_of([table["fleet"], table["device_id"]])
        keys = [(name[0], name[1]) for name in names]
        since_ns = integers(table, "t_start_unix_ns") - np.array([self._firsts[key] for key in keys])[codes]
        place = np.array([self._places[key] for key in keys])[codes] * self._size
        place += (since_ns + self._bin_ns // 2) // self._bin_ns
        duration_s = floats(table, "duration_s")
        values = (
            np.maximum(duration_s - floats(table, "gap_s"), 0.0),
            since_ns / _NS_PER_S + duration_s / 2.0,
            floats(table, "energy_j"),
            floats(table, "energy_u_j"),
            1.0,
        )
        for name, value in zip(_SUMS, values, strict=True):
            np.add.at(self._sums[name], place, value)

    def series(self) -> list[DeviceSeries]:
        """Return one series for each device, in order."""
        return [self._one(key, place * self._size) for key, place in self._places.items()]

    def _one(self, key: Key, first: int) -> DeviceSeries:
        covered_s, middle_s, energy_j, u_j, windows = (self._sums[name][first : first + self._size] for name in _SUMS)
        used = np.flatnonzero(windows)
        return DeviceSeries(
            fleet=key[0],
            device_id=key[1],
            bin_s=self._bin_ns / _NS_PER_S,
            t_unix_ns=tuple(self._firsts[key] + round(middle_s[i] / windows[i] * _NS_PER_S) for i in used),
            power_w=tuple(float(energy_j[i] / covered_s[i]) if covered_s[i] > 0.0 else None for i in used),
            energy_per_window_j=tuple((energy_j[used] / windows[used]).tolist()),
            energy_per_window_u_j=tuple((u_j[used] / windows[used]).tolist()),
        )
