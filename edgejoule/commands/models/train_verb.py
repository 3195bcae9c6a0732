"""``edgejoule models train``: a family of models again from its recipe."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.zoo.train import TrainedModel, Training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("name", metavar="NAME", help="a family, or one of its models")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="keep what the recipe writes here: a catalogue of its own"
    )
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, and return 0 if the scores are the catalogue's. Raises ConfigurationError."""
    from edgejoule.zoo.catalog_file import find_family
    from edgejoule.zoo.train import train_again

    directory, out = directory_of(arguments), arguments.out
    family = find_family(directory, arguments.name)
    if not arguments.json:
        stderr_console().print(f"training {family.id} by {family.recipe}", markup=False, soft_wrap=True)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="edgejoule-train-") as scratch:
            training = train_again(directory, family, Path(scratch))
    else:
        training = train_again(directory, family, out)
    if arguments.json:
        write_json(training)
    else:
        _print(training, out)
    return EXIT_DONE if training.ok else EXIT_NO


def _print(training: "Training", out: Path | None) -> None:
    lines = [line for model in training.models for line in _lines(model)]
    lines.append(f"trained with {', '.join(training.trained_with)}")
    if not all(model.bit_identical for model in training.models):
        lines.append(f"the catalog's with {', '.join(training.catalog_trained_with)}; a processor can differ as well")
    if not training.ok:
        lines.append("FAILURE: a score is too far below the catalog's; do not use this model")
    lines.append(f"written to {out}" if out else "nothing kept; --out DIR keeps the files")
    for line in lines:
        stdout_console().print(line, markup=False, soft_wrap=True)


def _lines(model: "TrainedModel") -> list[str]:
    same = "the same bytes as in the catalog" if model.bit_identical else "other bytes than in the catalog"
    lines = [f"{model.model_id}: {same} (sha256 {model.sha256})"]
    if model.score is not None:
        beside = "" if model.catalog_score is None else f", {model.catalog_score:.2%} in the catalog"
        lines.append(f"  score {model.score:.2%}{beside}")
    return lines
