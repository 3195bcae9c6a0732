"""A model that is loaded to be measured."""

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from edge_agent.config import ModelSection
from edge_agent.inference.errors import InferenceError
from edge_agent.inference_loop import InferenceLoop
from edge_agent.loaded_model import load_model
from edge_agent.model_catalog import CatalogModel, ModelFacts, file_sha256
from edge_agent.workload import Run

MODELS = Path(__file__).parents[2] / "data/models"


def test_a_model_with_a_state_is_in_its_first_one_after_its_check_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "check.npz", x=np.ones((5, 4), np.float32), y=np.zeros(5, int))
    path = MODELS / "accumulator.tflite"
    model = CatalogModel(
        model_id="sum", path=path, sha256=file_sha256(path), task="", check_set=tmp_path / "check.npz"
    )
    loaded = load_model(ModelSection(id="sum", path=str(path), sha256=model.sha256), model)
    assert loaded.runner.stateful
    assert loaded.quality.accuracy_ratio == 1.0
    assert loaded.runner.infer(loaded.tensors[0])[0, 0] == 11.0, "ten, and the first input"


def test_what_ran_before_an_input_that_fails_is_counted_and_then_the_failure_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "check.npz", x=np.array([[0, 1], [1, 2]], np.int32))
    path = MODELS / "pick.tflite"
    model = CatalogModel(
        model_id="pick", path=path, sha256=file_sha256(path), task="", check_set=tmp_path / "check.npz"
    )
    loaded = load_model(ModelSection(id="pick", path=str(path), sha256=model.sha256), model)
    inputs = [*loaded.tensors, np.array([[0, 9]], np.int32)]
    times_s = iter(range(100))
    loop = InferenceLoop(loaded.runner, inputs, lambda: float(next(times_s)))
    assert loop.run(Run(1e9)).ends_s == [1.0, 2.0]
    for _ in range(2):
        with pytest.raises(InferenceError, match="fails on an input"):
            loop.run(Run(1e9))


@pytest.mark.parametrize(("stated_ratio", "warnings"), [(0.5, 0), (0.61, 1), (None, 0)])
def test_an_engine_that_gets_the_model_wrong_is_told(
    tmp_path: Path, stated_ratio: float | None, warnings: int
) -> None:
    np.savez(tmp_path / "check.npz", x=np.array([[0, 1], [1, 2]], np.int32), y=[1, 0])
    path = MODELS / "pick.tflite"
    model = CatalogModel(
        model_id="pick",
        path=path,
        sha256=file_sha256(path),
        task="",
        check_set=tmp_path / "check.npz",
        facts=ModelFacts(accuracy_ratio=stated_ratio),
    )
    with capture_logs() as logs:
        loaded = load_model(ModelSection(id="pick", path=str(path), sha256=model.sha256), model)
    assert loaded.quality.accuracy_ratio == 0.5
    assert [one["event"] for one in logs] == ["model_loaded"] + ["model_much_worse_than_stated"] * warnings
