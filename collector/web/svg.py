"""Matplotlib figures as SVG elements of a page: no metadata, own ids, colours from the page's style sheet."""

import html
import io
import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK: Final = "#010203"
"""Marks what takes the page's text colour."""
_FAINT: Final = "#040506"
_CSS: Final = {INK: "var(--ink)", _FAINT: "var(--line)"}
_REFERENCE: Final = re.compile(r'(url\(|href=")#([^)"]+)')
_NUMBERS: Final = re.compile(r'( (?:d|x|y|width|height|transform)=")([^"]*)')
_STYLE_OF_TAG: Final = re.compile(r'( style=")([^"]*)')
_NEEDLESS_STYLE: Final = re.compile(r"font-family: [^;]*(?:; |$)|stroke-dashoffset: 0; ")
_UNSEEN: Final = re.compile(r'<path d="[^"]*" style="fill:none;opacity:0"/>|<defs></defs>')
_TAG: Final = re.compile(r"([^<]*)(<[^>]+>)")
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name with a $ is a name
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


def to_svg(figure: Figure, name: str, words: str) -> str:
    """Return the figure as an SVG element: its ids are made its own, its marked colours become the page's.

    ``words``: what the figure shows, for those who do not see it.
    """
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    canvas: Any = FigureCanvasSVG(figure)
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's reader has other fonts
        canvas.print_svg(buffer, metadata=no_metadata)
    svg = buffer.getvalue()
    inner = _slim(svg[svg.index(">", svg.index("<svg")) + 1 :], name)
    (box,) = re.findall(r'<svg [^>]*viewBox="([^"]+)"', svg)
    return f'<svg viewBox="{box}" role="img" aria-label="{html.escape(words)}" class="plot {name}">{inner}'


def _slim(svg: str, name: str) -> str:
    """Return the elements without what shows nothing or is not referred to, to a hundredth of a point.

    Only tags are changed: what stands between them are labels. The page's style sheet has what holds for all lines.
    """
    ids = {
        used: f"{name}-{number}"
        for number, used in enumerate(dict.fromkeys(one for _, one in _REFERENCE.findall(svg)))
    }
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    groups: list[bool] = []  # of those that are open: whether they say anything
    parts: list[str] = []
    for blank, tag in _TAG.findall(svg):
        short = _slim_tag(tag, ids)
        if short.startswith("<g") and not short.endswith("/>"):
            groups.append(short != "<g>")
        if short not in {"<g>", "<g/>", "</g>"} or (short == "</g>" and groups.pop()):
            parts += (blank if parts and parts[-1].startswith("<text") else "", short)
    return _UNSEEN.sub("", "".join(parts))


def _slim_tag(tag: str, ids: Mapping[str, str]) -> str:
    """Return a tag in short; ``ids``: those that something refers to, and what they become."""
    tag = _NUMBERS.sub(lambda found: f"{found[1]}{_short_numbers(found[2])}", tag)
    tag = _STYLE_OF_TAG.sub(lambda found: f"{found[1]}{_short_style(found[2])}", tag)
    tag = re.sub(r' transform="rotate\(0 [^"]*"', "", tag)
    tag = re.sub(r' id="([^"]*)"', lambda found: f' id="{ids[found[1]]}"' if found[1] in ids else "", tag)
    tag = _REFERENCE.sub(lambda found: f"{found[1]}#{ids[found[2]]}", tag).replace("xlink:href", "href")
    for marked, variable in _CSS.items():
        tag = tag.replace(marked, variable)
    return tag


def _short_numbers(text: str) -> str:
    text = re.sub(r"-?\d+\.\d+|-0\b", lambda found: f"{round(float(found[0]), 2) + 0.0:.6g}", text)
    return re.sub(r"\s*([MLQCz])\s*|\s+$", r"\1", text)


def _short_style(text: str) -> str:
    return re.sub(r"([:;]) +", r"\1", _NEEDLESS_STYLE.sub("", text)).rstrip("; ")
