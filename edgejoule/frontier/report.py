"""A frontier as text, tables and rows. Pure."""

from textwrap import shorten
from typing import Any, Final

from collector.numbers import percent, prefix_of, si, significant
from edgejoule.bench_report.values import Grid, Report, Section
from edgejoule.frontier.values import Front, Frontier, Point, Step
from edgejoule.report_files import factors_section, wrapped

_LETTERS: Final = {"J": "J", "gCO2e": "g"}
_MARKS: Final = {"on": "yes", "perhaps": "perhaps", "beaten": "no"}
_READING: Final = (
    (
        "On the front: in how many drawn worlds no other model of the task has its score for less. yes: in 95 of 100; "
        "no: in 5 or fewer. *: on it at the medians. Scores with their 95 % interval, costs P5 to P95."
    ),
)


def report_of(found: Frontier) -> Report:
    """Return the whole answer as a report."""
    spread = "" if found.inferences is None else f", making spread over {found.inferences:,.4g} inferences"
    return Report(
        title=f"Score per {'carbon' if found.unit == 'gCO2e' else 'joule'} of an inference{spread}",
        badges=("SIMULATED METER",) if found.simulated else (),
        headline=(),
        reasons=(),
        warnings=wrapped(found.notes),
        sections=(
            *(section for front in found.fronts for section in _front(front, found.unit)),
            Section("How to read it", _READING),
            factors_section(found.factors),
            Section("To repeat it", (f"seed {found.seed}, {found.draws:,} draws; joules on {found.where}",)),
        ),
    )


def _front(front: Front, unit: str) -> list[Section]:
    name = shorten(front.task, 60, placeholder=" ...")
    lines = [front.last_half] if front.last_half else ["Nothing is known of both score and cost."]
    if front.left_out:
        lines.append(f"Left out, since score or cost is not known: {', '.join(front.left_out)}.")
    headings = ("model", "score (95 %)", "an inference", "on the front", "")
    rows = tuple(_point(one, unit) for one in front.points)
    sections = [Section(name, tuple(lines), (Grid(headings, rows, frozenset({1, 2, 3})),) if rows else ())]
    if front.steps:
        steps = tuple(_step(one, unit) for one in front.steps)
        titles = ("from", "to", "points", "more for each point", "scores higher in")
        sections.append(Section("What the next point takes", (), (Grid(titles, steps, frozenset({2, 3, 4})),)))
    return sections


def _point(one: Point, unit: str) -> tuple[str, ...]:
    score = one.score
    value = si(one.cost.value, _LETTERS[unit])
    scale, _ = prefix_of(one.cost.value)
    low, high = (significant(end / scale, 2) for end in (one.cost.low, one.cost.high))
    return (
        f"{one.model_id}{' *' if one.at_medians else ''}",
        f"{100 * score.value:.1f} ({100 * score.low:.1f} to {100 * score.high:.1f})",
        f"{value}\n({low} to {high})",
        percent(one.probability_on_front),
        _MARKS[one.standing],
    )


def _step(one: Step, unit: str) -> tuple[str, ...]:
    letter = _LETTERS[unit]
    text = si(one.cost_per_point, letter)
    if one.low is not None and one.high is not None:
        text += f"\n({si(one.low, letter)} to {si(one.high, letter)})"
    return one.first, one.second, f"{one.points:+.2f}", text, percent(one.probability_higher)


def rows_of(found: Frontier) -> list[dict[str, Any]]:
    """Return a row for each model, for a CSV file."""
    return [
        {
            "task": front.task, "metric": front.metric, "model_id": one.model_id, "score": one.score.value,
            "score_low": one.score.low, "score_high": one.score.high, "unit": found.unit, "cost": one.cost.value,
            "cost_p5": one.cost.low, "cost_p95": one.cost.high, "origin": one.origin,
            "probability_on_front": one.probability_on_front, "at_medians": one.at_medians, "standing": one.standing,
        }
        for front in found.fronts
        for one in front.points
    ]  # fmt: skip


def shows(found: Frontier) -> str:
    """Return what the figure says, in words."""
    parts = []
    for front in found.fronts:
        names = [one.model_id for one in front.points if one.at_medians]
        parts.append(
            f"{front.task.partition(':')[0]}: on the front {', '.join(names) or 'nothing'}. {front.last_half}"
        )
    return " ".join(parts)
