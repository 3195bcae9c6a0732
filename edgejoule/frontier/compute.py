"""Compute the frontier of each task, in every drawn world."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Draws
from collector.carbon.pareto import drawn_score, on_front, step_costs
from collector.numbers import percent
from edgejoule.frontier.values import Front, Frontier, Point, Standing, Step
from edgejoule.lifecycle.asked import Found
from edgejoule.lifecycle.compute import Amount, Compute, Rates, grid_notes
from edgejoule.lifecycle.scenario import LifecycleScenario
from edgejoule.zoo.entry import Family, ModelEntry, Score

SURE: Final = 0.95
NOTE: Final = (
    "scores of models on one test set are drawn independently, though they answer the same questions: two models of "
    "one family are surer apart than this says"
)


def frontier(found: Found, task: str, rates: Rates, draws: Draws, inferences: float | None) -> Frontier:
    """Return the fronts of all tasks that hold ``task``. ``inferences``: to spread each model's making over.

    Raises ConfigurationError for a task that is not there.
    """
    compute = Compute(found.catalog, LifecycleScenario(task=task), found.deployed, rates, draws)
    fronts = tuple(_front(families, found, compute, draws, inferences) for families in compute.families())
    return Frontier(
        unit=rates.unit,
        inferences=inferences,
        simulated=any(one.origin == "simulated" for one in found.deployed.values()),
        where=found.where,
        fronts=fronts,
        notes=(*found.notes, *grid_notes(rates), NOTE),
        factors=tuple(compute.factors.values()),
        seed=draws.seed,
        draws=draws.count,
    )


def _front(
    families: Sequence[Family], found: Found, compute: Compute, draws: Draws, inferences: float | None
) -> Front:
    models = [model for family in families for model in found.catalog.members(family.id)]
    known: list[tuple[ModelEntry, Score, Amount]] = []
    for model in models:
        cost = _cost(model, compute, inferences)
        if model.score is not None and cost is not None:
            known.append((model, model.score, cost))
    left_out = tuple(one.id for one in models if all(one is not model for model, _, _ in known))
    if not known:
        return Front(
            task=families[0].task, metric=families[0].metric, points=(), steps=(), last_half="", left_out=left_out
        )
    scores = np.stack(
        [drawn_score(one.value, one.low, one.high, draws.normal(f"score of {model.id}")) for model, one, _ in known]
    )
    costs = np.stack([cost.drawn for _, _, cost in known])
    chances = on_front(scores, costs).mean(axis=1)
    middle_scores = np.array([[one.value] for _, one, _ in known])
    middle_costs = np.array([[cost.middle] for _, _, cost in known])
    middles = on_front(middle_scores, middle_costs)[:, 0]
    order = sorted(np.flatnonzero(middles).tolist(), key=lambda place: (middle_costs[place, 0], place))
    steps = tuple(
        _step(
            (known[first][0].id, known[second][0].id),
            (middle_scores[[first, second]], middle_costs[[first, second]]),
            (scores[[first, second]], costs[[first, second]]),
        )
        for first, second in pairwise(order)
        if middle_scores[second, 0] > middle_scores[first, 0]
    )
    points = tuple(
        Point(
            model_id=model.id,
            family=model.family,
            score=score,
            cost=cost.estimate(compute.unit, found.deployed[model.id].text),
            origin=found.deployed[model.id].origin,
            origin_text=found.deployed[model.id].text,
            probability_on_front=float(chances[place]),
            at_medians=bool(middles[place]),
            standing=_standing(float(chances[place])),
        )
        for place, (model, score, cost) in enumerate(known)
    )
    return Front(
        task=families[0].task,
        metric=families[0].metric,
        points=tuple(sorted(points, key=lambda one: one.cost.value)),
        steps=steps,
        last_half=_last_half(points, order, scores, costs),
        left_out=left_out,
    )


def _cost(model: ModelEntry, compute: Compute, inferences: float | None) -> Amount | None:
    used = compute.use(model)
    if used is None or inferences is None:
        return used
    made = compute.development(model)
    return None if made is None else used.plus(made, 1.0 / inferences)


def _standing(chance: float) -> Standing:
    return "on" if chance >= SURE else "beaten" if chance <= 1.0 - SURE else "perhaps"


_Pair = tuple["np.typing.NDArray[np.float64]", "np.typing.NDArray[np.float64]"]


def _step(names: tuple[str, str], middles: _Pair, worlds: _Pair) -> Step:
    (first, second), (scores, costs) = names, middles
    each = step_costs(*worlds)
    higher = ~np.isnan(each)
    ends = np.percentile(each[higher], (5.0, 95.0)) if np.any(higher) else None
    return Step(
        first=first,
        second=second,
        points=float(100.0 * (scores[1, 0] - scores[0, 0])),
        cost=float(costs[1, 0] - costs[0, 0]),
        cost_per_point=float(step_costs(scores, costs)[0]),
        low=None if ends is None else float(ends[0]),
        high=None if ends is None else float(ends[1]),
        probability_higher=float(np.mean(higher)),
    )


def _last_half(points: Sequence[Point], order: Sequence[int], scores: F64, costs: F64) -> str:
    """Say how much score is there for half of what the model with the most of it costs, and how sure that is."""
    place = order[-1]
    best = points[place]
    within = [one for one in order if points[one].cost.value <= 0.5 * best.cost.value]
    if not within:
        return f"No model of this front costs half as much as {best.model_id}, which scores the most."
    near = max(within, key=lambda one: points[one].score.value)
    gained = 100.0 * (best.score.value - points[near].score.value)
    low, high = np.percentile(1.0 - costs[near] / costs[place], (5.0, 95.0))
    shares = percent(1.0 - points[near].cost.value / best.cost.value)
    if percent(low) != percent(high):
        shares += f" ({percent(low)} to {percent(high)})"
    return (
        f"{shares} of what an inference of {best.model_id} takes goes into its last {gained:.1f} points: "
        f"{points[near].model_id} does without. In {percent(float(np.mean(scores[place] > scores[near])))} of the "
        f"drawn worlds it does score lower."
    )
