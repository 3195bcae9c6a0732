"""``edgejoule models show``: all that is known of a model and its family."""

import argparse
from typing import TYPE_CHECKING

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("name", metavar="ID", help="a model, or a family")
    parser.add_argument("--card", action="store_true", help="the card as Markdown, as models/FAMILY/card.md holds it")
    parser.add_argument(
        "--inventory-row", action="store_true", help="what its making cost, as a collector's inventory takes it"
    )
    parser.add_argument("--zone", metavar="ZONE", help="with --inventory-row: the grid it was trained on, as DE")
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises ConfigurationError."""
    directory = directory_of(arguments)
    if arguments.inventory_row:
        row = _inventory_row(directory, arguments)
        if arguments.json:
            write_json({"inventory_row": row})
        else:
            stdout_console().out(row, end="", highlight=False)
        return EXIT_DONE
    if arguments.json:
        write_json(_facts(directory, arguments.name))
        return EXIT_DONE
    text = _card(directory, arguments.name)
    console = stdout_console()
    if arguments.card:
        console.out(text, end="", highlight=False)
    else:
        from edgejoule.commands.models.card_page import CardPage

        console.print(CardPage(text, hyperlinks=False))
    return EXIT_DONE


def _inventory_row(directory: "Path", arguments: argparse.Namespace) -> str:
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.zoo.catalog_file import find_entry, find_family
    from edgejoule.zoo.inventory_row import inventory_row

    if not arguments.zone:
        raise ConfigurationError("--inventory-row needs --zone: see edgejoule carbon intensity list")
    model = find_entry(directory, arguments.name)
    return inventory_row(find_family(directory, model.id), model, arguments.zone)


def _card(directory: "Path", name: str) -> str:
    from edgejoule.zoo.card import card
    from edgejoule.zoo.catalog_file import find_family, read_catalog
    from edgejoule.zoo.latency import read_latencies

    family = find_family(directory, name)
    return card(family, read_catalog(directory).members(family.id), read_latencies(directory))


def _facts(directory: "Path", name: str) -> dict[str, object]:
    """Return the family, and of its models the one that is named or else all."""
    from edgejoule.zoo.card import points_from_float
    from edgejoule.zoo.catalog_file import find_family, read_catalog
    from edgejoule.zoo.latency import latencies_of, read_latencies

    family = find_family(directory, name)
    members = read_catalog(directory).members(family.id)
    models = [one for one in members if one.id == name] or members
    return {
        "directory": str(directory),
        "family": family,
        "models": models,
        "points_from_float32": {one.id: points_from_float(one, members) for one in models},
        "latencies": latencies_of(models, read_latencies(directory)),
    }
