"""A comparison as one self-contained page: no script, no request to anywhere, light and dark, wide and narrow."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import pyarrow as pa

from collector.analysis.comparison.answers import (
    CAUSES,
    Cause,
    Comparison,
    PairAnswer,
    Question,
    View,
    ViewAnswer,
)
from collector.analysis.comparison.problem import Origin
from collector.carbon.montecarlo import Percentiles
from collector.web import comparison_cases as tables
from collector.web import comparison_plots as plots
from collector.web import comparison_words as words
from collector.web.comparison_map import verdict_map
from collector.web.pages import ordered, page_template

MAX_DRAWN_PAIRS: Final = 6
"""So many pairs have sections with figures; the others stand in the table of all."""
_FEW_VIEWS: Final = 2
_QUESTIONS: Final[tuple[Question, ...]] = ("inferences_per_day", "edge_grid", "edge_lifetime", "cloud_utilisation")


class Drawn(msgspec.Struct, frozen=True):
    """One figure, the name of its view, and what to see in it."""

    caption: str
    svg: str
    note: str = ""


class Gallery(msgspec.Struct, frozen=True):
    """The same kind of figure in all views, and how to read it. ``folded``: of the views between the two."""

    heading: str
    explanation: str
    figures: tuple[Drawn, ...]
    folded: tuple[Drawn, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Pairs that are not compared for the same reasons."""

    pairs: tuple[str, ...]
    headline: str
    faults: tuple[tuple[str, str], ...]


class PairPage(msgspec.Struct, frozen=True):
    """What the page says of one pair."""

    anchor: str
    pair: PairAnswer
    headline: str
    certainty: str
    glosses: tuple[tuple[str, str], ...]
    rests_on: str
    legend: str
    galleries: tuple[Gallery, ...]
    causes: tuple[Cause, ...]
    break_evens: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    beside: tuple[tuple[str, tuple[str, str], tuple[str, str]], ...]


def render(
    comparison: Comparison, cases: pa.Table | None, scenario_text: str, title: str, *, command: str = ""
) -> str:
    """Return the page as HTML text.

    ``cases``: of more than one case; of its columns ``comparison_cases.READ_COLUMNS`` and those of the axes are read.
    ``scenario_text``: of the scenario's file, shown as it is. ``command``: what makes this page again.
    """
    many = cases is not None and comparison.case_count > 1
    drawn = [pair for pair in comparison.pairs if pair.views][:MAX_DRAWN_PAIRS]
    unit = words.unit_words(comparison.unit_inferences, comparison.inferences_per_day)
    return page_template("comparison.html.j2").render(
        title=title,
        comparison=comparison,
        unit=unit,
        version=importlib.metadata.version("edgejoule"),
        pages=[_pair_page(pair, f"pair-{number}", comparison, unit) for number, pair in enumerate(drawn, 1)],
        sides=_sides(comparison.pairs),
        compared=[pair for pair in comparison.pairs if pair.admissible],
        refused=_refused(comparison.pairs),
        undrawn=sum(bool(pair.views) for pair in comparison.pairs) - len(drawn),
        axis_tables=tables.axis_tables(comparison, cases) if many and cases is not None else [],
        case_rows=tables.case_rows(comparison, cases) if many and cases is not None else [],
        row_count=0 if cases is None else cases.num_rows,
        results=tables.RESULTS,
        factors=ordered(comparison.factors),
        scenario_text=scenario_text,
        command=command
        or f"edgejoule compare scenario.toml --seed {comparison.seed} --draws {comparison.draws} --html report.html",
        labels=_labels(comparison),
        words=words,
        share_words=words.share_words,
        value_text=tables.value_text,
        most_swings=plots.MAX_SWINGS,
    )


def _sides(pairs: Sequence[PairAnswer]) -> list[tuple[str, str, Origin, str]]:
    """Return each candidate once: its side, name, where its joules come from, and that in words."""
    edges = {pair.edge: ("edge", pair.edge, pair.edge_origin, pair.edge_origin_text) for pair in pairs}
    clouds = {pair.cloud: ("cloud", pair.cloud, pair.cloud_origin, pair.cloud_origin_text) for pair in pairs}
    return [*edges.values(), *clouds.values()]


def _refused(pairs: Sequence[PairAnswer]) -> list[Refused]:
    """Return the inadmissible pairs, those with the same reasons together."""
    together: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for pair in pairs:
        if not pair.admissible:
            faults = tuple((side, fault) for side, faults in pair.faults.items() for fault in faults)
            together.setdefault((words.headline(pair), faults), []).append(f"{pair.edge} against {pair.cloud}")
    return [Refused(tuple(names), headline, faults) for (headline, faults), names in together.items()]


def _labels(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return each warning that factors carry, with the names of those factors."""
    labels = dict.fromkeys(factor.label for factor in comparison.factors if factor.label)
    return [(label, [one.name for one in comparison.factors if one.label == label]) for label in labels]


def _pair_page(pair: PairAnswer, anchor: str, comparison: Comparison, unit: str) -> PairPage:
    causes = tuple(cause for cause in CAUSES if any(_has(view, cause) for view in pair.views))
    return PairPage(
        anchor=anchor,
        pair=pair,
        headline=words.headline(pair),
        certainty=words.certainty(pair),
        glosses=words.glosses(pair),
        rests_on=words.rests_on(pair),
        legend=plots.legend(causes, f"{anchor}-key"),
        galleries=tuple(one for one in _galleries(pair, anchor, comparison, unit) if one.figures),
        causes=causes,
        break_evens=_break_evens(pair),
        beside=_beside(pair, comparison.currency),
    )


def _has(view: ViewAnswer, cause: Cause) -> bool:
    return any(cause in side.causes and side.causes[cause].p95 > 0.0 for side in (view.edge, view.cloud))


def _galleries(pair: PairAnswer, anchor: str, comparison: Comparison, unit: str) -> list[Gallery]:
    bars = [(one.view, plots.bars(one, f"{anchor}-bars{n}", unit)) for n, one in enumerate(pair.views)]
    tornados = [(one.view, plots.tornado(one, f"{anchor}-tornado{n}", unit)) for n, one in enumerate(pair.tornados)]
    grids = {one.view: one.here for one in pair.curves if one.question == "edge_grid"}
    maps = [
        (one.view, verdict_map(one, (comparison.inferences_per_day, grids.get(one.view)), f"{anchor}-map{n}"))
        for n, one in enumerate(pair.maps)
    ]
    return [
        Gallery(
            "Where the grams come from",
            f"Grams of CO2e per {unit}. Bars: the parts at their medians. Dot and whisker: the sum's median and P5 to "
            "P95. Each figure has its own scale.",
            _drawn(bars),
        ),
        _curves(pair, "inferences_per_day", anchor, unit),
        _curves(pair, "edge_grid", anchor, unit),
        _curves(pair, "edge_lifetime", anchor, unit),
        _curves(pair, "cloud_utilisation", anchor, unit),
        Gallery(
            "Where which side is lower",
            "Probability that the edge is lower. Hatched: a side is lower in 95 of 100 drawn worlds or more. "
            "Thick line: half of them.",
            *_folded(maps),
        ),
        Gallery(
            "What decides it",
            "Edge minus cloud with one factor at its low and high end, all others at their medians; below 0 the edge "
            "is lower. %: the factor's share of the difference's variance. ◆: this factor alone can turn the answer.",
            *_folded(tornados),
        ),
    ]


_CURVE_HEADINGS: Final[dict[Question, str]] = {
    "inferences_per_day": "How much work makes the difference",
    "edge_grid": "How clean the edge's grid has to be",
    "edge_lifetime": "How long the hardware has to live",
    "cloud_utilisation": "How busy the server has to be",
}


def _curves(pair: PairAnswer, question: Question, anchor: str, unit: str) -> Gallery:
    crossings = {(one.question, one.view): one for one in pair.break_evens}
    made = [
        (one.view, plots.curve(one, crossings.get((question, one.view)), f"{anchor}-{question}-{n}", unit))
        for n, one in enumerate(pair.curves)
        if one.question == question
    ]
    return Gallery(
        _CURVE_HEADINGS[question],
        "Solid: edge, dashed: cloud, medians with P5 to P95 as bands. Upright line: where both are alike; grey: where "
        "that lies in 90 of 100 drawn worlds that have it.",
        *_folded(
            made, {view: words.break_even_words(one) for (asked, view), one in crossings.items() if asked == question}
        ),
    )


def _drawn(made: Sequence[tuple[View, str]], notes: Mapping[View, str] = {}) -> tuple[Drawn, ...]:
    return tuple(Drawn(words.view_name(view).capitalize(), svg, notes.get(view, "")) for view, svg in made if svg)


def _folded(
    made: Sequence[tuple[View, str]], notes: Mapping[View, str] = {}
) -> tuple[tuple[Drawn, ...], tuple[Drawn, ...]]:
    """Return the figures to show, and those of the views that mix the two kinds, which are folded among many."""
    if len(made) <= _FEW_VIEWS:
        return _drawn(made, notes), ()
    alike = [(view, svg) for view, svg in made if view.network == view.intensity]
    mixed = [(view, svg) for view, svg in made if view.network != view.intensity]
    return _drawn(alike, notes), _drawn(mixed, notes)


def _break_evens(pair: PairAnswer) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Return for each question the answers, views with the same answer together."""
    rows = []
    for question in _QUESTIONS:
        answers: dict[str, list[View]] = {}
        for one in pair.break_evens:
            if one.question == question:
                answers.setdefault(words.break_even_words(one), []).append(one.view)
        if answers:
            named = tuple((text, words.views_words(views, pair)) for text, views in answers.items())
            rows.append((words.QUESTION_WORDS[question], named))
    return tuple(rows)


def _beside(pair: PairAnswer, currency: str) -> tuple[tuple[str, tuple[str, str], tuple[str, str]], ...]:
    """Return energy, water, cost, latency and accuracy of both sides as text; cost only where prices are given."""
    edge, cloud = pair.beside.get("edge"), pair.beside.get("cloud")
    if edge is None or cloud is None:
        return ()
    rows = [
        ("electricity, at the plugs", words.spread(edge.energy, "J"), words.spread(cloud.energy, "J")),
        ("water", words.spread(edge.water, "L"), words.spread(cloud.water, "L")),
    ]
    if currency:
        rows.append(("cost", _money(edge.cost, currency), _money(cloud.cost, currency)))
    rows.append(("latency, input to answer", _latency(edge.latency_s), _latency(cloud.latency_s)))
    rows.append(("accuracy", _accuracy(edge.accuracy_ratio), _accuracy(cloud.accuracy_ratio)))
    return tuple(rows)


def _money(figure: Percentiles | None, currency: str) -> tuple[str, str]:
    if figure is None:
        return "unknown", ""
    middle = f"{words.plain(figure.p50)}\N{NO-BREAK SPACE}{currency}"
    return middle, "" if figure.p5 == figure.p95 else f"{words.plain(figure.p5)} to {words.plain(figure.p95)}"


def _latency(latency_s: float | None) -> tuple[str, str]:
    return ("unknown", "") if latency_s is None else (words.quantity(latency_s, "s"), "")


def _accuracy(ratio: float | None) -> tuple[str, str]:
    return ("unknown", "") if ratio is None else (f"{100.0 * ratio:.4g}\N{NO-BREAK SPACE}%", "")
