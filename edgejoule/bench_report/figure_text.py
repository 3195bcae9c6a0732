"""A matplotlib figure as an SVG element that says in words what it shows, or as a file."""

import io
from html import escape
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgejoule",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""Of a figure while it is drawn, and while it is written."""
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
"""Of Okabe and Ito's palette, which people with any colour vision tell apart."""


def to_svg(figure: Figure, shows: str) -> str:
    """Return the figure as an SVG element. ``shows``: what it says, for who does not see it."""
    buffer = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    with mpl.rc_context(STYLE):
        canvas.print_svg(buffer, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{escape(shows)}"', 1)


def draw_file(figure: Figure, path: Path, shows: str) -> None:
    """Write the figure to an SVG or PNG file. Raises OSError."""
    if path.suffix == ".svg":
        path.write_text(to_svg(figure, shows), encoding="utf-8")
        return
    canvas: Any = FigureCanvasAgg(figure)
    with mpl.rc_context(STYLE), path.open("wb") as file:
        canvas.print_png(file)
