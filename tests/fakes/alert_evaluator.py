"""What Grafana does with an alert rule, on the rule's JSON: query, reduce, arithmetic, threshold, for each series.

Written from Grafana's documentation of expressions, for the few kinds that the rules use; another one is an error.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.fakes.influxd import Series
from tests.grafana_seed.grafana import TimeRange, expand

Labels = frozenset[tuple[str, str]]
Numbers = dict[Labels, float]
Ask = Callable[[str, str], list[Series]]
"""Answers the InfluxQL of the data source of this uid."""
_QUOTIENT: Final = re.compile(r"\$(\w+) / \$(\w+)\Z")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``firing``, ``resting``: labels of each; ``no_data``: no series came, so the rule's ``noDataState`` holds."""

    firing: list[dict[str, str]]
    resting: list[dict[str, str]]
    no_data: bool


def evaluate(rule: Mapping[str, Any], ask: Ask, now_ms: int) -> Evaluation:
    """Return what the rule says at that moment. Raises ValueError for what it does not know."""
    results: dict[str, Any] = {}
    for step in rule["data"]:
        model = step["model"]
        if model["refId"] != step["refId"]:
            raise ValueError(f"the model of {step['refId']} calls itself {model['refId']}")
        if step["datasourceUid"] == "__expr__":
            results[step["refId"]] = _expression(model, results)
            continue
        since_s, until_s = (step["relativeTimeRange"][end] for end in ("from", "to"))
        asked = TimeRange(now_ms - since_s * 1000, now_ms - until_s * 1000)
        results[step["refId"]] = ask(step["datasourceUid"], expand(model["query"], asked, model["intervalMs"], {}))
    verdicts: Numbers = results[rule["condition"]]
    return Evaluation(
        firing=sorted((dict(labels) for labels, value in verdicts.items() if value), key=str),
        resting=sorted((dict(labels) for labels, value in verdicts.items() if not value), key=str),
        no_data=not verdicts,
    )


def _expression(model: Mapping[str, Any], results: Mapping[str, Any]) -> Numbers:
    if model["type"] == "math":
        found = _QUOTIENT.match(model["expression"])
        if found is None:
            raise ValueError(f"{model['expression']!r} is no quotient of two steps")
        over, under = results[found[1]], results[found[2]]
        return {labels: _divide(value, under[labels]) for labels, value in over.items() if labels in under}
    of = results[model["expression"]]
    if model["type"] == "reduce":
        if model["reducer"] != "last" or model["settings"] != {"mode": "dropNN"}:
            raise ValueError(f"{model['reducer']!r} is not known here")
        return _last(of)
    if model["type"] == "threshold":
        (condition,) = model["conditions"]
        (limit,) = condition["evaluator"]["params"]
        kind = condition["evaluator"]["type"]
        if kind not in {"gt", "lt"}:
            raise ValueError(f"{kind!r} is not known here")
        return {labels: float(value > limit if kind == "gt" else value < limit) for labels, value in of.items()}
    raise ValueError(f"{model['type']!r} is not known here")


def _divide(over: float, under: float) -> float:
    if under == 0.0:
        return math.nan if over == 0.0 else math.copysign(math.inf, over)
    return over / under


def _last(series: list[Series]) -> Numbers:
    """A column of numbers is a series; without any number it drops out."""
    found: Numbers = {}
    for one in series:
        assert len(one.columns) == 2, "one number for each series, else Grafana tells them apart by a made-up name"
        numbers = [row[1] for row in one.values if row[1] is not None]
        if numbers:
            found[frozenset(one.tags.items())] = float(numbers[-1])
    return found
