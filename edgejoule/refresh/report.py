"""The answer to a refresh question as text, tables and rows. Pure."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from collector.analysis.refresh.answers import GridAnswer, RefreshAnswer, SideAnswer, WaitRow
from collector.analysis.refresh.words import grid_name, moment, payback_words, years_text
from collector.carbon.montecarlo import Percentiles
from collector.numbers import NBSP, UNKNOWN, percent, plain, prefix_of, si, significant
from edgejoule.bench_report.values import Grid, Report, Section
from edgejoule.report_files import factors_section, wrapped

_WIDTH = 79
_RESIDUES = {
    "charged_at_retirement": "it is charged when they leave",
    "written_off_to_fleet": "it is written off to the fleet",
    "carried_to_successor": "it is carried to the successor",
}


def report_of(answer: RefreshAnswer) -> Report:
    """Return the whole answer as a report."""
    return Report(
        title=answer.title,
        badges=("SIMULATED METER",) if answer.simulated else (),
        headline=tuple(fill(grid.verdict, _WIDTH, subsequent_indent="  ") for grid in answer.grids),
        reasons=(),
        warnings=wrapped(answer.notes),
        sections=(
            _paybacks(answer),
            *(_waits(answer, grid) for grid in answer.grids),
            _cycles(answer),
            _sides(answer),
            _residue(answer),
            Section("Not counted", tuple(answer.not_counted)),
            factors_section(answer.factors),
            Section("To repeat it", (f"seed {answer.seed}, {answer.draws:,} draws",)),
        ),
    )


def _paybacks(answer: RefreshAnswer) -> Section:
    headings = ("grid", "g/kWh now", f"in year {answer.horizon_years}", "pay-back, P5 to P95", "within its life")
    rows = tuple(
        (
            _grid_name(grid),
            significant(grid.intensity.value),
            significant(grid.last_year_gco2e_per_kwh),
            payback_words(grid.payback),
            percent(grid.payback.probability_within_life),
        )
        for grid in answer.grids
    )
    line = (
        f"Pay-back: until the saving of use has reached the mass of the new devices. Within its life: in how many "
        f"drawn worlds that is before a new device's {years_text(answer.new.lifetime_years)} years are over."
    )
    return Section("Pay-back of replacing now", (line,), (Grid(headings, rows, frozenset({1, 2, 4})),))


def _waits(answer: RefreshAnswer, grid: GridAnswer) -> Section:
    headings = ("keep for", f"g in {answer.horizon_years} years", "P5 to P95", "more than the least",
                "P5 to P95 of that", "best in", "residue", "with the account")  # fmt: skip
    best = next(row for row in grid.rows if row.wait_years == grid.best_wait_years)
    rows = tuple(_wait(row, best) for row in grid.rows)
    lines = []
    known = [row for row in grid.rows if row.account_g is not None]
    booked = min(known, key=lambda row: row.account_g or 0.0, default=None)
    if booked is not None and booked.wait_years != grid.best_wait_years:
        lines.append(f"The account alone would say to keep them {booked.wait_years} years: booking, not emissions.")
    return Section(
        f"Keep for some years more, then replace: {_grid_name(grid)}",
        tuple(lines),
        (Grid(headings, rows, frozenset(range(1, 8)), narrow=(0, 1, 3, 4, 5, 6)),),
    )


def _cycles(answer: RefreshAnswer) -> Section:
    """Return how long new devices should serve: a question that the moment of replacing takes as answered."""
    headings = ("grid", "least at", "g a year", f"at {years_text(answer.new.lifetime_years)} years", "best in",
                "with the moment free, too")  # fmt: skip
    planned = min(max(round(answer.new.lifetime_years), 1), answer.horizon_years)
    rows = tuple(_cycle(grid, planned, answer.horizon_years) for grid in answer.grids)
    line = (
        f"Each new device serves so long, then the next one follows, with what its year offers: from now on, on "
        f"average over {answer.horizon_years} years, cycles of 1 to {answer.horizon_years} years. A cycle beyond the "
        "planned life supposes that a device lasts so long. The moments above are with the planned life."
    )
    return Section("How long new devices should serve", (line,), (Grid(headings, rows, frozenset({1, 2, 3, 4})),))


def _cycle(grid: GridAnswer, planned_years: int, horizon_years: int) -> tuple[str, ...]:
    by_years = {row.cycle_years: row for row in grid.cycles}
    best, planned, joint = by_years[grid.best_cycle_years], by_years[planned_years], grid.joint
    last = grid.rows[-1]
    chosen = next(row for row in grid.rows if row.wait_years == joint.wait_years)
    words = moment(chosen, last) + (f"; each {_years(joint.cycle_years, horizon_years)}" if chosen.replaced else "")
    return (
        _grid_name(grid),
        _years(best.cycle_years, horizon_years),
        si(best.middle_g_per_year, "g"),
        si(planned.middle_g_per_year, "g"),
        percent(best.probability_best),
        words,
    )


def _years(years: int, horizon_years: int) -> str:
    return f"{years} years{' or more' if years == horizon_years else ''}" if years > 1 else "1 year"


def _residue(answer: RefreshAnswer) -> Section:
    line = (
        f"Residue: what {answer.policy} has not charged yet of the old devices' mass; {_RESIDUES[answer.residue]}. "
        "That mass is emitted already, so it is not in the grams and decides nothing; with the account: with what is "
        "booked of it from now to the horizon."
    )
    return Section("The old devices' mass", (line,))


def _wait(row: WaitRow, best: WaitRow) -> tuple[str, ...]:
    name = "now" if row.wait_years == 0 else f"{row.wait_years} year{'s' if row.wait_years > 1 else ''}"
    return (
        f"{name if row.replaced else f'all {row.wait_years}'}{' *' if row is best else ''}",
        si(row.middle_g, "g"),
        _range(row.total_g),
        UNKNOWN if row is best else si(row.middle_g - best.middle_g, "g"),
        UNKNOWN if row is best else _range(row.more_than_best_g),
        percent(row.probability_best),
        UNKNOWN if row.residue_g is None else si(row.residue_g, "g"),
        UNKNOWN if row.account_g is None else si(row.account_g, "g"),
    )


def _range(spread: Percentiles) -> str:
    """Return both ends with as many places as the larger one has."""
    most = max(abs(spread.p5), abs(spread.p95))
    scale, letter = prefix_of(most)
    places = len(significant(most / scale).partition(".")[2])
    return f"{spread.p5 / scale:.{places}f} to {spread.p95 / scale:.{places}f}{NBSP}{letter}g"


def _sides(answer: RefreshAnswer) -> Section:
    headings = ("", "old", "new")
    sides = (answer.old, answer.new)
    rows = (
        ("devices for the work", *(str(side.devices) for side in sides)),
        ("power of one, W", *(plain(side.power) for side in sides)),
        ("how that is known", *(f"{side.origin}: {side.origin_text}" for side in sides)),
        ("making of one, kgCO2e", *map(_mass, sides)),
        ("life, years", *(years_text(side.lifetime_years) for side in sides)),
        ("hardware", *(side.name for side in sides)),
    )
    lines = [answer.work] if answer.work else []
    if answer.inferences_per_day is not None:
        lines.append(f"{answer.inferences_per_day:,.0f} inferences a day, of all devices together, on both sides.")
    lines.append(f"The old devices are {years_text(answer.age_years)} years old.")
    return Section("What is compared", tuple(lines), (Grid(headings, rows, frozenset({1, 2})),))


def _mass(side: SideAnswer) -> str:
    return "unknown" if side.embodied is None else plain(side.embodied)


def _grid_name(grid: GridAnswer) -> str:
    return grid_name(grid.name, grid.kind)


def rows_of(answer: RefreshAnswer) -> list[dict[str, Any]]:
    """Return a row for each grid and year, for a CSV file."""
    return [
        {
            "grid": grid.name,
            "intensity_kind": grid.kind,
            "intensity_gco2e_per_kwh": grid.intensity.value,
            "payback_years": grid.payback.years,
            "payback_years_p5": grid.payback.low,
            "payback_years_p95": grid.payback.high,
            "wait_years": row.wait_years,
            "total_g": row.middle_g,
            "total_g_p5": row.total_g.p5,
            "total_g_p50": row.total_g.p50,
            "total_g_p95": row.total_g.p95,
            "more_than_least_g": row.middle_g - best_g,
            "more_than_least_g_p5": row.more_than_best_g.p5,
            "more_than_least_g_p95": row.more_than_best_g.p95,
            "probability_best": row.probability_best,
            "residue_g": row.residue_g,
            "account_g": row.account_g,
        }
        for grid in answer.grids
        for best_g in (min(row.middle_g for row in grid.rows),)
        for row in grid.rows
    ]


def shows(answer: RefreshAnswer, most: int) -> str:
    """Return what the figure says, in words."""
    return " ".join(_shows(grid) for grid in answer.grids[:most])


def _shows(grid: GridAnswer) -> str:
    best: Sequence[WaitRow] = [row for row in grid.rows if row.wait_years == grid.best_wait_years]
    return f"{grid.verdict}. The least is {si(best[0].middle_g, 'g')}, after {best[0].wait_years} more years."
