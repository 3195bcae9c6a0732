"""Fashion-MNIST's files: read as they are, and refused in one line that says what to install."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.data.fashion_mnist import CLASSES, DIRECTORY, directory_from, load, network_input, parse_idx
from tests.fakes.fashion_mnist_files import U8, idx_bytes, write_part

PICTURES = np.arange(30 * 28 * 28, dtype=np.uint64).astype(np.uint8).reshape(30, 28, 28)
LABELS = np.arange(30) % len(CLASSES)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a folder with 20 pictures for training and 10 for the test."""
    write_part(tmp_path, "train", PICTURES[:20], LABELS[:20])
    write_part(tmp_path, "t10k", PICTURES[20:], LABELS[20:])
    return tmp_path


def _refused(directory: Path) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load(directory)
    message = str(refusal.value)
    assert "\n" not in message
    assert "dataset-fashion-mnist" in message
    return message


def test_pictures_and_labels_are_those_of_the_files(directory: Path) -> None:
    data = load(directory)

    assert np.array_equal(data.train_x, PICTURES[:20])
    assert np.array_equal(data.test_x, PICTURES[20:])
    assert data.train_y.tolist() == LABELS[:20].tolist()
    assert data.test_y.tolist() == LABELS[20:].tolist()


@pytest.mark.parametrize("name", ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"])
def test_a_missing_file_names_the_package(directory: Path, name: str) -> None:
    path = directory / f"{name}-ubyte.gz"
    path.unlink()

    assert _refused(directory).startswith(f"{path}: Fashion-MNIST is not there")


@pytest.mark.parametrize("kept_ratio", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused(directory: Path, kept_ratio: float) -> None:
    path = directory / "t10k-images-idx3-ubyte.gz"
    data = path.read_bytes()
    path.write_bytes(data[: int(kept_ratio * len(data))])

    assert _refused(directory).startswith(str(path))


def test_a_file_that_is_not_packed_is_refused(directory: Path) -> None:
    path = directory / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))

    assert "Not a gzipped file" in _refused(directory)


def test_labels_of_other_pictures_are_refused(directory: Path) -> None:
    write_part(directory, "train", PICTURES[:20], LABELS[:19])

    assert "19 labels for 20 pictures" in _refused(directory)


def test_a_label_beyond_the_classes_is_refused(directory: Path) -> None:
    write_part(directory, "t10k", PICTURES[20:], LABELS[20:] + 1)

    assert "label 10, but there are ten classes" in _refused(directory)


def test_pictures_of_another_size_are_refused(directory: Path) -> None:
    write_part(directory, "train", PICTURES[:20, :, :27], LABELS[:20])

    assert "pictures of 28x27 pixels" in _refused(directory)


def test_the_folder_is_debians_or_the_one_that_is_named() -> None:
    assert directory_from({}) == DIRECTORY
    assert directory_from({"EDGEJOULE_FASHION_MNIST": "/data/clothes"}) == Path("/data/clothes")


def test_the_networks_input_is_the_picture_in_a_black_frame() -> None:
    shown = network_input(PICTURES)

    assert shown.shape == (30, 32, 32, 3)
    assert shown.dtype == np.float32
    for channel in range(3):
        assert np.array_equal(np.rint(255 * shown[:, 2:30, 2:30, channel]).astype(np.uint8), PICTURES)
    assert shown.sum() == pytest.approx(3 * PICTURES.sum() / 255, rel=1e-5)


@given(
    arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)), st.binary(max_size=3)
)
def test_an_idx_file_gives_its_array_and_nothing_beside_it(values: U8, beyond: bytes) -> None:
    data = idx_bytes(values)

    assert np.array_equal(parse_idx(data, values.ndim, "file"), values)
    if beyond:
        with pytest.raises(ConfigurationError, match="by its header"):
            parse_idx(data + beyond, values.ndim, "file")


@given(st.binary(max_size=6), st.integers(0, 6), st.integers(0, 3))
def test_a_header_that_says_something_else_is_refused(values: bytes, count: int, dimensions: int) -> None:
    data = bytes([0, 0, 8, dimensions]) + count.to_bytes(4, "big") + values

    if dimensions == 1 and count == len(values):
        assert parse_idx(data, 1, "file").tobytes() == values
    else:
        with pytest.raises(ConfigurationError, match=r"^file: "):
            parse_idx(data, 1, "file")
