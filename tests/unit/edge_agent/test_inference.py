from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge_agent.inference import tflite_runtime
from edge_agent.inference.registry import Engine, load_runner
from edge_agent.inference.runner import EngineInfo, InferenceRunner, TfLiteRunner, delegate_of, delegated_operators
from edge_agent.inference_loop import InferenceLoop, accuracy_ratio, check_set_for, tensors_of
from edge_agent.model_catalog import CatalogModel, find_model
from edge_agent.wire.errors import ConfigurationError
from edge_agent.workload import Run

MODEL = find_model("digits_mlp_int8")


@pytest.fixture(scope="module")
def runner() -> InferenceRunner:
    return load_runner(MODEL.path)


def node(name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


def test_the_runtime_names_itself_its_version_and_its_threads(runner: InferenceRunner) -> None:
    identity = runner.identity
    assert (identity.runtime, identity.threads) == ("litert", 1)
    assert identity.version == metadata.version("ai-edge-litert")
    assert identity.delegate.startswith("xnnpack")


def test_load_and_first_invoke_are_timed_apart(runner: InferenceRunner) -> None:
    assert 0.0 < runner.first_invoke_s < 1.0
    assert 0.0 < runner.load_s < 5.0


def test_the_shipped_model_is_as_accurate_here_as_its_card_says(runner: InferenceRunner) -> None:
    check_set = check_set_for(MODEL, runner)
    ratio = accuracy_ratio(runner, tensors_of(check_set, runner), check_set.y)
    assert ratio == pytest.approx(0.9267, abs=0.005)


def test_an_output_is_a_copy_that_later_inferences_leave_alone(runner: InferenceRunner) -> None:
    first, second = tensors_of(check_set_for(MODEL, runner), runner)[:2]
    kept = runner.infer(first)
    before = kept.copy()
    assert not np.array_equal(runner.infer(second), kept)
    assert np.array_equal(kept, before)


def test_a_graph_without_delegates_says_none() -> None:
    interpreter = Interpreter(
        str(MODEL.path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    assert delegate_of(interpreter) == "none"
    assert delegate_of(object()) == "unknown"


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ([node("ADD", [0], [1]), node("MUL", [1], [2])], (0, 2)),
        ([node("ADD", [0], [1]), node("MUL", [1], [2]), node("DELEGATE", [0], [2])], (2, 2)),
        ([node("ADD", [0], [1]), node("ODD", [1], [2]), node("DELEGATE", [0], [1])], (1, 2)),
        (
            [
                node("ADD", [0], [1]),
                node("ODD", [1], [2]),
                node("MUL", [2, 9], [3]),
                node("DELEGATE", [0], [1]),
                node("DELEGATE", [2, 9], [3]),
            ],
            (2, 3),
        ),
    ],
)
def test_what_the_delegate_took_is_found_from_its_edges(
    operators: list[dict[str, Any]], expected: tuple[int, int]
) -> None:
    assert delegated_operators(operators) == expected


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"not a flatbuffer" * 10)
    with pytest.raises(ConfigurationError, match=r"broken\.tflite: litert .* cannot load it") as caught:
        load_runner(path)
    assert "\n" not in str(caught.value)


def test_the_first_engine_that_can_be_imported_runs_the_model(runner: InferenceRunner) -> None:
    def absent(_model: Path, _threads: int) -> InferenceRunner:
        raise ImportError("No module named 'absent'")

    def here(_model: Path, _threads: int) -> InferenceRunner:
        return runner

    engines = (Engine("a", "a-dist", absent), Engine("b", "b-dist", here))
    assert load_runner(MODEL.path, engines=engines) is runner
    with pytest.raises(ConfigurationError, match=r"a-dist: No module named 'absent'; install"):
        load_runner(MODEL.path, engine="a", engines=engines)
    with pytest.raises(ConfigurationError, match=r"'c' is not known; use auto or one of: a, b"):
        load_runner(MODEL.path, engine="c", engines=engines)


def test_the_older_runtime_shares_the_runner() -> None:
    """Its interpreter has the same interface, so the runner is tried with LiteRT's under its name."""
    made = TfLiteRunner(Interpreter, EngineInfo("tflite-runtime", "2.14.0"), MODEL.path, 2)
    assert (made.identity.runtime, made.identity.version, made.identity.threads) == ("tflite-runtime", "2.14.0", 2)


def test_the_older_runtime_says_which_numpy_it_needs() -> None:
    with pytest.raises(ConfigurationError, match=r"2\.14\.0 works with NumPy 1 only, and NumPy 2\.4\.6.*numpy<2"):
        tflite_runtime.check_numpy("2.4.6", "2.14.0")
    tflite_runtime.check_numpy("1.26.4", "2.14.0")


def test_an_engine_that_is_not_installed_is_an_import_error_for_the_registry() -> None:
    with pytest.raises(ConfigurationError, match=r"tflite-runtime: .*edgejoule\[agent\]"):
        load_runner(MODEL.path, engine="tflite-runtime")


def test_a_check_set_of_another_model_is_refused(runner: InferenceRunner, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros((3, 65), np.int8))
    model = msgspec.structs.replace(MODEL, check_set=tmp_path / "other.npz")
    with pytest.raises(ConfigurationError, match=r"other\.npz: x is int8 \(3, 65\)"):
        check_set_for(model, runner)


def test_without_a_check_set_the_inputs_are_random_and_always_the_same(runner: InferenceRunner) -> None:
    model = CatalogModel(model_id="own", path=MODEL.path, sha256=MODEL.sha256, task="", check_set=None)
    one, other = check_set_for(model, runner), check_set_for(model, runner)
    assert np.array_equal(one.x, other.x)
    assert one.x.shape == (64, *runner.input_shape)
    assert one.x.min() == -128
    assert one.x.max() == 127
    assert accuracy_ratio(runner, tensors_of(one, runner), one.y) is None


def test_the_loop_takes_inputs_in_turn_and_stops_at_time_or_count() -> None:
    seen: list[int] = []

    class Counting:
        def infer(self, tensor: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            seen.append(int(tensor[0]))
            return tensor

    ticks = iter(range(100))
    loop = InferenceLoop(
        Counting(),  # type: ignore[arg-type]  # the loop only infers
        [np.array([0]), np.array([1]), np.array([2])],
        lambda: float(next(ticks)),
    )
    assert loop.run(Run(1e9, 4)).ends_s == [1.0, 2.0, 3.0, 4.0]
    burst = loop.run(Run(7.0))
    assert (burst.t_begin_s, burst.ends_s) == (5.0, [6.0, 7.0])
    assert loop.run(Run(0.0)).ends_s == [9.0]
    assert seen == [0, 1, 2, 0, 1, 2, 0]
