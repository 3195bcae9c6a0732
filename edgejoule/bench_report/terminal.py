"""A report on a terminal of eighty columns."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgejoule.bench_report.values import Grid, Report
from edgejoule.fleet_tables import plain_table


def print_headline(report: Report, console: Console) -> None:
    """Print the result, and loudly why it must not be used where that is so."""
    badges = "".join(f" [bold black on {'red' if one == 'REJECTED' else 'yellow'}] {one} [/]" for one in report.badges)
    console.print(f"[bold]{escape(report.title)}[/]{badges}")
    for line in report.headline:
        console.print(f"[bold]{escape(line)}[/]", soft_wrap=True)
    for reason in report.reasons:
        console.print(f"[bold red]REJECTED:[/] {escape(reason)}", soft_wrap=True)
    for warning in report.warnings:
        console.print(f"[yellow]note:[/] {escape(warning)}", soft_wrap=True)


def print_report(report: Report, console: Console) -> None:
    """Print all of it; of wide tables the columns that there is room for."""
    print_headline(report, console)
    for section in report.sections:
        console.print()
        for grid in section.grids:
            console.print(_table(section.title, grid.narrowed()))
        if not section.grids:
            console.print(f"[italic]{escape(section.title)}[/]")
        for line in section.lines:
            console.print(f"[dim]{escape(line)}[/]")


def _table(title: str, grid: Grid) -> Table:
    table = plain_table(title)
    for column, heading in enumerate(grid.headings):
        numeric = column in grid.numeric
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*map(escape, row))
    return table
