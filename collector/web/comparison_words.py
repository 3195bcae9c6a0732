"""A comparison in plain words: who is lower, how sure that is, where both are alike."""

import math
import re
from collections.abc import Sequence
from typing import Final

from collector.analysis.comparison.answers import BreakEven, Cause, NetworkModel, PairAnswer, Question, View, Winner
from collector.analysis.comparison.problem import Origin
from collector.analysis.comparison.verdict import winner_of
from collector.carbon.montecarlo import Percentiles
from collector.carbon.operational import IntensityKind
from collector.numbers import NBSP, count, percent, prefix_of, significant

CAUSE_WORDS: Final[dict[Cause, str]] = {
    "work": "inferring",
    "idle": "waiting",
    "overhead": "data centre's building",
    "network": "network",
    "hardware": "making the hardware",
    "client_energy": "thin client: electricity",
    "client_hardware": "thin client: its making",
}
ORIGIN_WORDS: Final[dict[Origin, str]] = {
    "measured": "measured by a meter",
    "simulated": "SIMULATED meter",
    "modelled": "modelled: power times time",
    "stated": "stated by the author",
}
NETWORK_WORDS: Final[dict[NetworkModel, str]] = {
    "average": "each byte carries its share of all energy of the network",
    "marginal": "only the energy that more bytes cause",
}
INTENSITY_WORDS: Final[dict[IntensityKind, str]] = {
    "average": "electricity at the mean of all plants of the grid",
    "marginal": "electricity at what the plants emit that follow a change of demand",
}
_JOULES: Final[dict[Origin, str]] = {
    "measured": "joules measured",
    "simulated": "joules of a SIMULATED meter",
    "modelled": "joules modelled",
    "stated": "joules stated by the author",
}
QUESTION_WORDS: Final[dict[Question, str]] = {
    "inferences_per_day": "inferences a day",
    "edge_grid": "grid of the edge",
    "edge_lifetime": "life of the edge's hardware",
    "cloud_utilisation": "utilisation of the server",
}
ANSWER_WORDS: Final[dict[Winner, str]] = {"edge": "edge lower", "cloud": "cloud lower", "open": "open"}
_HEADLINES: Final[dict[Winner, str]] = {
    "edge": "The edge emits less",
    "cloud": "The cloud emits less",
    "open": "Open: neither side is surely lower",
}
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FIELD: Final = re.compile(r"\b(edge|cloud|network|thin_client|unit|prices)\.(?:([\w-]+)\.)?([a-z][a-z0-9_]*)\b")
_FIELD_UNITS: Final = {
    "w": "W", "s": "s", "bps": "bit/s", "bytes": "bytes", "kgco2e": "kgCO2e", "years": "years", "ratio": "ratio",
}  # fmt: skip
_LEAST_PLAIN: Final = 1e-3
_LEAST_SHARE: Final = 0.01
_LEAST_EXACT: Final = 1e-4
_LEAST_WHOLE: Final = 1e5


def view_name(view: View) -> str:
    """Return for example "average network, marginal grid"."""
    return f"{view.network} network, {view.intensity} grid"


def view_purpose(view: View) -> str:
    """Return what the view is for."""
    if view.network == view.intensity:
        return "inventory: what is charged" if view.network == "average" else "decision: what changes"
    return "between the two"


def unit_words(unit_inferences: float, inferences_per_day: float) -> str:
    """Return what stands behind "per": an inference, so many, or a device-day."""
    if unit_inferences == 1.0:
        return "inference"
    if unit_inferences == inferences_per_day:
        return "device-day"
    return f"{exactly(unit_inferences)} inferences"


def spread(figure: Percentiles | None, unit: str) -> tuple[str, str]:
    """Return the median with the prefix that suits it, and its P5 to P95 in the same; "unknown" and "" for None."""
    if figure is None:
        return "unknown", ""
    scale, letter = prefix_of(figure.p50 or max(abs(figure.p5), abs(figure.p95)))
    middle = f"{signed(figure.p50 / scale)}{NBSP}{letter}{unit}"
    if figure.p5 == figure.p95:
        return middle, ""
    return middle, f"{signed(figure.p5 / scale, 2)} to {signed(figure.p95 / scale, 2)}{NBSP}{letter}{unit}"


def signed(value: float, digits: int = 3) -> str:
    """Return a number with so many digits, a true minus, and no-break spaces between thousands."""
    text = significant(float(f"{abs(value):.{digits - 1}e}"), digits)  # 9.996 has three digits as 10.0
    whole, point, places = text.partition(".")
    return f"{'−' if value < 0 else ''}{count(int(whole))}{point}{places}"


def plain(value: float, digits: int = 3) -> str:
    """Return a number of any size with so many digits, small ones with a power of ten."""
    if value == 0.0 or abs(value) >= _LEAST_PLAIN:
        return signed(value, digits)
    exponent = math.floor(math.log10(abs(value)))
    return f"{signed(value / 10.0**exponent, digits)}{NBSP}×{NBSP}10{str(exponent).translate(_SUPERSCRIPTS)}"


def of_hundred(probability: float) -> str:
    """Return how many of a hundred worlds.

    What is not quite none or all never reads so, and where the answer is open it reads between 5 and 95.
    """
    hundred = 100.0 * probability
    if 0.0 < hundred < 1.0:
        return "fewer than 1"
    if 99.0 < hundred < 100.0:
        return "more than 99"
    if winner_of(probability) == "open" and f"{hundred:.0f}" in {"5", "95"}:
        return f"{min(max(hundred, 5.1), 94.9):.1f}"
    return f"{hundred:.0f}"


def share_words(ratio: float) -> str:
    """Return a part of a whole; what is small never reads as none, and no sampling error as more than all."""
    if 0.0 < ratio < _LEAST_SHARE:
        return f"under {percent(_LEAST_SHARE)}"
    return percent(ratio) if ratio <= 1.0 - _LEAST_SHARE else f"over {percent(1.0 - _LEAST_SHARE)}"


def headline(pair: PairAnswer) -> str:
    """Return who emits less, in a few words."""
    if not pair.admissible:
        return f"Not compared: the {' and the '.join(pair.faults)} cannot do what is asked for"
    winners = {view.winner for view in pair.views}
    if not winners:
        return "No answer: data are missing"
    if len(winners) == 1:
        return _HEADLINES[winners.pop()]
    if {"edge", "cloud"} <= winners:
        return f"It depends on how {_what_decides(pair)} counted"
    (sure,) = winners - {"open"}
    return f"The {sure} emits less in some views; in others it is open"


def _what_decides(pair: PairAnswer) -> str:
    """Return which choice the answer depends on: it is the same whatever the other choice is."""
    by_network = {(view.view.network, view.winner) for view in pair.views}
    by_kind = {(view.view.intensity, view.winner) for view in pair.views}
    if len(by_network) == len({model for model, _ in by_network}):
        return "the network is"
    return "electricity is" if len(by_kind) == len({kind for kind, _ in by_kind}) else "network and electricity are"


def glosses(pair: PairAnswer) -> tuple[tuple[str, str], ...]:
    """Return the ways to count on which the answer depends, and what each means; none where all views agree."""
    if len({view.winner for view in pair.views}) < 2:
        return ()
    decides = _what_decides(pair)
    networks = [(f"{model} network", text) for model, text in NETWORK_WORDS.items() if "network" in decides]
    kinds = [(f"{kind} grid intensity", text) for kind, text in INTENSITY_WORDS.items() if "electricity" in decides]
    return (*networks, *kinds)


def rests_on(pair: PairAnswer) -> str:
    """Return where the joules of both sides come from."""
    sides = (
        (pair.edge, pair.edge_origin, pair.edge_origin_text),
        (pair.cloud, pair.cloud_origin, pair.cloud_origin_text),
    )
    said = "; ".join(f"{name}: {_JOULES[origin]} ({text})" for name, origin, text in sides)
    metered = {"measured", "simulated"} & {pair.edge_origin, pair.cloud_origin}
    return f"It rests on {said}.{'' if metered else ' No meter was read.'}"


def field_words(name: str) -> str:
    """Return a name with the scenario's fields in it as words: "edge.idle_power_w" is "edge: idle power, W"."""
    return _FIELD.sub(_one_field, name)


def _one_field(found: re.Match[str]) -> str:
    table, candidate, field = found.groups()
    words = field.split("_")
    unit = _FIELD_UNITS.get(words[-1], "") if len(words) > 1 else ""
    if unit:
        words.pop()
    said = " ".join("J" if word == "j" else word for word in words)
    where = "" if table == "unit" else f"{' '.join(filter(None, (table.replace('_', ' '), candidate)))}: "
    return f"{where}{said}{f', {unit}' if unit else ''}"


def certainty(pair: PairAnswer) -> str:
    """Return how sure the headline is, over all views; empty where nothing is compared."""
    parts = []
    for winner in ("edge", "open", "cloud"):
        views = [view for view in pair.views if view.winner == winner]
        if not views:
            continue
        edge = _between([view.probability_edge_lower for view in views])
        cloud = _between([1.0 - view.probability_edge_lower for view in views])
        where = f", {views_words([v.view for v in views], pair)}"
        if len(views) == len(pair.views):
            where = f", however {_counted_ways(pair)} counted" if len(views) > 1 else ""
        text = {
            "edge": f"The edge is lower in {edge} of 100 drawn worlds",
            "cloud": f"The cloud is lower in {cloud} of 100 drawn worlds",
            "open": f"The edge is lower in {edge} of 100 drawn worlds, the cloud in {cloud}",
        }[winner]
        parts.append(f"{text}{where}.")
    return " ".join(parts)


def _counted_ways(pair: PairAnswer) -> str:
    networks, kinds = {view.view.network for view in pair.views}, {view.view.intensity for view in pair.views}
    if len(networks) > 1 and len(kinds) > 1:
        return "network and electricity are"
    return "the network is" if len(networks) > 1 else "electricity is"


def views_words(chosen: Sequence[View], pair: PairAnswer) -> str:
    """Return in which views: all, those with one network model or one kind of intensity, or each by name."""
    views, wanted = [view.view for view in pair.views], set(chosen)
    if wanted == set(views):
        return "in all views" if len(views) > 1 else f"with {view_name(views[0])}"
    for model in NETWORK_WORDS:
        if wanted == {view for view in views if view.network == model}:
            return f"with the {model} network"
    for kind in INTENSITY_WORDS:
        if wanted == {view for view in views if view.intensity == kind}:
            return f"with {kind} grid intensity"
    if len(views) - len(wanted) == 1 < len(wanted):
        return f"in all views but {next(view_name(view) for view in views if view not in wanted)}"
    return f"with {'; and '.join(view_name(view) for view in views if view in wanted)}"


def exactly(value: float) -> str:
    """Return a number with the digits that it was given with, at most six; no-break spaces between thousands."""
    if 0.0 < abs(value) < _LEAST_EXACT:
        return plain(value)
    text = f"{abs(value):.6g}" if abs(value) < _LEAST_WHOLE else f"{abs(value):.0f}"
    whole, point, places = text.partition(".")
    return f"{'−' if value < 0 else ''}{count(int(whole))}{point}{places}"


def ratio_words(edge_g: float, cloud_g: float) -> str:
    """Return how many times as much the higher side emits, at the medians; empty where that says nothing."""
    low, high = sorted((edge_g, cloud_g))
    if low <= 0.0:
        return ""
    more = "edge" if edge_g > cloud_g else "cloud"
    return "about the same" if high / low < 1.05 else f"{more} {signed(high / low, 2)} times as much"


def break_even_words(one: BreakEven) -> str:
    """Return the answer to where both sides are alike, as one sentence."""
    if one.outcome == "not_asked":
        return f"Not asked: {one.why}" if one.why else "Not asked."
    exists = f"{of_hundred(one.probability_exists)} of 100 drawn worlds have a break-even"
    if one.outcome in {"edge_always", "edge_never"}:
        text = f"The edge is lower at {'any' if one.outcome == 'edge_always' else 'no'} value"
        return f"{text}, at the medians; {exists}." if one.probability_exists > 0.0 else f"{text}."
    if one.value is None:
        return "Unknown."
    side = "above" if one.outcome == "edge_above" else "below"
    text = f"The edge is lower {side} {value_words(one.value, one.question, one.unit)}"
    if one.low is not None and one.high is not None and one.low != one.high:
        text += f" ({bare_value(one.low, one.question)} to {bare_value(one.high, one.question)})"
    text += "." if one.probability_exists >= 1.0 else f"; {exists}."
    return text if one.feasible is not False else f"{text} {_NOT_FEASIBLE[one.question]}"


_NOT_FEASIBLE: Final[dict[Question, str]] = {
    "inferences_per_day": "More than one device can do.",
    "edge_grid": "No grid is like that.",
    "edge_lifetime": "No hardware lives so long.",
    "cloud_utilisation": "No server is busy for more than all of the time.",
}


def value_words(value: float, question: Question, unit: str) -> str:
    """Return a value of what is asked for, with its unit."""
    words = {"inferences_per_day": " inferences a day", "cloud_utilisation": f"{NBSP}%"}
    return f"{bare_value(value, question)}{words.get(question, f'{NBSP}{unit}')}"


def bare_value(value: float, question: Question) -> str:
    """Return two significant digits of a value of what is asked for; a ratio as per cent."""
    shown = float(f"{100.0 * value if question == 'cloud_utilisation' else value:.2g}")
    if abs(shown) >= 10.0:
        return count(round(shown))
    return plain(shown, 2)


def _between(chances: Sequence[float]) -> str:
    low, high = of_hundred(min(chances)), of_hundred(max(chances))
    if low == high or (low, high) == ("more than 99", "100"):
        return low
    if (low, high) == ("0", "fewer than 1"):
        return high
    if high in {"more than 99", "100"}:
        return f"at least {low}" if low[0].isdigit() else f"{low} to {high}"
    return f"at most {high}" if low in {"0", "fewer than 1"} else f"{low} to {high}"


def quantity(value: float, unit: str) -> str:
    """Return a value with the prefix that suits it."""
    scale, letter = prefix_of(value)
    return f"{signed(value / scale)}{NBSP}{letter}{unit}"
