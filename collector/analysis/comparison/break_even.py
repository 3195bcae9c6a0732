"""Where edge and cloud emit the same. Pure.

Edge minus cloud is linear in each of the four quantities or in its inverse: ``D = A * t + B`` with ``t`` one over
the inferences of a day, the intensity of the edge's grid, one over the lifetime, or one over the utilisation. ``B`` is
D at t = 0, and two evaluations give the root, in one world or in all.
"""

from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from collector.analysis.comparison.answers import BreakEven, Outcome, Question, View
from collector.analysis.comparison.grams import edge_and_cloud
from collector.analysis.comparison.problem import Pair
from collector.analysis.comparison.sides import pair_views
from collector.analysis.comparison.sweep import UNITS, swept
from collector.analysis.comparison.world import Drawn, Medians, World
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import PERCENTILES, Draws
from collector.carbon.units import S_PER_DAY

QUESTIONS: Final[tuple[Question, ...]] = get_args(Question)
OUTCOMES: Final[tuple[Outcome, ...]] = ("edge_above", "edge_below", "edge_always", "edge_never", "not_asked")
_INVERSE: Final = frozenset(QUESTIONS) - {"edge_grid"}
_ROUNDING_RATIO: Final = 1e-12
"""A slope that is this small beside both sides together is a rounding error of parts that cancel."""
_LEAST_RATIO: Final = 0.05
"""Percentiles of break-evens are given where at least so many of the worlds have one."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Break-evens of ``n`` cases in one world, or of one case in ``n``. ``outcomes``: indices of OUTCOMES."""

    values: F64
    outcomes: npt.NDArray[np.int64]


def not_asked(pair: Pair, question: Question) -> str:
    """Return why a question has no meaning for a pair, "" where it has one."""
    edge, client = pair.edge, pair.thin_client
    if question == "inferences_per_day" and edge.attribution == "shared" and client is None:
        return "a shared device is charged its own seconds only, so the rate does not matter"
    if question == "edge_lifetime" and edge.life.policy != "linear_in_time":
        ends = "only says when it ends" if edge.life.policy == "front_loaded" else "does not matter"
        return f"with the policy {edge.life.policy} the lifetime in years {ends}"
    if question == "edge_lifetime" and client is not None and client.same_board and edge.attribution == "dedicated":
        return "the same hardware stands at the edge in both cases, all day"
    waits = pair.cloud.idle_power is not None or pair.cloud.other_power is not None
    if question == "cloud_utilisation" and not waits and pair.cloud.life.policy in ("by_use", "sunk"):
        return "neither joules nor hardware of the server hang on its utilisation as it is stated"
    return ""


def roots(pair: Pair, question: Question, world: World) -> dict[View, Roots]:
    """Return the break-evens by view: of all cases in one world, or of one case in all worlds."""
    count = max(len(pair.cases), world.count)
    if not_asked(pair, question):
        nowhere = Roots(np.full(count, np.nan), np.full(count, OUTCOMES.index("not_asked")))
        return dict.fromkeys(pair_views(pair), nowhere)
    inverse = question in _INVERSE
    at_zero = edge_and_cloud(swept(pair, question, np.array([np.inf if inverse else 0.0])), world)
    at_one = edge_and_cloud(swept(pair, question, np.array([1.0])), world)
    made = {}
    for view, (edge, cloud) in at_one.items():
        offset = at_zero[view][0] - at_zero[view][1]
        slope = (edge - cloud) - offset
        slope[np.abs(slope) <= _ROUNDING_RATIO * (edge + cloud)] = 0.0
        made[view] = _roots(slope, offset, inverse=inverse)
    return made


def break_evens(pair: Pair, draws: Draws) -> tuple[BreakEven, ...]:
    """Return the four questions in every view, for a pair of one case."""
    made: list[BreakEven] = []
    for question in QUESTIONS:
        middle, drawn = roots(pair, question, Medians()), roots(pair, question, Drawn(draws))
        made += [_answer(pair, question, view, middle[view], drawn[view]) for view in middle]
    return tuple(made)


def _answer(pair: Pair, question: Question, view: View, middle: Roots, drawn: Roots) -> BreakEven:
    outcome = OUTCOMES[int(middle.outcomes[0])]
    value = float(middle.values[0])
    found = drawn.values[np.isfinite(drawn.values)]
    exists = len(found) / len(drawn.values)
    ends = np.percentile(found, PERCENTILES) if exists >= _LEAST_RATIO else None
    known = np.isfinite(value)
    return BreakEven(
        question=question,
        view=view,
        outcome=outcome,
        value=value if known else None,
        low=None if ends is None else float(ends[0]),
        high=None if ends is None else float(ends[2]),
        unit=UNITS[question],
        probability_exists=exists,
        feasible=_feasible(pair, question, value) if known else None,
        why=not_asked(pair, question),
    )


def _feasible(pair: Pair, question: Question, value: float) -> bool | None:
    """Return whether a value can be reached; None for a grid and a lifetime, where nobody can say."""
    if question == "inferences_per_day":
        return bool(value * pair.edge.time_s[0] <= S_PER_DAY)
    return value <= 1.0 if question == "cloud_utilisation" else None


def _roots(slope: F64, offset: F64, *, inverse: bool) -> Roots:
    """Return where ``slope * t + offset`` vanishes at a ``t`` above 0, as a quantity: 1/t or t."""
    crosses = slope * offset < 0.0
    found = np.full(slope.shape, np.nan)
    np.divide(*((-slope, offset) if inverse else (-offset, slope)), out=found, where=crosses)
    rises = slope > 0.0 if inverse else slope < 0.0  # with more of an inverse quantity, t shrinks
    lower = (slope <= 0.0) & (offset <= 0.0) & ((slope < 0.0) | (offset < 0.0))
    places = np.select(
        [crosses & rises, crosses, lower],
        [OUTCOMES.index(name) for name in ("edge_above", "edge_below", "edge_always")],
        OUTCOMES.index("edge_never"),
    )
    return Roots(found, places.astype(np.int64))
