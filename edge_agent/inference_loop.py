"""The hot loop: inferences back to back, each one's end time taken once."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice

from edge_agent.inference.errors import InferenceError
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.window_series import Burst
from edge_agent.workload import Run


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
