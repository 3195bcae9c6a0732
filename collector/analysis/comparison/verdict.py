"""The answer in words: who is ahead, by how much, how sure that is, and which choices turn it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import numpy as np

from collector.analysis.comparison.answers import View, ViewAnswer, Winner
from collector.analysis.comparison.problem import Unit
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Percentiles
from collector.numbers import count

SURE: Final = 0.95
"""Probability from which on a side is called ahead."""
WINNERS: Final[tuple[Winner, ...]] = ("edge", "cloud", "open")
Value = str | float | int | bool
"""Of a field that varies."""
NO_VIEW: Final = "no kind of grid intensity is known for edge, cloud and network alike"
_SIZES: Final = ((1e6, "t"), (1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"), (1e-9, "ng"))
_MOST_WHOLE: Final = 1e12
_QUESTIONS: Final = {"average": "for an inventory", "marginal": "for a decision"}


def winner_of(probability_edge_lower: float) -> Winner:
    """Return who is ahead where no world has both sides alike."""
    edge = np.array([probability_edge_lower])
    return WINNERS[int(winners_of(edge, 1.0 - edge)[0])]


def winners_of(edge_lower: F64, cloud_lower: F64) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """Return who is ahead in many cases, as indices of WINNERS, by the part of worlds in which each side is lower."""
    enough = SURE - 1e-12  # whatever the last digit of 0.95
    return np.select([edge_lower >= enough, cloud_lower >= enough], [0, 1], 2)


def unit_words(unit: Unit) -> str:
    """Return what grams are per, for example "1 000 inferences"."""
    if unit.inferences is None:
        return "device-day"
    return "inference" if unit.inferences == 1.0 else f"{number_words(unit.inferences)} inferences"


def functional_unit(unit: Unit) -> str:
    """Return the functional unit in words, with the quality that it asks for."""
    limits = []
    if not np.isnan(unit.minimum_accuracy_ratio):
        limits.append(f"at an accuracy of at least {unit.minimum_accuracy_ratio:.4g}")
    if not np.isnan(unit.maximum_latency_s):
        limits.append(f"answered within {unit.maximum_latency_s:.4g} s")
    words = f" ({unit.words})" if unit.words else ""
    per = unit_words(unit)
    unit_of = f"one {per}" if per in ("device-day", "inference") else per
    return f"{unit_of} of {unit.task}{words}{''.join(f', {limit}' for limit in limits)}"


def verdict(views: Sequence[ViewAnswer], *, per: str, inferences_per_day: float, simulated: bool) -> str:
    """Return who is ahead as inventory and for a decision, or in the two views there are, and what that hangs on."""
    warning = "With joules from a simulated meter: at" if simulated else "At"
    first, *others = (_sentence(one) for one in _shown(views))
    start = f"{warning} {number_words(inferences_per_day)} inferences a day, per {per}, {first}."
    return " ".join([start, *(f"{other[0].upper()}{other[1:]}." for other in others), _conclusion(views)])


def flips(views: Sequence[ViewAnswer]) -> tuple[str, ...]:
    """Return a sentence for each choice of a model that turns the verdict or leaves it open."""
    found = {one.view: one.winner for one in views}
    by_network: dict[str, list[str]] = {}
    for kind in dict.fromkeys(view.intensity for view in found):
        winners = {view.network: winner for view, winner in found.items() if view.intensity == kind}
        if len(set(winners.values())) > 1:
            by_network.setdefault(_each(winners, "network model"), []).append(kind)
    by_kind: dict[str, list[str]] = {}
    for network in dict.fromkeys(view.network for view in found):
        of_kinds = {view.intensity: winner for view, winner in found.items() if view.network == network}
        if len(set(of_kinds.values())) > 1:
            by_kind.setdefault(_each(of_kinds, "grid intensity"), []).append(network)
    return (
        *(
            f"The network model {said}, with {_either(kinds, 'kind of grid intensity', '{} grid intensities')}."
            for said, kinds in by_network.items()
        ),
        *(
            f"The kind of grid intensity {said}, with {_either(networks, 'network model', 'the {} network model')}."
            for said, networks in by_kind.items()
        ),
    )


def axis_flip(axis: str, reference: Value, winners: dict[Value, Winner], view: View) -> str:
    """Return a sentence on a field that turns the verdict, "" where it does not.

    ``winners``: by the values of the field, in its order.
    """
    mine = winners.get(reference)
    if mine is None or set(winners.values()) == {mine}:
        return ""
    runs = _runs(list(winners.items()))
    said = [f"{_ahead(mine)} with {_label(reference)}"]
    for winner in WINNERS:
        lists = [_listed(values) for values, one in runs if one == winner]
        if lists and winner != mine:
            said.append(f"{_ahead(winner)} with {', '.join(lists)}")
    return f"{axis} {_turns(winners.values())} {_of_view(view, short=True)}: {'; '.join(said)}."


def grams_words(grams: float) -> str:
    """Return grams (not negative) with two digits in a unit of readable size."""
    size, unit = next(((s, u) for s, u in _SIZES if grams >= s), _SIZES[-1])
    number = grams / size
    return f"{number:,.0f} {unit}" if number >= 10.0 or number == 0.0 else f"{number:.2g} {unit}"


def _shown(views: Sequence[ViewAnswer]) -> list[ViewAnswer]:
    alike = [one for one in views if one.view.network == one.view.intensity]
    return alike if len(alike) > 1 else list(views[:2])


def _of_view(view: View, *, short: bool = False) -> str:
    if view.network == view.intensity:
        meant = f"both {view.network}" if short else f"{view.network} network model and grid intensities"
        return f"{_QUESTIONS[view.network]} ({meant})"
    return f"with the {view.network} network model and {view.intensity} grid intensities"


def _sentence(one: ViewAnswer) -> str:
    difference = _more_or_less(one.edge_minus_cloud)
    it = "it" if one.winner == "edge" else "the edge"
    chance = _chance(one.probability_edge_lower)
    return f"{_ahead(one.winner)} {_of_view(one.view)}: {it} emits {difference}, and is lower in {chance}"


def _more_or_less(spread: Percentiles) -> str:
    """Return for example "1.2 g less than the cloud (90 % range 400 mg to 3.0 g less)"."""
    if spread.p5 == spread.p95 == 0.0:
        return "the same as the cloud"
    side = "less" if spread.p50 < 0.0 else "more"
    middle = f"{grams_words(abs(spread.p50))} {side} than the cloud"
    if (spread.p5 < 0.0) == (spread.p95 < 0.0):
        near, far = sorted((abs(spread.p5), abs(spread.p95)))
        return f"{middle} (90 % range {grams_words(near)} to {grams_words(far)} {side})"
    return f"{middle} (90 % range {grams_words(-spread.p5)} less to {grams_words(spread.p95)} more)"


def _chance(probability: float) -> str:
    """Return in which part of the drawn worlds; what is open never reads as sure, nor what is not quite all as all."""
    percent = 100.0 * probability
    if percent in {0.0, 100.0}:
        return "all drawn worlds" if percent else "no drawn world"
    if percent < 1.0 or percent > 99.0:
        return f"{'fewer than 1' if percent < 1.0 else 'more than 99'} % of the drawn worlds"
    close = winner_of(probability) == "open" and f"{percent:.0f}" in {"5", "95"}
    return (
        f"{min(max(percent, 5.1), 94.9):.1f} % of the drawn worlds"
        if close
        else f"{percent:.0f} % of the drawn worlds"
    )


def _conclusion(views: Sequence[ViewAnswer]) -> str:
    if len(views) == 1:
        return "No other network model and kind of grid intensity is known."
    if len({one.winner for one in views}) == 1:
        return "It is the same with every network model and kind of grid intensity."
    changed = flips(views)
    causes = [
        words
        for words, start in (("network model", "The network model"), ("kind of grid intensity", "The kind"))
        if any(one.startswith(start) for one in changed)
    ]
    return f"The answer depends on the {' and the '.join(causes)}."


def _ahead(winner: Winner) -> str:
    return "it stays open" if winner == "open" else f"the {winner} is ahead"


def _turns(winners: Iterable[Winner]) -> str:
    return "turns the verdict" if {"edge", "cloud"} <= set(winners) else "decides how sure it is"


def _each(winners: Mapping[Literal["average", "marginal"], Winner], words: str) -> str:
    """Return what a choice does: who is ahead with each of its two values."""
    (one, first), (two, second) = winners.items()
    return f"{_turns(winners.values())}: {_ahead(first)} with the {one} {words}, {_ahead(second)} with the {two} one"


def _either(names: Sequence[str], noun: str, words: str) -> str:
    return f"either {noun}" if len(names) > 1 else words.format(names[0])


def _runs(winners: Sequence[tuple[Value, Winner]]) -> list[tuple[list[Value], Winner]]:
    """Return neighbours with the same winner together."""
    runs: list[tuple[list[Value], Winner]] = []
    for value, winner in winners:
        if runs and runs[-1][1] == winner:
            runs[-1][0].append(value)
        else:
            runs.append(([value], winner))
    return runs


def _listed(values: Sequence[Value]) -> str:
    """Return numbers from the first to the last, and names one by one."""
    if len(values) > 2 and all(isinstance(value, int | float) for value in values):
        return f"{_label(values[0])} to {_label(values[-1])}"
    shown = ", ".join(_label(value) for value in values[:5])
    return shown if len(values) <= 5 else f"{shown} and {len(values) - 5} more"


def _label(value: Value) -> str:
    return number_words(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def number_words(value: float) -> str:
    """Return a whole number as it is, with no-break spaces between thousands, and another one with four digits."""
    if value == round(value) or abs(value) >= 1000.0:
        return count(round(value)) if abs(value) < _MOST_WHOLE else f"{value:.4g}"
    return f"{value:.4g}"
