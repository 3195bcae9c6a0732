"""A replay of published results as a table, as Markdown, as CSV, and as a record for JSON."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from edge_agent.mlperf.budget import COVERAGE_FACTOR
from edge_agent.mlperf.check import EEMBC_TOLERANCE_RATIO, FigureCheck
from edge_agent.mlperf.recompute import BASELINE_S, UNSTABLE_RATIO
from edge_agent.mlperf.replay import Replay, ReplayProblem, ReplayRow

HEADINGS: Final = (
    "run",
    "published\nµJ/inf.",
    "recomputed\nµJ/inf.",
    "differ-\nence",
    "U (k=2)",
    "CV",
    "net",
    "repro-\nduced",
)
_ENERGY_FIGURES: Final = frozenset({"energy", "power", "energy per inference", "median energy per inference"})
_MOST_MISMATCHES: Final = 5
_MOST_NAMED: Final = 5
_UJ: Final = 1e6
_UNKNOWN: Final = "–"


def replay_table(rows: Iterable[ReplayRow]) -> Table:
    """Return the rows for a terminal of eighty columns."""
    table = Table(title="Published and recomputed energy per inference", title_justify="left", box=SIMPLE_HEAD)
    table.padding = (0, 1, 0, 0)
    table.add_column(HEADINGS[0], overflow="fold")
    for heading in HEADINGS[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        *cells, verdict = row_cells(row)
        colour = {"yes": "green", "NO": "bold red"}.get(verdict, "dim")
        table.add_row(*map(escape, cells), f"[{colour}]{verdict}[/]")
    return table


def budget_table(rows: Iterable[ReplayRow]) -> Table:
    """Return each row's uncertainty budget: standard uncertainties in µJ per inference."""
    table = Table(title="Uncertainty, k = 1, µJ per inference", title_justify="left", box=SIMPLE_HEAD)
    table.padding = (0, 1, 0, 0)
    table.add_column("run", overflow="fold")
    for heading in ("type A\n(windows)", "meter\n(all alike)", "edges", "combined", "U (k=2)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        budget = row.budget
        parts = (budget.type_a_j, budget.meter_j, budget.edges_j, budget.combined_j, budget.expanded_j)
        table.add_row(escape(row.label), *(_significant(part) for part in parts))
    return table


def row_cells(row: ReplayRow) -> tuple[str, ...]:
    """Return one row's cells, in the order of ``HEADINGS``."""
    run, published = row.run, row.published
    recomputed_j = run.plain_j
    expanded_j = row.budget.expanded_j
    net = _UNKNOWN if run.net_j is None else f"{run.net_j / recomputed_j:+.1%}" + ("!" if run.net_flags else "")
    return (
        row.label,
        _UNKNOWN if published is None else _printed(published.median_j.value, published.median_j.step),
        _printed(recomputed_j, 1e-10 if published is None else published.median_j.step),
        _UNKNOWN if published is None else f"{published.median_j.residual_ratio(recomputed_j):+.1e}",
        _UNKNOWN if expanded_j is None else f"{expanded_j / recomputed_j:.2%}",
        _UNKNOWN if run.cv_ratio is None else f"{run.cv_ratio:.3%}",
        net,
        {True: "yes", False: "NO", None: _UNKNOWN}[row.reproduced],
    )


def worst_residual_ratio(row: ReplayRow) -> float:
    """Return the largest relative difference of a printed energy or power to ours; what rounding hides included."""
    return max((abs(one.residual_ratio) for one in row.checks if one.figure in _ENERGY_FIGURES), default=0.0)


def integrator_residual_ratio(row: ReplayRow) -> float:
    """Return the largest relative difference of our integrator to the plain sum, over the run's windows."""
    return max(abs(one.register_j - one.plain_j) / abs(one.plain_j) if one.plain_j else 0.0 for one in row.run.windows)


def notes(replay: Replay) -> list[str]:
    """Return what has to be known to read the table."""
    meters = "; ".join(_meters(replay.rows))
    before = f"above the median power of the {BASELINE_S:g} s before each window, as a share of gross"
    lines = [f"U: for the limits of {meters}. CV: of the windows. Net: {before}."]
    flagged = [f"{row.label} ({_why(row)})" for row in replay.rows if row.run.net_flags]
    if flagged:
        more = f", and {len(flagged) - _MOST_NAMED} more (--json)" if len(flagged) > _MOST_NAMED else ""
        lines.append(
            f"! no net to rely on: {', '.join(flagged[:_MOST_NAMED])}{more}. No published run declares an idle state."
        )
    unknown_v = sum(not row.meter.voltage_known for row in replay.rows)
    if unknown_v:
        lines.append(
            f"No file of {_runs(unknown_v)} states the supply: the meter's highest voltage is taken, which makes the "
            "part of its current offset too large rather than too small."
        )
    if any(not row.meter.limits_known for row in replay.rows):
        lines.append("No U without a data sheet of the meter: give --gain-limit and --offset-limit, or --meter.")
    return lines


def _why(row: ReplayRow) -> str:
    words = {
        "negative": "negative: the state before drew more",
        "unstable": f"the state before varies over {UNSTABLE_RATIO:.0%}",
    }
    return "; ".join(words[flag] for flag in row.run.net_flags)


def _meters(rows: Sequence[ReplayRow]) -> list[str]:
    counts = Counter((row.meter.name, row.meter.origin) for row in rows)
    return [f"{name} ({origin} in {_runs(count)})" for (name, origin), count in counts.items()]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def summary(replay: Replay) -> str:
    """Return the line that says whether all came out."""
    if not replay.rows:
        return "nothing could be recomputed"
    parts = []
    for runner, rule in (
        ("mlcommons", "to every printed digit (results.json)"),
        ("eembc", f"within {EEMBC_TOLERANCE_RATIO:.0e} (trace files)"),
    ):
        rows = [row for row in replay.compared if row.published is not None and row.published.runner == runner]
        if rows:
            worst = max(worst_residual_ratio(row) for row in rows)
            parts.append(f"{sum(row.reproduced is True for row in rows)} of {len(rows)} {rule}, worst {worst:.1e}")
    good = sum(row.reproduced is True for row in replay.compared)
    text = f"{good} of {len(replay.compared)} published results reproduced: {'; '.join(parts)}"
    if not replay.compared:
        text = f"{_runs(len(replay.rows))} recomputed, none with published figures beside it"
    integrator = max(integrator_residual_ratio(row) for row in replay.rows)
    extra = [
        f"our integrator and the plain sum differ by {integrator:.1e} at most",
        f"{len(replay.problems)} not recomputed" if replay.problems else "",
        f"{replay.passed_over} without energy passed over (performance, accuracy)" if replay.passed_over else "",
    ]
    return "; ".join([text, *filter(None, extra)])


def problem_line(problem: ReplayProblem) -> str:
    """Return what could not be recomputed, and why, as one line."""
    return f"{'not here' if problem.is_missing else 'DAMAGED'}: {problem.label}: {problem.reason}"


def mismatch_lines(row: ReplayRow) -> list[str]:
    """Return what of a run did not come out; the first few figures."""
    wrong = [one for one in row.checks if not one.reproduced]
    lines = [f"{row.label}: {_mismatch(one)}" for one in wrong[:_MOST_MISMATCHES]]
    if len(wrong) > _MOST_MISMATCHES:
        lines.append(f"{row.label}: and {len(wrong) - _MOST_MISMATCHES} more figures (--json)")
    if not row.integrator_agrees:
        lines.append(f"{row.label}: our integrator and the plain sum disagree")
    return lines


def _mismatch(one: FigureCheck) -> str:
    where = f"window {one.window}, " if one.window else ""
    return f"{where}{one.figure}: published {one.published:.9g}, recomputed {one.recomputed:.9g}"


def as_markdown(replay: Replay) -> str:
    """Return the table as Markdown."""
    headings = [heading.replace("-\n", "").replace("\n", " ") for heading in HEADINGS]
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row_cells(row)) + " |" for row in replay.rows]
    return "\n".join([*lines, "", summary(replay), *(problem_line(one) for one in replay.problems), ""])


def as_csv(replay: Replay) -> str:
    """Return one line for each run, in SI units, empty where unknown."""
    out = io.StringIO()
    records = [_flat(row) for row in replay.rows]
    writer = csv.DictWriter(out, fieldnames=list(records[0]) if records else ["run"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def as_record(replay: Replay) -> dict[str, Any]:
    """Return everything, for JSON."""
    return {
        "reproduced": sum(row.reproduced is True for row in replay.compared),
        "compared": len(replay.compared),
        "good": replay.is_good,
        "summary": summary(replay),
        "eembc_tolerance_ratio": EEMBC_TOLERANCE_RATIO,
        "coverage_factor": COVERAGE_FACTOR,
        "baseline_s": BASELINE_S,
        "passed_over": replay.passed_over,
        "runs": [{**_flat(row), **_details(row)} for row in replay.rows],
        "problems": [
            {"run": one.label, "folder": str(one.folder), "reason": one.reason, "missing": one.is_missing}
            for one in replay.problems
        ],
    }


def _flat(row: ReplayRow) -> dict[str, Any]:
    run, published, budget = row.run, row.published, row.budget
    return {
        "run": row.label,
        "folder": str(row.folder),
        "runner": None if published is None else published.runner,
        "published_j_per_inference": None if published is None else published.median_j.value,
        "recomputed_j_per_inference": run.plain_j,
        "integrator_j_per_inference": run.register_j,
        "integrator_residual_ratio": integrator_residual_ratio(row),
        "worst_residual_ratio": None if published is None else worst_residual_ratio(row),
        "reproduced": row.reproduced,
        "integrator_agrees": row.integrator_agrees,
        "type_a_u_j": budget.type_a_j,
        "meter_u_j": budget.meter_j,
        "edges_u_j": budget.edges_j,
        "expanded_u_j": budget.expanded_j,
        "cv_ratio": run.cv_ratio,
        "net_j_per_inference": run.net_j,
        "net_cv_ratio": run.net_cv_ratio,
        "net_flags": " ".join(run.net_flags),
        "meter": row.meter.name,
        "meter_origin": row.meter.origin,
        "meter_limits_known": row.meter.limits_known,
        "supply_v": row.meter.voltage_v if row.meter.voltage_known else None,
    }


def _details(row: ReplayRow) -> dict[str, Any]:
    return {
        "windows": [
            {
                "inferences": one.inferences,
                "duration_s": one.duration_s,
                "recomputed_j": one.plain_j,
                "integrator_j": one.register_j,
                "baseline_w": None if one.baseline is None else one.baseline.power_w,
                "baseline_spread_ratio": None if one.baseline is None else one.baseline.spread_ratio,
                "net_j_per_inference": one.net_per_inference_j,
            }
            for one in row.run.windows
        ],
        "edge_shifts_samples": row.edge_shifts,
        "figures": row.checks,
    }


def _printed(value_j: float, step_j: float) -> str:
    """Return microjoules with as many decimals as were printed."""
    decimals = max(0, round(-math.log10(step_j * _UJ)))
    return f"{value_j * _UJ:.{decimals}f}"


def _significant(value_j: float | None) -> str:
    return _UNKNOWN if value_j is None else f"{value_j * _UJ:.3g}"
