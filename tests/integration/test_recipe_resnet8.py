"""The recipes of ResNet-8 and of its smaller ones run on a few pictures, each from the files of the one before."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

from edge_agent.model_catalog import models_dir
from edgejoule.making.data.fashion_mnist import CLASSES, DIRECTORY_VARIABLE, network_input
from edgejoule.making.progress import Silence
from edgejoule.making.quality import predictions
from edgejoule.making.recipe import Trained
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.graph import facts_of
from tests.fakes.fashion_mnist_files import write_part
from tests.fakes.recipes import load_recipe

TRAIN_COUNT, TEST_COUNT = 64, 20

OPTION = "jax_disable_most_optimizations"
"""So few pictures take less time to learn from than programs for them to be made fast."""

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.xdist_group("resnet8")]


@pytest.fixture(scope="module", autouse=True)
def _plain_programs() -> Iterator[None]:
    jax.config.update(OPTION, True)  # type: ignore[no-untyped-call]
    yield
    jax.config.update(OPTION, False)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like Fashion-MNIST's, whose pictures have a bright bar that lies lower with each class."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(1)
    for prefix, count in (("train", TRAIN_COUNT), ("t10k", TEST_COUNT)):
        labels = np.arange(count) % len(CLASSES)
        shown = draw.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        for picture, label in zip(shown, labels, strict=True):
            picture[4 + 2 * label : 6 + 2 * label] = 250
        write_part(folder, prefix, shown, labels)
    return folder


@pytest.fixture(scope="module")
def made(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the catalogue that the recipe of resnet8 makes of these pictures, run as a program."""
    out = tmp_path_factory.mktemp("made")
    command = [sys.executable, "-B", str(models_dir() / "recipes" / "resnet8.py"), str(out)]
    environment = os.environ | {DIRECTORY_VARIABLE: str(pictures), "TQDM_DISABLE": "1", OPTION.upper(): "1"}
    subprocess.run(command, env=environment, check=True, timeout=240)
    return out


def _recipe(name: str) -> ModuleType:
    return load_recipe(models_dir() / "recipes" / f"{name}.py")


def _trained(name: str, pictures: Path, made: Path) -> Trained:
    trained = _recipe(name).train(Silence(), directory=pictures, catalog=made)
    assert isinstance(trained, Trained)
    return trained


def test_it_is_the_benchmarks_network_in_three_precisions(made: Path) -> None:
    catalog = read_catalog(made)

    assert {one.precision for one in catalog.model} == {"int8", "dynamic_range", "float32"}
    for one in catalog.model:
        assert (one.macs, one.parameters) == (12_501_632, 77_706)
        assert one.input_shape == [1, 32, 32, 3]
        assert one.score is not None
        assert one.score.count == TEST_COUNT
    assert catalog.family[0].development is not None


def test_the_check_set_is_of_the_test_pictures(made: Path, pictures: Path) -> None:
    data = _recipe("resnet8").load(pictures)
    shown = network_input(data.test_x)

    with np.load(made / "resnet8" / "check_set.npz") as arrays:
        restored = (arrays["x"].astype(np.float32) - arrays["zero_point"]) * arrays["scale"]
        np.testing.assert_allclose(restored, shown, atol=0.51 * float(arrays["scale"]))
        assert arrays["y"].tolist() == data.test_y.tolist()


def test_pruned_weights_are_zero_in_a_network_of_the_same_shape(pictures: Path, made: Path) -> None:
    facts = facts_of(_trained("resnet8_pruned_weights", pictures, made).float_model)

    assert (facts.macs, facts.parameters) == (12_501_632, 77_706)
    inner = 77_706 - 346 - 432 - 640  # without the biases, the first and the last layer
    assert facts.zero_parameters == pytest.approx(0.75 * inner, abs=100)


def test_pruned_filters_leave_a_quarter(pictures: Path, made: Path) -> None:
    trained = _trained("resnet8_pruned_channels", pictures, made)
    facts = facts_of(trained.float_model)

    assert (facts.macs, facts.parameters) == (3_236_160, 19_786)
    made_of_it = predictions(trained.float_model, trained.test_x)
    np.testing.assert_allclose(made_of_it.sum(axis=1), 1.0, atol=1e-5)


def test_the_student_is_as_small_and_needs_a_third_less(pictures: Path, made: Path) -> None:
    facts = facts_of(_trained("resnet8_distilled", pictures, made).float_model)

    assert (facts.macs, facts.parameters) == (2_208_064, 19_850)
