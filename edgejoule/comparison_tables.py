"""A comparison as text and tables for a terminal of eighty columns: the verdict first, then what it rests on."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from collector.analysis.comparison.answers import (
    CAUSES,
    AxisAnswer,
    Beside,
    BreakEven,
    Cause,
    Comparison,
    PairAnswer,
    Question,
    SideGrams,
    Tornado,
    View,
    ViewAnswer,
    Winner,
)
from collector.analysis.comparison.verdict import number_words
from collector.carbon.montecarlo import Percentiles
from collector.numbers import UNKNOWN, count, percent, si, some_of
from collector.web.comparison_words import (
    INTENSITY_WORDS,
    NETWORK_WORDS,
    QUESTION_WORDS,
    break_even_words,
    plain,
    share_words,
    spread,
    view_name,
)
from edgejoule.fleet_tables import plain_table
from edgejoule.wrapped import Wrapped

MOST_PAIRS = 4
"""More pairs are listed with their verdicts, and are in the JSON and the page."""
LEAST_RATIO = 0.001
MOST_SWINGS = 5
MOST_VALUES = 6
CAUSE_NAMES: Final[dict[Cause, str]] = {
    "work": "inferring",
    "idle": "waiting",
    "overhead": "data centre (PUE)",
    "network": "network",
    "hardware": "hardware",
    "client_energy": "client, energy",
    "client_hardware": "client, hardware",
}
COLOURS: Final[dict[Winner, str]] = {"edge": "green", "cloud": "cyan", "open": "yellow"}
Held = TypeVar("Held", ViewAnswer, Tornado)


def comparison_parts(comparison: Comparison) -> Iterator[RenderableType]:
    """Yield what a terminal shows, in order."""
    yield f"[bold]{escape(comparison.title)}[/]"
    yield _what(comparison)
    if comparison.simulated:
        yield "[bold black on yellow] SIMULATED METER: joules of this comparison were not measured on hardware [/]"
    for number, pair in enumerate(comparison.pairs[:MOST_PAIRS], start=1):
        if len(comparison.pairs) > 1:
            yield f"\n[bold]pair {number} of {len(comparison.pairs)}[/]"
        yield from _pair_parts(pair, comparison)
    if len(comparison.pairs) > MOST_PAIRS:
        yield _more_pairs(comparison.pairs[MOST_PAIRS:])
    if comparison.case_count > 1:
        yield _cases(comparison)
    yield _last_words(comparison)


def _what(comparison: Comparison) -> Group:
    lines = [f"functional unit: {comparison.functional_unit}"]
    lines.append(f"at {number_words(comparison.inferences_per_day)} inferences a day on each device")
    if comparison.case_count > 1:
        held = ", ".join(f"{axis.name} = {_value(axis.reference)}" for axis in comparison.axes)
        lines.append(f"one of {count(comparison.case_count)} cases, answered in detail: {held or 'no field varies'}")
    return _lines(lines)


def _lines(lines: Iterable[str]) -> Group:
    return Group(*map(Wrapped, lines))


def _pair_parts(pair: PairAnswer, comparison: Comparison) -> Iterator[RenderableType]:
    yield Wrapped(f"edge:  {pair.edge}, {pair.edge_origin}: {pair.edge_origin_text}")
    yield Wrapped(f"cloud: {pair.cloud}, {pair.cloud_origin}: {pair.cloud_origin_text}")
    if pair.admissible:
        yield Wrapped(pair.verdict, style="bold")
    for side, faults in pair.faults.items():
        for fault in faults:
            yield Wrapped(fault, lead=f"{side} inadmissible:", lead_style="bold red")
    for flip in pair.flips:
        yield Wrapped(flip, lead="!", lead_style="yellow")
    if pair.views:
        yield _views(pair.views)
        yield _causes(pair.views)
        yield _break_evens(pair.break_evens)
        yield from (_tornado(tornado) for tornado in _ends(pair.tornados))
        yield _beside(pair, comparison.currency)
    for gap in pair.gaps:
        yield Wrapped(f"not said: {gap}")


def _views(views: Iterable[ViewAnswer]) -> Table:
    table = plain_table("CO2e per functional unit, median (P5 to P95)")
    table.add_column("network,\ngrid", no_wrap=True)
    for heading in ("edge", "cloud", "edge minus\ncloud", "edge\nlower in", "ahead"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in views:
        table.add_row(
            _short(one.view).replace(", ", ",\n"),
            *(_grams(figure) for figure in (one.edge.total, one.cloud.total, one.edge_minus_cloud)),
            _worlds(one.probability_edge_lower),
            f"[bold {COLOURS[one.winner]}]{one.winner}[/]",
        )
    return table


def _causes(views: tuple[ViewAnswer, ...]) -> Table:
    """Return what the grams come from, in the inventory's view and in the decision's."""
    shown = _ends(views)
    table = plain_table("What they come from, median (P5 to P95)")
    table.add_column("", no_wrap=True)
    for one in shown:
        for side in ("edge", "cloud"):
            table.add_column(f"{side},\n{_short(one.view)}", justify="right", no_wrap=True)
    sides = [side for one in shown for side in (one.edge, one.cloud)]
    for cause in CAUSES:
        if any(cause in side.causes for side in sides):
            table.add_row(CAUSE_NAMES[cause], *(_cause(side, cause) for side in sides))
    table.add_section()
    table.add_row("together", *(_grams(side.total) for side in sides), style="bold")
    return table


def _cause(side: SideGrams, cause: Cause) -> str:
    return _grams(side.causes[cause]) if cause in side.causes else ""


def _break_evens(points: tuple[BreakEven, ...]) -> Table:
    """Return where both sides are alike; views that say the same share a row."""
    rows: dict[tuple[Question, str], list[View]] = {}
    for point in points:
        rows.setdefault((point.question, break_even_words(point)), []).append(point.view)
    every = len({point.view for point in points})
    table = plain_table("Break-evens: where both sides emit the same")
    table.add_column("network, grid", no_wrap=True)
    table.add_column("", overflow="fold")
    before = ""
    for (question, words), views in rows.items():
        if question != before:
            table.add_row(f"[bold]{QUESTION_WORDS[question]}[/]")
        before = question
        table.add_row("any" if len(views) == every else "\n".join(map(_short, views)), Wrapped(words))
    return table


def _tornado(tornado: Tornado) -> Table:
    table = plain_table(f"What decides it, {view_name(tornado.view)}: edge minus cloud")
    table.add_column("factor", overflow="fold")
    for heading in ("factor at\nits low", "factor at\nits high", "of the\nvariance", "turns\nthe sign"):
        table.add_column(heading, justify="right", no_wrap=True)
    for swing in tornado.swings[:MOST_SWINGS]:
        table.add_row(
            escape(swing.name),
            si(swing.at_low_g, "g"),
            si(swing.at_high_g, "g"),
            share_words(swing.variance_ratio),
            "[bold yellow]yes[/]" if swing.turns else "no",
        )
    return table


def _beside(pair: PairAnswer, currency: str) -> Table:
    table = plain_table("Beside the grams")
    table.add_column("", no_wrap=True)
    for side in pair.beside:
        table.add_column(side, justify="right", no_wrap=True)
    held: list[Beside] = list(pair.beside.values())
    table.add_row("energy", *(_spread(one.energy, "J") for one in held))
    table.add_row("water", *(UNKNOWN if one.water is None else _spread(one.water, "L") for one in held))
    if currency:
        table.add_row(f"cost, {currency}", *(UNKNOWN if one.cost is None else _money(one.cost) for one in held))
    table.add_row("latency", *(si(one.latency_s, "s") for one in held))
    table.add_row("accuracy", *(percent(one.accuracy_ratio, 1) for one in held))
    return table


def _more_pairs(pairs: tuple[PairAnswer, ...]) -> Group:
    lines = [f"{len(pairs)} more pairs, in detail in --json and --html:"]
    lines += [f"{pair.edge} against {pair.cloud}: {pair.verdict}" for pair in pairs]
    return _lines(lines)


def _cases(comparison: Comparison) -> Table:
    """Return what varies, and how often which side is lower."""
    table = plain_table(f"All {count(comparison.case_count)} cases")
    table.add_column("field", overflow="fold")
    table.add_column("values", overflow="fold")
    for axis in comparison.axes:
        table.add_row(escape(axis.name), escape(_values(axis)))
    table.add_section()
    total = sum(comparison.case_counts.values())
    words = {"open": "neither surely lower", "inadmissible": "not compared"}
    for name, number in comparison.case_counts.items():
        share = share_words(number / total) if number < total else percent(1.0)
        table.add_row(words.get(name, f"{name} lower"), f"{count(number)} ({share})")
    table.caption = f"over cases, pairs and {len(comparison.views)} views;\neach of them: --csv or --parquet"
    table.caption_justify = "left"
    return table


def _values(axis: AxisAnswer) -> str:
    if len(axis.values) > MOST_VALUES and all(isinstance(value, int | float) for value in axis.values):
        numbers = [float(value) for value in axis.values]
        return f"{count(len(numbers))} from {_value(min(numbers))} to {_value(max(numbers))}"
    return some_of([_value(value) for value in axis.values])


def _last_words(comparison: Comparison) -> Group:
    lines = [f"network, {model}: {words}" for model, words in NETWORK_WORDS.items()]
    lines += [f"grid, {kind}: {words}" for kind, words in INTENSITY_WORDS.items()]
    lines += [f"note: {note}" for note in comparison.notes]
    lines.append(f"not counted: {'; '.join(comparison.not_counted)}")
    labels = Counter(factor.label for factor in comparison.factors if factor.label)
    lines += [f"{number} of the factors: {label.upper()}" for label, number in labels.items()]
    lines.append(
        f"{len(comparison.factors)} factors in all, with source, licence and vintage: --json or --html; "
        f"{count(comparison.draws)} draws, seed {comparison.seed}"
    )
    return _lines(lines)


def _ends(held: tuple[Held, ...]) -> list[Held]:
    """Return those of both averages and of both marginals; if there are neither, the first."""
    both = [one for one in held if one.view.network == one.view.intensity]
    return both or list(held[:1])


def _short(view: View) -> str:
    return f"both {view.network}" if view.network == view.intensity else f"{view.network}, {view.intensity}"


def _grams(figure: Percentiles) -> str:
    return _spread(figure, "g")


def _spread(figure: Percentiles, unit: str) -> str:
    """Return the median, and below it the range."""
    middle, ends = spread(figure, unit)
    return f"{middle}\n[dim]{ends.replace(' to ', '–')}[/]" if ends else middle


def _money(figure: Percentiles) -> str:
    middle, ends = plain(figure.p50), f"{plain(figure.p5)}–{plain(figure.p95)}"
    return middle if figure.p5 == figure.p95 else f"{middle}\n[dim]{ends}[/]"


def _worlds(probability: float) -> str:
    """Return the share of the drawn worlds; what is not quite all or none never reads so."""
    if probability in {0.0, 1.0}:
        return "all" if probability else "none"
    if probability < LEAST_RATIO:
        return f"<{percent(LEAST_RATIO, 1)}"
    if probability > 1.0 - LEAST_RATIO:
        return f">{percent(1.0 - LEAST_RATIO, 1)}"
    return percent(probability, 1)


def _value(value: str | float) -> str:
    return number_words(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
