"""Whether a candidate does what the functional unit asks for: accuracy, latency, and the time that a day has. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collector.analysis.comparison.problem import Pair, Unit
from collector.analysis.comparison.sides import SideName
from collector.analysis.comparison.verdict import number_words
from collector.carbon.estimate import F64
from collector.carbon.units import S_PER_DAY

Flags = npt.NDArray[np.bool_]
_ROUNDING_RATIO = 1e-9
"""A day that is full to the last inference is not too full."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason against a side. ``broken``: shape ``(n,)``; ``words``: what is wrong in a case."""

    side: SideName
    broken: Flags
    words: Callable[[int], str]


def rules(unit: Unit, pair: Pair) -> tuple[Rule, ...]:
    """Return every reason that rules a side out in some case of the pair."""
    count = len(pair.cases)
    made = [_capacity(pair, count)]
    accuracies: dict[SideName, F64] = {"edge": pair.edge.accuracy_ratio, "cloud": pair.cloud.accuracy_ratio}
    for side, accuracy in accuracies.items():
        if not np.isnan(unit.minimum_accuracy_ratio):
            made.append(_limit(side, "accuracy", _column(accuracy, count), unit.minimum_accuracy_ratio, 1.0))
    for side, latency_s in latencies_s(pair).items():
        if not np.isnan(unit.maximum_latency_s):
            made.append(_limit(side, "latency", _column(latency_s, count), unit.maximum_latency_s, -1.0))
    return tuple(rule for rule in made if rule.broken.any())


def latencies_s(pair: Pair) -> dict[SideName, F64]:
    """Return seconds from input to answer by side; the cloud's with the way there and back; NaN where unknown."""
    cloud_s = np.asarray(pair.cloud.latency_s + pair.network.latency_s, dtype=np.float64)
    return {"edge": pair.edge.latency_s, "cloud": cloud_s}


def admissible(of_pair: tuple[Rule, ...], count: int) -> Flags:
    """Return which cases may be compared, shape ``(count,)``."""
    kept = np.ones(count, dtype=np.bool_)
    for rule in of_pair:
        kept &= ~rule.broken
    return kept


def faults(of_pair: tuple[Rule, ...], row: int) -> dict[SideName, tuple[str, ...]]:
    """Return what is wrong in one case, by side; empty where nothing is."""
    sides: dict[SideName, tuple[str, ...]] = {}
    for rule in of_pair:
        if rule.broken[row]:
            sides[rule.side] = (*sides.get(rule.side, ()), rule.words(row))
    return sides


def _capacity(pair: Pair, count: int) -> Rule:
    per_day, time_s = _column(pair.per_day, count), _column(pair.edge.time_s, count)
    most = S_PER_DAY / time_s

    def words(row: int) -> str:
        return (
            f"{number_words(per_day[row])} inferences of {time_s[row]:.4g} s do not fit into a day of one device, "
            f"which does {number_words(most[row])}"
        )

    return Rule("edge", per_day > most * (1.0 + _ROUNDING_RATIO), words)


def _limit(side: SideName, what: str, has: F64, asked: float, sign: float) -> Rule:
    """Return the rule of a limit; ``sign`` 1: at least, -1: at most. What is unknown does not keep a limit."""
    unit, least = (" s", "at most") if what == "latency" else ("", "at least")

    def words(row: int) -> str:
        if np.isnan(has[row]):
            return f"its {what} is unknown, and the unit asks for {least} {asked:.4g}{unit}; state it"
        return f"its {what} is {has[row]:.4g}{unit}, and the unit asks for {least} {asked:.4g}{unit}"

    return Rule(side, ~(sign * has >= sign * asked), words)


def _column(values: F64, count: int) -> F64:
    return np.broadcast_to(values, (count,))
