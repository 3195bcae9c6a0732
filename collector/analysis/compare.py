"""Edge against cloud for one functional unit, with ranges, both network models and the break-even."""

import math
from typing import Final, Literal

import msgspec
import numpy as np

from collector.analysis.footprint import (
    NETWORK_MODELS,
    NetworkModel,
    SideFootprint,
    World,
    cloud_footprint,
    edge_footprint,
)
from collector.analysis.resolve import Resolved
from collector.analysis.verdict import verdict_sentence
from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED, Draws, Percentiles, estimate_of, percentiles
from collector.carbon.operational import IntensityKind, gram_unit
from collector.carbon.units import JOULE

PER: Final = 1_000
"""Figures are per 1000 inferences, so that they have a readable size."""

NOT_COUNTED: Final = (
    "the device that captures the input, which both sides need",
    "training and development of the model",
    "end of life of the hardware",
    "embodied carbon of the network",
)

Outcome = Literal["edge_lower_above", "edge_always_lower", "edge_never_lower"]


class ComparedSide(msgspec.Struct, frozen=True, kw_only=True):
    """One side, per 1000 inferences; energy in joules, the rest in grams."""

    name: Literal["edge", "cloud"]
    energy: Estimate
    operational: Estimate
    network_average: Estimate
    network_marginal: Estimate
    embodied: Estimate
    total_average: Estimate
    total_marginal: Estimate


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Edge minus cloud per 1000 inferences with one network model; negative: the edge emits less."""

    network_model: NetworkModel
    edge_minus_cloud: Percentiles
    probability_edge_lower: float


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Inferences a day from which on the edge emits less.

    ``outcome`` at the medians; the number is None unless it is ``edge_lower_above``. ``low``, ``high``: P5 and P95 of
    the drawn worlds, None where that percentile lies at "never". ``feasible``: whether one device can do so many.
    """

    network_model: NetworkModel
    outcome: Outcome
    inferences_per_day: float | None
    low: float | None
    high: float | None
    probability_exists: float
    feasible: bool | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and all that is needed to argue with it."""

    title: str
    functional_unit: str
    verdict: str
    simulated: bool
    intensity_kind: IntensityKind
    attribution: str
    inferences_per_day: float
    per_inferences: int
    edge: ComparedSide
    cloud: ComparedSide
    differences: list[Difference]
    break_even: list[BreakEven]
    seed: int
    draws: int
    not_counted: list[str]
    factors: list[Factor]


def compare(resolved: Resolved, *, seed: int = DEFAULT_SEED, draws: int = DEFAULT_DRAWS) -> Comparison:
    """Return the comparison; the same scenario, seed and number of draws give the same figures."""
    drawn = World(Draws(seed=seed, count=draws))
    median = World(None)
    edge, cloud = edge_footprint(resolved, drawn), cloud_footprint(resolved, drawn)
    edge_mid, cloud_mid = edge_footprint(resolved, median), cloud_footprint(resolved, median)
    kind = resolved.edge.intensity.kind
    unit = gram_unit(kind)
    differences = [_difference(edge, cloud, model, unit) for model in NETWORK_MODELS]
    scenario = resolved.scenario
    return Comparison(
        title=scenario.title,
        functional_unit=scenario.functional_unit,
        verdict=verdict_sentence(
            [(d.network_model, d.edge_minus_cloud, d.probability_edge_lower) for d in differences],
            per=PER,
            inferences_per_day=scenario.edge.inferences_per_day,
            simulated=resolved.edge.simulated,
        ),
        simulated=resolved.edge.simulated,
        intensity_kind=kind,
        attribution=scenario.edge.attribution,
        inferences_per_day=scenario.edge.inferences_per_day,
        per_inferences=PER,
        edge=_side("edge", edge, edge_mid, unit),
        cloud=_side("cloud", cloud, cloud_mid, unit),
        differences=differences,
        break_even=[
            _break_even(model, (edge_mid, cloud_mid), (edge, cloud), resolved.edge.time_per_inference_s)
            for model in NETWORK_MODELS
        ],
        seed=seed,
        draws=draws,
        not_counted=list(NOT_COUNTED),
        factors=resolved.factors(),
    )


def _side(name: Literal["edge", "cloud"], drawn: SideFootprint, median: SideFootprint, unit: str) -> ComparedSide:
    def grams(mid: F64, worlds: F64) -> Estimate:
        return estimate_of(float(mid[0]) * PER, worlds * PER, unit, "medians of the factors; range by Monte Carlo")

    energy = estimate_of(float(median.energy_j[0]) * PER, drawn.energy_j * PER, JOULE, "as the grams")
    return ComparedSide(
        name=name,
        energy=energy,
        operational=grams(median.operational_g, drawn.operational_g),
        network_average=grams(median.network_g["average"], drawn.network_g["average"]),
        network_marginal=grams(median.network_g["marginal"], drawn.network_g["marginal"]),
        embodied=grams(median.embodied_g, drawn.embodied_g),
        total_average=grams(median.total_g("average"), drawn.total_g("average")),
        total_marginal=grams(median.total_g("marginal"), drawn.total_g("marginal")),
    )


def _difference(edge: SideFootprint, cloud: SideFootprint, model: NetworkModel, unit: str) -> Difference:
    difference = (edge.total_g(model) - cloud.total_g(model)) * PER
    return Difference(
        network_model=model,
        edge_minus_cloud=percentiles(difference, unit),
        probability_edge_lower=float(np.mean(difference < 0.0)),
    )


def _break_even(
    model: NetworkModel,
    median: tuple[SideFootprint, SideFootprint],
    drawn: tuple[SideFootprint, SideFootprint],
    time_per_inference_s: float,
) -> BreakEven:
    """Return fixed / (cloud per inference - edge per inference): a sign, not a number, where it is not defined."""
    mid = float(break_even_per_day(*median, model)[0])
    worlds = break_even_per_day(*drawn, model)
    low, high = (float(np.percentile(worlds, p, method="nearest")) for p in (5.0, 95.0))
    outcome: Outcome = "edge_lower_above"
    if math.isinf(mid):
        outcome = "edge_never_lower"
    elif mid == 0.0:
        outcome = "edge_always_lower"
    defined = outcome == "edge_lower_above"
    return BreakEven(
        network_model=model,
        outcome=outcome,
        inferences_per_day=mid if defined else None,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        probability_exists=float(np.mean(np.isfinite(worlds))),
        feasible=mid * time_per_inference_s <= 86_400.0 if defined else None,
    )


def break_even_per_day(edge: SideFootprint, cloud: SideFootprint, model: NetworkModel) -> F64:
    """Return the inferences a day above which the edge is lower: 0 for always, infinity for never."""
    saved_g = (cloud.per_inference_g + cloud.network_g[model]) - (edge.per_inference_g + edge.network_g[model])
    never = np.full_like(saved_g, np.inf)
    return np.divide(edge.fixed_g_per_day, saved_g, out=never, where=saved_g > 0.0)
