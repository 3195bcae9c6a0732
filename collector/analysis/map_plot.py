"""The map as a figure: a panel for each board, share over grid (across) and duty (up), lifetimes as lines."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from collector.analysis.embodied_map import BoardMap
from collector.carbon.share_map import shares

SUFFIXES: Final = (".svg", ".png")
_GRID: Final = np.geomspace(10.0, 1000.0, 61)
_DUTY: Final = np.linspace(0.0, 1.0, 21)
_COLUMNS: Final = 3
_LEVELS: Final = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_HALF: Final = 0.5
_APART: Final = 1.3
"""Zones nearer to each other than this have one name."""
_MIDDLE_YEARS: Final = 5.0
_LINES: Final = ("dotted", "solid", "dashed", "dashdot")
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "embodied-map",
}


def draw_maps(maps: Sequence[BoardMap], years: Sequence[float], path: Path) -> None:
    """Draw the maps to an SVG or PNG file. Colours: 5 years (or the middle lifetime); lines: where half is embodied.

    Raises ValueError for a suffix that is neither.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a figure is written as {' or '.join(SUFFIXES)}")
    shown = _MIDDLE_YEARS if _MIDDLE_YEARS in years else sorted(years)[len(years) // 2]
    rows = math.ceil(len(maps) / _COLUMNS)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.2, 0.9 + 2.0 * rows), layout="constrained")
        panels = figure.subplots(rows, min(_COLUMNS, len(maps)), squeeze=False, sharex=True, sharey=True)
        filled: Any = None
        for one, axes in zip(maps, panels.flat, strict=False):
            filled = _panel(axes, one, years, shown)
        for axes in list(panels.flat)[len(maps) :]:
            axes.set_axis_off()
        bar = figure.colorbar(filled, ax=panels, location="bottom", aspect=60, pad=0.01, format="{x:.0%}")
        bar.set_label(f"embodied share of a life of {shown:g} years; {_legend(years)}; across: grid, gCO2e/kWh")
        for axes in panels[:, 0]:
            axes.set_ylabel("part of the time at work")
        if path.suffix == ".svg":
            canvas: Any = FigureCanvasSVG(figure)
            canvas.print_svg(path, metadata={"Date": None, "Creator": "edgejoule carbon map"})
        else:
            canvas = FigureCanvasAgg(figure)
            canvas.print_png(path)


def _panel(axes: Axes, one: BoardMap, years: Sequence[float], shown: float) -> Any:
    watts = np.array([one.power.mean_w(float(duty)) for duty in _DUTY])
    at_shown = shares(one.mass.value, watts, shown, _GRID)
    filled = axes.contourf(_GRID, _DUTY, at_shown, levels=_LEVELS, cmap="YlOrBr")
    for index, life in enumerate(sorted(years)):
        share = shares(one.mass.value, watts, life, _GRID)
        style = _LINES[index % len(_LINES)]
        if share.min() < _HALF < share.max():
            axes.contour(_GRID, _DUTY, share, levels=[_HALF], colors="black", linestyles=style, linewidths=1.1)
    grids = {cell.zone: cell.intensity_gco2e_per_kwh for cell in one.cells}
    named = 0.0
    for zone, grid in sorted(grids.items(), key=lambda pair: pair[1]):
        axes.axvline(grid, color="#1f4e79", linewidth=0.4, alpha=0.6)
        if not _GRID[0] <= grid <= _GRID[-1] or grid < named * _APART:
            continue
        named = grid
        axes.annotate(zone, (grid, 1.0), xytext=(0, 1), textcoords="offset points", ha="center", fontsize=5.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_title(f"{one.name}, {one.mass.value / 1000.0:.3g} kg", fontsize=8.0, pad=9.0)
    return filled


def _legend(years: Sequence[float]) -> str:
    lines = [f"{_LINES[i % len(_LINES)]} {life:g} a" for i, life in enumerate(sorted(years))]
    return f"lines: half of it, {', '.join(lines)}"
