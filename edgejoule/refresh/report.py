"""The answer to a refresh question as text, tables and rows. Pure."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from collector.analysis.refresh.answers import GridAnswer, RefreshAnswer, SideAnswer, WaitRow
from collector.analysis.refresh.words import grid_name, payback_words, years_text
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
    headings = ("keep for", f"g in {answer.horizon_years} years", "P5 to P95", "above best", "best in", "residue",
                "with the account")  # fmt: skip
    rows = tuple(_wait(row, best=row.wait_years == grid.best_wait_years) for row in grid.rows)
    lines = []
    known = [row for row in grid.rows if row.account_g is not None]
    booked = min(known, key=lambda row: row.account_g or 0.0, default=None)
    if booked is not None and booked.wait_years != grid.best_wait_years:
        lines.append(f"The account alone would say to keep them {booked.wait_years} years: booking, not emissions.")
    return Section(
        f"Keep for some years more, then replace: {_grid_name(grid)}",
        tuple(lines),
        (Grid(headings, rows, frozenset(range(1, 7)), narrow=(0, 1, 2, 3, 4, 5)),),
    )


def _residue(answer: RefreshAnswer) -> Section:
    line = (
        f"Residue: what {answer.policy} has not charged yet of the old devices' mass; {_RESIDUES[answer.residue]}. "
        "That mass is emitted already, so it is not in the grams and decides nothing; with the account: with what is "
        "booked of it from now to the horizon."
    )
    return Section("The old devices' mass", (line,))


def _wait(row: WaitRow, *, best: bool) -> tuple[str, ...]:
    name = f"{row.wait_years} a" if row.replaced else f"{row.wait_years} a: all"
    return (
        f"{name}{' *' if best else ''}",
        si(row.middle_g, "g"),
        _range(row.total_g),
        si(row.more_than_best_g.p50, "g"),
        percent(row.probability_best),
        UNKNOWN if row.residue_g is None else si(row.residue_g, "g"),
        UNKNOWN if row.account_g is None else si(row.account_g, "g"),
    )


def _range(spread: Percentiles) -> str:
    scale, letter = prefix_of(spread.p50)
    return f"{significant(spread.p5 / scale)} to {significant(spread.p95 / scale)}{NBSP}{letter}g"


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
            "probability_best": row.probability_best,
            "residue_g": row.residue_g,
            "account_g": row.account_g,
        }
        for grid in answer.grids
        for row in grid.rows
    ]


def shows(answer: RefreshAnswer, most: int) -> str:
    """Return what the figure says, in words."""
    return " ".join(_shows(grid) for grid in answer.grids[:most])


def _shows(grid: GridAnswer) -> str:
    best: Sequence[WaitRow] = [row for row in grid.rows if row.wait_years == grid.best_wait_years]
    return f"{grid.verdict}. The least is {si(best[0].middle_g, 'g')}, after {best[0].wait_years} more years."
