"""Shipped models are trained again from scratch, without TensorFlow or PyTorch, by the command that people use."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.model_catalog import find_model, models_dir
from edgejoule.cli import main
from edgejoule.zoo.card import card
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.latency import read_latencies
from edgejoule.zoo.verify import SCORE_TOLERANCE, verify_entry

pytestmark = pytest.mark.train

PRECISIONS = ["int8", "dynamic_range", "float32"]


def trained(name: str, out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["models", "train", name, "--out", str(out), "--json"]) == 0
    training: dict[str, Any] = json.loads(capsys.readouterr().out)
    return training


@pytest.mark.slow
@pytest.mark.parametrize("family_id", ["digits_mlp", "ds_cnn"])
def test_training_from_scratch_gives_the_score_of_the_catalogue(
    family_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"

    training = trained(family_id, made, capsys)

    assert [model["model_id"] for model in training["models"]] == [f"{family_id}_{one}" for one in PRECISIONS]
    for model in training["models"]:
        assert model["score"] == pytest.approx(model["catalog_score"], abs=SCORE_TOLERANCE)
        shipped, new = (
            (folder / family_id / f"{model['model_id'].removeprefix(f'{family_id}_')}.tflite").read_bytes()
            for folder in (models_dir(), made)
        )
        assert model["bit_identical"] == (new == shipped)
    catalog = read_catalog(made)
    assert all(verify_entry(find_model(entry.id, made), catalog, entry).ok for entry in catalog.model)
    (family,) = catalog.family
    assert family.development is not None
    assert family.development.development_energy_j > 0.0
    assert family.development.cpu_s > 0.0
    expected = card(family, catalog.model, read_latencies(models_dir()))
    assert (made / family_id / "card.md").read_text(encoding="utf-8") == expected
    the_same_check_set(made / family_id, models_dir() / family_id)


def the_same_check_set(made: Path, shipped: Path) -> None:
    """It is made of the data and of their range, which no training changes."""
    with np.load(made / "check_set.npz") as new, np.load(shipped / "check_set.npz") as old:
        assert sorted(new) == sorted(old) == ["scale", "x", "y", "zero_point"]
        for name in old:
            assert np.array_equal(new[name], old[name]), name
        assert set(old["y"]) == set(range(old["y"].max() + 1))


def test_a_broken_recipe_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = tmp_path / "models"
    shutil.copytree(models_dir(), catalog)
    (catalog / "recipes" / "digits_mlp.py").write_text("raise SystemExit('no data')\n", encoding="utf-8")

    assert main(["models", "train", "digits_mlp", "--catalog-dir", str(catalog), "--json"]) == 2

    outcome = capsys.readouterr()
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert "the recipe failed: no data" in outcome.err
