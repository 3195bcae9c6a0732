"""A model loaded and run with each engine that is installed here, in a process of its own for each.

An engine can end its process on a file that only looks whole, so nobody runs a stranger's file in their own.
"""

import importlib.metadata
import sys
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.checking import check_set_for, quality_of, tensors_of
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.registry import ENGINES, Engine, installed_engines, load_runner
from edge_agent.model_catalog import CatalogModel
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity
from edgejoule.zoo.child import run_module

_SUFFIX: Final = ".tflite"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a model with one engine. ``problem``: why it did not run, "" if it did.

    ``score``: accuracy or ROC AUC on the check set, None where there is none or it says nothing of what should come
    out. ``stateful``: it keeps something from one inference to the next.
    """

    engine: str
    version: str
    problem: str = ""
    runtime: RuntimeIdentity | None = None
    score: float | None = None
    stateful: bool = False

    @property
    def ran(self) -> bool:
        """Return whether the engine ran the model."""
        return not self.problem


def try_engines(model: Path, check_set: Path | None = None) -> list[Trial]:
    """Run the model once, or over its check set, with every engine that is installed here, in their preference."""
    here = installed_engines(_SUFFIX)
    return [_try(engine, model, check_set) for engine in ENGINES if engine.name in here]


def _try(engine: Engine, model: Path, check_set: Path | None) -> Trial:
    ended = run_module(__name__, engine.name, str(model), *([] if check_set is None else [str(check_set)]))
    version = importlib.metadata.version(engine.distribution)
    if ended.failure:
        return Trial(engine=engine.name, version=version, problem=ended.failure)
    return msgspec.json.decode(ended.stdout.strip().rpartition("\n")[2], type=Trial)


def run_here(engine: str, version: str, model: Path, check_set: Path | None) -> Trial:
    """Run the model in this process."""
    named = CatalogModel(model_id=model.stem, path=model, sha256="", task="", check_set=check_set)
    try:
        runner = load_runner(model, engine=engine)
        inputs = check_set_for(named, runner)
        quality = quality_of(runner, tensors_of(inputs, runner), inputs)
    except (ConfigurationError, InferenceError) as error:
        return Trial(engine=engine, version=version, problem=str(error))
    score = quality.roc_auc if quality.accuracy_ratio is None else quality.accuracy_ratio
    return Trial(engine=engine, version=version, runtime=runner.identity, score=score, stateful=runner.stateful)


def main() -> None:
    """Run the model with the engine that the arguments name, and write the trial as JSON."""
    engine, model, *rest = sys.argv[1:]
    version = next(importlib.metadata.version(one.distribution) for one in ENGINES if one.name == engine)
    trial = run_here(engine, version, Path(model), Path(rest[0]) if rest else None)
    sys.stdout.write(msgspec.json.encode(trial).decode() + "\n")


if __name__ == "__main__":
    main()
