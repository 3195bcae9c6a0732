"""Which factors decide: edge minus cloud with each of them at its low and high, and its share of the variance."""

import numpy as np

from collector.analysis.comparison.answers import FactorSwing, Tornado, View
from collector.analysis.comparison.grams import edge_and_cloud
from collector.analysis.comparison.problem import Column, MassColumn, Pair
from collector.analysis.comparison.sides import pair_terms, pair_views
from collector.analysis.comparison.world import Drawn, Medians, OneDrawn, World
from collector.carbon.estimate import F64
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws


def tornados(pair: Pair, inferences: float | None, draws: Draws) -> tuple[Tornado, ...]:
    """Return a tornado of each view, for a pair of one case; factors without a range have no bar."""
    middle = _differences(pair, Medians(), inferences)
    variances = {view: float(np.var(drawn)) for view, drawn in _differences(pair, Drawn(draws), inferences).items()}
    swings: dict[View, list[FactorSwing]] = {view: [] for view in middle}
    for factor in varying(pair):
        low = _differences(pair, Medians({factor.id: "low"}), inferences)
        high = _differences(pair, Medians({factor.id: "high"}), inferences)
        alone = _differences(pair, OneDrawn(draws, factor.id), inferences)
        for view, found in swings.items():
            at_low, at_high = float(low[view][0]), float(high[view][0])
            if at_low == at_high:
                continue
            whole = variances[view]
            found.append(
                FactorSwing(
                    factor_id=factor.id,
                    name=factor.name,
                    at_low_g=at_low,
                    at_high_g=at_high,
                    turns=(at_low < 0.0) is not (at_high < 0.0),
                    variance_ratio=min(float(np.var(alone[view])) / whole, 1.0) if whole > 0.0 else 0.0,
                )
            )
    return tuple(
        Tornado(
            view=view,
            middle_g=float(middle[view][0]),
            swings=tuple(sorted(found, key=lambda one: (-abs(one.at_high_g - one.at_low_g), one.factor_id))),
        )
        for view, found in swings.items()
    )


def varying(pair: Pair) -> tuple[Factor, ...]:
    """Return the factors with a range that any view of the pair is computed from, each id once."""
    terms = pair_terms(pair, 1.0)
    found: dict[str, Factor] = {}
    for view in pair_views(pair):
        for side in (terms.edge, terms.cloud):
            for of_cause in terms.all_grams(side, view).values():
                for link in (link for term in of_cause for product in term.products for link in product):
                    for factor in _factors(link.column):
                        found.setdefault(factor.id, factor)
    return tuple(one for one in found.values() if one.estimate.low < one.estimate.high)


def _factors(column: Column | MassColumn) -> tuple[Factor, ...]:
    if isinstance(column, Column):
        return column.factors
    return tuple(factor for bill in column.bills for part in bill for factor in part.factors)


def _differences(pair: Pair, world: World, inferences: float | None) -> dict[View, F64]:
    return {view: edge - cloud for view, (edge, cloud) in edge_and_cloud(pair, world, inferences).items()}
