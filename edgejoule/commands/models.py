"""``edgejoule models list|verify|train``: the models that come with edgejoule."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.model_files import ModelCheck, ModelEntry, Training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what the catalog holds")
    verify = actions.add_parser("verify", help="compare files, shapes and accuracy with the catalog")
    verify.add_argument("model_id", nargs="?", metavar="ID", help="only this model")
    train = actions.add_parser("train", help="train a model again from its recipe (needs the extra [train])")
    train.add_argument("model_id", metavar="ID")
    train.add_argument("--out", type=Path, metavar="DIR", help="keep what the recipe writes here")
    for action in (listing, verify, train):
        action.add_argument("--catalog-dir", type=Path, metavar="DIR", help="another folder that holds catalog.toml")
        action.add_argument("--json", action="store_true", help="print JSON only")


def run(arguments: argparse.Namespace) -> int:
    """Run the action and return the exit code."""
    from edge_agent.model_catalog import models_dir

    directory: Path = arguments.catalog_dir or models_dir()
    if arguments.action == "list":
        return _list(directory, as_json=arguments.json)
    if arguments.action == "verify":
        return _verify(directory, arguments.model_id, as_json=arguments.json)
    return _train(directory, arguments.model_id, arguments.out, as_json=arguments.json)


def _list(directory: Path, *, as_json: bool) -> int:
    from edgejoule.model_files import read_catalog

    entries = read_catalog(directory)
    if as_json:
        write_json({"directory": str(directory), "models": entries})
    else:
        _print_entries(entries)
    return EXIT_DONE


def _print_entries(entries: "list[ModelEntry]") -> None:
    from rich.table import Table

    table = Table("model", "task", box=None, pad_edge=False)
    for heading in ("parameters", "MACs", "bytes", "float", "int8"):
        table.add_column(heading, justify="right")
    for entry in entries:
        accuracies = f"{entry.accuracy_float:.2%}", f"{entry.accuracy_int8:.2%}"
        numbers = f"{entry.parameters:,}", f"{entry.macs:,}", f"{entry.size_bytes:,}"
        table.add_row(entry.id, entry.task, *numbers, *accuracies)
    stdout_console().print(table)


def _verify(directory: Path, model_id: str | None, *, as_json: bool) -> int:
    from edgejoule.model_files import find_entry, read_catalog, verify_entry

    entries = read_catalog(directory) if model_id is None else [find_entry(directory, model_id)]
    outcomes = [verify_entry(directory, entry) for entry in entries]
    if as_json:
        write_json({"directory": str(directory), "models": outcomes})
    else:
        for outcome in outcomes:
            _print_check(outcome)
    return EXIT_DONE if all(outcome.ok for outcome in outcomes) else EXIT_NO


def _print_check(outcome: "ModelCheck") -> None:
    console = stdout_console()
    runtime = outcome.runtime
    by = f" with {runtime.runtime} {runtime.version}, delegate {runtime.delegate}" if runtime else ""
    console.print(f"{outcome.model_id}{by}", markup=False, soft_wrap=True)
    for check in outcome.checks:
        word, style = ("ok", "green") if check.ok else ("FAILURE", "bold red")
        console.print(f"  {word:<8}", style=style, end="")
        console.print(f" {check.name}: {check.detail}", markup=False, soft_wrap=True)


def _train(directory: Path, model_id: str, out: Path | None, *, as_json: bool) -> int:
    from edgejoule.model_files import find_entry, train_again

    entry = find_entry(directory, model_id)
    if not as_json:
        stderr_console().print(f"training {model_id} by {entry.recipe}", markup=False, soft_wrap=True)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="edgejoule-train-") as scratch:
            training = train_again(directory, entry, Path(scratch))
    else:
        training = train_again(directory, entry, out)
    if as_json:
        write_json(training)
    else:
        _print_training(training, out)
    return EXIT_DONE if training.ok else EXIT_NO


def _print_training(training: "Training", out: Path | None) -> None:
    console = stdout_console()
    same = "the same bytes as in the catalog" if training.bit_identical else "other bytes than in the catalog"
    lines = [
        f"{training.model_id}: {same} (sha256 {training.sha256})",
        f"accuracy: float {training.accuracy_float:.2%}, int8 {training.accuracy_int8:.2%}",
        f"the catalog's int8 accuracy: {training.catalog_accuracy_int8:.2%}",
        f"trained with {', '.join(training.trained_with)}",
    ]
    if not training.bit_identical:
        lines.append(f"the catalog's with {', '.join(training.catalog_trained_with)}; a processor can differ as well")
    if not training.ok:
        lines.append("FAILURE: the accuracy is too far below the catalog's; do not use this model")
    lines.append(f"written to {out}" if out else "nothing kept; --out DIR keeps the files")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
