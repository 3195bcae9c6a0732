"""A pair in one of its cases, and a pair in which one quantity is set to values of one's choice. Pure.

Setting the grid of the edge asks what another place would mean for the device: whatever stands there moves along, the
thin client and a network that draws on the same grid; the cloud stays where it is.
"""

from dataclasses import fields, is_dataclass, replace
from typing import Final, TypeVar

import numpy as np

from collector.analysis.comparison.answers import Question
from collector.analysis.comparison.problem import I64, Column, Grid, MassColumn, Pair
from collector.carbon.estimate import F64, exactly
from collector.carbon.factors import Factor
from collector.carbon.operational import INTENSITY_KINDS, IntensityKind
from collector.carbon.units import GCO2E_PER_KWH

UNITS: Final[dict[Question, str]] = {
    "inferences_per_day": "inferences a day",
    "edge_grid": GCO2E_PER_KWH,
    "edge_lifetime": "years",
    "cloud_utilisation": "ratio",
}
SWEPT: Final = "edge.grid"
T = TypeVar("T")
K = TypeVar("K")


def at_row(pair: Pair, row: int) -> Pair:
    """Return the pair in one of its cases, ``row`` counting from 0 in the pair, with one factor in each column."""
    return between(pair, row, row + 1)


def between(pair: Pair, start: int, stop: int) -> Pair:
    """Return the pair in the cases of some of its rows; nothing is copied."""
    return replace(_sliced(pair, slice(start, stop)), cases=pair.cases[start:stop])


def swept(pair: Pair, question: Question, values: F64) -> Pair:
    """Return the pair with a quantity at ``values``: shape (n,) in a pair of one case, or (1,) in one of many.

    ``inferences_per_day`` takes infinity (nothing of a day is left for one inference), ``edge_lifetime`` and
    ``cloud_utilisation`` too: what is divided by them vanishes.
    """
    if len(values) > 1:
        pair = replace(pair, cases=np.arange(len(values)))
    if question == "inferences_per_day":
        return replace(pair, per_day=values)
    if question == "cloud_utilisation":
        return replace(pair, cloud=replace(pair.cloud, utilisation_ratio=values))
    if question == "edge_lifetime":
        edge = replace(pair.edge, life=replace(pair.edge.life, lifetime_years=values))
        client = pair.thin_client
        if client is not None and client.same_board:
            client = replace(client, life=replace(client.life, lifetime_years=values))
        return replace(pair, edge=edge, thin_client=client)
    edge_grid, network_grid = pair.edge.grid, pair.network.grid
    for kind in INTENSITY_KINDS:
        here, there = _column(pair.edge.grid, kind), _column(pair.network.grid, kind)
        if here is None:
            continue
        edge_grid = _with(edge_grid, kind, _exact(values))
        if there is not None:
            network_grid = _with(network_grid, kind, _set_where_same(here, there, values, len(pair.cases)))
    return replace(pair, edge=replace(pair.edge, grid=edge_grid), network=replace(pair.network, grid=network_grid))


def _exact(values: F64) -> Column:
    source = "set to look at it"
    factors = tuple(
        Factor(
            id=SWEPT,
            name="intensity of the edge's grid",
            estimate=exactly(float(value), GCO2E_PER_KWH, source),
            scope=source,
            source=source,
            licence="none",
            vintage="",
            method=source,
        )
        for value in values
    )
    return Column(factors, None if len(factors) == 1 else np.arange(len(factors)))


def _set_where_same(here: Column, there: Column, values: F64, count: int) -> Column:
    """Return the network's intensities, set wherever they are those of the edge's grid."""
    exact = _exact(values)
    if here.place is None and there.place is None:
        return exact if here.factors[0].id == there.factors[0].id else there
    if len(values) > 1:
        raise ValueError("a grid is swept in a pair of one case; take at_row first")
    ids = [np.array([factor.id for factor in column.factors])[_places(column, count)] for column in (here, there)]
    place = np.where(ids[0] == ids[1], len(there.factors), _places(there, count))
    return Column((*there.factors, *exact.factors), place)


def _places(column: Column, count: int) -> I64:
    return np.zeros(count, dtype=np.int64) if column.place is None else column.place


def _column(grid: Grid, kind: IntensityKind) -> Column | None:
    return grid.average if kind == "average" else grid.marginal


def _with(grid: Grid, kind: IntensityKind, column: Column) -> Grid:
    return replace(grid, average=column) if kind == "average" else replace(grid, marginal=column)


def _sliced(whole: T, rows: slice) -> T:
    """Return a dataclass of columns with some of their rows; what holds for all cases stays as it is."""
    changed: dict[str, object] = {}
    for one in fields(whole):  # type: ignore[arg-type]
        value = getattr(whole, one.name)
        if isinstance(value, Column):
            changed[one.name] = Column(*_chosen(value.factors, value.place, rows))
        elif isinstance(value, MassColumn):
            changed[one.name] = MassColumn(*_chosen(value.bills, value.place, rows))
        elif isinstance(value, Grid):
            changed[one.name] = _sliced(replace(value, zones=_zones(value, rows)), rows)
        elif isinstance(value, np.ndarray):
            changed[one.name] = value[rows] if len(value) > 1 else value
        elif is_dataclass(value):
            changed[one.name] = _sliced(value, rows)
    return replace(whole, **changed)  # type: ignore[type-var]


def _chosen(kinds: tuple[K, ...], place: I64 | None, rows: slice) -> tuple[tuple[K, ...], I64 | None]:
    """Return what the rows have; a single row has one kind only, and no more kinds are carried than there are rows."""
    if place is None:
        return kinds, None
    if rows.stop - rows.start == 1:
        return (kinds[int(place[rows.start])],), None
    of_rows = place[rows]
    if len(kinds) <= len(of_rows):
        return kinds, of_rows
    used, of_rows = np.unique(of_rows, return_inverse=True)
    return tuple(kinds[number] for number in used), of_rows


def _zones(grid: Grid, rows: slice) -> tuple[str, ...]:
    place = None if grid.average is None else grid.average.place
    return _chosen(grid.zones, place, rows)[0] if len(grid.zones) > 1 else grid.zones
