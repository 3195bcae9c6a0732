"""What is kept of a fleet while its days go by: sums by device, model, meter and month, and by day of everything."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from collector.assessment.hardware import Charged, Hardware, charged
from collector.assessment.query import CELL, COUNTS, GRAM_COLUMNS, KEYS, QUALITY_COLUMNS, SPLIT
from collector.carbon.estimate import F64
from collector.carbon.timeline import I64

CHARGED_COLUMNS: Final = ("charged_ratio", "residue_ratio", "beyond_lifetime_s")
OUTSIDE_COLUMNS: Final = ("before_service_s", "after_retirement_s")
"""Of windows alone: a device that is not in service yet has a right to be silent, but not to use energy."""
EMBODIED_COLUMNS: Final = (*CHARGED_COLUMNS, *OUTSIDE_COLUMNS)
COLUMNS: Final = (*COUNTS, *SPLIT, *GRAM_COLUMNS, *(f"{name}_j" for name in QUALITY_COLUMNS), *EMBODIED_COLUMNS)
_AT: Final = {name: index for index, name in enumerate(COLUMNS)}
DAY_COLUMNS: Final = ("energy_j", "gco2e", "yearly_gco2e", "known_j", "embodied_gco2e", "duration_s")
NO_MODEL: Final = ""
_UNKNOWN: Final = Hardware(device_id="")


class CellKey(NamedTuple):
    """``month``: "YYYY-MM", UTC."""

    fleet: str
    device_id: str
    model_id: str
    systematic_id: str
    boundary: str
    month: str


class Cells:
    """Sums by ``CellKey`` in the order of ``COLUMNS``, and by UTC day in the order of ``DAY_COLUMNS``.

    ``hardware``: by device. ``yearly_g_per_j``: of each device's zone, None where unknown. Embodied shares are of the
    device's whole mass, NaN where it is unknown.
    """

    def __init__(self, hardware: Mapping[str, Hardware], yearly_g_per_j: Mapping[str, float | None]) -> None:
        self._hardware = hardware
        self._yearly = yearly_g_per_j
        self._mass_g = {
            name: 1e3 * sum(part.mass_kgco2e() for part in one.parts) for name, one in hardware.items() if one.parts
        }
        self._sums: dict[CellKey, F64] = {}
        self.days: dict[int, F64] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def __iter__(self) -> Iterator[tuple[CellKey, "Cell"]]:
        for key, sums in self._sums.items():
            yield key, Cell(sums)

    def whole(self) -> Iterator[tuple[CellKey, "Cell"]]:
        """Give the sums over all months, with no month in their keys."""
        sums: dict[CellKey, F64] = {}
        for key, row in self._sums.items():
            timeless = key._replace(month="")
            old = sums.get(timeless)
            sums[timeless] = row if old is None else old + row
        return ((key, Cell(row)) for key, row in sums.items())

    def add(self, found: pa.Table) -> None:
        """Add the rows of ``query.cells``."""
        if found.num_rows == 0:
            return
        days = np.asarray(found[CELL].to_numpy(), dtype=np.int64)
        devices = found["device_id"].to_pylist()
        embodied = self._embodied(found, devices, days)
        self._add_days(found, devices, days, embodied["charged_ratio"])
        months = pa.array(days.astype("datetime64[ns]").astype("datetime64[M]").astype(str))
        kept = found.drop_columns([CELL]).append_column("month", months)
        for name, values in embodied.items():
            kept = kept.append_column(name, pa.array(values))
        grouped = kept.group_by([*KEYS, "month"]).aggregate([(name, "sum") for name in COLUMNS])
        summed = grouped.sort_by([(name, "ascending") for name in (*KEYS, "month")])  # engines give them as they come
        keys = zip(*(summed[name].to_pylist() for name in (*KEYS, "month")), strict=True)
        values = np.column_stack([summed[f"{name}_sum"].to_numpy() for name in COLUMNS]).astype(np.float64)
        for words, row in zip(keys, values, strict=True):
            self._add(CellKey(*(word or "" for word in words)), row)

    def add_service(self, start_unix_ns: int, end_unix_ns: int) -> None:
        """Charge every device that is charged by its time in service for ``[start, end)``; call it once, at the end.

        A month's charge is shared among what the device did in it, by time; without windows it stands alone, with no
        model.
        """
        edges = _day_edges(start_unix_ns, end_unix_ns)
        starts, lengths_s = edges[:-1], np.diff(edges) / 1e9
        months = starts.astype("datetime64[ns]").astype("datetime64[M]").astype(str)
        cells_of: dict[tuple[str, str], list[CellKey]] = {}
        places: dict[str, CellKey] = {}
        for key in self._sums:
            cells_of.setdefault((key.device_id, key.month), []).append(key)
            places.setdefault(key.device_id, key)
        made: dict[Any, Charged] = {}
        for device_id, place in places.items():
            one = self._hardware.get(device_id)
            if one is None or not one.by_service:
                continue
            share = made.get(one.charge_id)
            if share is None:
                share = made[one.charge_id] = charged(one, starts, lengths_s, np.zeros(len(starts)))
            for day, grams in zip(starts.tolist(), share.share_ratio * self._mass_g[device_id], strict=True):
                self._day(day)[DAY_COLUMNS.index("embodied_gco2e")] += grams
            for month in np.unique(months):
                inside = months == month
                row = np.zeros(len(COLUMNS))
                row[_AT["charged_ratio"]] = share.share_ratio[inside].sum()
                row[_AT["residue_ratio"]] = share.residue_ratio[inside].sum()
                row[_AT["beyond_lifetime_s"]] = share.beyond_lifetime_s[inside].sum()
                idle = place._replace(model_id=NO_MODEL, month=str(month))
                self._share_out(cells_of.get((device_id, str(month)), []), idle, row)

    def _share_out(self, keys: list[CellKey], idle: CellKey, row: F64) -> None:
        durations_s = np.array([self._sums[key][_AT["duration_s"]] for key in keys])
        if not durations_s.sum() > 0.0:
            self._add(idle, row)
            return
        for key, ratio in zip(keys, durations_s / durations_s.sum(), strict=True):
            self._add(key, row * ratio)

    def _embodied(self, found: pa.Table, devices: list[str], days: I64) -> dict[str, F64]:
        """Return ``EMBODIED_COLUMNS``; ``CHARGED_COLUMNS`` are zero for rows charged by their time in service."""
        made = {name: np.zeros(len(days)) for name in EMBODIED_COLUMNS}
        durations_s = np.asarray(found["duration_s"].to_numpy(), dtype=np.float64)
        uses = np.asarray(found["inference_count"].to_numpy(), dtype=np.float64)
        rows_of: dict[Any, list[int]] = {}
        of_charge: dict[Any, Hardware] = {}
        for index, device_id in enumerate(devices):
            one = self._hardware.get(device_id, _UNKNOWN)
            rows_of.setdefault(one.charge_id, []).append(index)
            of_charge[one.charge_id] = one
        for charge_id, rows in rows_of.items():
            share = charged(of_charge[charge_id], days[rows], durations_s[rows], uses[rows])
            made["before_service_s"][rows] = share.before_service_s
            made["after_retirement_s"][rows] = share.after_retirement_s
            if of_charge[charge_id].by_service:
                continue
            made["charged_ratio"][rows] = share.share_ratio
            made["residue_ratio"][rows] = share.residue_ratio
            made["beyond_lifetime_s"][rows] = share.beyond_lifetime_s
        return made

    def _add_days(self, found: pa.Table, devices: list[str], days: I64, charged_ratio: F64) -> None:
        energy_j, grams = (np.asarray(found[name].to_numpy(), dtype=np.float64) for name in ("energy_j", "gco2e"))
        known_j = sum(np.asarray(found[f"{name}_j"].to_numpy(), dtype=np.float64) for name in QUALITY_COLUMNS)
        yearly = energy_j * np.array([self._yearly.get(name) or 0.0 for name in devices])
        embodied = np.nan_to_num(charged_ratio) * np.array([self._mass_g.get(name, 0.0) for name in devices])
        durations_s = np.asarray(found["duration_s"].to_numpy(), dtype=np.float64)
        values = np.column_stack([energy_j, grams, yearly, known_j, embodied, durations_s])
        unique, place = np.unique(days, return_inverse=True)
        for column in range(len(DAY_COLUMNS)):
            sums = np.bincount(place, values[:, column], len(unique))
            for day, value in zip(unique.tolist(), sums, strict=True):
                self._day(day)[column] += value

    def _day(self, day_unix_ns: int) -> F64:
        return self.days.setdefault(day_unix_ns - day_unix_ns % 86_400_000_000_000, np.zeros(len(DAY_COLUMNS)))

    def _add(self, key: CellKey, row: F64) -> None:
        old = self._sums.get(key)
        self._sums[key] = row if old is None else old + row


class Cell:
    """The sums of one cell, by name."""

    __slots__ = ("_sums",)

    def __init__(self, sums: F64) -> None:
        self._sums = sums

    def __getitem__(self, name: str) -> float:
        return float(self._sums[_AT[name]])

    @property
    def sums(self) -> F64:
        """Return all, in the order of ``COLUMNS``."""
        return self._sums


def total_of(rows: list[F64]) -> Cell:
    """Return the sum of cells."""
    return Cell(np.sum(rows, axis=0) if rows else np.zeros(len(COLUMNS)))


def _day_edges(start_unix_ns: int, end_unix_ns: int) -> I64:
    day_ns = 86_400_000_000_000
    inner: Any = np.arange(start_unix_ns - start_unix_ns % day_ns + day_ns, end_unix_ns, day_ns, dtype=np.int64)
    return np.concatenate(([start_unix_ns], inner, [end_unix_ns])).astype(np.int64)
