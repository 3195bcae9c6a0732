"""A report as one HTML page that needs nothing else. Pure."""

from html import escape
from importlib.resources import files
from typing import Final

from edgejoule.bench_report.values import Grid, Report, Section

_HOUSE: Final = files("collector") / "web" / "style.css.j2"
_OWN: Final = """
.headline { font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums;
  margin: 8px 0 0; }
tbody th { color: var(--ink); font-weight: 500; }
tr:last-child th[scope=row] { border-bottom: 0; }
.mark { font-size: 13px; vertical-align: middle; padding: 3px 10px; border-radius: 8px; margin-left: 10px;
  background: var(--warn); color: var(--warn-ink); }
.mark.rejected { background: #c02626; color: #fff; }
.rejected-reasons { border-left: 6px solid var(--bad); padding: 2px 16px; margin-top: 16px; background: var(--card); }
section p { white-space: pre-line; }
th { white-space: normal; }
td, th[scope=row] { white-space: pre-line; }
td.n { white-space: pre; }
figure { margin: 0; }
figure svg { display: block; width: 100%; min-width: 640px; height: auto; }
figure svg text { fill: var(--ink); }
@media (max-width: 520px) { .scroll table { width: max-content; min-width: 100%; }
  .scroll td, .scroll th { max-width: 20em; } }
"""


def to_html(report: Report, drawing: str = "") -> str:
    """Return the page; ``drawing``: an SVG element, empty for none."""
    badges = "".join(
        f'<span class="mark{" rejected" if badge == "REJECTED" else ""}">{escape(badge)}</span>'
        for badge in report.badges
    )
    notes = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(report.title)}</title>",
        f"<style>{_HOUSE.read_text(encoding='utf-8')}{_OWN}</style></head><body><main>",
        f"<header><h1>{escape(report.title)}{badges}</h1></header>",
        *(f'<div class="headline">{escape(line)}</div>' for line in report.headline),
        _reasons(report),
        f'<ul class="notes">{notes}</ul>' if notes else "",
        f"<section><figure>{_scroll(_inked(drawing), 'The figure')}</figure></section>" if drawing else "",
        *map(_section, report.sections),
        "</main></body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _inked(drawing: str) -> str:
    """Return a figure on the page's paper in the page's ink, so that it can be seen on dark paper, too."""
    return drawing.replace("#ffffff", "none").replace("#000000", "var(--ink)")


def _scroll(content: str, name: str) -> str:
    """Return what may be wider than a phone: it scrolls by itself, by the keyboard, too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'


def _reasons(report: Report) -> str:
    if not report.reasons:
        return ""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in report.reasons)
    title = "<strong>REJECTED: these figures must not be used.</strong>"
    return f'<div class="rejected-reasons">{title}<ul>{items}</ul></div>'


def _section(section: Section) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in section.lines)
    names = [section.title] + [f"{section.title}, table {place}" for place in range(2, len(section.grids) + 1)]
    grids = "".join(_grid(grid, name) for grid, name in zip(section.grids, names, strict=False))
    return f"<section><h2>{escape(section.title)}</h2>{lines}{grids}</section>"


def _grid(grid: Grid, name: str) -> str:
    head = "".join(_cell("th", ' scope="col"', column, text, grid) for column, text in enumerate(grid.headings))
    rows = "".join(f"<tr>{_row(row, grid)}</tr>" for row in grid.rows)
    return _scroll(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>", name)


def _row(row: tuple[str, ...], grid: Grid) -> str:
    first = _cell("th", ' scope="row"', 0, row[0], grid) if row else ""
    return first + "".join(_cell("td", "", column, text, grid) for column, text in enumerate(row) if column)


def _cell(tag: str, more: str, column: int, text: str, grid: Grid) -> str:
    if not text and tag == "th" and "col" in more:
        tag, more = "td", ""
    kind = ' class="n"' if column in grid.numeric else ""
    return f"<{tag}{more}{kind}>{escape(text)}</{tag}>"
