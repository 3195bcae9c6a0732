"""A loaded model that takes several inputs at a time, on the processor or on a card."""

import contextlib
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal, Protocol

import numpy as np

from edge_agent.check_set import CheckSet
from edge_agent.checking import Quality, quality_of, random_inputs, tensors_of
from edge_agent.file_content import FileContent
from edge_agent.inference import onnx_runtime
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, RunSettings, Tensor, one_line
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity
from edgejoule.cloud_bench.host import available_bytes

Engine = Literal["onnxruntime", "litert"]
CUDA: Final = "CUDAExecutionProvider"
DISTINCT_BATCHES: Final = 4
"""Inputs change from one batch to the next, since some energy depends on them."""
FREE_RATIO: Final = 0.5
"""So much of the free memory may hold one size's inputs: the engine needs some too."""


class BatchRunner(Protocol):
    """Runs ``batch``, shape (batch size, ...), and returns as many answers in host memory."""

    def __call__(self, batch: Tensor) -> Tensor:
        """Run it. Raises InferenceError when the engine fails."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to run. ``properties``: what the file says of itself. ``runners``: by batch size."""

    single: InferenceRunner
    runners: Mapping[int, BatchRunner]
    properties: Mapping[str, str]

    @property
    def identity(self) -> RuntimeIdentity:
        """Return which engine runs it."""
        return self.single.identity


def load(model: FileContent, engine: Engine, threads: int, sizes: tuple[int, ...], *, on_card: bool) -> Loaded:
    """Load ``model`` for each batch size. Raises ConfigurationError for what cannot be run so."""
    if engine == "litert":
        if on_card:
            raise ConfigurationError("--engine litert runs on the processor: leave it out to measure a card")
        return _litert(model, threads, sizes)
    settings = RunSettings(threads, CUDA if on_card else onnx_runtime.CPU)
    if on_card:
        _start_cuda(model, settings)
    single = load_runner(model, threads=threads, engine="onnxruntime", delegate=settings.delegate)
    module: Any = import_module(onnx_runtime.MODULE)
    providers = onnx_runtime.providers_for(settings, module.get_available_providers())
    session = onnx_runtime.open_session(module, model.data, settings, providers)
    source, sink = session.get_inputs()[0], session.get_outputs()[0]
    fixed = source.shape[0]
    if isinstance(fixed, int) and set(sizes) != {fixed}:
        raise ConfigurationError(
            f"{model.path}: its batch is fixed at {fixed}; measure --batches {fixed}, or write it anew with a free "
            "one: edgejoule models export ID --onnx FILE"
        )
    runner = _Onnx(session, source.name, sink.name, str(model.path))
    several = min((size for size in sizes if size > 1), default=1)
    if runner(np.zeros((several, *single.input_shape[1:]), single.input_dtype)).shape[:1] != (several,):
        raise ConfigurationError(
            f"{model.path}: {several} inputs do not make as many answers, so that its first size is no batch; name "
            "another model, or measure --batches 1"
        )
    return Loaded(single, dict.fromkeys(sizes, runner), dict(session.get_modelmeta().custom_metadata_map))


def inputs_for(check_set: CheckSet | None, runner: InferenceRunner, size: int) -> list[Tensor]:
    """Return batches of ``size`` inputs, from the check set or else random, each in the type that the model takes.

    Raises ConfigurationError for batches that do not fit into the memory that is free.
    """
    x = random_inputs(runner) if check_set is None else check_set.x
    shape = runner.input_shape[1:]
    needed_bytes = DISTINCT_BATCHES * size * math.prod(shape) * max(x.itemsize, runner.input_dtype.itemsize)
    free_bytes = available_bytes()
    if free_bytes is not None and needed_bytes > FREE_RATIO * free_bytes:
        raise ConfigurationError(
            f"--batches: inputs of {DISTINCT_BATCHES} batches of {size} take {needed_bytes / 1e9:.1f} GB, and "
            f"{free_bytes / 1e9:.1f} GB of memory are free; measure smaller batches"
        )
    found = []
    for number in range(DISTINCT_BATCHES):
        places = np.arange(number * size, (number + 1) * size) % len(x)
        found.append(np.ascontiguousarray(x[places]).reshape(size, *shape).astype(runner.input_dtype, copy=False))
    return found


def score(runner: InferenceRunner, check_set: CheckSet | None) -> Quality:
    """Return the score on the check set; nothing where integers stand for numbers on a scale that nobody says."""
    if check_set is None:
        return Quality()
    unscaled = runner.input_dtype.kind != "f" and runner.input_quantisation is None
    if check_set.anomalous is not None and unscaled:
        return Quality()
    return quality_of(runner, tensors_of(check_set, runner), check_set)


def _start_cuda(model: FileContent, settings: RunSettings) -> None:
    """Load the CUDA libraries that came by pip. Raises ConfigurationError where ONNX Runtime cannot use a card."""
    try:
        module: Any = import_module(onnx_runtime.MODULE)
    except ImportError:
        return  # load_runner says it, with the remedy
    if CUDA not in module.get_available_providers():
        raise ConfigurationError(
            f"--gpu: this onnxruntime {module.__version__} has no CUDA: pip uninstall onnxruntime, then "
            "pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    preload = getattr(module, "preload_dlls", None)  # since 1.21
    if preload is not None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find; the session then says so
            preload()
    try:
        session = onnx_runtime.open_session(module, model.data, settings, [CUDA, onnx_runtime.CPU])
    except onnx_runtime.own_errors():
        return  # load_runner says of the model what is wrong
    if CUDA not in session.get_providers():
        raise ConfigurationError(
            f"--gpu: onnxruntime-gpu {module.__version__} cannot start CUDA here; its own lines say which library is "
            "missing: pip install 'onnxruntime-gpu[cuda,cudnn]', and a driver for that CUDA (nvidia-smi shows which)"
        )


class _Onnx:
    """A session; arrays go to a card and back with each batch, as a request's would."""

    def __init__(self, session: Any, source: str, sink: str, model: str) -> None:
        self._run, self._source, self._sinks, self._model = session.run, source, [sink], model
        self._errors = onnx_runtime.own_errors()

    def __call__(self, batch: Tensor) -> Tensor:
        try:
            answers: Tensor = self._run(self._sinks, {self._source: batch})[0]
        except self._errors as error:
            raise InferenceError(
                f"{self._model}: ONNX Runtime fails on a batch of {len(batch)}: {one_line(error)}; measure smaller "
                "batches"
            ) from error
        return answers


class _LiteRt:
    """An interpreter whose input was resized to one batch size."""

    def __init__(self, model: FileContent, threads: int, size: int) -> None:
        module: Any = import_module("ai_edge_litert.interpreter")
        self._model = str(model.path)
        interpreter = module.Interpreter(model_content=model.data, num_threads=threads)
        source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        try:
            interpreter.resize_tensor_input(source["index"], [size, *source["shape"][1:]])
            interpreter.allocate_tensors()
            interpreter.invoke()
            found = interpreter.get_tensor(sink["index"]).shape
        except (ValueError, RuntimeError) as error:
            raise ConfigurationError(self._refusal(size, one_line(error))) from error
        if found[0] != size:
            raise ConfigurationError(self._refusal(size, f"it answers with the shape {tuple(found)}"))
        self._set, self._invoke, self._get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
        self._source, self._sink = int(source["index"]), int(sink["index"])

    def __call__(self, batch: Tensor) -> Tensor:
        self._set(self._source, batch)
        try:
            self._invoke()
        except RuntimeError as error:
            raise InferenceError(
                f"{self._model}: LiteRT fails on a batch of {len(batch)}: {one_line(error)}; measure smaller batches"
            ) from error
        answers: Tensor = self._get(self._sink)
        return answers

    def _refusal(self, size: int, reason: str) -> str:
        return f"{self._model}: LiteRT does not run {size} inputs at a time: {reason}; use --engine onnxruntime"


def _litert(model: FileContent, threads: int, sizes: tuple[int, ...]) -> Loaded:
    single = load_runner(model, threads=threads, engine="litert")
    if single.stateful:
        raise ConfigurationError(f"{model.path}: it keeps a state between inputs, so that none can share a batch")
    return Loaded(single, {size: _LiteRt(model, threads, size) for size in sizes}, {})
