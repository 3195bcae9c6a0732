"""A report as one HTML page that needs nothing else. Pure."""

from html import escape
from typing import Final

from edgejoule.bench_report.values import Grid, Report, Section

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.headline { font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: pre-wrap; }
.badge { font-size: .8rem; padding: .2rem .6rem; border-radius: .3rem; background: #ffd24a; margin-left: .6rem; }
.badge.rejected { background: #c62828; color: #fff; }
.rejected-reasons { border-left: .4rem solid #c62828; padding: .2rem 1rem; background: #fdecea; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
.number { text-align: right; white-space: nowrap; }
svg { max-width: 100%; height: auto; }
"""


def to_html(report: Report, drawing: str = "") -> str:
    """Return the page; ``drawing``: an SVG element, empty for none."""
    badges = "".join(
        f'<span class="badge{" rejected" if badge == "REJECTED" else ""}">{escape(badge)}</span>'
        for badge in report.badges
    )
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(report.title)}{badges}</h1>",
        *(f'<div class="headline">{escape(line)}</div>' for line in report.headline),
        _reasons(report),
        *(f"<p>note: {escape(warning)}</p>" for warning in report.warnings),
        f"<figure>{drawing}</figure>" if drawing else "",
        *map(_section, report.sections),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _reasons(report: Report) -> str:
    if not report.reasons:
        return ""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in report.reasons)
    title = "<strong>REJECTED: these figures must not be used.</strong>"
    return f'<div class="rejected-reasons">{title}<ul>{items}</ul></div>'


def _section(section: Section) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in section.lines)
    return f"<h2>{escape(section.title)}</h2>{lines}{''.join(map(_grid, section.grids))}"


def _grid(grid: Grid) -> str:
    head = "".join(_cell("th", column, text, grid) for column, text in enumerate(grid.headings))
    rows = "".join(
        f"<tr>{''.join(_cell('td', column, text, grid) for column, text in enumerate(row))}</tr>" for row in grid.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(tag: str, column: int, text: str, grid: Grid) -> str:
    kind = ' class="number"' if column in grid.numeric else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"
