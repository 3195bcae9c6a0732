"""ONNX Runtime (package onnxruntime, extra ``[onnx]``): runs .onnx models.

``[model] delegate`` names an execution provider: "auto" and "none" are the CPU's own, another is given by its name in
ONNX Runtime, with or without "ExecutionProvider" ("xnnpack", "CUDAExecutionProvider"); ``delegate_options`` are its
options. The identity's delegate says which providers really got the nodes of the optimised graph
("CPUExecutionProvider", "XnnpackExecutionProvider 9/12 nodes + CPUExecutionProvider 3/12 nodes"), read from the
profile of a session that is thrown away.

Threads do not spin: by default idle ones burn a core while they wait for the next inference, which buys microseconds
with joules.

A free first dimension (the batch) is run as 1. ONNX models carry no hidden state: a streaming one has its state as
further inputs, and the agent runs models with one input.
"""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge_agent.file_content import FileContent
from edge_agent.inference.delegates import AUTO, NONE, refuse_options
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.onnx_file import weights_elsewhere
from edge_agent.inference.runner import (
    EngineInfo,
    InferenceRunner,
    Quantisation,
    RunSettings,
    Tensor,
    failure_text,
    first_invoke,
    one_line,
    size_bytes,
)
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity

NAME = "onnxruntime"
DISTRIBUTION = "onnxruntime"
MODULE = "onnxruntime"
SUFFIX = ".onnx"
EXTRA = "onnx"
CPU: Final = "CPUExecutionProvider"
TYPES: Final[Mapping[str, str]] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(uint16)": "uint16",
    "tensor(int32)": "int32",
    "tensor(uint32)": "uint32",
    "tensor(int64)": "int64",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
_PROVIDER: Final = "executionprovider"
_QUIET: Final = 4
"""Log severity: fatal only; the rest would go to stderr past every log, and errors come as exceptions too."""


def load(model: FileContent, settings: RunSettings) -> InferenceRunner:
    """Load ``model``. Raises ImportError without the package, ConfigurationError if it refuses model or provider.

    The module says its version itself: with a GPU it comes in another distribution, onnxruntime-gpu.
    """
    module = import_module(MODULE)
    return OnnxRunner(module, str(module.__version__), model, settings)


class OnnxRunner:
    """An InferenceRunner over an ONNX Runtime session.

    Input and output stay bound to arrays of its own, and ``infer`` copies in and out. On x86-64 with onnxruntime 1.32
    this takes 0.69 of the time of ``session.run`` with a prepared feed for one layer of 64 x 10 (3.2 against 4.6 us),
    0.83 for three layers of 50,000 weights, 0.98 for 1.2 million. A model whose output has a free size beside the
    batch cannot be bound and goes through ``session.run``.
    """

    def __init__(self, module: Any, version: str, content: FileContent, settings: RunSettings) -> None:
        """Load the model and run it once on zeros.

        Raises ConfigurationError if the engine refuses the model, or the provider is not there or takes no node.
        """
        model, data = content.path, content.data
        _refuse_weights_elsewhere(content, version)
        self._model, self._engine, self._errors = model, EngineInfo(NAME, version), own_errors()
        refusals: tuple[type[Exception], ...] = (*self._errors, InferenceError)
        providers = providers_for(settings, module.get_available_providers())
        try:
            started_s = time.perf_counter()
            session = open_session(module, data, settings, providers)
            self.load_s = time.perf_counter() - started_s
            source, sink = _only_input(session, model), session.get_outputs()[0]
            self.input_shape = shape_of(source.shape, f"{model}: its input {source.name!r}")
            self.input_dtype = _dtype_of(source, model)
            _ = _dtype_of(sink, model)
            self.input_bytes = size_bytes(self.input_shape, self.input_dtype)
            self.input_quantisation: Quantisation | None = None
            self.output_quantisation: Quantisation | None = None
            self.stateful = False
            self._run, self._run_bound = session.run, session.run_with_iobinding
            self._feed_name, self._names = source.name, [sink.name]
            self._feed: dict[str, Tensor] = {}
            self._binding: Any = None
            self.first_invoke_s, self.output_shape = first_invoke(self)
            zeros = np.zeros(self.input_shape, self.input_dtype)
            took = nodes_taken(_profile(module, content, settings, providers, {source.name: zeros}))
            if _has_fixed_size(sink.shape):
                self._bind(session, self.infer(zeros))
        except refusals as error:
            reason = one_line(error.__cause__ or error)
            raise ConfigurationError(
                f"{model}: {NAME} {version} cannot load it: {reason}; name an .onnx model whose operators "
                "this engine has"
            ) from error
        self.identity = RuntimeIdentity(
            runtime=NAME, version=version, delegate=describe(took, providers[0], str(model)), threads=settings.threads
        )

    def infer(self, tensor: Tensor) -> Tensor:
        """See InferenceRunner.infer. ``session.run`` would take any batch, and binding does not look at types."""
        if tensor.shape != self.input_shape or tensor.dtype != self.input_dtype:
            raise ValueError(
                f"the model takes {self.input_dtype} {self.input_shape}, not {tensor.dtype} {tensor.shape}"
            )
        try:
            if self._binding is None:
                self._feed[self._feed_name] = tensor
                output: Tensor = self._run(self._names, self._feed)[0]
                return output
            self._source[...] = tensor
            self._run_bound(self._binding)
        except self._errors as error:
            raise InferenceError(failure_text(self._model, self._engine, error)) from error
        return self._sink.copy()

    def reset(self) -> None:
        """See InferenceRunner.reset: there is no state."""

    def _bind(self, session: Any, output: Tensor) -> None:
        self._source = np.zeros(self.input_shape, self.input_dtype)
        self._sink = np.zeros_like(output)
        binding = session.io_binding()
        source, sink = self._source, self._sink
        binding.bind_input(self._feed_name, "cpu", 0, source.dtype, source.shape, source.ctypes.data)
        binding.bind_output(self._names[0], "cpu", 0, sink.dtype, sink.shape, sink.ctypes.data)
        self._binding = binding


def providers_for(settings: RunSettings, available: Sequence[str]) -> list[str]:
    """Return the execution providers to ask for, the wanted one first. Raises ConfigurationError."""
    wanted = settings.delegate
    if wanted in {AUTO, NONE, CPU}:
        refuse_options(wanted, settings.delegate_options)
        return [CPU]
    found = [name for name in available if wanted.lower() in {name.lower(), name.lower().removesuffix(_PROVIDER)}]
    if not found:
        raise ConfigurationError(
            f"[model] delegate = {wanted!r}: this onnxruntime has no such execution provider; use auto or one of: "
            f"{', '.join(available)}; others come with other packages, such as onnxruntime-gpu"
        )
    return [found[0]] if found[0] == CPU else [found[0], CPU]


def shape_of(declared: Sequence[int | str | None], what: str) -> tuple[int, ...]:
    """Return a shape with a free first size, the batch, as 1. Raises ConfigurationError for another free size."""
    if not _has_fixed_size(declared):
        shown = ", ".join(map(str, declared))
        raise ConfigurationError(
            f"{what} has the shape ({shown}): only the first size may be free; fix the others with: "
            "python -m onnxruntime.tools.make_dynamic_shape_fixed"
        )
    return tuple(size if isinstance(size, int) else 1 for size in declared)


def nodes_taken(events: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how many nodes each execution provider ran, from the profile of one run."""
    return Counter(
        str(event["args"]["provider"])
        for event in events
        if event.get("cat") == "Node" and str(event["name"]).endswith("_kernel_time")
    )


def describe(took: Counter[str], wanted: str, model: str) -> str:
    """Return who got the nodes, as the identity says it. Raises ConfigurationError if ``wanted`` got none."""
    total = took.total()
    if wanted != CPU and not took[wanted]:
        raise ConfigurationError(
            f"{model}: [model] delegate: {wanted} took none of its {total} nodes; use delegate = 'auto', so that no "
            "figure bears its name wrongly"
        )
    if set(took) <= {wanted}:
        return wanted
    return " + ".join(f"{name} {took[name]}/{total} nodes" for name in sorted(took, key=lambda name: name != wanted))


def _refuse_weights_elsewhere(content: FileContent, version: str) -> None:
    """Raise ConfigurationError for weights in files beside it: nobody has compared them with a hash."""
    try:
        name = weights_elsewhere(content.data)
    except ValueError as error:
        raise ConfigurationError(
            f"{content.path}: {NAME} {version} cannot load it: {error}; name an .onnx model that is whole"
        ) from error
    if name is not None:
        raise ConfigurationError(
            f"{content.path}: the values of {name!r} lie in another file, which the model's hash does not cover; save "
            "it as one file: onnx.save(onnx.load('IN.onnx'), 'OUT.onnx')"
        )


def open_session(module: Any, data: bytes, settings: RunSettings, providers: Sequence[str], profile: str = "") -> Any:
    """Return a session with this module's own settings; ``profile``: where a profile of it begins, "" for none."""
    options = module.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = _QUIET
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    of_each = [{key: str(value) for key, value in settings.delegate_options.items()}, {}]
    return module.InferenceSession(
        data,
        options,
        providers=list(providers),
        provider_options=of_each[: len(providers)],
        enable_fallback=0,  # it would print to standard output, and try again without the provider that was asked for
    )


def _profile(
    module: Any, content: FileContent, settings: RunSettings, providers: Sequence[str], feed: Mapping[str, Tensor]
) -> list[Mapping[str, Any]]:
    """Run the model once in a session of its own and return the events of its profile."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgejoule-onnx-") as folder:
            session = open_session(module, content.data, settings, providers, str(Path(folder) / "profile"))
            session.run(None, dict(feed))
            events: list[Mapping[str, Any]] = json.loads(Path(session.end_profiling()).read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{content.path}: which provider takes its nodes is read from a temporary file, and that cannot be: "
            f"{error.strerror or error}; free some space, or name a directory by TMPDIR"
        ) from error
    return events


def own_errors() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises: each of its exceptions derives from Exception itself."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [entry for entry in vars(state).values() if isinstance(entry, type) and issubclass(entry, Exception)]
    return (*own, RuntimeError, ValueError)


def _only_input(session: Any, model: Path) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ConfigurationError(f"{model}: it has {len(inputs)} inputs; the agent runs models with exactly one")
    return inputs[0]


def _dtype_of(tensor: Any, model: Path) -> np.dtype[Any]:
    if tensor.type not in TYPES:
        raise ConfigurationError(
            f"{model}: its {tensor.name!r} is a {tensor.type}; the agent runs models that turn numbers into numbers"
        )
    return np.dtype(TYPES[tensor.type])


def _has_fixed_size(declared: Sequence[int | str | None]) -> bool:
    return all(isinstance(size, int) for size in declared[1:])
