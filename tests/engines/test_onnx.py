"""What only concerns ONNX Runtime; without that package there is nothing here to collect."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference import onnx_runtime
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import RunSettings
from edge_agent.wire.errors import ConfigurationError

X = np.array([[1.0, 2.0, 3.0]], np.float32)
Y = np.maximum(X @ np.arange(6, dtype=np.float32).reshape(3, 2) - 2.0, 0.0)

if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
    from tests.fakes import onnx_models

    @pytest.mark.parametrize("shape", [("batch", 3), (1, 3)], ids=["free batch", "fixed"])
    def test_a_free_batch_is_one(tmp_path: Path, shape: tuple[int | str, ...]) -> None:
        runner = load_runner(onnx_models.perceptron(tmp_path / "p.onnx", shape))
        assert (runner.input_shape, runner.output_shape, runner.input_bytes) == ((1, 3), (1, 2), 12)
        assert np.array_equal(runner.infer(X), Y)

    def test_an_output_of_changing_size_is_served_too(tmp_path: Path) -> None:
        runner = load_runner(onnx_models.positive_values(tmp_path / "p.onnx"))
        for count in (3, 0, 4, 1):
            x = (np.arange(4) < count).astype(np.float32).reshape(1, 4)
            assert runner.infer(x).tolist() == [[0] * count, list(range(count))]

    def test_another_free_size_is_refused_with_the_tool_that_fixes_it(tmp_path: Path) -> None:
        path = onnx_models.perceptron(tmp_path / "free.onnx", ("batch", "length", 3))
        with pytest.raises(ConfigurationError, match=r"free\.onnx: its input 'x' has the shape \(batch, length, 3\)"):
            load_runner(path)

    def test_a_model_that_is_refused_is_told_in_the_exception_only(
        tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        path = onnx_models.perceptron(tmp_path / "p.onnx")
        path.write_bytes(path.read_bytes().replace(b"MatMul", b"Mat\xe9ul"))
        with pytest.raises(ConfigurationError, match=r"p\.onnx: onnxruntime .* cannot load it"):
            load_runner(path)
        assert capfd.readouterr() == ("", "")

    def test_more_than_one_input_is_refused(tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"it has 2 inputs; the agent runs models with exactly one"):
            load_runner(onnx_models.two_inputs(tmp_path / "two.onnx"))

    def test_a_provider_that_gets_no_node_is_refused_as_its_name_would_be_wrong(tmp_path: Path) -> None:
        """The ordinary wheel offers one such: it is there for operators that run in a cloud."""
        with pytest.raises(ConfigurationError, match=r"AzureExecutionProvider took none of its \d nodes"):
            load_runner(onnx_models.perceptron(tmp_path / "p.onnx"), delegate="azure")

    def test_a_provider_that_is_not_there_is_one_line(tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"'nope': this onnxruntime has no such .*CPUExecutionProvider"):
            load_runner(onnx_models.perceptron(tmp_path / "p.onnx"), delegate="nope")

    def test_the_cpu_takes_no_options(tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"nobody would read a, as delegate = 'auto' takes none"):
            load_runner(onnx_models.perceptron(tmp_path / "p.onnx"), delegate_options={"a": 1})


def test_a_provider_may_be_named_short_and_the_cpu_gets_what_it_leaves() -> None:
    offered = ["XnnpackExecutionProvider", "CPUExecutionProvider"]
    for name in ("xnnpack", "XNNPACKExecutionProvider", "XnnpackExecutionProvider"):
        assert onnx_runtime.providers_for(RunSettings(delegate=name), offered) == offered
    for name in ("cpu", "CPUExecutionProvider", "auto", "none"):
        assert onnx_runtime.providers_for(RunSettings(delegate=name), offered) == ["CPUExecutionProvider"]


def test_who_got_the_nodes_is_counted_from_the_profile_of_a_run() -> None:
    def event(cat: str, name: str, provider: str) -> dict[str, object]:
        return {"cat": cat, "name": name, "args": {"provider": provider}}

    events = [
        event("Session", "model_run", ""),
        event("Node", "a_fence_before", "XnnpackExecutionProvider"),
        event("Node", "a_kernel_time", "XnnpackExecutionProvider"),
        event("Node", "b_kernel_time", "XnnpackExecutionProvider"),
        event("Node", "c_kernel_time", "CPUExecutionProvider"),
    ]
    took = onnx_runtime.nodes_taken(events)
    said = onnx_runtime.describe(took, "XnnpackExecutionProvider", "m.onnx")
    assert said == "XnnpackExecutionProvider 2/3 nodes + CPUExecutionProvider 1/3 nodes"
    assert onnx_runtime.describe(Counter(CPUExecutionProvider=3), "CPUExecutionProvider", "") == "CPUExecutionProvider"
