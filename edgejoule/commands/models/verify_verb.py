"""``edgejoule models verify``: whether files, shapes, counts and scores are what the catalogue says."""

import argparse
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.zoo.verify import ModelCheck


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this model, or the models of this family")
    parser.add_argument(
        "--engine",
        action="append",
        metavar="NAME",
        help="run it with this engine; may be repeated (default: every one that is installed here)",
    )
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify, and return 0 if all is as it should be. Raises ConfigurationError."""
    from edge_agent.model_catalog import CATALOG_NAME, file_sha256, list_models
    from edgejoule.zoo.catalog_file import find_family, read_catalog
    from edgejoule.zoo.verify import engines_here, verify_entry

    directory = directory_of(arguments)
    catalog = read_catalog(directory)
    catalog_sha256 = file_sha256(directory / CATALOG_NAME)
    entries = catalog.model
    if arguments.name is not None:
        members = catalog.members(find_family(directory, arguments.name).id)
        entries = [entry for entry in members if entry.id == arguments.name] or members
    if not entries:
        raise ConfigurationError(f"{directory / CATALOG_NAME}: there is no model in it; restore the catalogue")
    engines = engines_here(arguments.engine)
    models = {model.model_id: model for model in list_models(directory)}
    outcomes = []
    for entry in entries:
        outcome = verify_entry(models[entry.id], catalog, entry, engines)
        outcomes.append(outcome)
        if not arguments.json:
            _print(outcome)
    total_bytes = sum(entry.size_bytes for entry in entries)
    if arguments.json:
        write_json(
            {
                "directory": str(directory),
                "catalog_sha256": catalog_sha256,
                "total_bytes": total_bytes,
                "models": outcomes,
            }
        )
    else:
        failed = sum(not outcome.ok for outcome in outcomes)
        count = "1 model" if len(outcomes) == 1 else f"{len(outcomes)} models"
        said = f"{failed} of {count} FAILED" if failed else f"{count}, all as stated"
        line = f"{said}; {total_bytes:,} bytes of models; sha256 of {directory / CATALOG_NAME}: {catalog_sha256}"
        stdout_console().print(line, markup=False, soft_wrap=True)
    return EXIT_DONE if all(outcome.ok for outcome in outcomes) else EXIT_NO


def _print(outcome: "ModelCheck") -> None:
    console = stdout_console()
    console.print(outcome.model_id, markup=False, soft_wrap=True)
    for check in outcome.checks:
        word, style = ("ok", "green") if check.ok else ("FAILURE", "bold red")
        console.print(f"  {word:<8}", style=style, end="")
        console.print(f" {check.name}: {check.detail}", markup=False, soft_wrap=True)
