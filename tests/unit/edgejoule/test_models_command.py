"""``edgejoule models list|verify``: what is wrong with a model's files is found and named."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.model_catalog import find_model, models_dir
from edgejoule.cli import main
from edgejoule.zoo.catalog_file import find_entry, find_family, read_catalog, with_family, write_catalog
from edgejoule.zoo.entry import Catalog, ModelEntry
from edgejoule.zoo.verify import verify_entry

MODEL_ID = "digits_mlp_int8"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a copy of the catalog that a test may damage."""
    copy = tmp_path / "models"
    shutil.copytree(models_dir(), copy)
    return copy


def _failures(directory: Path, entry: ModelEntry | None = None) -> dict[str, str]:
    entry = entry or find_entry(directory, MODEL_ID)
    outcome = verify_entry(find_model(entry.id, directory), read_catalog(directory), entry)
    assert outcome.ok == all(check.ok for check in outcome.checks)
    return {check.name: check.detail for check in outcome.checks if not check.ok}


def test_the_shipped_models_are_what_the_catalog_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "--json"]) == 0

    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    entries = read_catalog(models_dir()).model
    assert [model["model_id"] for model in answer["models"]] == [entry.id for entry in entries]
    assert answer["total_bytes"] == sum(entry.size_bytes for entry in entries)
    (digits,) = (model for model in answer["models"] if model["model_id"] == MODEL_ID)
    (run,) = digits["runs"]
    assert run["score"] == pytest.approx(find_entry(models_dir(), MODEL_ID).check_set_score, abs=0.005)
    assert (run["runtime"]["runtime"], run["runtime"]["threads"]) == ("litert", 1)


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

    assert list(_failures(directory)) == ["model sha256"]


def test_a_missing_check_set_is_found(directory: Path) -> None:
    (directory / "digits_mlp" / "check_set.npz").unlink()

    assert "check_set.npz: cannot read the check set" in _failures(directory)["check set sha256"]


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"input_shape": [1, 32]}, "input, litert"),
        ({"input_dtype": "float32"}, "input, litert"),
        ({"size_bytes": 63121}, "model size"),
        ({"parameters": 50825}, "parameters"),
        ({"zero_parameters": 1}, "zero parameters"),
        ({"macs": 50433}, "macs"),
        ({"activation_bytes": 1}, "activation bytes"),
        ({"precision": "mixed"}, "precision"),
        ({"check_set_score": 0.97}, "accuracy, litert"),
    ],
)
def test_a_catalog_that_says_something_else_is_found(directory: Path, change: dict[str, Any], failing: str) -> None:
    entry = msgspec.structs.replace(find_entry(directory, MODEL_ID), **change)

    (found,) = _failures(directory, entry)
    assert found.startswith(failing)


def test_a_model_without_a_check_set_runs_on_random_inputs_and_says_so(directory: Path) -> None:
    catalog = read_catalog(directory)
    family = msgspec.structs.replace(catalog.family[0], check_set="", check_set_sha256=None)
    entry = msgspec.structs.replace(find_entry(directory, MODEL_ID), check_set_score=None)
    write_catalog(directory, with_family(catalog, family, [entry]))
    outcome = verify_entry(find_model(entry.id, directory), read_catalog(directory), entry)
    assert outcome.ok
    assert outcome.checks[-1].detail == "on random inputs: no check set comes along"
    assert outcome.runs[0].score is None


def test_each_engine_that_is_named_runs_it(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = read_catalog(directory)
    outcome = verify_entry(
        find_model(MODEL_ID, directory), catalog, find_entry(directory, MODEL_ID), ["litert", "auto"]
    )
    assert [run.runtime.runtime for run in outcome.runs] == ["litert", "litert"]
    for engine in ("onnxruntime", "nonsense"):
        assert main(["models", "verify", MODEL_ID, "--engine", engine]) == 2
        assert f"--engine {engine}: no such engine for .tflite files is installed here" in capsys.readouterr().err


def test_a_model_that_an_engine_refuses_is_a_failure_and_the_others_are_verified(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = directory / "digits_mlp" / "int8.tflite"
    path.write_bytes(path.read_bytes()[:30000])
    catalog = read_catalog(directory)
    cut = {"size_bytes": 30000, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    models = [
        msgspec.structs.replace(one, **cut) if one.id == MODEL_ID else one for one in catalog.members("digits_mlp")
    ]
    write_catalog(directory, Catalog(family=[find_family(directory, "digits_mlp")], model=models))
    assert main(["models", "verify", "--catalog-dir", str(directory)]) == 1
    said = capsys.readouterr().out
    assert "FAILURE  run, litert: " in said
    assert "cannot load it: the file is cut short" in said
    assert f"1 of {len(models)} models FAILED" in said


def test_a_scalar_for_several_classes_is_a_failure(directory: Path) -> None:
    entry = msgspec.structs.replace(find_entry(directory, MODEL_ID), output_shape=[])
    failures = _failures(directory, entry)
    assert failures["classes"] == "10 names for 1 outputs"
    assert failures["output, litert"] == "[1, 10], [] in the catalog"


def test_a_catalogue_that_was_emptied_is_not_as_stated(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "catalog.toml").write_bytes(b"")
    assert main(["models", "verify", "--catalog-dir", str(directory)]) == 2
    assert "catalog.toml: there is no model in it; restore" in capsys.readouterr().err


def test_the_last_line_says_what_pins_the_catalogue(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", MODEL_ID, "--catalog-dir", str(directory)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    size_bytes = find_entry(directory, MODEL_ID).size_bytes
    assert last.startswith(f"1 model, all as stated; {size_bytes:,} bytes")
    assert last.endswith(hashlib.sha256((directory / "catalog.toml").read_bytes()).hexdigest())


def test_a_failed_verification_is_exit_1(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "digits_mlp" / "int8.tflite").unlink()

    assert main(["models", "verify", MODEL_ID, "--catalog-dir", str(directory)]) == 1
    assert "FAILURE" in capsys.readouterr().out


def test_a_family_is_verified_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "digits_mlp", "--json"]) == 0

    members = [entry.id for entry in read_catalog(models_dir()).members("digits_mlp")]
    assert [model["model_id"] for model in json.loads(capsys.readouterr().out)["models"]] == members


def test_an_unknown_model_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "digits"]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "families: " in error
    assert "digits_mlp" in error


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
