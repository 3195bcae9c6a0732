"""Every model of the catalogue on every engine for .tflite files that is here."""

import tomllib
from typing import Any

import numpy as np
import pytest

from edge_agent.checking import check_set_for, quality_of, tensors_of
from edge_agent.inference.registry import load_runner
from edge_agent.model_catalog import CatalogModel, list_models, models_dir, open_model

INPUTS = 40
"""Of each check set: enough to see that the model works, few enough for the slowest kernels."""
SCORE_SPREAD = 0.25
"""More than three standard deviations of a share of 40."""


def check_set_scores() -> dict[str, float]:
    document: dict[str, Any] = tomllib.loads((models_dir() / "catalog.toml").read_text(encoding="utf-8"))
    return {one["id"]: one["check_set_score"] for one in document["model"] if "check_set_score" in one}


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.model_id)
def test_it_runs_and_is_about_as_good_as_the_catalog_says(model: CatalogModel, tflite_engine: str) -> None:
    runner = load_runner(open_model(model), engine=tflite_engine)
    assert runner.identity.runtime == tflite_engine
    found = check_set_for(model, runner)
    tensors = tensors_of(found, runner)
    chosen = np.random.default_rng(0).permutation(len(tensors))[:INPUTS]
    labels = [None if marks is None else marks[chosen] for marks in (found.y, found.anomalous)]
    part = type(found)(x=found.x[chosen], y=labels[0], anomalous=labels[1])
    quality = quality_of(runner, [tensors[one] for one in chosen], part)
    expected = check_set_scores().get(model.model_id)
    if expected is None:
        assert model.check_set is None
        assert np.all(np.isfinite(runner.infer(tensors[0]).astype(float)))
        return
    score = quality.roc_auc if quality.accuracy_ratio is None else quality.accuracy_ratio
    assert score == pytest.approx(expected, abs=SCORE_SPREAD)
