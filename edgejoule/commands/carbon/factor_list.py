"""How factors are listed: as a table with their passports below it, or as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgejoule.output import stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.factors import Factor


def show_factors(
    factors: "tuple[Factor, ...]", names: Sequence[str], where: str, title: str, *, as_json: bool
) -> None:
    """Show the factors of these names, all for none. Raises ConfigurationError for a name that is not there."""
    from collector.data.tables import require_factor

    if names:
        factors = tuple(require_factor(factors, name, where) for name in names)
    if as_json:
        write_json(factors)
    else:
        _show(factors, title)


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
    show_passports(factors)


def show_passports(factors: "Sequence[Factor]") -> None:
    """Show where factors come from, each text once, and their warnings in red."""
    from rich.markup import escape

    console = stdout_console()
    for name in ("source", "licence", "vintage", "scope", "method"):
        texts = dict.fromkeys(getattr(factor, name) for factor in factors)
        shown = list(texts)[:3] + ([f"and {len(texts) - 3} more (--json)"] if len(texts) > 3 else [])
        console.print(escape(f"{name}: {'; '.join(shown)}"))
    for label in dict.fromkeys(factor.label for factor in factors if factor.label):
        console.print(f"[bold red]{escape(label.upper())}[/]")
