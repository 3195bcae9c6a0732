"""The map of verdicts over rate and grid as inline SVG: five steps of probability, hatched where a side is sure."""

from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from collector.analysis.comparison.answers import VerdictMap
from collector.carbon.estimate import F64
from collector.numbers import percent
from collector.web.comparison_plots import OUTLINE, PLOT_STYLE, WIDTH_IN, format_axes
from collector.web.comparison_words import value_words, view_name
from collector.web.svg import new_figure, to_svg

_LEVELS: Final = (-0.01, 0.05, 0.5, 0.95, 1.01)
_COLOURS: Final = ("#d5532b", "#f2c1a8", "#bfdcf5", "#2f7ed8")
_HATCHES: Final = ("xxx", None, None, "///")
_NAMES: Final = ("cloud lower", "rather cloud", "rather edge", "edge lower")
_WIDE: Final = 20.0
_PAPER: Final = "#ffffff"


def verdict_map(one: VerdictMap, here: tuple[float, float | None], name: str) -> str:
    """Return the map; empty unless it has two rates and two intensities.

    ``here``: rate and intensity of the reference case; None where the latter is not known.
    """
    chances = np.array(one.probability_edge_lower)
    if chances.ndim != 2 or min(chances.shape) < 2:
        return ""
    x, y = np.array(one.inferences_per_day), np.array(one.edge_grid_gco2e_per_kwh)
    with mpl.rc_context(PLOT_STYLE):
        figure, axes = new_figure(2.9, WIDTH_IN)
        filled: Any = axes.contourf(x, y, chances, levels=_LEVELS, colors=_COLOURS, hatches=_HATCHES)
        filled.set_edgecolor(OUTLINE)
        filled.set_linewidth(0.0)
        if chances.min() < 0.5 < chances.max():
            axes.contour(x, y, chances, levels=[0.5], colors=[OUTLINE], linewidths=1.6)
        axes.set_xscale("log" if x.min() > 0.0 and x.max() > _WIDE * x.min() else "linear")
        axes.set_yscale("log" if y.min() > 0.0 and y.max() > _WIDE * y.min() else "linear")
        format_axes(axes)
        _mark_here(axes, *here, x, y)
        axes.set_xlabel("inferences a day")
        axes.set_ylabel("grid of the edge, gCO2e/kWh")
        keys: list[Any] = [
            Patch(facecolor=colour, hatch=hatch, edgecolor=OUTLINE, linewidth=0.4, label=label)
            for colour, hatch, label in zip(_COLOURS, _HATCHES, _NAMES, strict=True)
        ]
        axes.legend(handles=keys, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, columnspacing=1.0,
                    handlelength=1.6, borderpad=0.0)  # fmt: skip
        return to_svg(figure, name, map_words(one, chances))


def _mark_here(axes: Axes, rate: float, grid: float | None, x: F64, y: F64) -> None:
    """Mark the reference case: as a point, or as a line where its grid is not known."""
    if not x.min() <= rate <= x.max():
        return
    place = None if grid is None else float(np.clip(grid, y.min(), y.max()))
    if place is None:
        axes.axvline(rate, color=OUTLINE, lw=1.3, ls=(0, (1, 2)))
    else:
        axes.plot([rate], [place], "o", ms=7, mfc=_PAPER, mec=OUTLINE, mew=1.6, clip_on=False)
    left = axes.transData.transform((rate, y.min()))[0] > axes.transAxes.transform((0.7, 0.0))[0]
    y_place, down = (y.max(), -9) if place is None else (place, 0)
    axes.annotate(
        "this case", (rate, y_place), xytext=(-9 if left else 9, down),
        textcoords="offset points", ha="right" if left else "left", va="center", color=OUTLINE,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": _PAPER, "edgecolor": OUTLINE, "linewidth": 0.6},
    )  # fmt: skip


def map_words(one: VerdictMap, chances: F64) -> str:
    """Return how much of the map each answer has, and at its corners."""
    sure = {"edge": float(np.mean(chances >= 0.95)), "cloud": float(np.mean(chances <= 0.05))}
    open_ratio = max(0.0, 1.0 - sum(sure.values()))
    rates = [
        value_words(rate, "inferences_per_day", "") for rate in (one.inferences_per_day[0], one.inferences_per_day[-1])
    ]
    grids = [
        value_words(grid, "edge_grid", "gCO2e/kWh")
        for grid in (one.edge_grid_gco2e_per_kwh[0], one.edge_grid_gco2e_per_kwh[-1])
    ]
    return (
        f"{view_name(one.view).capitalize()}, from {rates[0]} to {rates[1]} and from {grids[0]} to {grids[1]}: "
        f"the edge is lower in {percent(sure['edge'])} of the map, the cloud in {percent(sure['cloud'])}, "
        f"open in {percent(open_ratio)}."
    )
