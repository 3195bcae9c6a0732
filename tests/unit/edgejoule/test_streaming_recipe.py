"""The streaming recipe: the benchmark's network to the last multiply-accumulate, and how training data are varied."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.model_catalog import models_dir
from edgejoule.making.data.smartwatch import EXERCISES, Recording, channels, recordings, windows
from edgejoule.making.network import initial
from edgejoule.making.tflite import float_model
from edgejoule.zoo.graph import facts_of
from tests.fakes.recipes import load_recipe

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe(models_dir() / "recipes" / "streaming_ds_cnn.py")


def test_the_network_is_the_benchmarks_with_seven_classes_for_three(recipe: ModuleType) -> None:
    """826,368 MACs and 46,883 parameters for three classes: four more have 32 weights and a bias each."""
    network = recipe.network()
    facts = facts_of(float_model(network, initial(network, 0)))
    assert facts.inputs[0].shape == [1, 30, 1, 40]
    assert facts.macs == 826_368 + 4 * 32
    assert facts.parameters == 46_883 + 4 * 33


def test_no_recording_of_a_test_subject_is_trained_on(recipe: ModuleType) -> None:
    kept, held_out = recipe.split(recordings())
    assert len(kept) + len(held_out) == 140
    assert {one.subject for one in held_out} == set(recipe.TEST_SUBJECTS)
    assert not {one.subject for one in kept} & set(recipe.TEST_SUBJECTS)


def test_windows_of_the_test_set_do_not_overlap(recipe: ModuleType) -> None:
    one = recordings()[:1]
    x, y, number = recipe.windows_of(one, hop=recipe.FRAMES)
    whole = channels(one[0])[: len(x) * recipe.WINDOW_SAMPLES]
    assert (x.reshape(whole.shape) == whole).all()
    assert set(y) == {list(EXERCISES).index(one[0].exercise)}
    assert set(number) == {0}


def test_a_window_that_is_not_varied_is_the_recordings_own(recipe: ModuleType) -> None:
    """Without tilt, gain and speed only the begin is drawn: a window follows the recording, between two samples."""
    plain = recipe.Variation(speed_ratio=1.0, tilt_rad=0.0, gain=0.0)
    count = recipe.LONG_SAMPLES
    ramp = np.repeat(np.linspace(0.0, 1.0, count, dtype=np.float32)[:, np.newaxis], 6, axis=1)
    out = recipe.varied(ramp[np.newaxis], np.random.default_rng(1), plain).reshape(recipe.WINDOW_SAMPLES, 8)
    steps = np.diff(out[:, 0])
    assert steps == pytest.approx(1.0 / (count - 1), rel=1e-3)
    assert 0.0 <= out[0, 0] <= out[-1, 0] <= 1.0
    assert out[:, 6] == pytest.approx(np.sqrt(3.0) * out[:, 0], rel=1e-5)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 5))
def test_varied_windows_keep_shape_and_limits_and_follow_from_the_seed(
    recipe: ModuleType, seed: int, count: int
) -> None:
    batch = np.random.default_rng(seed).normal(size=(count, recipe.LONG_SAMPLES, 6)).astype(np.float32)
    one, again = (recipe.varied(batch, np.random.default_rng(seed)) for _ in range(2))
    assert one.shape == (count, *recipe.INPUT_SHAPE)
    assert one.dtype == np.float32
    assert np.abs(one).max() <= recipe.LIMIT
    assert (one == again).all()
    features = one.reshape(count, -1, 8)
    unclipped = np.abs(features).max(axis=2) < recipe.LIMIT
    assert np.linalg.norm(features[unclipped][:, :3], axis=1) == pytest.approx(features[unclipped][:, 6], abs=1e-4)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_tilts_are_rotations(recipe: ModuleType, seed: int) -> None:
    turned = recipe.tilts(6, 0.5, np.random.default_rng(seed))
    assert turned @ turned.transpose(0, 2, 1) == pytest.approx(np.broadcast_to(np.eye(3), (6, 3, 3)), abs=1e-12)
    assert np.linalg.det(turned) == pytest.approx(np.ones(6))


def test_long_windows_are_cut_from_each_recording(recipe: ModuleType) -> None:
    samples = np.zeros((recipe.LONG_SAMPLES + recipe.TRAIN_HOP_SAMPLES, 6), np.float32)
    known = [Recording(subject=1, exercise=name, side="right", samples=samples) for name in ("ROW", "PEN")]
    x, y = recipe.long_windows(known)
    assert x.shape == (4, recipe.LONG_SAMPLES, 6)
    assert list(y) == [6, 6, 0, 0]
    assert (x[0] == windows(samples, recipe.LONG_SAMPLES, 1)[0]).all()


def test_what_is_confused_most_and_who_is_hardest_is_told(recipe: ModuleType) -> None:
    y = np.array([0, 0, 0, 1, 1, 1])
    answers = np.array([0, 2, 2, 1, 1, 0])
    assert recipe.window_limit(answers, y, np.array([8, 8, 9, 9, 10, 10])) == (
        "int8 answers rightly for subject 8 50.0%, subject 9 50.0%, subject 10 50.0% of the windows, and takes "
        "pendulum for forward elevation in 2 of 3, its most frequent error"
    )
