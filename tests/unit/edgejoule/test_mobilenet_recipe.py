"""The recipe of mobilenet_v1: the benchmark's network to the last multiply-accumulate, and how pictures are varied."""

from types import ModuleType

import numpy as np
import pytest

from edge_agent.model_catalog import models_dir
from edgejoule.making.data.faces import Pictures, load, network_input
from edgejoule.making.network import initial
from edgejoule.making.tflite import float_model
from edgejoule.zoo.graph import facts_of
from tests.fakes.recipes import load_recipe

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe(models_dir() / "recipes" / "mobilenet_v1.py")


@pytest.fixture(scope="module")
def untrained(recipe: ModuleType) -> bytes:
    network = recipe.network()
    return float_model(network, initial(network, 0))


def test_the_network_is_the_benchmarks(untrained: bytes) -> None:
    """7,489,664 MACs and 210,850 parameters, as counted from the file of github.com/mlcommons/tiny."""
    facts = facts_of(untrained)
    assert facts.inputs[0].shape == [1, 96, 96, 3]
    assert facts.outputs[0].shape == [1, 2]
    assert (facts.macs, facts.parameters) == (7_489_664, 210_850)


def test_varied_pictures_are_grey_and_of_the_networks_shape(recipe: ModuleType) -> None:
    known, _ = load()
    made = recipe.varied(known.x[::20], np.random.default_rng(1))
    assert made.shape == (len(known.x[::20]), 96, 96, 3)
    assert made.dtype == np.float32
    assert made.min() >= 0.0
    assert made.max() <= 1.0
    assert (made[..., 0] == made[..., 1]).all()


def test_variation_keeps_what_is_shown(recipe: ModuleType) -> None:
    """A varied picture is nearer to the one that it is made of than most others are, mirrored or not."""
    known, _ = load()
    plain = network_input(known.x[:40])[..., 0].reshape(40, -1)
    made = recipe.varied(known.x[:40], np.random.default_rng(2))[..., 0]
    likeness = np.maximum(
        np.corrcoef(plain, made.reshape(40, -1))[:40, 40:],
        np.corrcoef(plain, made[:, :, ::-1].reshape(40, -1))[:40, 40:],
    )
    own = np.diag(likeness)
    assert (own > np.median(likeness, axis=0)).mean() > 0.9


def test_mistakes_are_told_for_each_kind_of_picture(recipe: ModuleType, untrained: bytes) -> None:
    """Labels that the model itself gave are all right; the same ones turned round are all wrong."""
    x = load()[1].x[[0, 1, 45, 46, 100, 101]]
    told = recipe.predictions(untrained, network_input(x)).argmax(axis=1)
    cropped = np.array([False, False, False, False, True, True])
    said = [
        recipe.mistakes_limit(untrained, network_input(x), Pictures(x=x, y=y, cropped=cropped))
        for y in (told, 1 - told)
    ]
    assert " 0 of 2 crops" in said[0]
    assert " 2 of 2 crops" in said[1]
    assert all(count in said[1] for count in ("faces", "backgrounds"))
