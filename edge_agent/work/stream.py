"""Inputs that arrive: each tensor is run as soon as it is there. Whoever sends sets the pace.

No queue grows: nothing is read while a whole tensor waits, so a model that is too slow holds the sender up.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

from edge_agent.inference.errors import InferenceError
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.inputs.tensor_stream import CHUNK_BYTES, ByteSource, TensorCutter
from edge_agent.window_series import Burst

MAX_WAIT_S: Final = 0.1

_LOG = structlog.get_logger()


class StreamWorkload:
    """See ``Workload``. ``tensor_count``: run so far. ``partial_count``: senders that ended inside a tensor."""

    def __init__(self, source: ByteSource, runner: InferenceRunner, clock: Callable[[], float]) -> None:
        self._source, self._infer, self._clock = source, runner.infer, clock
        self._cutter = TensorCutter(runner.input_shape, runner.input_dtype)
        self.tensor_count = self.partial_count = 0
        self._failure: InferenceError | None = None

    @property
    def ended(self) -> bool:
        """See Workload.ended."""
        return self._source.ended

    def step(self, until_s: float) -> Burst | None:
        """See Workload.step."""
        if self._failure is not None:
            raise self._failure
        if self._cutter.pending_bytes < self._cutter.input_bytes:
            self._read(min(until_s - self._clock(), MAX_WAIT_S))
        tensor = self._cutter.take()
        return None if tensor is None else self._run(tensor, until_s)

    def close(self) -> None:
        """See Workload.close."""
        self._source.close()
        _LOG.info("inputs_ended", source=self._source.name, tensors=self.tensor_count, partial=self.partial_count)

    def _run(self, first: Tensor, until_s: float) -> Burst:
        """Run what has arrived back to back until ``until_s`` has passed; at least one.

        Raises InferenceError; what ran before that one is returned first, and the next step raises.
        """
        infer, clock, take = self._infer, self._clock, self._cutter.take
        ends_s: list[float] = []
        tensor: Tensor | None = first
        cpu_begin_s = time.thread_time()
        t_begin_s = clock()
        try:
            while tensor is not None:
                infer(tensor)
                now_s = clock()
                ends_s.append(now_s)
                tensor = take() if now_s < until_s else None
        except InferenceError as error:
            if not ends_s:
                raise
            self._failure = error
        self.tensor_count += len(ends_s)
        return Burst(t_begin_s, ends_s, time.thread_time() - cpu_begin_s)

    def _read(self, timeout_s: float) -> None:
        missing_bytes = self._cutter.input_bytes - self._cutter.pending_bytes
        data = self._source.read(max(CHUNK_BYTES, missing_bytes), timeout_s)
        if data:
            self._cutter.feed(data)
        elif data is not None:
            self._note_end()

    def _note_end(self) -> None:
        dropped_bytes = self._cutter.drop()
        if dropped_bytes:
            self.partial_count += 1
            _LOG.warning(
                "input_partial",
                source=self._source.name,
                bytes=dropped_bytes,
                remedy=f"send {self._cutter.input_bytes} bytes for each input",
            )
