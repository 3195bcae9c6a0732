"""``edgejoule models verify``: whether files, shapes and scores are what the catalogue says."""

import argparse
from typing import TYPE_CHECKING

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.zoo.verify import ModelCheck


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("model_id", nargs="?", metavar="ID", help="only this model")
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify, and return 0 if all is as it should be. Raises ConfigurationError."""
    from edgejoule.zoo.catalog_file import find_entry, read_catalog
    from edgejoule.zoo.verify import verify_entry

    directory = directory_of(arguments)
    catalog = read_catalog(directory)
    entries = catalog.model if arguments.model_id is None else [find_entry(directory, arguments.model_id)]
    outcomes = [verify_entry(directory, catalog, entry) for entry in entries]
    if arguments.json:
        write_json({"directory": str(directory), "models": outcomes})
    else:
        for outcome in outcomes:
            _print(outcome)
    return EXIT_DONE if all(outcome.ok for outcome in outcomes) else EXIT_NO


def _print(outcome: "ModelCheck") -> None:
    console = stdout_console()
    runtime = outcome.runtime
    by = f" with {runtime.runtime} {runtime.version}, delegate {runtime.delegate}" if runtime else ""
    console.print(f"{outcome.model_id}{by}", markup=False, soft_wrap=True)
    for check in outcome.checks:
        word, style = ("ok", "green") if check.ok else ("FAILURE", "bold red")
        console.print(f"  {word:<8}", style=style, end="")
        console.print(f" {check.name}: {check.detail}", markup=False, soft_wrap=True)
