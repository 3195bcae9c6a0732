"""The recipe of the autoencoder: the benchmark's network to the last multiply-accumulate, and a short training."""

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from edge_agent.model_catalog import models_dir
from edgejoule.making.data.smartwatch import recordings
from edgejoule.making.network import initial
from edgejoule.making.progress import Silence
from edgejoule.making.quality import mean_square_error, predictions, roc_auc_score
from edgejoule.making.tflite import float_model
from edgejoule.zoo.graph import facts_of
from tests.fakes.recipes import load_recipe

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe(models_dir() / "recipes" / "autoencoder.py")


def test_the_network_is_the_benchmarks(recipe: ModuleType) -> None:
    """264,192 MACs and 265,864 parameters, as counted from the file of github.com/mlcommons/tiny."""
    facts = facts_of(float_model(recipe.NETWORK, initial(recipe.NETWORK, 0)))
    assert facts.inputs[0].shape == facts.outputs[0].shape == [1, 640]
    assert (facts.macs, facts.parameters) == (264_192, 265_864)


def test_only_normal_exercises_of_other_subjects_are_learnt(recipe: ModuleType) -> None:
    known = recordings()
    learnt = recipe.normal_windows([one for one in known if one.subject == 1], 300)
    rows = [recipe.normal_windows([one], 300) for one in known if one.subject == 1 and one.exercise in recipe.NORMAL]
    assert (learnt == np.concatenate(rows)).all()
    assert {one.exercise for one in known} == {*recipe.NORMAL, *recipe.UNUSUAL}
    assert not set(recipe.NORMAL) & set(recipe.UNUSUAL)


def test_one_epoch_already_tells_unusual_movements(recipe: ModuleType) -> None:
    trained = recipe.train(Silence(), dataclasses.replace(recipe.PLAN, epochs=1))
    assert len(trained.test_x) == len(trained.anomalous) == len(trained.groups) == 1784
    assert len(np.unique(trained.groups)) == 4 * 14
    assert "ROC AUC of 0.819" in trained.limits[0]
    assert trained.limits[0].endswith("one of 0.945")
    part = slice(None, None, 4)
    x, anomalous = trained.test_x[part], trained.anomalous[part]
    score = roc_auc_score(mean_square_error(predictions(trained.float_model, x), x), anomalous)
    assert score.value > 0.85
    apart = np.abs(trained.calibration[:, None, :4] - trained.test_x[None, :, :4]).max(axis=2)
    assert apart.min() > 0.0
