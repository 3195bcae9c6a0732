"""What an inference engine is to the agent: how it is asked for, and what a loaded model offers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.records import RuntimeIdentity

Tensor: TypeAlias = NDArray[Any]
OptionValue: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How a tensor's integers stand for numbers: value = ``scale`` x (integer - ``zero_point``)."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine's name and version, as every energy record carries them."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How to run a model. ``delegate`` and ``delegate_options``: see ``delegates`` and ``onnx_runtime``."""

    threads: int = 1
    delegate: str = "auto"
    delegate_options: Mapping[str, OptionValue] = field(default_factory=dict)


class InferenceRunner(Protocol):
    """A loaded model that one thread runs, one input at a time.

    ``load_s``: building the graph from the file's bytes, placing tensors and delegates.
    ``first_invoke_s``: the first inference, 2 to 20 times slower than later ones, so never part of a window.
    ``stateful``: the model keeps something from one inference to the next (a streaming model), so the order of its
    inputs matters. It begins in its first state.
    ``input_bytes``: size of one input.
    ``*_quantisation``: None where the tensor has no single scale, or holds floats.
    """

    identity: RuntimeIdentity
    load_s: float
    first_invoke_s: float
    input_shape: tuple[int, ...]
    input_dtype: np.dtype[Any]
    input_bytes: int
    input_quantisation: Quantisation | None
    output_shape: tuple[int, ...]
    output_quantisation: Quantisation | None
    stateful: bool

    def infer(self, tensor: Tensor) -> Tensor:
        """Run the model on ``tensor`` (``input_shape``, ``input_dtype``) and return a copy of its first output.

        Raises ValueError for a tensor of another shape or type, InferenceError when the engine fails on it.
        """
        ...

    def reset(self) -> None:
        """Bring a stateful model back to its first state; do nothing for another."""
        ...


def size_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the size of a dense tensor in bytes."""
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def first_invoke(runner: InferenceRunner) -> tuple[float, tuple[int, ...]]:
    """Run a model that was never run on zeros; return the seconds and the output's shape. Its state is first again."""
    zeros = np.zeros(runner.input_shape, runner.input_dtype)
    started_s = time.perf_counter()
    output = runner.infer(zeros)
    spent_s = time.perf_counter() - started_s
    runner.reset()
    return spent_s, output.shape


def failure_text(model: Path, engine: EngineInfo, error: BaseException) -> str:
    """Return what an InferenceError says."""
    return (
        f"{model}: {engine.name} {engine.version} fails on an input: {one_line(error)}; give it inputs that it takes "
        "([model] check_set, [input]), and where a delegate drives a device, see that it is still connected"
    )


def one_line(error: BaseException) -> str:
    """Return the first line of what a foreign library says, or the exception's name if it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
