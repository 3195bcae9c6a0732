"""Grams of both sides in every world: whole, by cause, and their difference, in all views of a pair."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from collector.analysis.comparison.answers import Cause, View
from collector.analysis.comparison.problem import Pair
from collector.analysis.comparison.sides import NETWORK_MODELS, PairTerms, SideName, pair_terms, pair_views
from collector.analysis.comparison.terms import Evaluator, Term, spread
from collector.analysis.comparison.world import World
from collector.carbon.estimate import F64
from collector.carbon.operational import INTENSITY_KINDS


@dataclass(frozen=True, slots=True)
class ViewGrams:
    """One view. ``totals``: by side, shape ``(c or 1, worlds or 1)``; ``causes``: P5, P50, P95, ``(3, c or 1)``."""

    view: View
    totals: dict[SideName, F64]
    total_spreads: dict[SideName, F64]
    causes: dict[SideName, dict[Cause, F64]]

    @property
    def edge_minus_cloud(self) -> F64:
        """Return the difference in every world."""
        return np.asarray(self.totals["edge"] - self.totals["cloud"], dtype=np.float64)


def lower_in(edge_minus_cloud: F64) -> tuple[F64, F64]:
    """Return in which part of the worlds the edge is lower, and the cloud, shape ``(c,)``; alike is neither."""
    return np.mean(edge_minus_cloud < 0.0, axis=1), np.mean(edge_minus_cloud > 0.0, axis=1)


def view_grams(terms: PairTerms, at: Evaluator, *, spreads: bool = True) -> Iterator[ViewGrams]:
    """Yield every view in turn, within the memory of a few arrays ``(cases, worlds)``.

    ``spreads``: without, the percentiles are left out (empty), which are most of the work.
    """
    views = pair_views(terms.pair)
    sides = terms.sides
    for kind in INTENSITY_KINDS:
        if View(NETWORK_MODELS[0], kind) not in views:
            continue
        bases: dict[SideName, F64] = {}
        whole: dict[SideName, F64] = {}
        causes: dict[SideName, dict[Cause, F64]] = {}
        for name, side in sides.items():
            bases[name], causes[name] = _summed(terms.grams(side, kind), at, spreads=spreads)
            if spreads and side.traffic is None:
                whole[name] = spread(bases[name])
        for model in NETWORK_MODELS:
            view = View(model, kind)
            totals, of_causes, of_totals = dict(bases), {n: dict(c) for n, c in causes.items()}, dict(whole)
            for name, side in sides.items():
                network = terms.network_grams(side, view)
                if not network:
                    continue
                moved, of_network = _summed({"network": network}, at, spreads=spreads)
                totals[name] = bases[name] + moved
                of_causes[name].update(of_network)
                if spreads:
                    of_totals[name] = spread(totals[name])
            yield ViewGrams(view, totals, of_totals, of_causes)


def edge_and_cloud(pair: Pair, world: World, inferences: float | None = 1.0) -> dict[View, tuple[F64, F64]]:
    """Return both totals by view in all cases of a pair, shape ``(n,)`` for one world.

    For a pair of one case, shape ``(worlds,)``. Raises ValueError for many cases in many worlds.
    """
    count = len(pair.cases)
    if count > 1 and world.count > 1:
        raise ValueError("many cases in many worlds are asked for in chunks")
    shape = (count, world.count)
    at = Evaluator(world)

    def whole(values: F64) -> F64:
        return np.broadcast_to(values, shape).ravel()

    return {
        grams.view: (whole(grams.totals["edge"]), whole(grams.totals["cloud"]))
        for grams in view_grams(pair_terms(pair, inferences), at, spreads=False)
    }


def _summed(by_cause: dict[Cause, list[Term]], at: Evaluator, *, spreads: bool) -> tuple[F64, dict[Cause, F64]]:
    total: F64 = np.zeros((1, 1))
    causes: dict[Cause, F64] = {}
    for cause, terms in by_cause.items():
        made = at.dense(terms)
        if spreads:
            causes[cause] = at.spread(terms, made)
        total = total + made
    return total, causes
