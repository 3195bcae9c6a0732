"""What an inference engine is to the agent, and what engines with the TF Lite interface share."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity

Tensor: TypeAlias = NDArray[Any]
MakeInterpreter: TypeAlias = Callable[..., Any]


class InferenceRunner(Protocol):
    """A loaded model that one thread runs, one input at a time.

    ``load_s``: reading the file, building the graph, placing tensors and delegates.
    ``first_invoke_s``: the first inference, 2 to 20 times slower than later ones, so never part of a window.
    """

    identity: RuntimeIdentity
    load_s: float
    first_invoke_s: float
    input_shape: tuple[int, ...]
    input_dtype: np.dtype[Any]
    output_shape: tuple[int, ...]

    def infer(self, tensor: Tensor) -> Tensor:
        """Run the model on ``tensor`` (``input_shape``, ``input_dtype``) and return a copy of its first output."""
        ...


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine's name and version, as every energy record carries them."""

    name: str
    version: str


class TfLiteRunner:
    """An InferenceRunner over any interpreter with the TF Lite Python interface.

    Bound methods with ``set_tensor`` and ``get_tensor``: ``tensor()`` views are slower and raise once a reference to
    one is kept over an invoke.
    """

    def __init__(self, make_interpreter: MakeInterpreter, engine: EngineInfo, model: Path, threads: int) -> None:
        """Load ``model`` and run it once on zeros. Raises ConfigurationError if the engine refuses it."""
        started_s = time.perf_counter()
        try:
            interpreter = make_interpreter(model_path=str(model), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(
                f"{model}: {engine.name} {engine.version} cannot load it: {reason}; name a .tflite model whose "
                "operators this engine has"
            ) from error
        self.load_s = time.perf_counter() - started_s
        source, sink = _only_input(interpreter, model), interpreter.get_output_details()[0]
        self._interpreter = interpreter
        self._set, self._invoke, self._get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
        self._input_index, self._output_index = int(source["index"]), int(sink["index"])
        self.input_shape = tuple(int(size) for size in source["shape"])
        self.input_dtype: np.dtype[Any] = np.dtype(source["dtype"])
        self.output_shape = tuple(int(size) for size in sink["shape"])
        self.identity = RuntimeIdentity(
            runtime=engine.name, version=engine.version, delegate=delegate_of(interpreter), threads=threads
        )
        self.first_invoke_s = self._first_invoke()

    def infer(self, tensor: Tensor) -> Tensor:
        """See InferenceRunner.infer."""
        self._set(self._input_index, tensor)
        self._invoke()
        output: Tensor = self._get(self._output_index)
        return output

    def _first_invoke(self) -> float:
        zeros = np.zeros(self.input_shape, self.input_dtype)
        started_s = time.perf_counter()
        self.infer(zeros)
        return time.perf_counter() - started_s


def delegate_of(interpreter: Any) -> str:
    """Return which delegate took the graph of an allocated interpreter: "none", "xnnpack" or "xnnpack n/m ops".

    Delegated nodes stay in the operator list; each delegate adds a node named DELEGATE at its end. Only the default
    delegate, XNNPACK, can be there, as the runners here load no other. An interpreter without the operator list
    gives "unknown".
    """
    list_operators = getattr(interpreter, "_get_ops_details", None)
    if list_operators is None:
        return "unknown"
    taken, total = delegated_operators(list_operators())
    if taken == 0:
        return "none"
    return "xnnpack" if taken == total else f"xnnpack {taken}/{total} ops"


def delegated_operators(operators: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return (operators inside delegates, operators of the model), from nodes with op_name, inputs and outputs.

    A delegate computes its outputs from its inputs, so the operators it took are those found going backward from its
    output tensors until its input tensors.
    """
    model = [node for node in operators if node["op_name"] != "DELEGATE"]
    producer = {int(tensor): number for number, node in enumerate(model) for tensor in node["outputs"]}
    taken: set[int] = set()
    for delegate in (node for node in operators if node["op_name"] == "DELEGATE"):
        boundary = {int(tensor) for tensor in delegate["inputs"]}
        reached = [int(tensor) for tensor in delegate["outputs"]]
        while reached:
            tensor = reached.pop()
            number = producer.get(tensor)
            if number is None or number in taken or tensor in boundary:
                continue
            taken.add(number)
            reached.extend(int(source) for source in model[number]["inputs"])
    return len(taken), len(model)


def _only_input(interpreter: Any, model: Path) -> Mapping[str, Any]:
    inputs: list[Mapping[str, Any]] = interpreter.get_input_details()
    if len(inputs) != 1:
        raise ConfigurationError(f"{model}: it has {len(inputs)} inputs; the agent runs models with exactly one")
    return inputs[0]
