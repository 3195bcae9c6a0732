"""A lifecycle as text, tables and rows. Pure."""

import math
from collections.abc import Sequence
from typing import Any, Final

from collector.carbon.estimate import Estimate
from collector.numbers import NBSP, UNKNOWN, percent, prefix_of, si, significant
from edgejoule.bench_report.values import Grid, Report, Section
from edgejoule.lifecycle.values import Group, Lifecycle, Phases, Turn
from edgejoule.report_files import factors_section, wrapped

_LETTERS: Final = {"J": "J", "gCO2e": "g"}
_MILLION: Final = 1e6
_NAMES: Final = {2: "million", 3: "billion", 4: "trillion"}
_ALL_RATIO: Final = 0.995
_TASK: Final = 60


def report_of(found: Lifecycle) -> Report:
    """Return the whole answer as a report."""
    return Report(
        title=found.title,
        badges=("SIMULATED METER",) if found.simulated else (),
        headline=(),
        reasons=(),
        warnings=wrapped(found.notes),
        sections=(
            _methods(found),
            *(section for group in found.groups for section in _group(group, found.unit)),
            Section("How to read it", _READING),
            Section("Not counted", found.not_counted),
            factors_section(found.factors),
            Section("To repeat it", (f"seed {found.seed}, {found.draws:,} draws; joules on {found.where}",)),
        ),
    )


_READING: Final = (
    (
        "Development: one run of the recipe and of those that it builds on (a distilled model's teacher), and what "
        "the scenario adds. Its quantised models come out of the same run, so that their own part is not known."
    ),
    (
        "x: times the baseline's, both in the same drawn world. Points: of accuracy, or hundredths of the ROC AUC, as "
        "one test set has them: edgejoule frontier shows how far scores lie within each other's intervals."
    ),
    "Takes less: from, or until, so many inferences, its making counted; always and never are answers.",
    "Half: after so many inferences the making is half of all that the model has taken.",
)


def _methods(found: Lifecycle) -> Section:
    """Return the table of methods: what each did to which phase, over all tasks that have it."""
    held: dict[str, list[Phases]] = {}
    for group in found.groups:
        for one in group.models:
            if not one.baseline:
                held.setdefault(one.variant, []).append(one)
    rows = tuple(
        (
            method,
            str(len(models)),
            _spread([one.score_change for one in models], 100.0, "+.1f"),
            _spread([_middle(one.development_ratio) for one in models], 1.0, ".3g"),
            _spread([_middle(one.deployment_ratio) for one in models], 1.0, ".3g"),
        )
        for method, models in held.items()
    )
    headings = ("method", "models", "points", "development, x", "deployment, x")
    line = (
        "Each against its task's baseline, on the same data and test set: least to most at the medians, ranges below."
    )
    return Section("By method and phase", (line,), (Grid(headings, rows, frozenset({1, 2, 3, 4})),) if rows else ())


def _middle(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _spread(values: Sequence[float | None], scale: float, digits: str) -> str:
    known = sorted(value * scale for value in values if value is not None)
    if not known:
        return UNKNOWN
    low, high = (f"{end:{digits}}" for end in (known[0], known[-1]))
    return low if low == high else f"{low} to {high}"


def _group(group: Group, unit: str) -> tuple[Section, Section]:
    headings = ("model", "points", "data", "development", "an inference", "takes less than the baseline")
    said = (2,) if any(one.data is not None for one in group.models) else ()
    rows = tuple(_phase_row(one, unit) for one in group.models)
    phases = Grid(headings, rows, frozenset({1, 2, 3, 4, 5}), narrow=(0, 1, *said, 3, 4, 5))
    counts = list(next((one.development_share for one in group.models if one.development_share), {}))
    shares = Grid(
        ("model", "half", *(f"at {count_text(float(count), 1)}" for count in counts)),
        tuple(_share_row(one, counts) for one in group.models),
        frozenset(range(1, 2 + len(counts))),
        narrow=tuple(range(1 + len(counts))),
    )
    task = group.task if len(group.task) <= _TASK else f"{group.task[:_TASK].rsplit(' ', 1)[0]} ..."
    return (
        Section(f"By phase: {task}", (f"Baseline: {group.baseline}.",), (phases,)),
        Section("Share of the making in all", (), (shares,)),
    )


def _phase_row(one: Phases, unit: str) -> tuple[str, ...]:
    change = UNKNOWN if one.score_change is None else f"{100.0 * one.score_change:+.1f}"
    return (
        f"{one.model_id}\n{one.variant}",
        "" if one.baseline else change,
        _figure(one.data, unit),
        f"{_figure(one.development, unit)}\n{_times(one.development_ratio)}",
        f"{_figure(one.per_inference, unit)}\n{_times(one.deployment_ratio)}",
        "baseline" if one.baseline else turn_words(one.turn),
    )


def _share_row(one: Phases, counts: list[str]) -> tuple[str, ...]:
    half = UNKNOWN if one.half_inferences is None else count_text(one.half_inferences.value)
    shares = (
        percent(one.development_share[count].value, 1) if count in one.development_share else UNKNOWN
        for count in counts
    )
    return (one.model_id, half, *shares)


def turn_words(turn: Turn | None) -> str:
    """Return from or until how many inferences a model takes less in all."""
    if turn is None:
        return "own part unknown"
    if turn.inferences is None or turn.low is None or turn.high is None:
        words = str(turn.outcome)
    else:
        words = f"{turn.outcome} {count_text(turn.inferences)}"
        if count_text(turn.low, 2) != count_text(turn.high, 2):
            words += f"\n({count_text(turn.low, 2)} to {count_text(turn.high, 2)})"
    return words if turn.probability >= _ALL_RATIO else f"{words}\nin {percent(turn.probability)} of worlds"


def count_text(number: float, digits: int = 3) -> str:
    """Return a number of inferences as people read it: ``840,000``, ``6.96 million``."""
    if number < _MILLION:
        return f"{number:,.0f}"
    power = min(int(math.log10(number) // 3), max(_NAMES))
    return f"{significant(number / 1000.0**power, digits)}{NBSP}{_NAMES[power]}"


def _figure(estimate: Estimate | None, unit: str) -> str:
    if estimate is None:
        return UNKNOWN
    text = si(estimate.value, _LETTERS[unit])
    if estimate.low == estimate.high:
        return text
    scale, _ = prefix_of(estimate.value)
    low, high = (significant(end / scale, 2) for end in (estimate.low, estimate.high))
    return f"{text}\n({low} to {high})"


def _times(ratio: Estimate | None) -> str:
    if ratio is None:
        return UNKNOWN
    low, high = (significant(one, 2) for one in (ratio.low, ratio.high))
    value = f"x{NBSP}{significant(ratio.value)}"
    return value if low == high else f"{value}\n({low} to {high})"


def rows_of(found: Lifecycle) -> list[dict[str, Any]]:
    """Return a row for each model, for a CSV file."""
    return [_row(group, one, found.unit) for group in found.groups for one in group.models]


def _row(group: Group, one: Phases, unit: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task": group.task, "baseline": group.baseline, "model_id": one.model_id, "variant": one.variant,
        "precision": one.precision, "score_change": one.score_change, "unit": unit, "origin": one.origin,
    }  # fmt: skip
    for name in ("data", "development", "development_ratio", "per_inference", "deployment_ratio", "half_inferences"):
        estimate: Estimate | None = getattr(one, name)
        for end in ("value", "low", "high"):
            row[name if end == "value" else f"{name}_{end}"] = None if estimate is None else getattr(estimate, end)
    turn = one.turn
    row["turn"] = None if turn is None else turn.outcome
    row["turn_inferences"] = None if turn is None else turn.inferences
    return row


def shows(found: Lifecycle) -> str:
    """Return what the figure says, in words."""
    halves = [
        f"{one.model_id} {count_text(one.half_inferences.value)}"
        for group in found.groups
        for one in group.models
        if one.half_inferences is not None
    ]
    return f"Share of the making over the number of inferences. It is half of all at: {', '.join(halves)}."
