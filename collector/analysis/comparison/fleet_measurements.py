"""What a device of a fleet measured over a period, from the lake's windows, their roll-ups and the journal's rest."""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

import ibis

from collector.analysis.comparison.sources import Measured, Wanted
from collector.assessment.assess import Gathered, Period, Stored, gather
from collector.assessment.cells import Cell, CellKey
from collector.assessment.engine import Engine, Limits, make_engine
from collector.assessment.lake_files import day_of, roll_ups, window_files
from collector.assessment.query import DAY_NS, Table
from collector.assessment.reading import FILES_AT_ONCE
from collector.assessment.slots import FINEST_S
from collector.intensity.yearly_table import YearlyTable
from collector.inventory import Inventory
from collector.sinks.lake import SCHEMA, LakeSink, rows_to_table
from collector.sinks.lake_place import place_of
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError

_STEP_NS: Final = FINEST_S * 10**9
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_PAGE_ROWS: Final = 20_000


def fleet_measurements(stored: Stored, limits: Limits | None = None) -> Callable[[Wanted], Measured]:
    """Return what finds a device's measurements in a lake and a journal, each period read once.

    It raises ConfigurationError for a device or model that is not there, or has no joules per inference.
    """
    gathered: dict[tuple[int, int], Gathered] = {}
    chosen = limits or Limits()

    def found(wanted: Wanted) -> Measured:
        edges = _edges(stored, wanted)
        if edges not in gathered:
            period = Period(start_unix_ns=edges[0], end_unix_ns=edges[1])
            gathered[edges] = gather(stored, Inventory(devices={}), YearlyTable(()), period, limits=chosen)
        cells = _of_device(gathered[edges], wanted)
        (key, _) = cells[0]
        idle_w, idle_u_w = _idle(stored, key.fleet, wanted._replace(device_id=key.device_id), edges, chosen)
        return _measured([cell for _, cell in cells], cells, wanted, (idle_w, idle_u_w))

    return found


def _edges(stored: Stored, wanted: Wanted) -> tuple[int, int]:
    if wanted.start_unix_ns is None or wanted.end_unix_ns is None:
        return _extent(stored)
    if wanted.start_unix_ns % _STEP_NS or wanted.end_unix_ns % _STEP_NS:
        raise ConfigurationError("a period begins and ends on full five minutes; correct from and to")
    return wanted.start_unix_ns, wanted.end_unix_ns


def _extent(stored: Stored) -> tuple[int, int]:
    """Return a period that holds all that is stored, on full five minutes."""
    edges: list[int] = []
    if stored.lake is not None:
        days = sorted({*window_files(stored.lake), *roll_ups(stored.lake)})
        edges += [(dt.date.fromisoformat(day).toordinal() - _EPOCH) * DAY_NS for day in (*days[:1], *days[-1:])]
    for page in _journal_pages(stored):
        edges += [row.window.t_start_unix_ns for row in page]
    if not edges:
        return 0, _STEP_NS
    return max(min(edges) // _STEP_NS * _STEP_NS, 0), (max(edges) // _STEP_NS + 1) * _STEP_NS + 2 * DAY_NS


def _of_device(found: Gathered, wanted: Wanted) -> list[tuple[CellKey, Cell]]:
    """Return the cells of one device. Raises ConfigurationError that says which there are."""
    fleet, _, device_id = wanted.device_id.rpartition("/")
    every = list(found.kept.whole())
    cells = [(key, cell) for key, cell in every if key.device_id == device_id and fleet in ("", key.fleet)]
    named = sorted({f"{key.fleet}/{key.device_id}" for key, _ in (cells or every)})
    if not cells:
        raise ConfigurationError(f"no measurements of {wanted.device_id!r}; there are: {_some(named)}")
    if len(named) > 1:
        raise ConfigurationError(f"{len(named)} devices fit; write FLEET/ID, one of {_some(named)}")
    if not wanted.model_id:
        return cells
    models = sorted({key.model_id for key, _ in cells})
    cells = [(key, cell) for key, cell in cells if key.model_id == wanted.model_id]
    if not cells:
        raise ConfigurationError(f"{device_id} did not run {wanted.model_id!r}; it ran: {_some(models)}")
    return cells


def _measured(
    sums: list[Cell], cells: list[tuple[CellKey, Cell]], wanted: Wanted, idle: tuple[float | None, float]
) -> Measured:
    duration_s = math.fsum(cell["duration_s"] for cell in sums)
    covered_s = duration_s - math.fsum(cell["gap_s"] for cell in sums)
    count = round(sum(cell["inference_count"] for cell in sums))
    if count < 1 or covered_s <= 0.0:
        raise ConfigurationError(
            f"{wanted.device_id} has no joules per inference: no inference, or no covered time; let it run, or "
            "choose another device or period"
        )
    by_meter: dict[str, float] = defaultdict(float)
    for key, cell in cells:
        by_meter[key.systematic_id] += cell["energy_u_systematic_j"]
    u_j = math.sqrt(
        math.fsum(u * u for u in by_meter.values()) + math.fsum(cell["energy_u_independent_j2"] for cell in sums)
    )
    per_inference = duration_s / covered_s / count  # joules are of covered time, inferences of all of it
    (key, _) = cells[0]
    models = sorted({one.model_id for one, _ in cells})
    return Measured(
        j_per_inference=math.fsum(cell["energy_j"] for cell in sums) * per_inference,
        j_per_inference_u=u_j * per_inference,
        time_per_inference_s=duration_s / count,
        idle_power_w=idle[0],
        idle_power_u_w=idle[1],
        simulated=any(cell["simulated_windows"] > 0.0 for cell in sums),
        words=f"{key.fleet}/{key.device_id} with {_some(models)}, {count:,} inferences{_when(wanted)}, meter at "
        f"{' and '.join(sorted({one.boundary for one, _ in cells}))}",
    )


def _when(wanted: Wanted) -> str:
    if wanted.start_unix_ns is None or wanted.end_unix_ns is None:
        return ""
    return f" from {day_of(wanted.start_unix_ns)} until {day_of(wanted.end_unix_ns)}"


def _some(names: list[str]) -> str:
    listed = ", ".join(names[:5]) or "none"
    return listed if len(names) <= 5 else f"{listed} and {len(names) - 5} more"


def _idle(
    stored: Stored, fleet: str, wanted: Wanted, edges: tuple[int, int], limits: Limits
) -> tuple[float | None, float]:
    """Return the mean baseline over the windows that declare one, by time, and its standard uncertainty."""
    sums = dict.fromkeys(("weight_s", "idle_j", "idle_u_j"), 0.0)
    with make_engine(limits) as engine:
        for held in _window_tables(engine, stored, edges):
            with held as rows:
                (found,) = engine.answer(_idle_question(rows, fleet, wanted, edges)).to_pylist()
            for name in sums:
                sums[name] += found[name] or 0.0
    weight_s, idle_j, idle_u_j = sums.values()
    return (idle_j / weight_s, idle_u_j / weight_s) if weight_s > 0.0 else (None, 0.0)


def _window_tables(engine: Engine, stored: Stored, edges: tuple[int, int]) -> Iterator[AbstractContextManager[Table]]:
    """Give the windows of the period's days in portions: of the lake, and of the journal what is not there yet."""
    if stored.lake is not None:
        first, last = day_of(edges[0]), day_of(edges[1] - 1)
        files = [name for day, names in window_files(stored.lake).items() if first <= day <= last for name in names]
        place = place_of(stored.lake)
        for start in range(0, len(files), FILES_AT_ONCE):
            yield engine.scan(place, files[start : start + FILES_AT_ONCE], SCHEMA)
    for page in _journal_pages(stored):
        yield engine.table(rows_to_table(page))


def _journal_pages(stored: Stored) -> Iterator[list[StoredWindow]]:
    """Give the windows of the journal that are not in the lake yet."""
    if stored.journal is not None:
        cursor = 0 if stored.lake is None else stored.journal.cursor(LakeSink.name)
        while page := stored.journal.rows_after(cursor, _PAGE_ROWS):
            yield page
            cursor = page[-1].row_id


def _idle_question(rows: Table, fleet: str, wanted: Wanted, edges: tuple[int, int]) -> Table:
    own = rows.filter(
        rows.fleet == fleet,
        rows.device_id == wanted.device_id,
        rows.idle_power_w.notnull(),
        rows.t_start_unix_ns >= edges[0],
        rows.t_start_unix_ns < edges[1],
    )
    if wanted.model_id:
        own = own.filter(own.model_id == wanted.model_id)
    return own.aggregate(
        weight_s=own.duration_s.sum(),
        idle_j=(own.idle_power_w * own.duration_s).sum(),
        idle_u_j=(ibis.coalesce(own.idle_power_u_w, 0.0) * own.duration_s).sum(),
    )
