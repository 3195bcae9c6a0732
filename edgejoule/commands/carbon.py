"""``edgejoule carbon``: the factors and intensities in use, each with range, source, licence and vintage."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.factors import Factor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``intensity`` and ``embodied``."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    intensity = what.add_parser("intensity", help="grid carbon intensity by zone")
    intensity.add_argument("names", nargs="*", metavar="ZONE", help="ISO 3166 code, EU or WORLD; all when none")
    intensity.add_argument("--table", type=Path, help="an intensity table of your own, over the shipped one")
    embodied = what.add_parser("embodied", help="embodied carbon by hardware: screening estimates")
    embodied.add_argument("names", nargs="*", metavar="HARDWARE", help="hardware name; all when none")
    for parser_of_one in (intensity, embodied):
        parser_of_one.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List the factors asked for. Raises ConfigurationError for a name that is not there."""
    from collector.data.tables import EMBODIED_HARDWARE, require_factor, shipped_factors
    from collector.intensity.yearly_table import load_yearly_table

    if arguments.what == "intensity":
        factors, title = load_yearly_table(arguments.table).factors, "Grid carbon intensity, yearly average"
    else:
        factors, title = shipped_factors(EMBODIED_HARDWARE), "Embodied carbon of hardware"
    if arguments.names:
        factors = tuple(require_factor(factors, name, arguments.what) for name in arguments.names)
    if arguments.json:
        write_json(factors)
    else:
        _show(factors, title)
    return EXIT_DONE


def _show(factors: "tuple[Factor, ...]", title: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = stdout_console()
    units = "/".join(dict.fromkeys(factor.estimate.unit for factor in factors))
    table = Table(title=f"{title}, {units}", title_justify="left")
    table.add_column("id", no_wrap=True, overflow="fold")
    table.add_column("name (also known as)", overflow="fold")
    for heading in ("low", "value", "high"):
        table.add_column(heading, justify="right", no_wrap=True)
    for factor in factors:
        figure = factor.estimate
        numbers = (f"{number:g}" for number in (figure.low, figure.value, figure.high))
        also = f" ({factor.aliases[0]})" if factor.aliases else ""
        table.add_row(factor.id, escape(factor.name + also), *numbers)
    console.print(table)
    console.print("low and high: 5th and 95th percentile")
    for name in ("source", "licence", "vintage", "scope", "method"):
        texts = dict.fromkeys(getattr(factor, name) for factor in factors)
        shown = list(texts)[:3] + ([f"and {len(texts) - 3} more (--json)"] if len(texts) > 3 else [])
        console.print(escape(f"{name}: {'; '.join(shown)}"))
    for label in dict.fromkeys(factor.label for factor in factors if factor.label):
        console.print(f"[bold red]{escape(label.upper())}[/]")
