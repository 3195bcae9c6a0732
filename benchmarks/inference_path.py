"""What the agent adds to an inference: its loop over a runner against a bare loop on the interpreter itself.

The bare loop is the least that anybody does who wants an answer: set the input, invoke, get the output, nothing noted.
The agent's loop, with the clock that the agent gives it, notes when each inference ended, which the latencies of a
window come from, and looks whether the burst is over. Both run the same inputs in interpreters of the same runtime,
threads and delegate.

The shipped model is tiny, so what is added shows most there. The one that the promise is about is MLPerf Tiny's
keyword spotting model, which is not shipped: EDGEJOULE_REFERENCE_DATA=FOLDER adds FOLDER/mlperf_tiny_models/*.tflite.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from benchmarks.harness import Comparison, benchmark
from edge_agent.checking import random_inputs
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import Tensor
from edge_agent.inference_loop import InferenceLoop
from edge_agent.model_catalog import find_model
from edge_agent.workload import Run
from firmware_bridge.stream import host_time_s

INPUTS = 200
LIMIT_RATIO = 1.05
NEVER_S = float("inf")


def bare_loop(model: Path, inputs: list[Tensor]) -> Callable[[], Any]:
    """Return a function that runs every input once and gives the last output."""
    interpreter = Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    sink = interpreter.get_output_details()[0]["index"]
    set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def run() -> Any:
        for tensor in inputs:
            set_tensor(source, tensor)
            invoke()
            output = get_tensor(sink)
        return output

    return run


def against_bare(model: Path, name: str, limit_ratio: float | None) -> Comparison:
    """Compare both paths on one model, which have to give the same answer first."""
    runner = load_runner(model, engine="litert")
    inputs = list(random_inputs(runner, INPUTS))
    bare = bare_loop(model, inputs)
    np.testing.assert_array_equal([runner.infer(one) for one in inputs][-1], bare())
    loop = InferenceLoop(runner, inputs, host_time_s)
    return Comparison(
        name=f"{name}: one inference in the agent's loop",
        ours=partial(loop.run, Run(NEVER_S, INPUTS)),
        other=bare,
        other_name="set, invoke, get on the bare interpreter",
        kind="floor",
        operations=INPUTS,
        limit_ratio=limit_ratio,
    )


@benchmark
def shipped_model() -> Iterator[Comparison]:
    model = find_model("digits_mlp_int8")
    yield against_bare(model.path, model.model_id, None)


@benchmark
def reference_models() -> Iterator[Comparison]:
    folder = os.environ.get("EDGEJOULE_REFERENCE_DATA")
    for path in sorted(Path(folder, "mlperf_tiny_models").glob("*.tflite")) if folder else []:
        yield against_bare(path, path.stem, LIMIT_RATIO)
