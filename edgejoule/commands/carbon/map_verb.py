"""``edgejoule carbon map``: the embodied share over grid, duty and lifetime for each board, as table and figure."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.carbon.factor_list import show_passports
from edgejoule.output import EXIT_DONE, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from collector.analysis.embodied_map import BoardMap, MapQuestion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is mapped."""
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="boards; all when none")
    parser.add_argument("--zones", nargs="+", metavar="ZONE", help="zones of the yearly table; eight when none")
    parser.add_argument("--duty", nargs="+", type=float, metavar="RATIO", help="parts of the time at work, 0 to 1")
    parser.add_argument("--years", nargs="+", type=float, metavar="N", help="lifetimes; 2, 5 and 10 when none")
    parser.add_argument("--idle-w", type=float, metavar="W", help="power of the one named board at rest")
    parser.add_argument("--busy-w", type=float, metavar="W", help="power of the one named board at work")
    parser.add_argument("--sd-card-gb", type=int, metavar="GB", help="with a memory card of this size")
    parser.add_argument("--table", type=Path, help="an intensity table of your own, over the shipped one")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the map, too: .svg or .png")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Show the map. Raises ConfigurationError for names or numbers that cannot be."""
    from collector.analysis.embodied_map import embodied_maps
    from collector.intensity.yearly_table import load_yearly_table

    question = _question(arguments)
    maps = embodied_maps(question, load_yearly_table(arguments.table))
    if arguments.figure is not None:
        _draw(maps, question, arguments.figure)
    if arguments.json:
        write_json(maps)
        return EXIT_DONE
    for one in maps:
        _show(one, question)
    _show_notes(maps)
    return EXIT_DONE


def _question(arguments: argparse.Namespace) -> "MapQuestion":
    from collector.analysis.embodied_map import MapQuestion
    from collector.carbon.share_map import MeanPower
    from collector.device_entry import LARGEST_CARD_GB

    power = None
    if arguments.idle_w is not None or arguments.busy_w is not None:
        if arguments.idle_w is None or arguments.busy_w is None or len(arguments.boards) != 1:
            raise ConfigurationError("map: --idle-w and --busy-w belong together, and to one named board")
        try:
            power = MeanPower(idle_w=arguments.idle_w, busy_w=arguments.busy_w, source="the command line")
        except ValueError as error:
            raise ConfigurationError(f"map: {error}") from error
    if arguments.sd_card_gb is not None and not 0 <= arguments.sd_card_gb <= LARGEST_CARD_GB:
        raise ConfigurationError(f"map: --sd-card-gb lies in 0..{LARGEST_CARD_GB}; leave it out for no card")
    given = {"zones": arguments.zones, "duties": arguments.duty, "years": arguments.years}
    return MapQuestion(
        boards=tuple(arguments.boards),
        power=power,
        sd_card_gb=arguments.sd_card_gb,
        **{name: tuple(dict.fromkeys(values)) for name, values in given.items() if values},
    )


def _draw(maps: "tuple[BoardMap, ...]", question: "MapQuestion", path: Path) -> None:
    from collector.analysis.map_plot import draw_maps

    try:
        draw_maps(maps, question.years, path)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"--figure: {error}") from error
    stderr_console().print(f"{path}: written")


def _show(one: "BoardMap", question: "MapQuestion") -> None:
    from rich.markup import escape
    from rich.table import Table

    mass = one.mass.scaled(0.001)
    power = one.power
    title = (
        f"{one.name}: {mass.value:.3g} kgCO2e ({mass.low:.3g} to {mass.high:.3g}), "
        f"{power.idle_w:g} W idle, {power.busy_w:g} W busy"
    )
    table = Table(title=escape(title), title_justify="left")
    table.add_column("zone", no_wrap=True)
    table.add_column("g/kWh", justify="right", no_wrap=True)
    for duty in question.duties:
        for years in question.years:
            table.add_column(f"{duty:.0%}\n{years:g} a", justify="right", no_wrap=True)
    for zone in question.zones:
        cells = [cell for cell in one.cells if cell.zone == zone]
        shares = (f"{cell.embodied_share.value:.0%}" for cell in cells)
        table.add_row(escape(zone), f"{cells[0].intensity_gco2e_per_kwh:.0f}", *shares)
    stdout_console().print(table)


def _show_notes(maps: "tuple[BoardMap, ...]") -> None:
    from rich.markup import escape

    from collector.analysis.embodied_map import regions

    console = stdout_console()
    console.print("embodied share of a life, by duty (part of the time at work) and lifetime; --json has the ranges")
    places = ", ".join(f"{where}: {count}" for where, count in regions(maps).items())
    console.print(f"places on the map: {places}")
    for source in dict.fromkeys(one.power.source for one in maps):
        console.print(escape(f"power: {source}"))
    show_passports(tuple({factor.id: factor for one in maps for factor in one.factors}.values()))
