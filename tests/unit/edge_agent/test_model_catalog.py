import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.check_set import load_check_set
from edge_agent.model_catalog import CATALOG_NAME, find_model, list_models, models_dir, open_check_set, verify
from edge_agent.wire.errors import ConfigurationError


def test_every_model_that_comes_along_is_what_the_catalog_says() -> None:
    models = list_models()
    assert "digits_mlp_int8" in {model.model_id for model in models}
    for model in models:
        verify(model)
        check_set = open_check_set(model)
        if check_set is not None:
            marks = check_set.y if check_set.anomalous is None else check_set.anomalous
            assert marks is not None, model.model_id
            assert len(check_set.x) == len(marks) > 0


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'nope'.*digits_mlp_int8.*path and sha256"):
        find_model("nope")


def copy_of_catalog(directory: Path) -> Path:
    model = find_model("digits_mlp_int8")
    shutil.copy(models_dir() / CATALOG_NAME, directory / CATALOG_NAME)
    target = directory / model.path.relative_to(models_dir())
    target.parent.mkdir(parents=True)
    shutil.copy(model.path, target)
    return target


def test_one_changed_bit_in_a_model_is_found_before_it_runs(tmp_path: Path) -> None:
    file = copy_of_catalog(tmp_path)
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(body)
    model = find_model("digits_mlp_int8", tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        verify(model)
    message = str(caught.value)
    assert str(file) in message
    assert model.sha256 in message
    assert message.count("sha256") == 1
    assert "restore" in message


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    file = copy_of_catalog(tmp_path)
    file.unlink()
    with pytest.raises(ConfigurationError, match=r"int8\.tflite: cannot read"):
        verify(find_model("digits_mlp_int8", tmp_path))


def test_a_catalog_with_a_hash_that_is_none_is_refused(tmp_path: Path) -> None:
    text = (models_dir() / CATALOG_NAME).read_text(encoding="utf-8")
    (tmp_path / CATALOG_NAME).write_text(text.replace('sha256 = "', 'sha256 = "x', 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="sha256"):
        list_models(tmp_path)


def deflated(damage: bytes) -> bytes:
    made = io.BytesIO()
    np.savez_compressed(made, x=np.arange(64 * 20).astype(np.int8).reshape(20, 64))
    body = bytearray(made.getvalue())
    body[300 : 300 + len(damage)] = damage
    return bytes(body)


@pytest.mark.parametrize("content", [b"", b"not an npz file", deflated(b"\xff" * 40)])
def test_a_check_set_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "check.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"check\.npz"):
        load_check_set(path)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "dog"]),
        np.eye(2),
        np.array(3),
        np.zeros(3, int),
        np.zeros((2, 1), int),
        np.array([0.5, 1.0]),
        np.array([np.nan, 1.0]),
        np.array([np.inf, 1.0]),
    ],
    ids=["names", "one-hot", "one number", "too many", "column", "halves", "nan", "infinite"],
)
def test_labels_that_are_none_are_named_with_what_they_should_be(tmp_path: Path, labels: NDArray[Any]) -> None:
    np.savez(tmp_path / "check.npz", x=np.zeros((2, 64), np.int8), y=labels)
    with pytest.raises(
        ConfigurationError, match=r"check\.npz: y is .*, and x \(2, 64\): y is the number of the class"
    ):
        load_check_set(tmp_path / "check.npz")


def test_labels_as_floats_are_class_numbers_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "check.npz", x=np.zeros((2, 64), np.int8), y=np.array([1.0, 7.0]))
    found = load_check_set(tmp_path / "check.npz").y
    assert found is not None
    assert found.tolist() == [1, 7]


def test_a_check_set_may_lack_labels_but_not_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3), np.int8))
    np.savez(tmp_path / "y.npz", y=np.zeros(2))
    np.save(tmp_path / "bare.npy", np.zeros(2))
    assert load_check_set(tmp_path / "x.npz").y is None
    with pytest.raises(ConfigurationError, match=r"y\.npz"):
        load_check_set(tmp_path / "y.npz")
    with pytest.raises(ConfigurationError, match=r"bare\.npy"):
        load_check_set(tmp_path / "bare.npy")
