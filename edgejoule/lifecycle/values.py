"""What a lifecycle says. Estimates are in the answer's unit, joules or grams of CO2e; None is unknown, never zero."""

import msgspec

from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.phases import Outcome
from edgejoule.lifecycle.joules import Origin
from edgejoule.zoo.entry import Metric, Precision, Score


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """From how many inferences a model takes less in all than the baseline, its making counted; see ``Outcome``.

    ``inferences``: at the medians, None for always and never; ``low``, ``high``: P5 and P95 of the worlds with this
    outcome, which are ``probability`` of all.
    """

    outcome: Outcome
    inferences: float | None
    low: float | None
    high: float | None
    probability: float


class Phases(msgspec.Struct, frozen=True, kw_only=True):
    """One model: what its phases take, and how they stand to the baseline's.

    ``data``: of making the data, None where nobody said. ``development``: of its recipe, what that builds on and what
    the scenario adds; ``extra``: what its making takes more than the baseline's, None where both come out of one run
    and nobody said what its own part of that is. ``per_inference``: of deployment. ``half_inferences``: after so many
    the making is half of all. ``development_share``: by number of inferences.
    """

    model_id: str
    family: str
    precision: Precision
    variant: str
    baseline: bool
    score: Score | None
    score_change: float | None
    data: Estimate | None
    development: Estimate | None
    development_ratio: Estimate | None
    extra: Estimate | None
    per_inference: Estimate | None
    deployment_ratio: Estimate | None
    origin: Origin | None
    origin_text: str
    turn: Turn | None
    half_inferences: Estimate | None
    development_share: dict[str, Estimate]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Models of one task, scored on one test set: the only ones that can be compared."""

    task: str
    metric: Metric
    baseline: str
    models: tuple[Phases, ...]


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. ``unit``: J or gCO2e."""

    title: str
    unit: str
    simulated: bool
    where: str
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    not_counted: tuple[str, ...]
    factors: tuple[Factor, ...]
    seed: int
    draws: int
