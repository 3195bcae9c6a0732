"""What engines with the TF Lite interface share: LiteRT and tflite-runtime."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from edge_agent.file_content import FileContent
from edge_agent.inference import delegates
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.runner import (
    EngineInfo,
    Quantisation,
    RunSettings,
    Tensor,
    failure_text,
    first_invoke,
    one_line,
    size_bytes,
)
from edge_agent.inference.tflite_file import State, read_state
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity

OLD_VERSION: Final = "tflite-runtime up to 2.14 gives it float graphs only: use LiteRT, or delegate = 'auto'"


class TfLiteModule(Protocol):
    """The part of ``ai_edge_litert.interpreter`` and ``tflite_runtime.interpreter`` that is used here."""

    Interpreter: Callable[..., Any]
    OpResolverType: Any
    load_delegate: Callable[..., Any]


class TfLiteRunner:
    """An InferenceRunner over the interpreter of a TF Lite package.

    Bound methods with ``set_tensor`` and ``get_tensor``: ``tensor()`` views are slower and raise once a reference to
    one is kept over an invoke.
    """

    def __init__(self, module: TfLiteModule, engine: EngineInfo, model: FileContent, settings: RunSettings) -> None:
        """Load ``model`` and run it once on zeros.

        Raises ConfigurationError if the engine refuses the model, or the delegate that was asked for is not there or
        takes nothing of the graph.
        """
        if delegates.is_external(settings.delegate):
            delegates.check_library(settings.delegate)
        else:
            delegates.refuse_options(settings.delegate, settings.delegate_options)
        self._module, self._engine, self._settings = module, engine, settings
        self._model, self._data = model.path, model.data
        try:
            self._state = read_state(model.data)
        except ValueError as error:
            raise ConfigurationError(self._refusal(one_line(error))) from error
        started_s = time.perf_counter()
        self._start()
        self.load_s = time.perf_counter() - started_s
        self.stateful = self._state is not State.NONE
        source, sink = _only_input(self._interpreter, model.path), self._interpreter.get_output_details()[0]
        self._input_index, self._output_index = int(source["index"]), int(sink["index"])
        self.input_shape = tuple(int(size) for size in source["shape"])
        self.input_dtype: np.dtype[Any] = np.dtype(source["dtype"])
        self.input_bytes = size_bytes(self.input_shape, self.input_dtype)
        self.input_quantisation = quantisation_of(source)
        self.output_quantisation = quantisation_of(sink)
        self.identity = RuntimeIdentity(
            runtime=engine.name, version=engine.version, delegate=self._delegate, threads=settings.threads
        )
        try:
            self.first_invoke_s, self.output_shape = first_invoke(self)
        except InferenceError as error:
            raise ConfigurationError(self._refusal(one_line(error.__cause__ or error))) from error

    def infer(self, tensor: Tensor) -> Tensor:
        """See InferenceRunner.infer."""
        self._set(self._input_index, tensor)
        try:
            self._invoke()
        except RuntimeError as error:
            raise InferenceError(failure_text(self._model, self._engine, error)) from error
        output: Tensor = self._get(self._output_index)
        return output

    def reset(self) -> None:
        """See InferenceRunner.reset.

        Resource variables outlive ``reset_all_variables`` and ``allocate_tensors`` in LiteRT 2.3.0 and tflite-runtime
        2.14.0 (tried), so a model that has them is loaded again, which takes as long as loading, and the inference
        after it is slow as a first one is.
        """
        if self._state is State.TENSORS:
            self._interpreter.reset_all_variables()
        elif self._state is State.RESOURCES:
            self._drop()
            self._start()

    def _start(self) -> None:
        """Make an interpreter and bind its methods, which is what ``infer`` calls."""
        settings = self._settings
        resolver = self._module.OpResolverType
        alone = settings.delegate == delegates.NONE
        chosen = resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES if alone else resolver.AUTO
        loaded = self._load_external()
        try:
            interpreter = self._module.Interpreter(
                model_content=self._data,
                num_threads=settings.threads,
                experimental_op_resolver_type=chosen,
                experimental_delegates=loaded,
            )
            before = _operators(interpreter)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ConfigurationError(self._refusal(one_line(error))) from error
        self._delegate = self._who_took_it(before, _operators(interpreter))
        self._interpreter = interpreter
        self._set, self._invoke, self._get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def _drop(self) -> None:
        """Let the interpreter go before its successor comes: an accelerator may be opened by one at a time."""
        del self._interpreter, self._set, self._invoke, self._get

    def _load_external(self) -> list[Any]:
        settings = self._settings
        if not delegates.is_external(settings.delegate):
            return []
        try:
            return [self._module.load_delegate(settings.delegate, dict(settings.delegate_options))]
        except (ValueError, RuntimeError) as error:
            # The runtime puts a line of its own before the delegate's.
            said = " ".join(str(error).splitlines()[1:]).strip() or "it gives no reason"
            raise ConfigurationError(
                f"[model] delegate = {settings.delegate!r}: it refuses to start: {said}; connect its device, and see "
                "which delegate_options it knows"
            ) from error

    def _who_took_it(
        self, before: Sequence[Mapping[str, Any]] | None, after: Sequence[Mapping[str, Any]] | None
    ) -> str:
        asked = self._settings.delegate
        if before is None or after is None:
            return "unknown"
        external, xnnpack, total = delegates.operators_taken(before, after)
        where = f"{self._model}: [model] delegate = {asked!r} took none of its {total} operators"
        if delegates.is_external(asked) and not external:
            raise ConfigurationError(
                f"{where}; name a model that was compiled for it, or delegate = 'auto', so that no figure bears its "
                "name wrongly"
            )
        if asked == delegates.XNNPACK and not xnnpack:
            remedy = OLD_VERSION if self._engine.name == "tflite-runtime" else "use delegate = 'auto'"
            raise ConfigurationError(f"{where}; {remedy}")
        return delegates.describe(external, xnnpack, total, asked)

    def _refusal(self, reason: str) -> str:
        whom = f"{self._engine.name} {self._engine.version}"
        if delegates.is_external(self._settings.delegate):
            return (
                f"{self._model}: {whom} with delegate {self._settings.delegate!r} cannot load it: {reason}; try "
                "delegate = 'none': if that loads it, the delegate does not fit this model or this version"
            )
        return f"{self._model}: {whom} cannot load it: {reason}; name a .tflite model whose operators this engine has"


def quantisation_of(details: Mapping[str, Any]) -> Quantisation | None:
    """Return scale and zero point of a tensor that has one of each, from the interpreter's details of it."""
    parameters = details["quantization_parameters"]
    scales, zero_points = parameters["scales"], parameters["zero_points"]
    if len(scales) != 1 or len(zero_points) != 1:
        return None
    return Quantisation(scale=float(scales[0]), zero_point=int(zero_points[0]))


def _operators(interpreter: Any) -> Sequence[Mapping[str, Any]] | None:
    """Return the operator list, None from an interpreter that has none to show: it is not a public function."""
    list_operators = getattr(interpreter, "_get_ops_details", None)
    return None if list_operators is None else list_operators()


def _only_input(interpreter: Any, model: Path) -> Mapping[str, Any]:
    inputs: list[Mapping[str, Any]] = interpreter.get_input_details()
    if len(inputs) != 1:
        raise ConfigurationError(f"{model}: it has {len(inputs)} inputs; the agent runs models with exactly one")
    return inputs[0]
