"""The answer to a comparison: its reference case in detail, and how all cases come out."""

import math
from typing import Final

import numpy as np

from collector.analysis.comparison.admissible import faults, rules
from collector.analysis.comparison.answers import (
    AxisAnswer,
    Comparison,
    PairAnswer,
    SideGrams,
    View,
    ViewAnswer,
    Winner,
)
from collector.analysis.comparison.beside import beside
from collector.analysis.comparison.break_even import break_evens
from collector.analysis.comparison.chunks import Progress, default_draws
from collector.analysis.comparison.counts import count_cases, winner_places
from collector.analysis.comparison.curves import curves, maps, percentiles_at
from collector.analysis.comparison.field_words import field_words
from collector.analysis.comparison.grams import ViewGrams, edge_and_cloud, lower_in, view_grams
from collector.analysis.comparison.problem import I64, Axis, Pair, Problem
from collector.analysis.comparison.sides import SideName, pair_terms, pair_views
from collector.analysis.comparison.sweep import at_row
from collector.analysis.comparison.terms import Evaluator, spread
from collector.analysis.comparison.tornado import tornados
from collector.analysis.comparison.verdict import (
    NO_VIEW,
    WINNERS,
    Value,
    axis_flip,
    flips,
    functional_unit,
    unit_words,
    verdict,
    winners_of,
)
from collector.analysis.comparison.world import Drawn, Medians
from collector.carbon.montecarlo import Draws
from collector.carbon.operational import gram_unit

NOT_COUNTED: Final = (
    "training and development of the model",
    "end of life of the hardware",
    "embodied carbon of the network and of the data centre's building",
    "water of making the hardware",
)
_NO_CLIENT: Final = "what captures the input and stays at the edge in the cloud case: the scenario says there is none"
_MOST_VALUES: Final = 200
"""Of an axis, so many values are looked at for what turns the verdict."""


def answer(
    problem: Problem,
    *,
    seed: int,
    draws: int,
    case_counts: dict[str, int] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Return the answer; the same problem, seed and number of draws give the same figures.

    ``case_counts``: how all cases come out, where ``case_rows`` has been run already (``counts.tally`` of
    its tables); without, they are counted here, with ``default_draws`` where there is more than one case.
    ``progress``: called with pairs done and pairs to do.
    """
    drawn = Draws(seed=seed, count=draws)
    chosen = [
        (pair, int(row)) for pair in problem.pairs for row in np.flatnonzero(pair.cases == problem.reference_case)
    ]
    answers = []
    for done, (pair, row) in enumerate(chosen):
        answers.append(_pair_answer(problem, pair, row, drawn))
        if progress is not None:
            progress(done + 1, len(chosen))
    if case_counts is None:
        case_counts = count_cases(
            problem, drawn if problem.case_count == 1 else Draws(seed=seed, count=default_draws(problem.case_count))
        )
    per_day = float(at_row(*chosen[0]).per_day[0]) if chosen else math.nan
    without_client = any(pair.thin_client is None for pair, _ in chosen)
    return Comparison(
        title=problem.title,
        functional_unit=functional_unit(problem.unit),
        inferences_per_day=per_day,
        unit_inferences=per_day if problem.unit.inferences is None else problem.unit.inferences,
        simulated=any("simulated" in (pair.edge.origin, pair.cloud.origin) for pair in problem.pairs),
        views=tuple(dict.fromkeys(view for pair in problem.pairs for view in pair_views(pair))),
        pairs=tuple(answers),
        axes=tuple(AxisAnswer(name=a.name, values=a.values, reference=a.values[a.reference]) for a in problem.axes),
        case_count=problem.case_count,
        case_counts=case_counts,
        currency=problem.currency,
        seed=seed,
        draws=draws,
        notes=problem.notes,
        not_counted=(_NO_CLIENT, *NOT_COUNTED) if without_client else NOT_COUNTED,
        factors=problem.factors,
    )


def _pair_answer(problem: Problem, whole: Pair, row: int, drawn: Draws) -> PairAnswer:
    pair, unit = at_row(whole, row), problem.unit
    wrong: dict[SideName, tuple[str, ...]] = faults(rules(unit, pair), 0)
    views = () if wrong else _views(pair, unit.inferences, drawn)
    if wrong:
        said = "; ".join(f"{side}: {words}" for side, several in wrong.items() for words in several)
        sentence = f"Not compared, since {said}."
    elif not views:
        sentence = f"Not compared, since {NO_VIEW}."
    else:
        sentence = verdict(
            views,
            per=unit_words(unit),
            inferences_per_day=float(pair.per_day[0]),
            simulated="simulated" in (pair.edge.origin, pair.cloud.origin),
        )
    at, terms = Evaluator(Drawn(drawn)), pair_terms(pair, unit.inferences)
    return PairAnswer(
        edge=pair.edge.name,
        cloud=pair.cloud.name,
        edge_origin=pair.edge.origin,
        cloud_origin=pair.cloud.origin,
        edge_origin_text=pair.edge.origin_text,
        cloud_origin_text=pair.cloud.origin_text,
        admissible=not wrong,
        faults=wrong,
        verdict=sentence,
        flips=(*flips(views), *_axis_flips(problem, pair, drawn)) if views else (),
        views=views,
        break_evens=break_evens(pair, drawn) if views else (),
        tornados=tornados(pair, unit.inferences, drawn) if views else (),
        beside=beside(terms, unit.inferences, at, problem.currency) if views else {},
        curves=curves(pair, unit.inferences, drawn) if views else (),
        maps=maps(pair, drawn) if views else (),
        gaps=pair.gaps,
    )


def _views(pair: Pair, inferences: float | None, drawn: Draws) -> tuple[ViewAnswer, ...]:
    middle = edge_and_cloud(pair, Medians(), inferences)
    made: list[ViewAnswer] = []
    for grams in view_grams(pair_terms(pair, inferences), Evaluator(Drawn(drawn))):
        difference, unit = grams.edge_minus_cloud, gram_unit(grams.view.intensity)
        chances = lower_in(difference)
        edge, cloud = middle[grams.view]
        made.append(
            ViewAnswer(
                view=grams.view,
                edge=_side(grams, "edge", unit),
                cloud=_side(grams, "cloud", unit),
                edge_minus_cloud=percentiles_at(spread(difference), 0, unit),
                middle_g=float(edge[0] - cloud[0]),
                probability_edge_lower=float(chances[0][0]),
                winner=WINNERS[int(winners_of(*chances)[0])],
            )
        )
    return tuple(made)


def _side(grams: ViewGrams, side: SideName, unit: str) -> SideGrams:
    return SideGrams(
        total=percentiles_at(grams.total_spreads[side], 0, unit),
        causes={cause: percentiles_at(ends, 0, unit) for cause, ends in grams.causes[side].items()},
    )


def _axis_flips(problem: Problem, pair: Pair, drawn: Draws) -> tuple[str, ...]:
    """Return what turns the verdict where one field has another of its values, and the rest is as it is.

    In a file of cases several fields change from row to row: then also which of the cases turn it.
    """
    axes = [(field_words(axis.name), axis, problem.case_values[axis.name]) for axis in problem.axes]
    if problem.case_count != math.prod(len(axis.values) for axis in problem.axes):
        numbers = Axis("", tuple(range(problem.case_count)), problem.reference_case)
        axes.append(("The case (numbered from 0)", numbers, np.arange(problem.case_count)))
    said: list[str] = []
    for words, axis, places in axes:
        by_view: dict[View, dict[Value, Winner]] = {}
        for place, other, row in _along(problem, axis.name, places, pair):
            for view, winners in winner_places(at_row(other, row), drawn).items():
                if view.network == view.intensity:
                    by_view.setdefault(view, {})[axis.values[place]] = WINNERS[int(winners[0])]
        reference = axis.values[axis.reference]
        said += [axis_flip(words, reference, found, view) for view, found in by_view.items()]
    return tuple(words for words in said if words)


def _along(problem: Problem, name: str, places: I64, pair: Pair) -> list[tuple[int, Pair, int]]:
    """Return the places on an axis with the pair and row that differ from the reference case in it alone.

    ``name``: "" for the number of the case, which nothing else has to be alike for.
    """
    alike = np.ones(problem.case_count, dtype=np.bool_)
    for other in problem.axes if name else ():
        if other.name != name:
            of_cases = problem.case_values[other.name]
            alike &= of_cases == of_cases[problem.reference_case]
    every = max(1, int(np.count_nonzero(alike)) // _MOST_VALUES)
    found: list[tuple[int, Pair, int]] = []
    for one in problem.pairs:
        if (one.edge.name, one.cloud.name) == (pair.edge.name, pair.cloud.name):
            rows = np.flatnonzero(alike[one.cases])
            looked = (one.cases[rows] == problem.reference_case) | (np.arange(len(rows)) % every == 0)
            found += [
                (int(places[one.cases[row]]), one, int(row))
                for row in rows[looked]
                if not faults(rules(problem.unit, at_row(one, int(row))), 0)
            ]
    return sorted(found, key=lambda entry: entry[0])
