"""``edgejoule models list|verify``: what is wrong with a model's files is found and named."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.model_catalog import models_dir
from edgejoule.cli import main
from edgejoule.zoo.catalog_file import find_entry, read_catalog
from edgejoule.zoo.entry import ModelEntry
from edgejoule.zoo.verify import verify_entry

MODEL_ID = "digits_mlp_int8"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a copy of the catalog that a test may damage."""
    copy = tmp_path / "models"
    shutil.copytree(models_dir(), copy)
    return copy


def _failures(directory: Path, entry: ModelEntry | None = None) -> dict[str, str]:
    outcome = verify_entry(directory, read_catalog(directory), entry or find_entry(directory, MODEL_ID))
    assert outcome.ok == all(check.ok for check in outcome.checks)
    return {check.name: check.detail for check in outcome.checks if not check.ok}


def test_the_shipped_models_are_what_the_catalog_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "--json"]) == 0

    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [model["model_id"] for model in answer["models"]] == [MODEL_ID]
    assert answer["models"][0]["score"] == pytest.approx(0.9267, abs=0.005)
    assert answer["models"][0]["runtime"]["threads"] == 1


def test_the_card_states_the_catalogs_figures() -> None:
    for entry in read_catalog(models_dir()).model:
        card = (models_dir() / entry.file).with_name("card.md").read_text(encoding="utf-8")
        assert entry.sha256 in card
        for figure in (entry.parameters, entry.macs, entry.size_bytes):
            assert f"{figure:,}" in card
        assert entry.score is not None
        assert f"{entry.score.value:.2%}" in card


def test_counts_follow_from_the_layers() -> None:
    entry = find_entry(models_dir(), MODEL_ID)

    assert entry.macs == 64 * 256 + 256 * 128 + 128 * 10
    assert entry.parameters == entry.macs + 256 + 128 + 10


def test_one_changed_byte_is_found(directory: Path) -> None:
    model = directory / "digits_mlp" / "int8.tflite"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)

    assert list(_failures(directory)) == ["model sha256"]


def test_a_shorter_file_is_found(directory: Path) -> None:
    model = directory / "digits_mlp" / "int8.tflite"
    model.write_bytes(model.read_bytes()[:-8])

    assert list(_failures(directory)) == ["model sha256", "model size"]


def test_a_missing_check_set_is_found(directory: Path) -> None:
    (directory / "digits_mlp" / "check_set.npz").unlink()

    assert "is missing; reinstall" in _failures(directory)["check set sha256"]


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"input_shape": [1, 32]}, "input"),
        ({"input_dtype": "float32"}, "input"),
        ({"check_set_score": 0.97}, "accuracy"),
    ],
)
def test_a_catalog_that_says_something_else_is_found(directory: Path, change: dict[str, Any], failing: str) -> None:
    entry = msgspec.structs.replace(find_entry(directory, MODEL_ID), **change)

    assert list(_failures(directory, entry)) == [failing]


def test_a_failed_verification_is_exit_1(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "digits_mlp" / "int8.tflite").unlink()

    assert main(["models", "verify", MODEL_ID, "--catalog-dir", str(directory)]) == 1
    assert "FAILURE" in capsys.readouterr().out


def test_an_unknown_model_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "digits"]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"known: {MODEL_ID}" in error


def test_list_as_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0

    models = json.loads(capsys.readouterr().out)["models"]
    assert set(models[0]) == set(ModelEntry.__struct_fields__)


def test_list_for_people_names_each_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0

    assert MODEL_ID in capsys.readouterr().out


def test_an_unknown_key_in_the_catalog_is_refused(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = directory / "catalog.toml"
    catalog.write_text(catalog.read_text(encoding="utf-8") + 'colour = "green"\n', encoding="utf-8")

    assert main(["models", "list", "--catalog-dir", str(directory)]) == 2
    assert "colour" in capsys.readouterr().err
