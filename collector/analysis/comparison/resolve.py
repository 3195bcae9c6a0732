"""From a scenario's tables to the problem: every figure with its source, each pair of candidates in its cases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from collector.analysis.comparison import between, cloud_side, edge_side
from collector.analysis.comparison.document import Tables
from collector.analysis.comparison.fields import Field, Fields, groups, numbers
from collector.analysis.comparison.hardware import check_life
from collector.analysis.comparison.intensities import Intensities, KnownGrid
from collector.analysis.comparison.problem import (
    I64,
    Column,
    Grid,
    MassColumn,
    Pair,
    Problem,
    Unit,
)
from collector.analysis.comparison.quantities import SCENARIO
from collector.analysis.comparison.sources import Sources
from collector.carbon.factors import Factor
from edge_agent.wire.errors import ConfigurationError

T = TypeVar("T")
_PRICES: Final = (
    ("edges", "price_per_device"), ("clouds", "price_per_hour"), ("clouds", "price_per_1000"),
    ("network", "price_per_gb"), ("thin_client", "price_per_device"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Grids:
    """The grids of one pair in all cases."""

    edge: Field[KnownGrid]
    cloud: Field[KnownGrid]
    network: Field[KnownGrid]

    def at(self, cases: I64) -> "_Grids":
        return _Grids(self.edge.at(cases), self.cloud.at(cases), self.network.at(cases))

    @property
    def structural(self) -> list[Field[Any]]:
        return [field.mapped(lambda one: one.known).distinct() for field in (self.edge, self.cloud, self.network)]


def resolve(tables: Tables, sources: Sources, folder: Path) -> Problem:
    """Return the problem. ``folder``: what files of the scenario are named from. Raises ConfigurationError."""
    intensities = Intensities(sources.average, sources.marginal, sources.stored, sources.water)
    currency = _currency(tables)
    _check_lives(tables)
    pairs: list[Pair] = []
    notes: dict[str, None] = {}
    behind: list[tuple[Column | None, ...]] = []
    for edge_name, edge in tables.edges.items():
        for cloud_name, cloud in tables.clouds.items():
            place = _grids(intensities, edge, cloud, tables.network)
            for field in (place.edge, place.cloud, place.network):
                notes.update((note, None) for one in field.values for note in one.notes)
            for cases in groups(_structural(tables, edge, cloud, place), tables.cases.count):
                whole = len(cases) == tables.cases.count
                made, figures = _pair(
                    tables if whole else _at(tables, cases),
                    (edge_name, edge if whole else edge.at(cases)),
                    (cloud_name, cloud if whole else cloud.at(cases)),
                    place if whole else place.at(cases),
                    (cases, sources, folder),
                )
                pairs.append(made)
                behind.append(figures)
    return Problem(
        title=tables.title,
        unit=_unit(tables.unit),
        case_count=tables.cases.count,
        axes=tables.cases.axes,
        case_values=tables.cases.values,
        reference_case=tables.cases.reference,
        pairs=tuple(pairs),
        factors=_each_once(pairs, behind, tables.cases.reference),
        currency=currency,
        notes=tuple(notes),
    )


def _pair(
    tables: Tables,
    edge: tuple[str, Fields],
    cloud: tuple[str, Fields],
    place: _Grids,
    rest: tuple[I64, Sources, Path],
) -> tuple[Pair, tuple[Column | None, ...]]:
    cases, sources, folder = rest
    gaps: list[str] = []
    device, behind_device = edge_side.edge_side(*edge, place.edge, sources, folder)
    server, behind_server, of_server = cloud_side.cloud_side(*cloud, place.cloud, folder)
    way, of_network = between.network(tables.network, place.network)
    gaps += [*of_server, *of_network]
    client = None
    if tables.thin_client is None:
        gaps.append('nothing remains at the edge in the cloud case: the scenario says thin_client = "none"')
    else:
        client, of_client = between.thin_client(tables.thin_client, device)
        gaps += of_client
    gaps += _missing(place)
    prices = tables.prices
    pair = Pair(
        cases=cases,
        edge=device,
        cloud=server,
        network=way,
        thin_client=client,
        per_day=numbers(tables.unit.get("inferences_per_day")),
        electricity_price_per_kwh=numbers(None if prices is None else prices.get("electricity_per_kwh")),
        gaps=tuple(dict.fromkeys(gaps)),
    )
    return pair, (behind_device, behind_server)


def _grids(intensities: Intensities, edge: Fields, cloud: Fields, network: Fields) -> _Grids:
    at_edge, at_cloud, own = edge.get("grid"), cloud.get("grid"), network.get("grid")
    assert at_edge is not None
    assert at_cloud is not None
    device = intensities.of(at_edge)
    return _Grids(device, intensities.of(at_cloud), device if own is None else intensities.of(own))


def _structural(tables: Tables, edge: Fields, cloud: Fields, place: _Grids) -> list[Field[Any]]:
    """Return the fields in which cases have to be alike to be computed together."""
    found = [field for name in edge_side.STRUCTURAL if (field := edge.get(name)) is not None]
    found += cloud_side.structural(cloud)
    for table in (tables.network, tables.thin_client):
        if table is not None:
            found += [field for name in between.STRUCTURAL if (field := table.get(name)) is not None]
    return [*found, *place.structural]


def _missing(place: _Grids) -> list[str]:
    """Return a line for each kind of intensity, and for water, that a grid of these cases does not have."""
    said: dict[str, None] = {}
    for field in (place.edge, place.cloud, place.network):
        for kind in ("average", "marginal"):
            zones = [one.zone for one in field.values if getattr(one, kind) is None]
            if zones:
                said[f"no {kind} intensity of {_some(zones)}: the views with {kind} intensity are left out"] = None
        zones = [one.zone for one in field.values if one.water is None]
        if zones:
            said[f"no figure for the water of the electricity of {_some(zones)}"] = None
    return list(said)


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:3])
    return listed if len(names) <= 3 else f"{listed} and {len(names) - 3} more"


def _at(tables: Tables, cases: I64) -> Tables:
    def of(table: Fields | None) -> Fields | None:
        return None if table is None else table.at(cases)

    return Tables(
        tables.title, tables.cases, tables.unit.at(cases), tables.edges, tables.clouds, tables.network.at(cases),
        of(tables.thin_client), of(tables.prices),
    )  # fmt: skip


def _unit(table: Fields) -> Unit:
    task, inferences, words = (table.get(name) for name in ("task", "inferences", "words"))
    assert task is not None
    assert inferences is not None
    assert words is not None
    return Unit(
        task=task.only,
        inferences=None if inferences.only == "device_day" else float(inferences.only),
        minimum_accuracy_ratio=float(numbers(table.get("minimum_accuracy_ratio"))[0]),
        maximum_latency_s=float(numbers(table.get("maximum_latency_s"))[0]),
        words=words.only,
    )


def _check_lives(tables: Tables) -> None:
    client = () if tables.thin_client is None else (tables.thin_client,)
    for table in (*tables.edges.values(), *tables.clouds.values(), *client):
        check_life(table)


def _currency(tables: Tables) -> str:
    """Return the currency, "" without prices. Raises ConfigurationError for prices of no currency."""
    if tables.prices is not None:
        currency = tables.prices.get("currency")
        assert currency is not None, "it is needed"
        return str(currency.only)
    for where, name in _PRICES:
        held = getattr(tables, where)
        for table in held.values() if isinstance(held, dict) else (held,):
            if table is not None and table.has(name):
                raise ConfigurationError(f"{table.where(name)}: of which currency? add [prices] with currency")
    return ""


def _each_once(
    pairs: Sequence[Pair], behind: Sequence[tuple[Column | None, ...]], reference_case: int
) -> tuple[Factor, ...]:
    """Return every factor once. ``behind``: for each pair, what figures of it were computed from.

    Figures that the author varies share their path as id: one of them stands for all, that of the reference case.
    """
    found: dict[object, Factor] = {}
    rows = [_row_of(pair, reference_case) for pair in pairs]
    for index in sorted(range(len(pairs)), key=lambda index: rows[index] is None):
        for factor in _of_columns((*behind[index], *_columns_of(pairs[index])), rows[index]):
            found.setdefault(factor.id if factor.vintage == SCENARIO else (factor.id, factor.estimate.range), factor)
    return tuple(found.values())


def _row_of(pair: Pair, case: int) -> int | None:
    row = int(np.searchsorted(pair.cases, case))
    return row if row < len(pair.cases) and pair.cases[row] == case else None


def _columns_of(pair: Pair) -> Iterable[Column | MassColumn | Grid | None]:
    edge, cloud, way, client = pair.edge, pair.cloud, pair.network, pair.thin_client
    yield from (edge.energy, edge.idle_power, edge.grid, edge.mass)
    yield from (cloud.energy, cloud.idle_power, cloud.max_power, cloud.other_power, cloud.time_s)
    yield from (cloud.pue, cloud.on_site_water, cloud.grid, cloud.mass, way.average, way.marginal, way.grid)
    if client is not None:
        yield from (client.idle_power, client.energy, client.mass)


def _of_columns(columns: Iterable[Column | MassColumn | Grid | None], row: int | None) -> Iterable[Factor]:
    for one in columns:
        if isinstance(one, Column):
            yield from _this_first(one.factors, one.place, row)
        elif isinstance(one, MassColumn):
            for bill in _this_first(one.bills, one.place, row):
                yield from (factor for part in bill for factor in part.factors)
        elif isinstance(one, Grid):
            yield from _of_columns((one.average, one.marginal, one.water), row)


def _this_first(values: Sequence[T], place: I64 | None, row: int | None) -> Iterable[T]:
    if place is not None and row is not None:
        yield values[place[row]]
    yield from values
