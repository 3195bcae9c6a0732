"""Sums over windows that may come in parts: after the last part they are, to the last digit, those of the whole.

Each sum is taken window after window in the order of the journal, whatever the parts are. What is kept grows with the
number of devices and their meters, not with that of windows.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.fleet.rows import floats, integers

Key = tuple[str, str]
"""Fleet and device."""
Group = Mapping[str, Any]
_SERIES: Final = ("fleet", "device_id", "meter_driver", "meter_id", "systematic_id")
COUNTS: Final = (
    "windows",
    "simulated_windows",
    "inference_count",
    "net_windows",
    "net_u_windows",
    "net_inference_count",
)
AMOUNTS: Final = (
    "duration_s",
    "covered_s",
    "gap_s",
    "energy_j",
    "systematic_j",
    "independent_j2",
    "net_duration_s",
    "net_covered_s",
    "net_energy_j",
    "net_idle_u_j",
    "net_systematic_j",
    "net_independent_j2",
)


class Columns:
    """Arrays of one length that grows; new places hold what ``empty`` says."""

    def __init__(self, names: Iterable[str], dtype: type[np.generic], empty: float = 0) -> None:
        self._empty = empty
        self._arrays: dict[str, npt.NDArray[Any]] = {name: np.full(0, empty, dtype=dtype) for name in names}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name]

    def make_room(self, count: int) -> None:
        """Have at least ``count`` places."""
        for name, array in self._arrays.items():
            if len(array) < count:
                more = np.full(max(count, 2 * len(array)) - len(array), self._empty, dtype=array.dtype)
                self._arrays[name] = np.concatenate((array, more))

    def at(self, index: int) -> dict[str, Any]:
        """Return the values of one place as plain numbers."""
        return {name: array[index].item() for name, array in self._arrays.items()}


class WindowSums:
    """The sums by (fleet, device_id, meter_driver, meter_id, systematic_id): the finest that a report looks at."""

    def __init__(self) -> None:
        self._counts = Columns(COUNTS, np.int64)
        self._amounts = Columns(AMOUNTS, np.float64)
        self._first = Columns(("first_unix_ns",), np.int64, np.iinfo(np.int64).max)
        self._last = Columns(("last_unix_ns",), np.int64, np.iinfo(np.int64).min)
        self._places: dict[tuple[str, ...], int] = {}
        self._of_device: defaultdict[Key, list[tuple[str, ...]]] = defaultdict(list)

    def add(self, table: pa.Table) -> None:
        """Take the rows of ``table`` (``rows.COLUMNS``), which follow those that were added before."""
        if not table.num_rows:
            return
        places = self._places_of(table)
        for name, values in _columns_of(table).items():
            np.add.at((self._counts if name in COUNTS else self._amounts)[name], places, values)
        starts = integers(table, "t_start_unix_ns")
        ends = starts + np.rint(floats(table, "duration_s") * 1e9).astype(np.int64)
        np.minimum.at(self._first["first_unix_ns"], places, starts)
        np.maximum.at(self._last["last_unix_ns"], places, ends)

    def _places_of(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Return the place of each row's series, shape ``(rows,)``; series that are new get one."""
        columns = [systematic_ids(table) if name == "systematic_id" else table[name] for name in _SERIES]
        codes, names = codes_of(columns)
        for name in names:
            if name not in self._places:
                self._places[name] = len(self._places)
                self._of_device[name[0], name[1]].append(name)
        for kept in (self._counts, self._amounts, self._first, self._last):
            kept.make_room(len(self._places))
        return np.array([self._places[name] for name in names], dtype=np.int64)[codes]

    def devices(self) -> list[Key]:
        """Return every device that has windows, in order."""
        return sorted(self._of_device)

    def groups(self, key: Key) -> Iterator[dict[str, Any]]:
        """Yield the sums of one device, by the meters that measured it, in their order; see ``sums.Sums.add``."""
        for name in sorted(self._of_device[key]):
            place = self._places[name]
            numbers = self._counts.at(place) | self._amounts.at(place) | self._first.at(place) | self._last.at(place)
            yield dict(zip(_SERIES, name, strict=True)) | numbers


def codes_of(columns: list[pa.ChunkedArray]) -> tuple[npt.NDArray[np.int64], list[tuple[str, ...]]]:
    """Return, for rows with these columns of text, which combination each has, and the combinations."""
    combined = np.zeros(len(columns[0]), dtype=np.int64)
    dictionaries = []
    for column in columns:
        encoded = pa.chunked_array(column).combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        dictionaries.append(encoded.dictionary.to_pylist())
        combined = combined * len(dictionaries[-1]) + encoded.indices.to_numpy()
    found = pa.array(combined).dictionary_encode()
    names = []
    for code in found.dictionary.to_pylist():
        name: list[str] = []
        for dictionary in reversed(dictionaries):
            code, index = divmod(code, len(dictionary))  # noqa: PLW2901  taken apart from its end
            name.append(dictionary[index])
        names.append(tuple(reversed(name)))
    return np.asarray(found.indices.to_numpy(), dtype=np.int64), names


def systematic_ids(table: pa.Table) -> pa.ChunkedArray:
    """Return whose systematic errors the rows' are; see ``sums.systematic_id_of``."""
    said = pc.fill_null(table["systematic_id"], "")
    return pc.if_else(pc.equal(said, ""), table["meter_driver"], said)


def _columns_of(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Return what is summed, one value for each row.

    ``independent_j2``: variance of the parts that do average out. ``net_...``: the same over windows with a net
    energy; ``net_u_windows`` of them state an uncertainty. What a window states of its net energy is split into the
    part that is independent, that of its gross energy, and the rest, which is common: ``net_systematic_j``. Of an
    older agent's windows net energy is found from the idle power, whose uncertainty is ``net_idle_u_j`` (the same
    baseline for all, hence linear).
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
    return {
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
