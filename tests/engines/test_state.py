"""Streaming models, which remember: built ones with known sums, and real wake-word models."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor

MODELS = Path(__file__).parents[1] / "data" / "models"
WAKE_WORDS = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")


def ones(runner: InferenceRunner) -> Tensor:
    return np.ones(runner.input_shape, runner.input_dtype)


@pytest.mark.parametrize("delegate", ["auto", "none"])
def test_a_resource_variable_is_initialised_once_and_summed_exactly(tflite_engine: str, delegate: str) -> None:
    runner = load_runner(MODELS / "accumulator.tflite", engine=tflite_engine, delegate=delegate)
    x = np.array([[1.0, 2.0, -3.0, 0.5]], np.float32)

    assert runner.stateful
    for count in range(1, 20):
        assert np.array_equal(runner.infer(x), 10.0 + count * x)
    runner.reset()
    assert np.array_equal(runner.infer(x), 10.0 + x)


def test_two_runners_of_one_model_do_not_share_a_state(tflite_engine: str) -> None:
    one, other = (load_runner(MODELS / "accumulator.tflite", engine=tflite_engine) for _ in range(2))
    one.infer(ones(one))
    assert other.infer(ones(other))[0, 0] == 11.0


def test_a_runner_that_was_reset_is_as_ready_as_a_new_one(tflite_engine: str) -> None:
    runner = load_runner(MODELS / "accumulator.tflite", engine=tflite_engine)
    identity, infer = runner.identity, runner.infer
    runner.reset()
    runner.reset()
    assert infer(ones(runner))[0, 0] == 11.0
    assert runner.identity == identity


@pytest.mark.parametrize("delegate", ["auto", "none"])
def test_a_variable_tensor_is_a_state_too(tflite_engine: str, delegate: str) -> None:
    runner = load_runner(MODELS / "last_three.tflite", engine=tflite_engine, delegate=delegate)

    assert runner.stateful
    for _ in range(2):
        assert [runner.infer(ones(runner))[0, 0] for _ in range(5)] == [1.0, 2.0, 3.0, 3.0, 3.0]
        runner.reset()


def wake_word(name: str) -> Path:
    found = importlib.util.find_spec("pymicro_wakeword")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the package pymicro-wakeword, which has real streaming models, is not installed")
    return Path(found.submodule_search_locations[0]) / "models" / f"{name}.tflite"


def rising(runner: InferenceRunner) -> list[Tensor]:
    """Return frames from the lowest to the highest level: the models' answers depend on what came before."""
    return [np.full(runner.input_shape, level, runner.input_dtype) for level in range(-128, 128, 4)]


@pytest.mark.parametrize("name", WAKE_WORDS)
def test_a_real_wake_word_model_remembers_and_forgets(tflite_engine: str, name: str) -> None:
    runner = load_runner(wake_word(name), engine=tflite_engine)
    frames = rising(runner)

    def heard() -> list[int]:
        return [int(runner.infer(frame).item()) for frame in frames]

    assert runner.stateful
    assert (runner.input_dtype, runner.output_shape) == (np.dtype(np.int8), (1, 1))
    first, second = heard(), heard()
    assert second != first
    runner.reset()
    assert heard() == first
    assert heard() == second


@pytest.mark.parametrize("name", WAKE_WORDS)
def test_a_real_wake_word_model_says_the_same_without_the_default_delegate(tflite_engine: str, name: str) -> None:
    one, other = (load_runner(wake_word(name), engine=tflite_engine, delegate=which) for which in ("auto", "none"))
    assert other.identity.delegate == "none"
    differences = [abs(int(one.infer(frame).item()) - int(other.infer(frame).item())) for frame in rising(one)]
    assert max(differences) <= 8  # of 255: kernels round differently, and a state carries it on
