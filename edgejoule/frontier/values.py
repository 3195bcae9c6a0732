"""What a frontier says. Costs are of one inference, in the answer's unit; None is unknown, never zero."""

from typing import Literal

import msgspec

from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from edgejoule.lifecycle.joules import Origin
from edgejoule.zoo.entry import Metric, Score

Standing = Literal["on", "perhaps", "beaten"]
"""``on``: nothing beats it in 95 of 100 drawn worlds; ``beaten``: in 95 of 100 something does."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One model. ``probability_on_front``: of the worlds in which no other has its score for less; ``at_medians``."""

    model_id: str
    family: str
    score: Score
    cost: Estimate
    origin: Origin
    origin_text: str
    probability_on_front: float
    at_medians: bool
    standing: Standing


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """From one model of the front at medians to the next: ``cost_per_point`` for each hundredth of score.

    ``low``, ``high``: P5 and P95 of the worlds in which the second one scores higher, ``probability_higher`` of all.
    """

    first: str
    second: str
    points: float
    cost: float
    cost_per_point: float
    low: float | None
    high: float | None
    probability_higher: float


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """Models of one task. ``last_half``: a sentence on what the second half of the best model's cost buys."""

    task: str
    metric: Metric
    points: tuple[Point, ...]
    steps: tuple[Step, ...]
    last_half: str
    left_out: tuple[str, ...]


class Frontier(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. ``inferences``: over how many the making is spread, None where it is not in the cost."""

    unit: str
    inferences: float | None
    simulated: bool
    where: str
    fronts: tuple[Front, ...]
    notes: tuple[str, ...]
    factors: tuple[Factor, ...]
    seed: int
    draws: int
