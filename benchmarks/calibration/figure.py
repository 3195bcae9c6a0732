"""The calibration plot: how often the truth should be inside what is stated, and how often it is. Matplotlib."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.calibration.study import FACTORS, Row, Score, coverage, interval_coverage

PROBABILITIES = (*(round(0.05 * step, 2) for step in range(1, 20)), 0.99)
CLASSES = {
    "1 to 10 Hz, polled": (0.0, 50.0),
    "1 kHz": (50.0, 5e3),
    "20 and 100 kHz": (5e3, 1e9),
}
_COLOURS = ("#0072b2", "#d55e00", "#009e73")
_BAND = "#d9d9d9"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure as SVG or PNG, by the name's ending; the same bytes for the same rows."""
    with mpl.rc_context({"svg.hashsalt": "calibration", "svg.fonttype": "none", "font.size": 8.5}):
        figure = Figure(figsize=(11.0, 7.2), layout="constrained")
        figure.suptitle(
            f"{len(rows)} simulated benches: what is stated against what is true (gross above, net below)", fontsize=10
        )
        above, below = figure.subplots(2, 3).tolist()
        for axes, which in ((above, "gross"), (below, "net")):
            _draw_intervals(axes[0], rows, which)
            _draw_factors(axes[1], rows, which)
            _draw_errors(axes[2], rows, which)
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, metadata=metadata, dpi=110)


def scores(rows: Sequence[Row], which: str) -> list[Score]:
    """Return the scores of ``gross`` or ``net``."""
    return [row.gross if which == "gross" else row.net for row in rows]


def _draw_intervals(axes: Axes, rows: Sequence[Row], which: str) -> None:
    axes.plot((0.0, 1.0), (0.0, 1.0), color="black", linewidth=0.8)
    _band(axes, PROBABILITIES, PROBABILITIES, len(rows))
    for (name, members), colour in zip(_classes(rows), _COLOURS, strict=True):
        found = [interval_coverage(scores(members, which), one) for one in PROBABILITIES]
        axes.plot(PROBABILITIES, found, marker="o", markersize=2.5, linewidth=1.0, color=colour, label=name)
    found = [interval_coverage(scores(rows, which), one) for one in PROBABILITIES]
    axes.plot(PROBABILITIES, found, linewidth=2.0, color="black", label="all")
    axes.set(xlabel="stated probability of the interval", ylabel=f"{which}: share of runs inside")
    axes.legend(frameon=False)


def _draw_factors(axes: Axes, rows: Sequence[Row], which: str) -> None:
    normal = [math.erf(factor / math.sqrt(2.0)) for factor in FACTORS]
    axes.plot(FACTORS, normal, color="black", linewidth=0.8, label="if all were normal")
    _band(axes, FACTORS, normal, len(rows))
    for (name, members), colour in zip(_classes(rows), _COLOURS, strict=True):
        found = [coverage(scores(members, which), factor) for factor in FACTORS]
        axes.plot(FACTORS, found, marker="o", markersize=2.5, linewidth=1.0, color=colour, label=name)
    found = [coverage(scores(rows, which), factor) for factor in FACTORS]
    axes.plot(FACTORS, found, linewidth=2.0, color="black", label="all")
    at_two = coverage(scores(rows, which))
    axes.axvline(2.0, color="grey", linewidth=0.6, linestyle=":")
    axes.annotate(f"k = 2: {100.0 * at_two:.1f} %", (2.0, at_two), (2.1, 0.72))
    axes.set(xlabel="coverage factor k of U = k u", ylabel="share of runs inside", ylim=(0.3, 1.01))


def _draw_errors(axes: Axes, rows: Sequence[Row], which: str) -> None:
    found = scores(rows, which)
    edges = np.linspace(-2.0, 2.0, 41)
    axes.axvspan(-1.0, 1.0, color=_BAND, zorder=0)
    stacks = [[score.z / 2.0 for score in scores(members, which)] for _, members in _classes(rows)]
    axes.hist(stacks, bins=edges.tolist(), stacked=True, color=list(_COLOURS))
    expected = fmean(score.expected_ratio for score in found)
    axes.set(
        xlabel="error / U (k = 2)", ylabel="runs", title=f"expected inside from the budgets: {100.0 * expected:.1f} %"
    )


def _classes(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    return [(name, [row for row in rows if low <= row.rate_hz < high]) for name, (low, high) in CLASSES.items()]


def _band(axes: Axes, at: Sequence[float], expected: Sequence[float], count: int) -> None:
    """Draw where 95 of 100 studies of so many runs end: two standard deviations of a binomial share."""
    p = np.array(expected)
    half = 2.0 * np.sqrt(p * (1.0 - p) / max(count, 1))
    axes.fill_between(at, p - half, np.minimum(p + half, 1.0), color=_BAND, zorder=0, label="chance, 2 sd")
