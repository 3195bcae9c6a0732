"""``edgejoule models list``: the models of a catalogue, one line each."""

import argparse
from typing import TYPE_CHECKING

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.zoo.entry import Catalog


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """List the models. Raises ConfigurationError."""
    from edgejoule.zoo.catalog_file import read_catalog

    directory = directory_of(arguments)
    catalog = read_catalog(directory)
    if arguments.json:
        write_json({"directory": str(directory), "families": catalog.family, "models": catalog.model})
    else:
        _print(catalog)
    return EXIT_DONE


def _print(catalog: "Catalog") -> None:
    from rich.table import Table

    table = Table("model", "task", box=None, pad_edge=False)
    for heading in ("parameters", "MACs", "bytes", "score"):
        table.add_column(heading, justify="right")
    for entry in catalog.model:
        score = "" if entry.score is None else f"{entry.score.value:.2%}"
        numbers = f"{entry.parameters:,}", f"{entry.macs:,}", f"{entry.size_bytes:,}"
        table.add_row(entry.id, catalog.family_of(entry).task, *numbers, score)
    stdout_console().print(table)
