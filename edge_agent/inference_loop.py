"""The hot loop: inferences back to back, each one's end time taken once."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.inference.errors import InferenceError
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.model_catalog import CatalogModel, CheckSet, load_check_set
from edge_agent.window_series import Burst
from edge_agent.wire.errors import ConfigurationError
from edge_agent.workload import Run

RANDOM_INPUTS = 64


class InferenceLoop:
    """Runs a model over its inputs in turn, for ever."""

    def __init__(self, runner: InferenceRunner, inputs: Iterable[Tensor], clock: Callable[[], float]) -> None:
        """Take at least one input, in the model's shape and type, and a clock that gives host seconds.

        A list is held; of anything else every pass is a new iteration over it.
        """
        self._infer = runner.infer
        self._inputs: Iterator[Tensor] = cycle(inputs) if isinstance(inputs, list) else endless(inputs)
        self._clock = clock
        self._failure: InferenceError | None = None

    def run(self, order: Run) -> Burst:
        """Run until ``order.until_s`` has passed or ``order.max_count`` are done; at least one inference.

        Raises InferenceError; what ran before that one is returned first, and the next call raises.
        """
        if self._failure is not None:
            raise self._failure
        infer, clock = self._infer, self._clock
        until_s = order.until_s
        ends_s: list[float] = []
        note = ends_s.append
        cpu_begin_s = time.thread_time()
        t_begin_s = clock()
        try:
            for tensor in islice(self._inputs, order.max_count):
                infer(tensor)
                now_s = clock()
                note(now_s)
                if now_s >= until_s:
                    break
        except InferenceError as error:
            if not ends_s:
                raise
            self._failure = error
        return Burst(t_begin_s, ends_s, time.thread_time() - cpu_begin_s)


def endless(inputs: Iterable[Tensor]) -> Iterator[Tensor]:
    """Return the inputs again and again without holding them."""
    while True:
        yield from inputs


def check_set_for(model: CatalogModel, runner: InferenceRunner) -> CheckSet:
    """Return the model's check set, or seeded random inputs without labels if it has none.

    Raises ConfigurationError when its inputs do not fit the model.
    """
    if model.check_set is None:
        return CheckSet(x=_random_inputs(runner.input_shape, runner.input_dtype), y=None)
    found = load_check_set(model.check_set)
    per_input = int(np.prod(runner.input_shape))
    if (
        found.x.dtype != runner.input_dtype
        or not found.x.ndim
        or not found.x.size
        or math.prod(found.x.shape[1:]) != per_input
    ):
        raise ConfigurationError(
            f"{model.check_set}: x is {found.x.dtype} {found.x.shape}, but {model.model_id} takes "
            f"{runner.input_dtype} {runner.input_shape}; make the check set for this very model"
        )
    return found


def tensors_of(check_set: CheckSet, runner: InferenceRunner) -> list[Tensor]:
    """Return each input in the model's shape, contiguous and separate."""
    return [np.ascontiguousarray(entry).reshape(runner.input_shape) for entry in check_set.x]


def accuracy_ratio(runner: InferenceRunner, tensors: list[Tensor], labels: NDArray[Any] | None) -> float | None:
    """Run every input once and return the share that the model classifies as labelled, None without labels."""
    outputs = [runner.infer(tensor) for tensor in tensors]
    if labels is None or len(labels) != len(tensors):
        return None
    return float(
        np.mean([int(np.argmax(output)) == int(label) for output, label in zip(outputs, labels, strict=True)])
    )


def _random_inputs(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    generator = np.random.default_rng(0)
    size = (RANDOM_INPUTS, *shape)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, size=size, dtype=dtype, endpoint=True)
    return generator.standard_normal(size).astype(dtype)
