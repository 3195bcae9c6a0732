"""What the reference case becomes when the rate or the grid of the edge is another: curves and maps of verdicts.

Each side is linear in the grid's intensity and in one over the rate, so its worlds at two values of each give those at
every other: ``side = a + b * t + c * g + d * t * g``.
"""

from typing import Final

import numpy as np

from collector.analysis.comparison.answers import Curve, CurvePoint, Question, VerdictMap, View
from collector.analysis.comparison.break_even import not_asked
from collector.analysis.comparison.chunks import ranges
from collector.analysis.comparison.grams import edge_and_cloud
from collector.analysis.comparison.problem import Pair
from collector.analysis.comparison.sides import intensity_of
from collector.analysis.comparison.sweep import UNITS, swept
from collector.analysis.comparison.terms import spread
from collector.analysis.comparison.world import Drawn
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Draws, Percentiles
from collector.carbon.operational import INTENSITY_KINDS, gram_unit
from collector.carbon.units import S_PER_DAY

POINTS: Final = 41
MAP_RATES: Final = 25
MAP_GRIDS: Final = 15
_LEAST_RATE: Final = 1.0
_CLEAN_G: Final = 10.0
_DIRTY_G: Final = 1_200.0
"""Grids of countries lie between some 20 gCO2e/kWh and, by marginal intensities, some 1,070 (UNFCCC 2021)."""
_ENDS: Final[dict[Question, tuple[float, float]]] = {"inferences_per_day": (np.inf, 1.0), "edge_grid": (0.0, 1_000.0)}
"""Where both sides are evaluated; in between and beyond they are straight lines."""
Sides = tuple[F64, F64]
"""Grams per inference of edge and cloud in every world, shape ``(worlds,)`` each."""


def curves(pair: Pair, inferences: float | None, draws: Draws) -> tuple[Curve, ...]:
    """Return both sides over the rate, up to what the device can do, and over the edge's grid, in every view.

    For a pair of one case. A quantity that does not matter has no curve.
    """
    per_day = rates(pair, POINTS)
    grid_g = np.linspace(0.0, _most_g(pair), POINTS)
    units = per_day if inferences is None else np.array([inferences])
    unit = pair.per_day if inferences is None else np.array([inferences])
    made: list[Curve] = []
    if not not_asked(pair, "inferences_per_day"):
        made += _curves(pair, "inferences_per_day", per_day, np.broadcast_to(units, per_day.shape), draws)
    return (*made, *_curves(pair, "edge_grid", grid_g, np.broadcast_to(unit, grid_g.shape), draws))


def maps(pair: Pair, draws: Draws) -> tuple[VerdictMap, ...]:
    """Return the probability that the edge is lower over rate and grid, in every view, for a pair of one case.

    None where the rate does not matter. Who is lower for one inference is lower for any unit.
    """
    if not_asked(pair, "inferences_per_day"):
        return ()
    per_day, grid_g = rates(pair, MAP_RATES), np.geomspace(_CLEAN_G, _most_g(pair), MAP_GRIDS)
    clean, dirty = (_at(pair, "edge_grid", grid, draws) for grid in _ENDS["edge_grid"])
    made: list[VerdictMap] = []
    for view in clean[0]:
        rows: list[tuple[float, ...]] = []
        for share in grid_g / _ENDS["edge_grid"][1]:
            busy, idle = (
                (1.0 - share) * _difference(low[view]) + share * _difference(high[view])
                for low, high in zip(clean, dirty, strict=True)
            )
            rows.append(tuple(_chances(busy, idle, per_day)))
        made.append(
            VerdictMap(
                view=view,
                inferences_per_day=tuple(per_day.tolist()),
                edge_grid_gco2e_per_kwh=tuple(grid_g.tolist()),
                probability_edge_lower=tuple(rows),
            )
        )
    return tuple(made)


def rates(pair: Pair, count: int) -> F64:
    """Return inferences a day from one, evenly in the logarithm, to what the device can do in a day."""
    most = S_PER_DAY / float(pair.edge.time_s[0])
    return np.asarray(np.geomspace(min(_LEAST_RATE, most / 1_000.0), most, count), dtype=np.float64)


def percentiles_at(ends: F64, row: int, unit: str) -> Percentiles:
    """Return one case of P5, P50 and P95, shape ``(3, c)``."""
    p5, p50, p95 = (float(end) for end in ends[:, row])
    return Percentiles(p5=p5, p50=p50, p95=p95, unit=unit)


def _curves(pair: Pair, question: Question, values: F64, units: F64, draws: Draws) -> list[Curve]:
    """Return the curve of each view; ``units``: inferences of the functional unit at each value."""
    first, second = (edge_and_cloud(swept(pair, question, np.array([end])), Drawn(draws)) for end in _ENDS[question])
    shares = 1.0 / values if question == "inferences_per_day" else values / _ENDS[question][1]
    made: list[Curve] = []
    for view, ends in first.items():
        points: list[CurvePoint] = []
        unit = gram_unit(view.intensity)
        for start, stop in ranges(len(values), draws.count):
            edge, cloud = (
                units[start:stop, np.newaxis] * _between(low, high, shares[start:stop])
                for low, high in zip(ends, second[view], strict=True)
            )
            chances = np.mean(edge < cloud, axis=1).tolist()
            of_edge, of_cloud = spread(edge), spread(cloud)
            points += [
                CurvePoint(
                    value=float(values[start + row]),
                    edge=percentiles_at(of_edge, row, unit),
                    cloud=percentiles_at(of_cloud, row, unit),
                    probability_edge_lower=chance,
                )
                for row, chance in enumerate(chances)
            ]
        here = float(pair.per_day[0]) if question == "inferences_per_day" else _grid_here(pair, view)
        made.append(Curve(question=question, unit=UNITS[question], view=view, here=here, points=tuple(points)))
    return made


def _grid_here(pair: Pair, view: View) -> float:
    """Return the intensity of the edge's grid as it is; a view is there only where it is known."""
    column = intensity_of(pair.edge.grid, view.intensity)
    if column is None:
        raise ValueError(f"a view with {view.intensity} intensity, and none is known")
    return column.factors[0].estimate.value


def _at(pair: Pair, question: Question, value: float, draws: Draws) -> tuple[dict[View, Sides], dict[View, Sides]]:
    """Return both sides with a quantity set, at an endless rate and at one inference a day."""
    moved = swept(pair, question, np.array([value]))
    endless, one = (
        edge_and_cloud(swept(moved, "inferences_per_day", np.array([rate])), Drawn(draws))
        for rate in _ENDS["inferences_per_day"]
    )
    return endless, one


def _chances(endless: F64, one: F64, per_day: F64) -> list[float]:
    """Return the probability of a negative difference at each rate."""
    found: list[float] = []
    for start, stop in ranges(len(per_day), len(endless)):
        found += np.mean(_between(endless, one, 1.0 / per_day[start:stop]) < 0.0, axis=1).tolist()
    return found


def _between(first: F64, second: F64, shares: F64) -> F64:
    """Return ``first`` moved towards ``second`` by each share, shape ``(shares, worlds)``."""
    return np.asarray(first + shares[:, np.newaxis] * (second - first), dtype=np.float64)


def _difference(sides: Sides) -> F64:
    return np.asarray(sides[0] - sides[1], dtype=np.float64)


def _most_g(pair: Pair) -> float:
    """Return the upper end of the grids to look at, beyond what the edge has now."""
    grid = pair.edge.grid
    known = [column for kind in INTENSITY_KINDS if (column := intensity_of(grid, kind)) is not None]
    return max(_DIRTY_G, *(column.factors[0].estimate.high for column in known))
