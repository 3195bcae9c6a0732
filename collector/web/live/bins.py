"""The fleet over time in bins that grow with the time they span, so that a day of any fleet takes the same memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.fleet.rows import floats, integers
from collector.fleet.window_grams import RowGrams
from collector.fleet.window_sums import codes_of
from collector.web.live.answers import SeriesAnswer

MAX_BINS: Final = 720
SPAN_NS: Final = 86_400_000_000_000
AHEAD_NS: Final = 3_600_000_000_000
"""What a device dates further ahead of this machine's clock is not drawn: its clock is wrong."""
_OPEN_BINS: Final = 4
_FIRST_BINS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 86_400)
NS_PER_S: Final = 1_000_000_000


@dataclass(slots=True)
class _Bin:
    """Windows whose middle lies in the bin. ``cells``: joules and covered seconds of each device, while it is open."""

    cells: dict[str, tuple[float, float]] | None = field(default_factory=dict)
    power_w: float = 0.0
    has_power: bool = False
    operational_gco2e: float = 0.0
    embodied_gco2e: float = 0.0
    inference_count: int = 0

    def close(self) -> None:
        """Keep the power and forget the devices."""
        if self.cells is not None:
            powers = [energy_j / covered_s for energy_j, covered_s in self.cells.values() if covered_s > 0.0]
            self.power_w, self.has_power, self.cells = sum(powers), bool(powers), None

    def power(self) -> float | None:
        """Return the power of the devices that have samples in the bin, added."""
        if self.cells is None:
            return self.power_w if self.has_power else None
        powers = [energy_j / covered_s for energy_j, covered_s in self.cells.values() if covered_s > 0.0]
        return sum(powers) if powers else None


class FleetBins:
    """Up to ``max_bins`` of them, the newest; they become twice as long until so many span a day."""

    def __init__(self, max_bins: int = MAX_BINS) -> None:
        self._max_bins = max_bins
        self._bins: dict[int, _Bin] = {}
        self._bin_ns = 0
        self._last_unix_ns = 0

    def add(self, table: pa.Table, grams: RowGrams | None, now_unix_ns: int) -> None:
        """Take windows (``rows.COLUMNS``) and the grams of each."""
        starts = integers(table, "t_start_unix_ns")
        duration_ns = np.rint(floats(table, "duration_s") * NS_PER_S)
        rows = np.flatnonzero((duration_ns < SPAN_NS) & (starts < now_unix_ns + AHEAD_NS))
        if not len(rows):
            return
        lengths = duration_ns[rows].astype(np.int64)
        middles = starts[rows] + lengths // 2
        self._last_unix_ns = max(self._last_unix_ns, int((starts[rows] + lengths).max()))
        self._fit(int(lengths.max()))
        self._make_room(middles)
        index = middles // self._bin_ns
        kept = index > int(index.max()) - self._max_bins
        if self._bins:
            kept &= index > max(self._bins) - self._max_bins
        self._put(table.take(pa.array(rows[kept])), index[kept], _rows_of(grams, rows[kept]))
        newest = max(self._bins)
        for number in [number for number in self._bins if number <= newest - self._max_bins]:
            del self._bins[number]
        for number, found in self._bins.items():
            if number <= newest - _OPEN_BINS:
                found.close()

    def _fit(self, longest_ns: int) -> None:
        if not self._bin_ns:
            first_s = next(bin_s for bin_s in _FIRST_BINS_S if longest_ns <= bin_s * NS_PER_S)
            self._bin_ns = first_s * NS_PER_S
        while self._bin_ns < longest_ns:
            self._double()

    def _make_room(self, middles: npt.NDArray[np.int64]) -> None:
        """Make bins longer while the newest of them would not reach over what there is, up to a day."""
        while self._bin_ns * self._max_bins < SPAN_NS:
            numbers = [*(middles // self._bin_ns).tolist(), *self._bins]
            newest = max(numbers)
            within = [number for number in numbers if (newest - number) * self._bin_ns < SPAN_NS]
            if newest - min(within) < self._max_bins:
                return
            self._double()

    def _double(self) -> None:
        """Join the bins by two; power is then the mean of both."""
        joined: dict[int, _Bin] = {}
        for number in sorted(self._bins):
            found = self._bins[number]
            found.close()
            other = joined.get(number // 2)
            if other is None:
                joined[number // 2] = found
                continue
            both = [one.power_w for one in (found, other) if one.has_power]
            other.power_w, other.has_power = (sum(both) / len(both) if both else 0.0), bool(both)
            other.operational_gco2e += found.operational_gco2e
            other.embodied_gco2e += found.embodied_gco2e
            other.inference_count += found.inference_count
        self._bins, self._bin_ns = joined, 2 * self._bin_ns

    def _put(self, table: pa.Table, index: npt.NDArray[np.int64], grams: RowGrams) -> None:
        energy_j = floats(table, "energy_j")
        covered_s = np.maximum(floats(table, "duration_s") - floats(table, "gap_s"), 0.0)
        counts = integers(table, "inference_count")
        codes, names = codes_of([table["fleet"], table["device_id"]])
        combined, places = np.unique(np.stack((index, codes)), axis=1, return_inverse=True)
        places = places.reshape(-1)
        cells_j, cells_s = np.bincount(places, energy_j), np.bincount(places, covered_s)
        for at, (number, code) in enumerate(combined.T.tolist()):
            found = self._bins.setdefault(number, _Bin())
            if found.cells is None:  # came late: its device was not there when the bin was closed
                found.power_w += float(cells_j[at]) * NS_PER_S / self._bin_ns
                found.has_power = True
            else:
                before_j, before_s = found.cells.get("/".join(names[code]), (0.0, 0.0))
                found.cells["/".join(names[code])] = before_j + float(cells_j[at]), before_s + float(cells_s[at])
        numbers, of_bin = np.unique(index, return_inverse=True)
        sums = [np.bincount(of_bin, values) for values in (*grams, counts)]
        for at, number in enumerate(numbers.tolist()):
            found = self._bins[number]
            found.operational_gco2e += float(sums[0][at])
            found.embodied_gco2e += float(sums[1][at])
            found.inference_count += int(sums[2][at])

    def series(self, points: int) -> SeriesAnswer:
        """Return the bins that are over, joined to ``points`` at most; where no windows are, there is nothing."""
        over = [number for number in self._bins if (number + 1) * self._bin_ns <= self._last_unix_ns]
        if not over:
            return SeriesAnswer([], [], [], [], [], self._bin_ns / NS_PER_S if self._bin_ns else None)
        first, count = min(over), max(over) - min(over) + 1
        step = -(-count // points)
        answer = SeriesAnswer([], [], [], [], [], step * self._bin_ns / NS_PER_S)
        for start in range(first, first + count, step):
            found = [self._bins[number] for number in range(start, start + step) if number in self._bins]
            powers = [power for one in found if (power := one.power()) is not None]
            answer.t_unix_ns.append(start * self._bin_ns + step * self._bin_ns // 2)
            answer.power_w.append(sum(powers) / len(powers) if powers else None)
            answer.operational_gco2e.append(_known_sum(one.operational_gco2e for one in found) if found else None)
            answer.embodied_gco2e.append(_known_sum(one.embodied_gco2e for one in found) if found else None)
            answer.inference_count.append(sum(one.inference_count for one in found) if found else None)
        return answer


def _known_sum(values: Iterable[float]) -> float | None:
    """Return the sum, None where a part is unknown."""
    total = sum(values)
    return None if np.isnan(total) else total


def _rows_of(grams: RowGrams | None, rows: npt.NDArray[np.int64]) -> RowGrams:
    if grams is None:
        return RowGrams(np.full(len(rows), np.nan), np.full(len(rows), np.nan))
    return RowGrams(grams.operational[rows], grams.embodied[rows])
