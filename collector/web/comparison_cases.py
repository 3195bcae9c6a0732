"""Many cases as tables of a page: how often each answer comes out by axis, and the first cases one by one."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.analysis.comparison.answers import AxisAnswer, Comparison, View, Winner
from collector.analysis.comparison.rows import axis_texts
from collector.carbon.montecarlo import Percentiles
from collector.web.comparison_words import ANSWER_WORDS, exactly, spread, view_name

MAX_CASE_ROWS: Final = 60
MAX_VALUES: Final = 12
RANGES: Final = 8
"""A numeric axis with more than ``MAX_VALUES`` values is shown in so many ranges of them."""
RESULTS: Final = ("edge", "open", "cloud", "inadmissible")
READ_COLUMNS: Final = (
    "case", "edge", "cloud", "network_model", "intensity_kind", "admissible", "winner", "faults",
    "edge_g_p5", "edge_g_p50", "edge_g_p95", "cloud_g_p5", "cloud_g_p50", "cloud_g_p95", "probability_edge_lower",
)  # fmt: skip
"""What a page reads of the table of cases, beside a column for each axis."""
_MODELS: Final = ("average", "marginal")
Codes = npt.NDArray[np.int64]


class Tally(msgspec.Struct, frozen=True):
    """How many of an axis' cases have each result in one view. ``ratios``: in the order of ``RESULTS``."""

    count: int
    ratios: tuple[float, ...]


class AxisRow(msgspec.Struct, frozen=True):
    """One value, or range of values, of an axis; a tally for each view."""

    value: str
    tallies: tuple[Tally, ...]


class AxisTable(msgspec.Struct, frozen=True):
    """How the answer depends on one axis, over all cases and pairs."""

    name: str
    rows: tuple[AxisRow, ...]


class CaseRow(msgspec.Struct, frozen=True):
    """One case, pair and view as text."""

    case: int
    values: tuple[str, ...]
    edge: str
    cloud: str
    view: str
    edge_g: tuple[str, str]
    cloud_g: tuple[str, str]
    probability_edge_lower: float | None
    answer: str


def axis_tables(comparison: Comparison, cases: pa.Table) -> list[AxisTable]:
    """Return a table for each axis that the cases have; empty without cases."""
    if cases.num_rows == 0:
        return []
    results, views = _results(cases), _views(cases, comparison.views)
    made = []
    for axis in comparison.axes:
        if axis.name not in cases.column_names:
            continue
        names, places = _groups(cases.column(axis.name), axis)
        rows = tuple(
            AxisRow(name, tuple(_tally(results[(places == group) & seen]) for seen in views))
            for group, name in enumerate(names)
        )
        made.append(AxisTable(axis.name, tuple(row for row in rows if any(tally.count for tally in row.tallies))))
    return made


def case_rows(comparison: Comparison, cases: pa.Table) -> list[CaseRow]:
    """Return the first rows of the table, at most ``MAX_CASE_ROWS``."""
    axes = [axis.name for axis in comparison.axes if axis.name in cases.column_names]
    wanted = [name for name in (*axes, *READ_COLUMNS) if name in cases.column_names]
    return [_case_row(row, axes) for row in cases.select(wanted).slice(0, MAX_CASE_ROWS).to_pylist()]


def value_text(value: object) -> str:
    """Return a value of an axis as a reader would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return exactly(value) if isinstance(value, (int, float)) else str(value)


def _case_row(row: dict[str, Any], axes: Sequence[str]) -> CaseRow:
    admissible = bool(row["admissible"])
    winner: Winner | None = row["winner"] if admissible else None
    grams = [
        spread(_figure(row, side), "g") if admissible and row[f"{side}_g_p50"] is not None else ("–", "")
        for side in ("edge", "cloud")
    ]
    return CaseRow(
        case=int(row["case"]),
        values=tuple(value_text(row[name]) for name in axes),
        edge=row["edge"],
        cloud=row["cloud"],
        view=view_name(View(row["network_model"], row["intensity_kind"])) if row["network_model"] else "–",
        edge_g=grams[0],
        cloud_g=grams[1],
        probability_edge_lower=row["probability_edge_lower"] if admissible else None,
        answer=f"inadmissible: {_faults(row['faults'])}" if winner is None else ANSWER_WORDS[winner],
    )


def _figure(row: dict[str, Any], side: str) -> Percentiles:
    return Percentiles(p5=row[f"{side}_g_p5"], p50=row[f"{side}_g_p50"], p95=row[f"{side}_g_p95"], unit="gCO2e")


def _faults(faults: object) -> str:
    return "; ".join(map(str, faults)) if isinstance(faults, list) else str(faults)


def _results(cases: pa.Table) -> Codes:
    """Return each row's place in ``RESULTS``; a row without winner is inadmissible."""
    return _places(cases.column("winner"), RESULTS[:3])


def _views(cases: pa.Table, views: Sequence[View]) -> list[npt.NDArray[np.bool_]]:
    """Return for each view which rows are of it."""
    networks = _places(cases.column("network_model"), _MODELS)
    kinds = _places(cases.column("intensity_kind"), _MODELS)
    return [(networks == _MODELS.index(view.network)) & (kinds == _MODELS.index(view.intensity)) for view in views]


def _places(column: pa.ChunkedArray, values: Sequence[object]) -> Codes:
    """Return where each entry stands among the values, ``len(values)`` for what does not."""
    found = pc.index_in(column, value_set=pa.array(values, column.type))
    return np.asarray(pc.fill_null(found, len(values)).to_numpy(), dtype=np.int64)


def _tally(results: Codes) -> Tally:
    counts = np.bincount(results, minlength=len(RESULTS))
    total = int(counts.sum())
    return Tally(total, tuple(float(one) / total if total else 0.0 for one in counts))


def _groups(column: pa.ChunkedArray, axis: AxisAnswer) -> tuple[list[str], Codes]:
    """Return the names of the groups of an axis' values, and each row's group."""
    distinct = list(dict.fromkeys(axis.values))
    numeric = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in distinct)
    if numeric and len(distinct) > MAX_VALUES:
        parts = np.array_split(np.array(sorted(distinct, key=float), dtype=np.float64), RANGES)
        starts = np.array([part[0] for part in parts])
        places = np.searchsorted(starts, column.to_numpy().astype(np.float64), side="right") - 1
        names = [f"{exactly(float(part[0]))} to {exactly(float(part[-1]))}" for part in parts]
        return names, np.clip(places, 0, len(parts) - 1).astype(np.int64)
    shown = distinct[:MAX_VALUES]
    names = [value_text(one) for one in shown]
    if len(distinct) > MAX_VALUES:
        names.append(f"{len(distinct) - MAX_VALUES} others")
    return names, _places(column, axis_texts(shown) if pa.types.is_string(column.type) else shown)
