"""A model ready to run: loaded, warm, and tried on its check set in this very configuration."""

from dataclasses import dataclass

import msgspec
import structlog

from edge_agent.check_set import CheckSet
from edge_agent.checking import Quality, check_set_for, is_much_worse, quality_of, tensors_of
from edge_agent.config import ModelSection
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.inference_loop import InferenceLoop
from edge_agent.model_catalog import CatalogModel, open_model
from firmware_bridge.stream import host_time_s

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """``tensors``: the check set's inputs, or random ones. ``quality``: nothing is known of it for random ones."""

    runner: InferenceRunner
    tensors: list[Tensor]
    quality: Quality

    @property
    def loop(self) -> InferenceLoop:
        """Return a new loop over these inputs."""
        return InferenceLoop(self.runner, self.tensors, host_time_s)


def load_with_inputs(section: ModelSection, model: CatalogModel) -> tuple[InferenceRunner, CheckSet]:
    """Load the model with the engine and delegate of ``[model]``; return it with inputs that fit it.

    Raises ConfigurationError if a file is not what is pinned, no engine takes it, or the check set does not fit it.
    """
    runner = load_runner(
        open_model(model),
        threads=section.threads,
        engine=section.engine,
        delegate=section.delegate,
        delegate_options=section.delegate_options,
    )
    return runner, check_set_for(model, runner)


def load_model(section: ModelSection, model: CatalogModel) -> LoadedModel:
    """Load the model and run its check set once: it is warm, and the log says what it is worth here.

    A model with a state is in its first one again. Raises ConfigurationError if no engine takes it, or the check set
    does not fit it, InferenceError if it fails on an input.
    """
    runner, check_set = load_with_inputs(section, model)
    tensors = tensors_of(check_set, runner)
    found = quality_of(runner, tensors, check_set)
    runner.reset()
    _LOG.info(
        "model_loaded",
        model=model.model_id,
        runtime=msgspec.to_builtins(runner.identity),
        load_s=round(runner.load_s, 6),
        first_invoke_s=round(runner.first_invoke_s, 6),
        stateful=runner.stateful,
        inputs=len(tensors) if model.check_set else "random",
        accuracy_ratio=found.accuracy_ratio,
        **({} if found.roc_auc is None else {"roc_auc": found.roc_auc}),
    )
    if is_much_worse(found, model.facts.accuracy_ratio):
        _LOG.warning(
            "model_much_worse_than_stated",
            model=model.model_id,
            accuracy_ratio=found.accuracy_ratio,
            stated_ratio=model.facts.accuracy_ratio,
            remedy="this engine or delegate gets the model wrong: choose another one by [model] engine and delegate",
        )
    return LoadedModel(runner, tensors, found)
