"""A lifecycle as a figure: a panel for each task, the making's share of all over the number of inferences."""

import math
from textwrap import shorten
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from collector.carbon.phases import development_share
from edgejoule.bench_report.figure_text import COLOURS, STYLE
from edgejoule.lifecycle.values import Group, Lifecycle

_COUNTS: Final = np.geomspace(1.0, 1e11, 133)
_LINES: Final = {"float32": "-", "dynamic_range": "-.", "int8": "--", "mixed": ":"}
_COLUMNS: Final = 2


def draw(found: Lifecycle) -> Figure:
    """Return the figure."""
    rows = math.ceil(len(found.groups) / _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 0.7 + 3.0 * rows), dpi=120, layout="constrained")
        panels = list(figure.subplots(rows, min(_COLUMNS, len(found.groups)), squeeze=False).flat)
        for axes, group in zip(panels, found.groups, strict=False):
            _panel(axes, group)
        for axes in panels[len(found.groups) :]:
            axes.set_axis_off()
        words = ["SIMULATED METER: not measured on hardware"] if found.simulated else []
        figure.suptitle("\n".join([f"{found.title}, {found.unit}", *words]), fontsize=10)
    return figure


def _panel(axes: Axes, group: Group) -> None:
    families = list(dict.fromkeys(one.family for one in group.models))
    for one in group.models:
        if one.development is None or one.per_inference is None:
            continue
        made, used = np.array([one.development.value]), np.array([one.per_inference.value])
        shares = [float(development_share(made, used, float(count))[0]) for count in _COUNTS]
        colour = COLOURS[families.index(one.family) % len(COLOURS)]
        axes.plot(_COUNTS, shares, _LINES[one.precision], color=colour, linewidth=1.2, label=one.model_id)
    axes.axhline(0.5, color="black", linewidth=0.5, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(0.0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_title(shorten(group.task, 64, placeholder=" ..."), fontsize=8.5)
    axes.set_xlabel("inferences, in all places")
    axes.set_ylabel("share of the making")
    axes.legend(frameon=False, fontsize=6.0, loc="lower left")
