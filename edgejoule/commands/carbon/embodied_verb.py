"""``edgejoule carbon embodied``: what hardware weighs in carbon, part by part, with the passport of every factor."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.commands.carbon.factor_list import show_factors, show_passports
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.analysis.embodied_list import HardwareMass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the hardware names and what else can be listed."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="board, meter, case or, with --inventory, device")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--factors", action="store_true", help="list the factors that parts are made of")
    what.add_argument("--inventory", type=Path, metavar="FILE", help="the devices of an inventory, with all parts")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List what is asked for. Raises ConfigurationError for a name that is not there."""
    from collector.data.tables import EMBODIED_HARDWARE, shipped_factors

    if arguments.factors:
        factors, title = shipped_factors(EMBODIED_HARDWARE), "Embodied carbon of parts"
        show_factors(factors, arguments.names, "embodied", title, as_json=arguments.json)
        return EXIT_DONE
    masses, unknown = _masses(arguments)
    if arguments.json:
        write_json(masses)
        return EXIT_DONE
    _show(masses)
    for mass in masses if arguments.names else ():
        _show_parts(mass)
    _show_notes(masses, unknown)
    return EXIT_DONE


def _masses(arguments: argparse.Namespace) -> "tuple[tuple[HardwareMass, ...], tuple[str, ...]]":
    from collector.analysis.embodied_list import device_masses, item_mass
    from collector.data.hardware import find_item, shipped_items
    from collector.inventory import read_inventory

    if arguments.inventory is not None:
        return device_masses(read_inventory(arguments.inventory), arguments.names)
    items = [find_item(name, "embodied") for name in arguments.names] or shipped_items()
    return tuple(item_mass(item) for item in items), ()


def _show(masses: "tuple[HardwareMass, ...]") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Embodied carbon, kgCO2e", title_justify="left")
    table.add_column("id\n(also known as)", no_wrap=True, overflow="fold")
    table.add_column("name", overflow="fold")
    for heading in ("low", "value", "high", "all\nlow", "all\nhigh"):
        table.add_column(heading, justify="right", no_wrap=True)
    for mass in masses:
        numbers = (mass.total.low, mass.total.value, mass.total.high, mass.all_low, mass.all_high)
        also = f"\n({mass.aliases[0]})" if mass.aliases else ""
        table.add_row(escape(mass.id + also), escape(mass.name), *(f"{number:.3g}" for number in numbers))
    stdout_console().print(table)


def _show_parts(mass: "HardwareMass") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(mass.id)}, kgCO2e", title_justify="left")
    table.add_column("part", overflow="fold")
    table.add_column("quantity x factor", overflow="fold")
    for heading in ("low", "value", "high", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in mass.parts:
        times = [f"{part.quantity:g}", *([part.amount_id] if part.amount_id else []), part.factor_id]
        times += [f"{part.share_ratio:.3g}"] if part.share_ratio < 1.0 else []
        figure = part.kgco2e
        share = figure.value / mass.total.value if mass.total.value else 0.0
        numbers = (f"{number:.3g}" for number in (figure.low, figure.value, figure.high))
        table.add_row(escape(part.name), escape(" x ".join(times)), *numbers, f"{share:.0%}")
    stdout_console().print(table)


def _show_notes(masses: "tuple[HardwareMass, ...]", unknown: tuple[str, ...]) -> None:
    from rich.markup import escape

    console = stdout_console()
    console.print("low and high: 5th and 95th percentile; all low, all high: every factor at that end at once")
    for mass in masses:
        if mass.unstated:
            parts = ", ".join(mass.unstated).replace("_", " ")
            console.print(escape(f"{mass.id}: charged {mass.policy}; not in it, since nothing is said of it: {parts}"))
        if mass.carried_ratio > 0.0:
            console.print(
                escape(
                    f"{mass.id}: {mass.carried_ratio:.3g} of it is left to {mass.successor} and stands there, too; "
                )
                + "their sum would count it twice"
            )
    if unknown:
        console.print(escape(f"unknown, and not zero: {', '.join(unknown)}; the inventory names no hardware"))
    show_passports(tuple({factor.id: factor for mass in masses for factor in mass.factors}.values()))
    if any(mass.all_high_truncation is not None for mass in masses):
        console.print("a bottom-up sum may miss as much again: its authors advise to double it for what is left out")
