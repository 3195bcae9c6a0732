"""What windows are charged, added up by device; like ``WindowSums``, to the last digit whatever parts they come in."""

from collections import defaultdict
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.assess import NS_PER_S, Assessor
from collector.carbon.estimate import F64
from collector.carbon.timeline import I64, QUALITIES
from collector.fleet.rows import floats, integers
from collector.fleet.window_sums import Columns, Key, codes_of

_AMOUNTS: Final = ("gco2e", "low_gco2e", "high_gco2e", "share_ratio", "outside_s", "beyond_s", *QUALITIES)


class GramSums(NamedTuple):
    """The sums of one device. ``operational``: grams, P5 and P95, None where the intensity of any window is unknown.

    ``energy_by_quality_j``: joules by what their intensity rests on. ``share_ratio``: of the hardware's mass, None
    where hardware or life is unknown. ``beyond_s``: None where the first day of service is unknown.
    """

    operational: tuple[float, float, float] | None
    energy_by_quality_j: dict[str, float]
    share_ratio: float | None
    outside_s: float
    beyond_s: float | None


class RowGrams(NamedTuple):
    """Grams of each row that was added, shape ``(rows,)``; NaN where unknown."""

    operational: F64
    embodied: F64


class _Windows(NamedTuple):
    """The columns that grams hang on, and each row's device."""

    devices: npt.NDArray[np.int64]
    names: list[Key]
    starts_unix_ns: I64
    ends_unix_ns: I64
    duration_s: F64
    energy_j: F64
    uses: F64


class WindowGrams:
    """The sums by device. ``assessor``: what is known now; who knows more later begins anew."""

    def __init__(self, assessor: Assessor) -> None:
        self._assessor = assessor
        self._amounts = Columns(_AMOUNTS, np.float64)
        self._unknown = Columns(("operational", "share"), np.int64)
        self._places: dict[Key, int] = {}
        self._dated: dict[Key, bool] = {}

    def add(self, table: pa.Table) -> RowGrams:
        """Take the rows of ``table`` (``rows.COLUMNS``), which follow those that were added before."""
        grams = RowGrams(np.full(table.num_rows, np.nan), np.full(table.num_rows, np.nan))
        if table.num_rows:
            windows = self._windows(table)
            self._add_operational(windows, grams.operational)
            self._add_embodied(windows, grams.embodied)
        return grams

    def _windows(self, table: pa.Table) -> _Windows:
        codes, names = codes_of([table["fleet"], table["device_id"]])
        keys = [(name[0], name[1]) for name in names]
        for key in keys:
            self._places.setdefault(key, len(self._places))
        self._amounts.make_room(len(self._places))
        self._unknown.make_room(len(self._places))
        starts, duration_s = integers(table, "t_start_unix_ns"), floats(table, "duration_s")
        return _Windows(
            devices=codes,
            names=keys,
            starts_unix_ns=starts,
            ends_unix_ns=starts + np.maximum(np.rint(duration_s * NS_PER_S).astype(np.int64), 1),
            duration_s=duration_s,
            energy_j=floats(table, "energy_j"),
            uses=floats(table, "inference_count"),
        )

    def _add(self, name: str, places: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
        kept = self._unknown if name in {"operational", "share"} else self._amounts
        np.add.at(kept[name], places, values)

    def _add_operational(self, windows: _Windows, grams: F64) -> None:
        """Add each zone's windows together: an intensity is that of the zone, whichever device used the energy."""
        zones: defaultdict[str, list[int]] = defaultdict(list)
        for code, key in enumerate(windows.names):
            zones[self._assessor.describe(key[1]).zone].append(code)
        places = np.array([self._places[key] for key in windows.names], dtype=np.int64)[windows.devices]
        for zone, codes in zones.items():
            rows = np.flatnonzero(np.isin(windows.devices, codes)) if len(zones) > 1 else np.arange(len(places))
            if not zone:
                self._add("operational", places[rows], np.ones(len(rows), dtype=np.int64))
                continue
            energy_j = windows.energy_j[rows]
            slots = self._assessor.zone_slots(zone, windows.starts_unix_ns[rows], windows.ends_unix_ns[rows], energy_j)
            grams[rows] = slots.gco2e
            for name in ("gco2e", "low_gco2e", "high_gco2e"):
                self._add(name, places[rows], getattr(slots, name))
            self._add("operational", places[rows], (~slots.known).astype(np.int64))
            for quality, ratio in slots.quality_ratio.items():
                self._add(quality, places[rows], energy_j * ratio)

    def _add_embodied(self, windows: _Windows, grams: F64) -> None:
        order = np.argsort(windows.devices, kind="stable")
        edges = np.flatnonzero(np.diff(windows.devices[order])) + 1
        for rows in np.split(order, edges):
            key = windows.names[windows.devices[rows[0]]]
            places = np.full(len(rows), self._places[key])
            charged = self._assessor.charges(
                key[1], windows.starts_unix_ns[rows], windows.duration_s[rows], windows.uses[rows]
            )
            if charged is None:
                self._add("share", places, np.ones(len(rows), dtype=np.int64))
                continue
            mass = self._assessor.mass(key[1])
            grams[rows] = charged.share_ratio * (np.nan if mass is None else mass.value)
            self._add("share_ratio", places, charged.share_ratio)
            self._add("outside_s", places, charged.before_service_s + charged.after_retirement_s)
            self._dated[key] = charged.beyond_lifetime_s is not None
            if charged.beyond_lifetime_s is not None:
                self._add("beyond_s", places, charged.beyond_lifetime_s)

    def of(self, key: Key) -> GramSums:
        """Return the sums of one device that has windows."""
        place = self._places[key]
        amounts, unknown = self._amounts.at(place), self._unknown.at(place)
        known = (amounts["gco2e"], amounts["low_gco2e"], amounts["high_gco2e"])
        return GramSums(
            operational=None if unknown["operational"] else known,
            energy_by_quality_j={name: amounts[name] for name in QUALITIES if amounts[name] != 0.0},
            share_ratio=None if unknown["share"] else amounts["share_ratio"],
            outside_s=amounts["outside_s"],
            beyond_s=amounts["beyond_s"] if self._dated.get(key) else None,
        )
