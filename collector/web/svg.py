"""Matplotlib figures as SVG elements of a page: no metadata, own ids, colours from the page's style sheet."""

import html
import io
import re
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK: Final = "#010203"
"""Marks what takes the page's text colour."""
_FAINT: Final = "#040506"
_CSS: Final = {INK: "var(--ink)", _FAINT: "var(--line)"}
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": _FAINT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "legend.frameon": False,
}


def new_figure(height_in: float, width_in: float = 5.7) -> tuple[Figure, Axes]:
    """Return a figure with transparent paper, as wide as the page's column."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0.0)
    return figure, axes


def to_svg(figure: Figure, name: str, words: str = "") -> str:
    """Return the figure as an SVG element: its ids are made its own, its marked colours become the page's.

    ``words``: what the figure shows, for those who do not see it.
    """
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    canvas: Any = FigureCanvasSVG(figure)
    with mpl.rc_context({"svg.hashsalt": name}):
        canvas.print_svg(buffer, metadata=no_metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    label = f' aria-label="{html.escape(words)}"' if words else ""
    head = f'role="img"{label} class="plot {name}">'
    svg = re.sub(r'<svg [^>]*viewBox="([^"]+)"[^>]*>', lambda found: f'<svg viewBox="{found[1]}" {head}', svg, count=1)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg)
    svg = re.sub(r"font: ([\d.]+px) '[^']*'", r"font-size: \1", svg)
    for marked, variable in _CSS.items():
        svg = svg.replace(marked, variable)
    return svg
