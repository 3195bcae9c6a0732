"""Each input of a folder once, back to back; what comes out is kept beside. See ``Workload``."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.inputs.directory import ArrayFile, DirectoryInputs, checked_files
from edge_agent.latency import LatencyHistogram
from edge_agent.window_series import Burst
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.stream import host_time_s

SLOT_S: Final = 0.1


@dataclass(slots=True)
class BatchDone:
    """What was done so far. Times are host seconds."""

    count: int = 0
    t_begin_s: float | None = None
    t_end_s: float = 0.0
    latencies: LatencyHistogram = field(default_factory=LatencyHistogram)


class BatchWorkload:
    """Runs ``folder`` through ``runner``; outputs go to ``out``, one .npy for each file of inputs, of its name."""

    def __init__(self, folder: Path, runner: InferenceRunner, out: Path) -> None:
        """Look at all inputs. Raises ConfigurationError where one does not fit, or ``out`` cannot be written."""
        self._runner, self._out = runner, out
        self._files: Iterator[ArrayFile] = iter(checked_files(folder, runner))
        self._inputs: Iterator[Tensor] = iter(())
        self._outputs: list[Tensor] = []
        self._file: ArrayFile | None = None
        self.done = BatchDone()
        self.ended = False
        runner.reset()
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{out}: cannot keep outputs there: {error.strerror}; check free space"
            ) from error

    def step(self, until_s: float) -> Burst | None:
        """See Workload.step."""
        stop_s = min(until_s, host_time_s() + SLOT_S)
        tensor = self._next()
        if tensor is None:
            self.ended = True
            return None
        cpu_begin_s, t_begin_s, ends_s = time.thread_time(), host_time_s(), list[float]()
        while tensor is not None:
            self._outputs.append(self._runner.infer(tensor))
            ends_s.append(host_time_s())
            tensor = None if ends_s[-1] >= stop_s else next(self._inputs, None)
        self._note(t_begin_s, ends_s)
        return Burst(t_begin_s, ends_s, time.thread_time() - cpu_begin_s)

    def close(self) -> None:
        """See Workload.close. Outputs of a file that was not finished are not kept."""
        self._runner.reset()

    def _next(self) -> Tensor | None:
        """Return the next input, None after the last one."""
        while (tensor := next(self._inputs, None)) is None:
            self._keep_outputs()
            self._file = next(self._files, None)
            if self._file is None:
                return None
            self._inputs = iter(DirectoryInputs([self._file], self._runner))
        return tensor

    def _note(self, t_begin_s: float, ends_s: list[float]) -> None:
        done = self.done
        done.count += len(ends_s)
        done.t_begin_s = t_begin_s if done.t_begin_s is None else done.t_begin_s
        done.t_end_s = ends_s[-1]
        done.latencies.add(np.diff(np.array([t_begin_s, *ends_s])))

    def _keep_outputs(self) -> None:
        if self._file is None:
            return
        path = self._out / f"{self._file.path.name}.out.npy"
        outputs, self._outputs = self._outputs, []
        try:
            np.save(path, np.stack(outputs))
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot keep outputs: {error.strerror}; free space") from error
