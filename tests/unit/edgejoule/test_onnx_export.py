"""An exported .onnx file computes what its .tflite file does, for any batch; what it cannot be is one line."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_agent.checking import check_set_for, tensors_of
from edge_agent.file_content import FileContent
from edge_agent.inference.registry import load_runner
from edge_agent.model_catalog import find_model, list_models, models_dir, open_model
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.onnx_export.export import to_onnx
from edgejoule.onnx_export.names import MADE_FROM_KEY, MODEL_ID_KEY

MODELS = Path(__file__).parents[2] / "data" / "models"
EXPORTED = [model.model_id for model in list_models() if model.model_id.endswith(("_float32", "_int8"))]
INPUTS = 33
"""No power of two, so that a batch's size is nowhere taken for another one."""


def answers(data: bytes, x: NDArray[Any]) -> NDArray[Any]:
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    found: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found


def both(model_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    model = find_model(model_id)
    content = open_model(model)
    runner = load_runner(content)
    tensors = tensors_of(check_set_for(model, runner), runner)[:INPUTS]
    before = np.concatenate([runner.infer(one) for one in tensors])
    after = answers(to_onnx(content, model_id), np.concatenate(tensors))
    assert after.dtype == before.dtype
    return before.astype(np.float64), after.astype(np.float64)


@pytest.mark.parametrize("model_id", [name for name in EXPORTED if name.endswith("_float32")])
def test_a_float_model_answers_a_batch_as_litert_answers_one_by_one(model_id: str) -> None:
    before, after = both(model_id)
    assert before.shape[0] == INPUTS
    assert np.max(np.abs(after - before)) <= 1e-5 * max(1.0, float(np.max(np.abs(before))))


@pytest.mark.parametrize("model_id", [name for name in EXPORTED if name.endswith("_int8")])
def test_an_int8_model_answers_with_the_same_integers_but_for_rounding(model_id: str) -> None:
    """Where ONNX Runtime adds pictures, it rounds otherwise; a softmax makes some steps of one."""
    before, after = both(model_id)
    assert np.max(np.abs(after - before)) <= 16.0
    assert np.mean(np.argmax(after, 1) == np.argmax(before, 1)) >= 0.95


@pytest.mark.train
def test_every_kind_of_layer_becomes_onnx() -> None:
    from edgejoule.making.network import initial  # noqa: PLC0415  needs [train]
    from edgejoule.making.tflite import float_model  # noqa: PLC0415
    from tests.unit.edgejoule.test_making_tflite import NETWORKS, drawn, unsettled  # noqa: PLC0415

    for name, network in NETWORKS.items():
        made = FileContent(Path("m.tflite"), float_model(network, unsettled(initial(network, 0))))
        runner = load_runner(made)
        x = drawn(network)
        expected = np.concatenate([runner.infer(x[at : at + 1]) for at in range(len(x))])
        assert answers(to_onnx(made, "m"), x) == pytest.approx(expected, rel=1e-4, abs=1e-5), name


def test_a_constant_is_added() -> None:
    data = (MODELS / "single_add.tflite").read_bytes()
    x = np.array([[0.0, 1.0, -2.5, 100.0]] * 3, np.float32)
    assert np.array_equal(answers(to_onnx(FileContent(Path("m.tflite"), data), "m"), x), x + 1)


def test_the_file_says_what_it_was_made_from_and_is_the_same_each_time() -> None:
    content = open_model(find_model("digits_mlp_float32"))
    data = to_onnx(content, "digits_mlp_float32")
    assert data == to_onnx(content, "digits_mlp_float32")
    said = ort.InferenceSession(data, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    assert said == {MODEL_ID_KEY: "digits_mlp_float32", MADE_FROM_KEY: content.sha256}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (models_dir() / "ds_cnn" / "dynamic_range.tflite", "its precision is dynamic_range"),
        (MODELS / "accumulator.tflite", "keeps a state"),
        (Path(__file__), "does not begin as a .tflite file does"),
    ],
)
def test_what_is_not_written_is_told_in_one_line(path: Path, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as no:
        to_onnx(FileContent(path, path.read_bytes()), "m")
    assert "\n" not in str(no.value)


@cache
def file_of(name: str) -> bytes:
    return (models_dir() / name).read_bytes()


@given(
    name=st.sampled_from(["ds_cnn/float32.tflite", "resnet8_distilled/int8.tflite", "digits_mlp/int8.tflite"]),
    changes=st.lists(st.tuples(st.integers(-9000, 9000), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_written_or_told_in_one_line(name: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(file_of(name))
    for place, value in changes:
        data[place % len(data)] = value
    problem = ""
    try:
        assert to_onnx(FileContent(Path("m.tflite"), bytes(data)), "m")
    except ConfigurationError as error:
        problem = str(error)
    assert "\n" not in problem


def test_the_command_writes_the_file_and_says_how_near_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "digits.onnx"
    assert main(["models", "export", "digits_mlp_float32", "--onnx", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    made = FileContent(path, path.read_bytes())
    assert said["sha256"] == made.sha256
    assert said["largest_difference"] < 1e-5
    assert load_runner(made).input_shape == (1, 64)
    assert main(["models", "export", "digits_mlp_float32", "--onnx", str(path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["models", "export", "digits_mlp_float32", "--onnx", str(path), "--force"]) == 0
    assert "within" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits_mlp_float32", "--onnx", "digits.tflite"], "ends in .onnx"),
        (["digits_mlp_float64", "--onnx", "{folder}/d.onnx"], "known: "),
        (["digits_mlp_float32", "--onnx", "{folder}/nowhere/d.onnx"], "cannot write it"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["models", "export", *(word.format(folder=tmp_path) for word in words)]) == 2
    text = capsys.readouterr().err
    assert said in text
    assert not (tmp_path / "d.onnx").exists()
