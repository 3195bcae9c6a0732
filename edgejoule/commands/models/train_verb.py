"""``edgejoule models train``: a family of models again from its recipe."""

import argparse
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Never

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.zoo.entry import Development, Metric
    from edgejoule.zoo.train import Recipe, TrainedModel, Training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("name", metavar="NAME", help="a family, or one of its models")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="keep what the recipe writes in this new folder: a catalogue of its own",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="put the family into the catalogue, in the place of its former self, if its scores are as good",
    )
    parser.add_argument(
        "--meter", type=Path, metavar="FILE", help="TOML with the [meter] in front of this machine: what it costs"
    )
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, and return 0 if the scores are the catalogue's. Raises ConfigurationError."""
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.signals import handled
    from edgejoule.zoo.family_files import check_writable, replace_family
    from edgejoule.zoo.train import find_recipe

    directory = directory_of(arguments)
    recipe = find_recipe(directory, arguments.name)
    if arguments.replace:
        check_writable(directory)
    stale, replaced, refusal = [], None, None
    with handled(_heard(), _stop), _folder(arguments.out) as folder:
        training = _train(directory, recipe, folder, arguments.meter, quiet=arguments.json)
        if training.ok and arguments.replace:
            try:
                stale, replaced = replace_family(folder, directory), directory
            except ConfigurationError as error:  # what --out keeps took long to train
                refusal = error
    if arguments.json:
        write_json(training)
    else:
        _print(training, arguments.out, replaced)
    if stale:
        text = f"{', '.join(stale)} pinned the former check set of {recipe.family_id}: train them again too"
        stderr_console().print(text, markup=False, soft_wrap=True)
    if refusal is not None:
        raise refusal
    return EXIT_DONE if training.ok else EXIT_NO


def _train(directory: Path, recipe: "Recipe", folder: Path, meter: Path | None, *, quiet: bool) -> "Training":
    from edgejoule.commands.models.train_progress import TrainProgress
    from edgejoule.zoo.train import train_again

    if not quiet:
        stderr_console().print(f"training {recipe.family_id} by {recipe.path}", markup=False, soft_wrap=True)
    with TrainProgress(quiet=quiet) as progress:
        return train_again(directory, recipe, folder, progress.show, meter)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    from edgejoule.zoo.family_files import new_folder

    if out is not None:
        with new_folder(out) as folder:
            yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="edgejoule-train-") as scratch:
            yield Path(scratch)


def _heard() -> list[signal.Signals]:
    """Return what ends a training beside Ctrl-C: a request, and a terminal that is closed, unless nohup ignores it."""
    return [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]


def _stop(*_: object) -> Never:
    """Leave as Ctrl-C does, so that the recipe ends and its folder vanishes."""
    raise KeyboardInterrupt


def _print(training: "Training", out: Path | None, replaced: Path | None) -> None:
    lines = [line for model in training.models for line in _lines(model, training.metric)]
    lines.append(f"trained with {', '.join(training.trained_with)}")
    if training.catalog_trained_with and not all(model.bit_identical for model in training.models):
        lines.append(
            f"the catalogue's with {', '.join(training.catalog_trained_with)}; a processor can differ as well"
        )
    if training.development is not None:
        lines.append(_cost(training.development))
    if not training.ok:
        lines.append("FAILURE: a score is too far below the catalogue's; do not use this model")
    lines.extend(f"written to {place}" for place in (out, replaced) if place is not None)
    if out is None and replaced is None:
        lines.append("nothing kept; --out DIR keeps the files, --replace puts them into the catalogue")
    for line in lines:
        stdout_console().print(line, markup=False, soft_wrap=True)


def _lines(model: "TrainedModel", metric: "Metric") -> list[str]:
    from edgejoule.zoo.card import score_text

    if model.catalog_sha256 is None:
        same = "not in the catalogue yet"
    else:
        same = "the same bytes as in the catalogue" if model.bit_identical else "other bytes than in the catalogue"
    lines = [f"{model.model_id}: {same} (sha256 {model.sha256})"]
    if model.score is not None:
        known = model.catalog_score
        beside = "" if known is None else f", {score_text(metric, known)} in the catalogue"
        lines.append(f"  score {score_text(metric, model.score)}{beside}")
    return lines


def _cost(development: "Development") -> str:
    from collector.numbers import NBSP, si_u, span

    energy = si_u(development.development_energy_j, development.development_energy_u_j, "J")
    how = "modelled from CPU time" if development.modelled else f"by {development.method}"
    text = f"it took {span(development.duration_s)} and {energy} (k = 1, {how}; {development.boundary})"
    return text.replace(NBSP, " ")
