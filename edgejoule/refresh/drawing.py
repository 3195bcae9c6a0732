"""A refresh as a figure: what adds up over the years, and what each moment of replacing comes to."""

from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from collector.analysis.refresh.answers import GridAnswer, RefreshAnswer
from collector.analysis.refresh.words import grid_name, payback_words
from collector.numbers import prefix_of
from edgejoule.bench_report.figure_text import COLOURS, STYLE

MOST_GRIDS: Final = 6
_KEEP, _REPLACE, _BEST = COLOURS[1], COLOURS[0], COLOURS[2]


def draw(answer: RefreshAnswer) -> Figure:
    """Return the figure of the first grids, at most ``MOST_GRIDS``."""
    grids = answer.grids[:MOST_GRIDS]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 0.7 + 2.7 * len(grids)), dpi=120, layout="constrained")
        panels = figure.subplots(len(grids), 2, squeeze=False)
        for (left, right), grid in zip(panels, grids, strict=True):
            _curves(left, grid)
            _moments(right, grid, answer.horizon_years)
        words = [answer.title]
        if answer.simulated:
            words.append("SIMULATED METER: not measured on hardware")
        figure.suptitle("\n".join(words), fontsize=10)
    return figure


def _curves(axes: Axes, grid: GridAnswer) -> None:
    years = [point.year for point in grid.curve]
    scale, letter = prefix_of(max(max(point.keep_g.p50, point.replace_g.p50) for point in grid.curve))
    for name, colour, style, spreads in (
        ("keep", _KEEP, "--", [point.keep_g for point in grid.curve]),
        ("replace now", _REPLACE, "-", [point.replace_g for point in grid.curve]),
    ):
        ends = np.array([(one.p5, one.p50, one.p95) for one in spreads]) / scale
        axes.fill_between(years, ends[:, 0], ends[:, 2], color=colour, alpha=0.18, linewidth=0.0)
        axes.plot(years, ends[:, 1], style, color=colour, label=name)
    if grid.payback.years is not None and grid.payback.years <= years[-1]:
        axes.axvline(grid.payback.years, color="black", linewidth=0.8, linestyle=":")
    axes.set_title(f"{_name(grid)}: pay-back {payback_words(grid.payback)}", fontsize=8.5)
    axes.set_xlabel("years from now")
    axes.set_ylabel(f"{letter}g CO2e until then")
    axes.set_ylim(bottom=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="upper left")


def _moments(axes: Axes, grid: GridAnswer, horizon_years: int) -> None:
    scale, letter = prefix_of(max(row.total_g.p50 for row in grid.rows))
    for row in grid.rows:
        best = row.wait_years == grid.best_wait_years
        middle = row.total_g.p50 / scale
        axes.errorbar(
            [row.wait_years],
            [middle],
            yerr=[[middle - row.total_g.p5 / scale], [row.total_g.p95 / scale - middle]],
            fmt="D" if best else "o",
            color=_BEST if best else "#7f7f7f",
            markersize=6.0 if best else 4.0,
            capsize=3.0,
            linewidth=1.0,
            label="least" if best else None,
        )
    axes.set_title(f"{_name(grid)}: in {horizon_years} years, by the moment of replacing", fontsize=8.5)
    axes.set_xlabel("years that the old devices stay")
    axes.set_ylabel(f"{letter}g CO2e, P5 to P95")
    axes.set_ylim(bottom=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="lower right")


def _name(grid: GridAnswer) -> str:
    return grid_name(grid.name, grid.kind)
