"""A module's docstring as a page for a terminal: paragraphs wrapped, drawings as they stand. Pure."""

import re
import textwrap
from typing import Final

_ITEM: Final = re.compile(r"(- |\* |\d+\. )")


def page_lines(docstring: str, width: int) -> list[str]:
    """Return the page's lines, none longer than ``width`` columns."""
    lines: list[str] = []
    literal = False
    for paragraph in re.split(r"\n\s*\n", textwrap.dedent(_first_line_in(docstring)).strip("\n")):
        if literal and paragraph.startswith((" ", "\t")):
            lines += _drawing(paragraph, width)
        else:
            literal = paragraph.rstrip().endswith("::")
            text = paragraph.rstrip()[:-1] if literal else paragraph
            if text.strip() == ":":
                continue
            lines += _paragraph(text.replace("``", ""), width)
        lines.append("")
    return lines[:-1]


def _first_line_in(docstring: str) -> str:
    """Indent nothing: the first line of a docstring stands at the margin already."""
    first, _, rest = docstring.strip().partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}"


def _paragraph(text: str, width: int) -> list[str]:
    """Wrap a paragraph; lines that begin an item begin a line."""
    pieces: list[str] = []
    for line in text.splitlines():
        if pieces and not _ITEM.match(line.strip()):
            pieces[-1] += " " + line.strip()
        else:
            pieces.append(line.strip())
    wrapped: list[str] = []
    for piece in pieces:
        item = _ITEM.match(piece)
        hang = " " * len(item[0]) if item else ""
        wrapped += textwrap.wrap(piece, width, subsequent_indent=hang, break_on_hyphens=False)
    return wrapped


def _drawing(text: str, width: int) -> list[str]:
    """Keep a drawing; what is too wide goes on in the next line, further in."""
    drawn = textwrap.dedent(text).splitlines()
    indent = "  " if max(map(len, drawn)) + 2 <= width else ""
    return [piece for line in drawn for piece in _fold(indent + line, width)]


def _fold(line: str, width: int) -> list[str]:
    folded: list[str] = []
    hang = " " * (len(line) - len(line.lstrip()) + 6)
    while len(line) > width:
        cut = max(line.rfind(" ", len(hang) + 1, width), 0) or width
        folded.append(line[:cut].rstrip())
        line = hang + line[cut:].lstrip()
    return [*folded, line]
