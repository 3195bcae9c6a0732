"""What the reference case becomes when the rate or the grid of the edge is another: curves and maps of verdicts."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from collector.analysis.comparison.answers import Curve, CurvePoint, Question, VerdictMap, View
from collector.analysis.comparison.break_even import not_asked
from collector.analysis.comparison.chunks import ranges
from collector.analysis.comparison.grams import ViewGrams, view_grams
from collector.analysis.comparison.problem import Pair
from collector.analysis.comparison.sides import intensity_of, pair_terms, pair_views
from collector.analysis.comparison.sweep import UNITS, between, swept
from collector.analysis.comparison.terms import Evaluator
from collector.analysis.comparison.world import Drawn
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Draws, Percentiles
from collector.carbon.operational import gram_unit
from collector.carbon.units import S_PER_DAY

POINTS: Final = 41
MAP_RATES: Final = 25
MAP_GRIDS: Final = 15
_LEAST_RATE: Final = 1.0
_CLEAN_G: Final = 10.0
_DIRTY_G: Final = 1_200.0
"""Grids of countries lie between some 20 gCO2e/kWh and, by marginal intensities, some 1,070 (UNFCCC 2021)."""


def curves(pair: Pair, inferences: float | None, draws: Draws) -> tuple[Curve, ...]:
    """Return both sides over the rate, up to what the device can do, and over the edge's grid, in every view.

    For a pair of one case. A quantity that does not matter has no curve.
    """
    made: list[Curve] = []
    axes: dict[Question, F64] = {
        "inferences_per_day": rates(pair, POINTS),
        "edge_grid": np.linspace(0.0, _most_g(pair), POINTS),
    }
    for question, values in axes.items():
        if not_asked(pair, question):
            continue
        points: dict[View, list[CurvePoint]] = {}
        for first, grams in _chunks(swept(pair, question, values), inferences, draws, spreads=True):
            points.setdefault(grams.view, []).extend(_points(grams, values, first))
        made += [
            Curve(question=question, unit=UNITS[question], view=view, points=tuple(of_view))
            for view, of_view in points.items()
        ]
    return tuple(made)


def maps(pair: Pair, inferences: float | None, draws: Draws) -> tuple[VerdictMap, ...]:
    """Return the probability that the edge is lower over rate and grid, in every view, for a pair of one case."""
    if not_asked(pair, "inferences_per_day"):
        return ()
    per_day, grid_g = rates(pair, MAP_RATES), np.geomspace(_CLEAN_G, _most_g(pair), MAP_GRIDS)
    every = swept(pair, "edge_grid", np.repeat(grid_g, len(per_day)))
    every = swept(every, "inferences_per_day", np.tile(per_day, len(grid_g)))
    found: dict[View, list[float]] = {view: [] for view in pair_views(pair)}
    for _, grams in _chunks(every, inferences, draws, spreads=False):
        found[grams.view].extend(np.mean(grams.edge_minus_cloud < 0.0, axis=1).tolist())
    return tuple(
        VerdictMap(
            view=view,
            inferences_per_day=tuple(per_day.tolist()),
            edge_grid_gco2e_per_kwh=tuple(grid_g.tolist()),
            probability_edge_lower=tuple(map(tuple, np.reshape(values, (len(grid_g), len(per_day))).tolist())),
        )
        for view, values in found.items()
    )


def rates(pair: Pair, count: int) -> F64:
    """Return inferences a day from one, evenly in the logarithm, to what the device can do in a day."""
    most = S_PER_DAY / float(pair.edge.time_s[0])
    return np.asarray(np.geomspace(min(_LEAST_RATE, most / 1_000.0), most, count), dtype=np.float64)


def _most_g(pair: Pair) -> float:
    """Return the upper end of the grids to look at, beyond what the edge has now."""
    now = [
        column.factors[0].estimate.high
        for kind in ("average", "marginal")
        if (column := intensity_of(pair.edge.grid, kind)) is not None
    ]
    return max(_DIRTY_G, *now)


def _chunks(pair: Pair, inferences: float | None, draws: Draws, *, spreads: bool) -> Iterator[tuple[int, ViewGrams]]:
    """Yield the views of some cases at a time, with the first of them."""
    for start, stop in ranges(len(pair.cases), draws.count):
        some = between(pair, start, stop)
        for grams in view_grams(pair_terms(some, inferences), Evaluator(Drawn(draws)), spreads=spreads):
            yield start, grams


def _points(grams: ViewGrams, values: F64, first: int) -> Iterator[CurvePoint]:
    probability = np.mean(grams.edge_minus_cloud < 0.0, axis=1)
    unit = gram_unit(grams.view.intensity)
    ends = {name: np.broadcast_to(of_side, (3, len(probability))) for name, of_side in grams.total_spreads.items()}
    for row, chance in enumerate(probability.tolist()):
        yield CurvePoint(
            value=float(values[first + row]),
            edge=percentiles_at(ends["edge"], row, unit),
            cloud=percentiles_at(ends["cloud"], row, unit),
            probability_edge_lower=chance,
        )


def percentiles_at(ends: F64, row: int, unit: str) -> Percentiles:
    """Return one case of P5, P50 and P95, shape ``(3, c)``."""
    p5, p50, p95 = (float(end) for end in ends[:, row])
    return Percentiles(p5=p5, p50=p50, p95=p95, unit=unit)
