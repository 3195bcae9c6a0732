"""``edgejoule carbon factors``: the shipped factor tables with their licences; checks a table of one's own."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.factors import Factor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``list``, ``show`` and ``check``."""
    action = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = action.add_parser("list", help="every shipped table: rows, units, licences, warnings")
    show = action.add_parser("show", help="the factors of one table with their passports")
    show.add_argument("table", metavar="TABLE", help="name of a shipped table, or the file of your own")
    show.add_argument("names", nargs="*", metavar="ID", help="id or alias of a factor; all when none")
    check = action.add_parser("check", help="every fault of a table; exit 1 if there is one")
    check.add_argument("tables", nargs="*", type=Path, metavar="FILE", help="tables; those that are shipped when none")
    check.add_argument(
        "--for-shipping", action="store_true", help="also licences that forbid to ship it under Apache-2.0"
    )
    for one in (listed, show, check):
        one.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List, show or check. Raises ConfigurationError for a table or a name that is not there."""
    if arguments.action == "check":
        return _check(arguments.tables, for_shipping=arguments.for_shipping, as_json=arguments.json)
    if arguments.action == "show":
        from edgejoule.commands.carbon.factor_list import show_factors

        factors, title = _table(arguments.table)
        show_factors(factors, arguments.names, title, f"Factors of {title}", as_json=arguments.json)
        return EXIT_DONE
    _list(as_json=arguments.json)
    return EXIT_DONE


def _table(name: str) -> "tuple[tuple[Factor, ...], str]":
    from collector.data.tables import SHIPPED, read_factors, shipped_factors
    from edge_agent.wire.errors import ConfigurationError

    for shipped in SHIPPED:
        if name in {shipped, shipped.removesuffix(".toml")}:
            return shipped_factors(shipped), shipped
    if not Path(name).is_file():
        raise ConfigurationError(
            f"factors: no table {name!r}; name a file, or one that is shipped: "
            f"{', '.join(one.removesuffix('.toml') for one in SHIPPED)}"
        )
    return read_factors(Path(name)), name


def _list(*, as_json: bool) -> None:
    from collector.carbon.factor_checks import SHIPPABLE
    from collector.data.tables import SHIPPED, shipped_factors

    tables = {name: shipped_factors(name) for name in SHIPPED}
    if as_json:
        write_json({"tables": tables, "may_be_shipped": SHIPPABLE})
        return
    from rich.markup import escape

    from edgejoule.fleet_tables import plain_table

    shown = plain_table("Shipped factor tables")
    shown.add_column("table", no_wrap=True)
    shown.add_column("rows", justify="right")
    for heading in ("units", "licences", "warnings"):
        shown.add_column(heading, overflow="fold")
    for name, factors in tables.items():
        texts = (
            dict.fromkeys(factor.estimate.unit for factor in factors),
            dict.fromkeys(factor.licence for factor in factors),
            dict.fromkeys(factor.label for factor in factors if factor.label),
        )
        shown.add_row(name.removesuffix(".toml"), str(len(factors)), *(escape("\n".join(text)) for text in texts))
        shown.add_section()
    console = stdout_console()
    console.print(shown)
    used = {factor.licence for factors in tables.values() for factor in factors}
    for licence in sorted(used):
        console.print(escape(f"{licence}: {SHIPPABLE[licence]}"))


def _check(paths: list[Path], *, for_shipping: bool, as_json: bool) -> int:
    """Shipped tables were checked when they were read: a fault there ends the command with its one line."""
    from collector.data.tables import SHIPPED, shipped_factors, table_faults

    if paths:
        faults = {str(path): table_faults(path, for_shipping=for_shipping) for path in paths}
    else:
        faults = {name: [] for name in SHIPPED if shipped_factors(name)}
    if as_json:
        write_json({"ok": not any(faults.values()), "tables": faults})
    else:
        console = stdout_console()
        for name, found in faults.items():
            for fault in found or [f"{name}: no fault"]:
                console.print(fault, markup=False, soft_wrap=True)
    return EXIT_NO if any(faults.values()) else EXIT_DONE
