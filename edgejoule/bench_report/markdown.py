"""A report as Markdown. Pure."""

from edgejoule.bench_report.values import Grid, Report


def to_markdown(report: Report, drawing: str = "", drawn: str = "power over time") -> str:
    """Return the text; ``drawing``: the file name of a drawing beside it, empty for none; ``drawn``: what it shows."""
    badges = "".join(f" **[{badge}]**" for badge in report.badges)
    parts = [f"# {_plain(report.title)}{badges}"]
    parts += [f"**{_plain(line)}**" for line in report.headline]
    parts += [f"- **REJECTED**: {_plain(reason)}" for reason in report.reasons]
    parts += [f"- note: {_plain(warning)}" for warning in report.warnings]
    if drawing:
        parts.append(f"![{drawn}]({drawing})")
    for section in report.sections:
        parts.append(f"## {_plain(section.title)}")
        parts += map(_plain, section.lines)
        parts += map(_grid, section.grids)
    return "\n\n".join(parts) + "\n"


def _grid(grid: Grid) -> str:
    rule = ["---:" if column in grid.numeric else "---" for column in range(len(grid.headings))]
    rows = [grid.headings, tuple(rule), *(tuple(map(_plain, row)) for row in grid.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(text: str) -> str:
    """Return the text so that no character of it is taken for Markdown."""
    for sign in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text
