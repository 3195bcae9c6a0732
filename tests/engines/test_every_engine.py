"""What must hold for every inference engine that can be imported here."""

import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.check_set import load_check_set
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.model_catalog import find_model
from edge_agent.wire.errors import ConfigurationError
from tests.engines.engines_here import KNOWN

MODELS = Path(__file__).parents[1] / "data/models"
DIGITS = find_model("digits_mlp_int8")
TOOK_THE_GRAPH = {
    "litert": "xnnpack 3/4 ops",  # three layers; the softmax stays outside
    "tflite-runtime": "none",  # up to 2.14 an int8 graph is left undelegated
    "onnxruntime": "CPUExecutionProvider",
}
CLOSE_RATIO = 0.01
"""Other kernels move an image or two of 450."""


@pytest.fixture(scope="session")
def model(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the digits model in the engine's format."""
    if KNOWN[engine].SUFFIX == ".tflite":
        return DIGITS.path
    from tests.fakes import onnx_models  # noqa: PLC0415  # needs packages that only the development environment has

    return onnx_models.digits(tmp_path_factory.mktemp("digits") / "digits.onnx", DIGITS.path)


@pytest.fixture(scope="session")
def runner(engine: str, model: Path) -> InferenceRunner:
    return load_runner(model, engine=engine)


@pytest.fixture(scope="session")
def inputs(runner: InferenceRunner) -> list[Tensor]:
    assert DIGITS.check_set is not None
    return [entry.reshape(runner.input_shape) for entry in load_check_set(DIGITS.check_set).x]


@pytest.fixture(scope="session")
def labels() -> NDArray[Any]:
    assert DIGITS.check_set is not None
    found = load_check_set(DIGITS.check_set).y
    assert found is not None
    return found


def classes(runner: InferenceRunner, inputs: list[Tensor]) -> NDArray[Any]:
    return np.array([int(np.argmax(runner.infer(one))) for one in inputs])


def test_it_names_itself_its_version_its_threads_and_who_took_the_graph(runner: InferenceRunner, engine: str) -> None:
    identity = runner.identity
    assert (identity.runtime, identity.threads) == (engine, 1)
    assert identity.version == metadata.version(KNOWN[engine].DISTRIBUTION)
    assert identity.delegate == TOOK_THE_GRAPH[engine]


def test_the_file_s_ending_chooses_an_engine_that_is_here(model: Path, engine: str) -> None:
    assert KNOWN[load_runner(model).identity.runtime].SUFFIX == KNOWN[engine].SUFFIX


def test_it_says_what_goes_in_and_comes_out(runner: InferenceRunner) -> None:
    assert (runner.input_shape, runner.input_dtype, runner.input_bytes) == ((1, 64), np.dtype(np.int8), 64)
    assert runner.output_shape == (1, 10)
    assert not runner.stateful


def test_quantised_tensors_come_with_their_scale(runner: InferenceRunner, model: Path) -> None:
    if model.suffix == ".onnx":
        assert (runner.input_quantisation, runner.output_quantisation) == (None, None)
        return
    assert runner.input_quantisation is not None
    assert runner.output_quantisation is not None
    assert runner.input_quantisation.scale > 0.0
    assert -128 <= runner.output_quantisation.zero_point <= 127


def test_it_is_as_accurate_as_the_catalog_says(
    runner: InferenceRunner, inputs: list[Tensor], labels: NDArray[Any]
) -> None:
    ratio = float(np.mean(classes(runner, inputs) == labels))
    assert ratio == pytest.approx(DIGITS.facts.accuracy_ratio, abs=CLOSE_RATIO)


def test_loading_and_the_first_inference_take_time_and_are_told_apart(model: Path, engine: str) -> None:
    before_s = time.perf_counter()
    runner = load_runner(model, engine=engine)
    took_s = time.perf_counter() - before_s
    assert runner.first_invoke_s > 0.0
    assert runner.load_s > 0.0
    assert runner.load_s + runner.first_invoke_s <= took_s


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_answer(
    runner: InferenceRunner, model: Path, engine: str, threads: int, inputs: list[Tensor]
) -> None:
    other = load_runner(model, engine=engine, threads=threads)
    assert other.identity.threads == threads
    assert np.array_equal(classes(other, inputs[:50]), classes(runner, inputs[:50]))


@pytest.mark.parametrize("delegate", ["auto", "none"])
def test_with_and_without_the_default_delegate_the_answers_agree(
    runner: InferenceRunner, model: Path, engine: str, delegate: str, inputs: list[Tensor]
) -> None:
    other = load_runner(model, engine=engine, delegate=delegate)
    if delegate == "none" and model.suffix == ".tflite":
        assert other.identity.delegate == "none"
    assert np.mean(classes(other, inputs) == classes(runner, inputs)) > 0.98


def test_an_output_is_a_copy_that_later_inferences_leave_alone(runner: InferenceRunner, inputs: list[Tensor]) -> None:
    kept = runner.infer(inputs[0])
    before = kept.copy()
    assert not np.array_equal(runner.infer(inputs[1]), kept)
    assert np.array_equal(kept, before)


def test_an_input_is_left_alone_and_may_be_a_part_of_a_greater_array(
    runner: InferenceRunner, inputs: list[Tensor]
) -> None:
    expected = runner.infer(inputs[0])
    wide = np.zeros((1, 128), np.int8)
    wide[:, ::2] = inputs[0]
    assert np.array_equal(runner.infer(wide[:, ::2]), expected)
    assert np.array_equal(wide[:, ::2], inputs[0])


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 64), np.float32), np.zeros((1, 63), np.int8), np.zeros((2, 64), np.int8), np.zeros(64, np.int8)],
    ids=["type", "size", "batch", "rank"],
)
def test_a_wrong_input_is_refused_and_the_next_one_served(
    runner: InferenceRunner, inputs: list[Tensor], wrong: Tensor
) -> None:
    expected = runner.infer(inputs[0])
    with pytest.raises(ValueError, match=r"."):
        runner.infer(wrong)
    assert np.array_equal(runner.infer(inputs[0]), expected)


def test_an_input_that_the_engine_fails_on_is_one_line_and_the_next_one_served(engine: str, tmp_path: Path) -> None:
    path = MODELS / "pick.tflite"
    if KNOWN[engine].SUFFIX == ".onnx":
        from tests.fakes import onnx_models  # noqa: PLC0415  # needs onnx

        path = onnx_models.pick(tmp_path / "pick.onnx")
    runner = load_runner(path, engine=engine)
    with pytest.raises(
        InferenceError, match=rf"pick\{path.suffix}: {engine} .* fails on an input: .+ bounds"
    ) as caught:
        runner.infer(np.array([[1, 77]], np.int32))
    assert "\n" not in str(caught.value)
    assert runner.infer(np.array([[1, 2]], np.int32)).tolist() == [[20.0, 30.0]]


def test_reset_does_nothing_to_a_model_without_state(runner: InferenceRunner, inputs: list[Tensor]) -> None:
    expected = runner.infer(inputs[0])
    runner.reset()
    assert np.array_equal(runner.infer(inputs[0]), expected)


@pytest.mark.parametrize("content", [b"", b"not a model" * 20, None], ids=["empty", "garbage", "cut"])
def test_a_file_that_is_no_model_is_one_line(engine: str, model: Path, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / f"broken{model.suffix}"
    path.write_bytes(model.read_bytes()[:2000] if content is None else content)
    with pytest.raises(ConfigurationError, match=rf"broken\{model.suffix}: {engine} .* cannot load it") as caught:
        load_runner(path, engine=engine)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_one_line(engine: str, model: Path, tmp_path: Path) -> None:
    other = {".tflite": ".onnx", ".onnx": ".tflite"}[model.suffix]
    path = tmp_path / f"model{other}"
    path.write_bytes(b"x")
    with pytest.raises(
        ConfigurationError, match=rf"model\{other}: \[model\] engine = '{engine}' runs \{model.suffix}"
    ):
        load_runner(path, engine=engine)


def test_a_file_that_is_not_there_is_one_line(engine: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.tflite: cannot read the model: No such file"):
        load_runner(tmp_path / "absent.tflite", engine=engine)
