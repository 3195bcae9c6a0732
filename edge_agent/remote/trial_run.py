"""The self-test's own process: loads a model and runs it, within limits of memory and time. Prints one JSON line.

A file that brings an engine down, or eats memory, brings down this process and not the agent.
"""

import contextlib
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import structlog

from edge_agent.checking import Scoring, is_much_worse, tensors_of
from edge_agent.config import ModelSection
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.inputs.directory import checked_files
from edge_agent.loaded_model import load_with_inputs
from edge_agent.model_catalog import CatalogModel
from edge_agent.wire.errors import ConfigurationError

ENOUGH_S: Final = 20.0
"""Of inference; a model that is slower than that is tried once."""


class TrialOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to try. ``input_folder``: the usual inputs, which must fit the model; "" for its own check set.

    ``max_latency_s``: what the 95th percentile may be. ``limit_s``: the process ends itself then, in case the agent
    that would end it is no more.
    """

    section: ModelSection
    model: CatalogModel
    input_folder: str
    max_latency_s: float
    data_bytes: int
    cpu_s: int
    limit_s: float

    def encoded(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.encode(self, enc_hook=str)


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """``failure``: why the model cannot be run, "" for no reason."""

    failure: str = ""
    inputs: int = 0
    latency_p95_s: float | None = None
    load_s: float | None = None
    accuracy_ratio: float | None = None


def main() -> None:
    """Read a ``TrialOrder`` from standard input, print a ``TrialResult``."""
    structlog.configure(logger_factory=lambda *_arguments: structlog.PrintLogger(sys.stderr))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=TrialOrder, dec_hook=lambda kind, value: kind(value))
    _limit(order)
    sys.stdout.buffer.write(msgspec.json.encode(_tried(order)) + b"\n")


def _limit(order: TrialOrder) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_s, order.cpu_s))
    resource.setrlimit(resource.RLIMIT_DATA, (order.data_bytes, order.data_bytes))
    with contextlib.suppress(OSError):  # where memory runs out in spite of that, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    signal.setitimer(signal.ITIMER_REAL, order.limit_s)  # the kernel ends it, wherever the engine hangs
    os.nice(5)


def _tried(order: TrialOrder) -> TrialResult:
    try:
        runner, check_set = load_with_inputs(order.section, order.model)
        if order.input_folder:
            _ = checked_files(Path(order.input_folder), runner)
        scoring = Scoring(runner, check_set)
        latencies_s = _run(runner, tensors_of(check_set, runner), scoring)
    except (ConfigurationError, InferenceError) as error:
        return TrialResult(failure=str(error))
    except MemoryError:
        return TrialResult(failure=f"it needs more memory than {order.data_bytes} bytes, which is what it may have")
    p95_s = float(np.quantile(latencies_s, 0.95))
    quality = scoring.quality()
    return TrialResult(
        failure=_fault(order, p95_s, quality.accuracy_ratio, is_much_worse(quality, order.model.facts.accuracy_ratio)),
        inputs=len(latencies_s),
        latency_p95_s=p95_s,
        load_s=runner.load_s,
        accuracy_ratio=quality.accuracy_ratio,
    )


def _run(runner: InferenceRunner, tensors: list[Tensor], scoring: Scoring) -> list[float]:
    """Run the inputs while there is time, each once. Raises InferenceError, also for what comes out as no number."""
    latencies_s: list[float] = []
    began_s = time.monotonic()
    for tensor in tensors:
        before_s = time.perf_counter()
        output = runner.infer(tensor)
        latencies_s.append(time.perf_counter() - before_s)
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise InferenceError(f"what comes out for input {len(latencies_s)} is no finite number")
        scoring.take(tensor, output)
        if time.monotonic() - began_s > ENOUGH_S:
            break
    return latencies_s


def _fault(order: TrialOrder, p95_s: float, accuracy_ratio: float | None, much_worse: bool) -> str:  # noqa: FBT001  a fact
    if not p95_s <= order.max_latency_s:
        return f"an inference takes {p95_s:.3g} s, more than {order.max_latency_s:g} s, which a window has room for"
    if much_worse:
        return (
            f"it gets {accuracy_ratio:.1%} of its check set right, where the catalogue says "
            f"{order.model.facts.accuracy_ratio:.1%}"
        )
    return ""


if __name__ == "__main__":
    main()
