"""``edgejoule carbon intensity stored``: what is kept."""

import argparse
from typing import TYPE_CHECKING

from edgejoule.commands.carbon.intensity.places import add_place, config_and_path, utc
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.intensity.store import Extent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the store is."""
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List what is stored. Raises ConfigurationError for a file that is no store."""
    from collector.intensity.store import IntensityStore

    store = IntensityStore(config_and_path(arguments)[1], read_only=True)
    extents = store.extents()
    if arguments.json:
        write_json({"extents": extents, "passports": store.passports()})
    elif extents:
        _show(extents)
    else:
        stdout_console().print("nothing is stored yet; see: edgejoule carbon intensity fetch --help")
    return EXIT_DONE


def _show(extents: "list[Extent]") -> None:
    from rich.markup import escape

    from edgejoule.fleet_tables import plain_table

    table = plain_table("Stored intensities, UTC")
    for heading in ("source", "zone"):
        table.add_column(heading, overflow="fold")
    for heading in ("kind", "from", "until", "fetched"):
        table.add_column(heading, no_wrap=heading == "kind")
    table.add_column("values", justify="right", no_wrap=True)
    for one in extents:
        moments = map(utc, (one.first_unix_ns, one.last_unix_ns, one.last_fetched_unix_ns))
        table.add_row(escape(one.source), escape(one.zone), one.kind, *moments, str(one.revisions))
    stdout_console().print(table)
