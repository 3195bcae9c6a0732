"""The frontier as a figure: a panel for each task, score over the cost of an inference."""

import math
from textwrap import shorten
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from edgejoule.bench_report.figure_text import COLOURS, STYLE
from edgejoule.frontier.values import Front, Frontier, Point

_COLUMNS: Final = 2
_APART_RATIO, _APART_POINTS = 1.25, 0.5
"""Models of the front that are nearer to each other than both have one name: that of the cheapest."""
_MARKERS: Final = {"on": "D", "perhaps": "o", "beaten": "x"}
_LETTERS: Final = {"J": "J", "gCO2e": "g"}


def draw(found: Frontier) -> Figure:
    """Return the figure."""
    fronts = [front for front in found.fronts if front.points]
    rows = max(1, math.ceil(len(fronts) / _COLUMNS))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 0.8 + 3.1 * rows), dpi=120, layout="constrained")
        panels = list(figure.subplots(rows, max(1, min(_COLUMNS, len(fronts))), squeeze=False).flat)
        for axes, front in zip(panels, fronts, strict=False):
            _panel(axes, front, found.unit)
        for axes in panels[len(fronts) :]:
            axes.set_axis_off()
        words = ["diamond: on the front in 95 of 100 worlds; circle: perhaps; cross: beaten. Line: front at medians"]
        if found.simulated:
            words.append("SIMULATED METER: not measured on hardware")
        figure.suptitle("\n".join(words), fontsize=8.5)
    return figure


def _panel(axes: Axes, front: Front, unit: str) -> None:
    families = list(dict.fromkeys(one.family for one in front.points))
    for one in front.points:
        score, cost = one.score, one.cost
        axes.errorbar(
            [cost.value],
            [100.0 * score.value],
            xerr=[[cost.value - cost.low], [cost.high - cost.value]],
            yerr=[[100.0 * (score.value - score.low)], [100.0 * (score.high - score.value)]],
            fmt=_MARKERS[one.standing],
            color=COLOURS[families.index(one.family) % len(COLOURS)],
            markersize=5.0,
            linewidth=0.6,
            alpha=0.85,
        )
    line = [one for one in front.points if one.at_medians]
    axes.plot(
        [one.cost.value for one in line], [100.0 * one.score.value for one in line], "-", color="black", linewidth=0.7,
        zorder=0.5,
    )  # fmt: skip
    named: list[Point] = []
    for one in line:
        if named and _beside(named[-1], one):
            continue
        offset = (4, -9) if len(named) % 2 else (4, 4)
        named.append(one)
        name = (one.cost.value, 100.0 * one.score.value)
        axes.annotate(one.model_id, name, xytext=offset, textcoords="offset points", fontsize=6.0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter(_LETTERS[unit]))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(shorten(front.task, 64, placeholder=" ..."), fontsize=8.5)
    axes.set_xlabel(f"an inference, {'CO2e' if unit == 'gCO2e' else 'energy'}")
    axes.set_ylabel("score, %")


def _beside(one: Point, other: Point) -> bool:
    near = other.cost.value < _APART_RATIO * one.cost.value
    return near and 100.0 * abs(other.score.value - one.score.value) < _APART_POINTS
