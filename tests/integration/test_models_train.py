"""The shipped model is trained again from its recipe, by the command that people use."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_agent.model_catalog import models_dir
from edgejoule.cli import main
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.verify import verify_entry

MODEL_ID = "digits_mlp_int8"

pytestmark = pytest.mark.train


def test_training_again_gives_a_model_that_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / MODEL_ID

    assert main(["models", "train", MODEL_ID, "--out", str(made), "--json"]) == 0

    training = json.loads(capsys.readouterr().out)
    model = (made / "model.tflite").read_bytes()
    assert training["sha256"] == hashlib.sha256(model).hexdigest()
    assert training["bit_identical"] == (model == (models_dir() / MODEL_ID / "model.tflite").read_bytes())
    assert training["accuracy_int8"] == pytest.approx(training["catalog_accuracy_int8"], abs=0.02)
    (tmp_path / "catalog.toml").write_bytes((made / "catalog_entry.toml").read_bytes())
    assert verify_entry(tmp_path, find_entry(tmp_path, MODEL_ID)).ok


def test_same_tools_give_the_same_check_set(tmp_path: Path) -> None:
    assert main(["models", "train", MODEL_ID, "--out", str(tmp_path)]) == 0

    with np.load(tmp_path / "check_set.npz") as made, np.load(models_dir() / MODEL_ID / "check_set.npz") as shipped:
        assert np.array_equal(made["x"], shipped["x"])
        assert np.array_equal(made["y"], shipped["y"])
        assert set(shipped["y"]) == set(range(10))


def test_a_broken_recipe_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = tmp_path / "models"
    shutil.copytree(models_dir(), catalog)
    (catalog / "recipes" / "digits_mlp.py").write_text("raise SystemExit('no data')\n", encoding="utf-8")

    assert main(["models", "train", MODEL_ID, "--catalog-dir", str(catalog), "--json"]) == 2

    outcome = capsys.readouterr()
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert "the recipe failed: no data" in outcome.err
