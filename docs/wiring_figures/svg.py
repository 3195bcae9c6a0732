"""SVG by hand: boxes, lines and text that is broken into lines before it is drawn."""

import re
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from docs.wiring_figures.palette import style_sheet

WIDTH: Final = 400
"""Of every picture, in its own units: on a phone of 390 px a unit is nearly a pixel."""
LINE: Final = 17
MARGIN: Final = 16

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[] /-\N{NO-BREAK SPACE}")
_WIDE: Final = frozenset("mwMW@%→")
_WITH_UNIT: Final = re.compile(r"(?<=\d) (?=(?:V|A|W|mV|mm|kΩ|mΩ|pins)\b)")
_BOLD_RATIO: Final = 1.11
_SPARE_RATIO: Final = 1.13
"""Fonts differ: room for one that is wider than Arial, as DejaVu Sans is."""


def text_width(text: str, size: float = 13.0, *, is_bold: bool = False) -> float:
    """Return about how wide the text is drawn at most."""
    units = sum(0.31 if one in _NARROW else 0.86 if one in _WIDE else 0.68 if one.isupper() else 0.55 for one in text)
    return units * size * _SPARE_RATIO * (_BOLD_RATIO if is_bold else 1.0)


def wrapped(text: str, width: float, size: float = 13.0, *, is_bold: bool = False) -> list[str]:
    """Return the text in lines that fit; a number keeps its unit.

    A word that is wider than a line raises ValueError: say it otherwise.
    """
    lines: list[str] = []
    for word in filter(None, _WITH_UNIT.sub("\N{NO-BREAK SPACE}", text).split(" ")):
        if text_width(word, size, is_bold=is_bold) > width:
            raise ValueError(f"{word!r} does not fit into {width:g} units")
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, is_bold=is_bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


class Canvas:
    """Collects what is drawn; ``document`` closes it."""

    def __init__(self) -> None:
        self._elements: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """Draw a rectangle with rounded corners."""
        self._elements.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through the points."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._elements.append(f'<polyline class="{kind}" points="{path}"/>')

    def shape(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a closed shape."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._elements.append(f'<polygon class="{kind}" points="{path}"/>')

    def text(self, x: float, y: float, lines: Sequence[str], kind: str = "", anchor: str = "start") -> float:
        """Write lines, the first one's base line at ``y``; return where the next line would stand."""
        for line in lines:
            place = "" if anchor == "start" else f' text-anchor="{anchor}"'
            style = f' class="{kind}"' if kind else ""
            self._elements.append(f'<text{style} x="{x:g}" y="{y:g}"{place}>{escape(line)}</text>')
            y += LINE
        return y

    def document(self, height: float, title: str, description: str) -> str:
        """Return the whole picture; title and description are for those who cannot see it."""
        body = "\n".join(self._elements)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="img" aria-labelledby="t d">\n'
            f'<title id="t">{escape(title)}</title>\n<desc id="d">{escape(description)}</desc>\n'
            f"<style>{style_sheet()}</style>\n"
            f'<rect class="ground" width="{WIDTH}" height="{height:g}"/>\n{body}\n</svg>\n'
        )
