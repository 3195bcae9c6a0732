"""Faces and backgrounds: what stands where, that no picture is on both sides, and how sizes are changed."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("skimage")

from edgejoule.making.data.faces import (
    CLASSES,
    INPUT_SIZE,
    PICTURE_SIZE,
    TEST_PICTURES,
    TRAIN_PICTURES,
    Pictures,
    grey,
    interpolation,
    load,
    network_input,
    shrunk,
)


@pytest.fixture(scope="module")
def parts() -> tuple[Pictures, Pictures]:
    return load()


def test_what_is_trained_on_and_what_is_held_out(parts: tuple[Pictures, Pictures]) -> None:
    kept, held_out = parts
    faces, crops = (
        [int((one.y == CLASSES.index("face")).sum()) for one in parts],
        [int(o.cropped.sum()) for o in parts],
    )
    assert (len(kept.y), len(held_out.y)) == (60 + 58 + 120, 40 + 40 + 40)
    assert faces == [60, 40]
    assert crops == [120, 40]
    for one in parts:
        assert one.x.shape == (len(one.y), PICTURE_SIZE, PICTURE_SIZE)
        assert one.x.dtype == np.float32
        assert one.x.min() >= 0.0
        assert one.x.max() <= 1.0 + 1e-6
        assert not one.y[one.cropped].any()


def test_no_picture_is_on_both_sides(parts: tuple[Pictures, Pictures]) -> None:
    assert not set(TRAIN_PICTURES) & set(TEST_PICTURES)
    digests = [{hashlib.sha256(picture.tobytes()).digest() for picture in one.x if picture.std() > 0} for one in parts]
    assert not digests[0] & digests[1]


def test_the_same_crops_each_time(parts: tuple[Pictures, Pictures]) -> None:
    for one, again in zip(parts, load(), strict=True):
        assert (one.x == again.x).all()


def test_a_picture_is_enlarged_to_the_benchmarks_input(parts: tuple[Pictures, Pictures]) -> None:
    made = network_input(parts[1].x[:3])
    assert made.shape == (3, INPUT_SIZE, INPUT_SIZE, 3)
    assert (made[..., 0] == made[..., 2]).all()
    back = np.stack([shrunk(one[..., 0], PICTURE_SIZE) for one in made])
    assert np.abs(back - parts[1].x[:3]).mean() < 0.05


@given(size=st.integers(PICTURE_SIZE, 180), value=st.floats(0.0, 1.0))
def test_a_plain_picture_stays_plain(size: int, value: float) -> None:
    small = shrunk(np.full((size, size), value, np.float32), PICTURE_SIZE)
    assert small.shape == (PICTURE_SIZE, PICTURE_SIZE)
    np.testing.assert_allclose(small, value, atol=1e-5)
    np.testing.assert_allclose(network_input(small[None]), value, atol=1e-5)


@given(size=st.integers(PICTURE_SIZE, 180), seed=st.integers(0, 99))
def test_shrinking_keeps_the_mean(size: int, seed: int) -> None:
    picture = np.random.default_rng(seed).random((size, size)).astype(np.float32)
    assert shrunk(picture, PICTURE_SIZE).mean() == pytest.approx(picture.mean(), abs=1e-4)


@given(place=st.floats(-40.0, 60.0))
def test_a_place_is_made_of_its_neighbours(place: float) -> None:
    shares = interpolation(np.array([[place]]))[0, 0]
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)
    inside = min(max(place, 0.0), PICTURE_SIZE - 1.0)
    assert shares @ np.arange(PICTURE_SIZE) == pytest.approx(inside, abs=1e-4)


def test_a_white_picture_is_white_in_grey_too() -> None:
    for shape in ((4, 5), (4, 5, 3)):
        np.testing.assert_allclose(grey(np.full(shape, 255, np.uint8)), np.ones((4, 5)), atol=1e-6)


def test_without_the_package_one_line_says_what_to_install(tmp_path: Path) -> None:
    """A Python without site packages but with what is needed but for scikit-image: the real import fails."""
    blocked = tmp_path / "skimage"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from edgejoule.making.data.faces import load; load()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (
        "ConfigurationError: faces: the package scikit-image is not installed; install it: pip install" in done.stderr
    )
