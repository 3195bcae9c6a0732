"""The waterfall of a decomposition: from A by its effects to B, for a page or as a file of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from collector.analysis.decomposition.values import Decomposition
from collector.analysis.decomposition.words import EFFECT_WORDS, largest_of, shown_effects, signed, verdict_of
from collector.carbon.estimate import Estimate
from collector.numbers import prefix_of, si
from collector.web.svg import INK, STYLE, new_figure, to_svg

SUFFIXES: Final = (".svg", ".png")
_TOTAL, _MORE, _LESS = "#7b8794", "#e08a00", "#2f7ed8"
_HATCHES: Final = {_TOTAL: "", _MORE: "", _LESS: "////"}
_SIMULATED: Final = "\nSIMULATED METERS: these joules say nothing about real hardware"
_PHONE_IN: Final = 3.3
_PAPER_INK: Final = "#1b222c"
_PAPER: Final[dict[Any, Any]] = dict(STYLE) | {
    "text.color": _PAPER_INK,
    "axes.labelcolor": _PAPER_INK,
    "xtick.color": _PAPER_INK,
    "ytick.color": _PAPER_INK,
    "axes.edgecolor": "#dfe3e9",
    "grid.color": "#dfe3e9",
    "svg.hashsalt": "waterfall",
}
"""The style of a file of its own: its colours stand fast."""


class _Bar(NamedTuple):
    """``start`` to ``end`` in grams a day; ``around``: whose range the whisker at its end shows."""

    label: str
    start: float
    end: float
    around: Estimate
    colour: str
    text: str


def waterfall(found: Decomposition, *, narrow: bool = False) -> str:
    """Return the waterfall as an SVG element of a page. ``narrow``: as wide as a phone, names above their bars."""
    name = "narrow-waterfall" if narrow else "waterfall"
    with mpl.rc_context(STYLE):
        return to_svg(_drawn(found, INK, narrow=narrow), name, waterfall_words(found))


def waterfall_words(found: Decomposition) -> str:
    """Return what the figure shows, for those who do not see it."""
    steps = ", ".join(f"{bar.label} {bar.text}" for bar in _bars(found))
    return f"Waterfall of CO2e a day. {verdict_of(found)} In order: {steps}."


def save_waterfall(found: Decomposition, path: Path) -> None:
    """Write the waterfall as a file. Raises ValueError for a suffix that is none of ``SUFFIXES``, and OSError."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a figure is written as {' or '.join(SUFFIXES)}")
    with mpl.rc_context(_PAPER):
        figure = _drawn(found, _PAPER_INK)
        figure.patch.set_alpha(1.0)
        title = f"A: {found.before.words}\nB: {found.after.words}{_SIMULATED if found.simulated else ''}"
        figure.suptitle(title, fontsize=9.0, x=0.02, ha="left")
        canvas: Any = FigureCanvasSVG(figure) if path.suffix == ".svg" else FigureCanvasAgg(figure)
        if path.suffix == ".svg":
            canvas.print_svg(path, metadata={"Date": None, "Creator": "edgejoule decompose"})
        else:
            canvas.print_png(path)


def _bars(found: Decomposition) -> Iterator[_Bar]:
    before, after = found.before.total, found.after.total
    yield _Bar("A", 0.0, before.value, before, _TOTAL, si(before.value, "g"))
    reached, largest, shown = before.value, largest_of(found), shown_effects(found)
    for one in found.effects:
        effect = one.gco2e_per_day
        if one.name not in shown:
            continue
        colour = _MORE if effect.value > 0.0 else _LESS
        yield _Bar(
            EFFECT_WORDS[one.name], reached, reached + effect.value, effect, colour, signed(effect.value, largest)
        )
        reached += effect.value
    yield _Bar("B", 0.0, after.value, after, _TOTAL, si(after.value, "g"))


def _drawn(found: Decomposition, ink: str, *, narrow: bool = False) -> Figure:
    bars = list(_bars(found))
    scale, letter = prefix_of(max(max(abs(bar.start), abs(bar.end)) for bar in bars))
    figure, axes = new_figure(0.8 + 0.5 * len(bars), _PHONE_IN) if narrow else new_figure(1.0 + 0.4 * len(bars))
    reach = 0.0
    for y, bar in enumerate(bars):
        start, end = bar.start / scale, bar.end / scale
        axes.barh(
            [y], [end - start], left=start, height=0.42 if narrow else 0.6, color=bar.colour,
            hatch=_HATCHES[bar.colour],
            edgecolor="#ffffff", linewidth=0.0,
        )  # fmt: skip
        low, high = (abs(bar.around.value - edge) / scale for edge in (bar.around.low, bar.around.high))
        axes.errorbar([end], [y], xerr=[[low], [high]], fmt="none", ecolor=ink, elinewidth=1.2, capsize=3)
        place = max(start, end + high)
        axes.annotate(bar.text, (place, y), xytext=(7, 0), textcoords="offset points", va="center", color=ink)
        if y + 1 < len(bars):
            axes.plot([end, end], [y, y + 1], color=ink, lw=0.7, ls=":")
        reach = max(reach, place)
    _name(axes, bars, f"{letter}g CO2e a day", ink, narrow=narrow)
    lowest = min(0.0, *((bar.end - abs(bar.around.value - bar.around.low)) / scale for bar in bars))
    room = 1.45 if narrow else 1.22
    axes.set_xlim(lowest, reach * room if reach > 0.0 else 1.0)
    return figure


def _name(axes: Axes, bars: list[_Bar], unit: str, ink: str, *, narrow: bool) -> None:
    axes.set_yticks(range(len(bars)), ["" if narrow else bar.label for bar in bars])
    for y, bar in enumerate(bars) if narrow else ():
        axes.annotate(bar.label, (0.0, y - 0.27), xycoords=("axes fraction", "data"), va="bottom", color=ink)
    axes.set_ylim(len(bars) - 0.5, -0.8 if narrow else -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{unit}; whiskers: P5 to P95")
