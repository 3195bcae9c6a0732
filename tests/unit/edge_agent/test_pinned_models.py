"""What a catalogue pins is what runs: tampered, exchanged and strange files are refused by name."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.app import prepare
from edge_agent.config import AgentConfig, ModelSection, load_config
from edge_agent.file_content import MAX_BYTES, read_content
from edge_agent.inference.registry import load_runner
from edge_agent.loaded_model import load_model, load_with_inputs
from edge_agent.model_catalog import CATALOG_NAME, CatalogModel, find_model, list_models, models_dir, open_model
from edge_agent.wire.errors import ConfigurationError

MODEL_ID = "digits_mlp_int8"
TINY = Path(__file__).parents[2] / "data/models"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Return a copy of the digits family's catalogue that a test may damage."""
    copy = tmp_path / "models"
    (copy / "digits_mlp").mkdir(parents=True)
    shutil.copy(models_dir() / CATALOG_NAME, copy)
    for file in (models_dir() / "digits_mlp").iterdir():
        shutil.copy(file, copy / "digits_mlp")
    return copy


def text_of(catalog: Path) -> str:
    return (catalog / CATALOG_NAME).read_text(encoding="utf-8")


def changed(catalog: Path, old: str, new: str) -> None:
    text = text_of(catalog)
    assert old in text
    (catalog / CATALOG_NAME).write_text(text.replace(old, new), encoding="utf-8")


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def section(catalog: Path, **more: Any) -> ModelSection:
    return ModelSection(id=MODEL_ID, catalog=str(catalog), catalog_sha256=sha256_of(catalog / CATALOG_NAME), **more)


def configured(directory: Path, model: str) -> AgentConfig:
    path = directory / "agent.toml"
    path.write_text(
        f'[device]\nid = "a"\n[meter]\ndriver = "tc66c"\nport = "/dev/ttyUSB0"\nboundary = "usb_dc"\n[broker]\n'
        f"[model]\n{model}\n",
        encoding="utf-8",
    )
    return load_config(path)


def test_a_file_that_is_exchanged_after_its_check_does_not_run(catalog: Path) -> None:
    model = find_model(MODEL_ID, catalog)
    content = open_model(model)
    shutil.copy(TINY / "single_add.tflite", model.path)
    assert load_runner(content).input_shape == (1, 64), "the bytes that were checked run, not those of the disk"
    with pytest.raises(ConfigurationError, match=rf"int8\.tflite: sha256 is .* for model '{MODEL_ID}'; restore"):
        load_model(ModelSection(id=MODEL_ID), model)


def test_a_model_that_is_loaded_again_for_its_state_is_the_same_though_its_file_is_another(tmp_path: Path) -> None:
    path = tmp_path / "sum.tflite"
    shutil.copy(TINY / "accumulator.tflite", path)
    runner = load_runner(open_model(CatalogModel(model_id="sum", path=path, sha256=sha256_of(path), task="",
                                                 check_set=None)))  # fmt: skip
    ones = np.ones(runner.input_shape, np.float32)
    first = runner.infer(ones)
    shutil.copy(TINY / "single_add.tflite", path)
    assert not np.array_equal(runner.infer(ones), first)
    runner.reset()
    assert np.array_equal(runner.infer(ones), first)


def test_a_check_set_with_one_changed_bit_is_refused_by_name(catalog: Path) -> None:
    model = find_model(MODEL_ID, catalog)
    assert model.check_set is not None
    body = bytearray(model.check_set.read_bytes())
    body[-1] ^= 1
    model.check_set.write_bytes(body)
    with pytest.raises(ConfigurationError, match=rf"check_set\.npz: sha256 is .* the check set of model '{MODEL_ID}'"):
        load_with_inputs(ModelSection(id=MODEL_ID), model)


def test_a_check_set_of_one_s_own_can_be_pinned(tmp_path: Path) -> None:
    source = find_model(MODEL_ID)
    np.savez(tmp_path / "check.npz", x=np.zeros((2, 64), np.int8))
    lines = f'id = "own"\npath = "{source.path}"\nsha256 = "{source.sha256}"\ncheck_set = "check.npz"\n'
    right, wrong = sha256_of(tmp_path / "check.npz"), "0" * 64
    for pin in ("", f'check_set_sha256 = "{right}"'):
        config = configured(tmp_path, lines + pin)
        assert len(load_with_inputs(config.model, prepare(config).model)[1].x) == 2
    config = configured(tmp_path, f'{lines}check_set_sha256 = "{wrong}"')
    with pytest.raises(ConfigurationError, match=r"check\.npz: sha256 is"):
        prepare(config)


def test_a_catalogue_of_one_s_own_is_pinned_as_a_whole(catalog: Path, tmp_path: Path) -> None:
    pin = sha256_of(catalog / CATALOG_NAME)
    config = configured(tmp_path, f'id = "{MODEL_ID}"\ncatalog = "models"\ncatalog_sha256 = "{pin}"')
    found = prepare(config).model
    assert found.path == catalog / "digits_mlp/int8.tflite"
    assert load_model(config.model, found).quality.accuracy_ratio is not None
    changed(catalog, 'licence = "Apache-2.0"', 'licence = "other"')
    with pytest.raises(
        ConfigurationError, match=rf"models/{CATALOG_NAME}: sha256 is .* catalog_sha256 = '{pin}'; restore"
    ):
        prepare(config)


def test_the_catalogue_that_comes_along_can_be_pinned_too(tmp_path: Path) -> None:
    pin = sha256_of(models_dir() / CATALOG_NAME)
    assert prepare(configured(tmp_path, f'id = "{MODEL_ID}"\ncatalog_sha256 = "{pin}"')).model.model_id == MODEL_ID
    with pytest.raises(ConfigurationError, match="catalog_sha256"):
        prepare(configured(tmp_path, f'id = "{MODEL_ID}"\ncatalog_sha256 = "{"0" * 64}"'))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('catalog = "models"', "catalog is set but catalog_sha256 is not"),
        (f'path = "x.tflite"\nsha256 = "{"0" * 64}"\ncatalog = "models"', "path and catalog exclude each other"),
        (f'check_set_sha256 = "{"0" * 64}"', "check_set_sha256 is set but check_set is not"),
    ],
)
def test_pins_that_do_not_fit_together_are_one_line(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"agent\.toml: {said}"):
        configured(tmp_path, f'id = "{MODEL_ID}"\n{lines}')


@pytest.mark.parametrize("name", ["../outside.tflite", "/etc/hostname", "digits_mlp/../../outside.tflite"])
def test_a_name_that_leads_out_of_the_catalogue_is_refused(catalog: Path, name: str) -> None:
    changed(catalog, 'file = "digits_mlp/int8.tflite"', f'file = "{name}"')
    with pytest.raises(ConfigurationError, match=rf"model '{MODEL_ID}': '{name}' leads out"):
        list_models(catalog)


def test_a_check_set_outside_of_the_catalogue_or_without_a_hash_is_refused(catalog: Path) -> None:
    changed(catalog, 'check_set = "digits', 'check_set = "../digits')
    with pytest.raises(ConfigurationError, match=r"\.\./digits_mlp/check_set\.npz' leads out"):
        list_models(catalog)
    changed(catalog, 'check_set = "../digits', 'check_set = "digits')
    changed(catalog, "check_set_sha256", "check_set_hash")
    with pytest.raises(ConfigurationError, match="check_set without check_set_sha256"):
        list_models(catalog)


def test_a_link_out_of_the_catalogue_is_refused_and_one_within_it_is_not(catalog: Path, tmp_path: Path) -> None:
    path = find_model(MODEL_ID, catalog).path
    path.rename(path.with_name("moved.tflite"))
    path.symlink_to("moved.tflite")
    assert open_model(find_model(MODEL_ID, catalog)).path == path
    path.with_name("moved.tflite").rename(tmp_path / "outside.tflite")
    path.unlink()
    path.symlink_to(tmp_path / "outside.tflite")
    with pytest.raises(ConfigurationError, match=r"int8\.tflite: a link leads out of .*outside\.tflite"):
        open_model(find_model(MODEL_ID, catalog))


def test_an_installation_whose_files_are_links_to_a_store_runs(catalog: Path, tmp_path: Path) -> None:
    """Installers such as uv with --link-mode symlink make each file one."""
    installed = tmp_path / "installed"
    (installed / "digits_mlp").mkdir(parents=True)
    for file in (CATALOG_NAME, "digits_mlp/int8.tflite", "digits_mlp/check_set.npz"):
        (installed / file).symlink_to(catalog / file)
    assert load_with_inputs(ModelSection(id=MODEL_ID), find_model(MODEL_ID, installed))[0].output_shape == (1, 10)


def test_links_in_a_circle_are_one_line(catalog: Path) -> None:
    path = find_model(MODEL_ID, catalog).path
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(ConfigurationError, match=r"int8\.tflite: "):
        open_model(find_model(MODEL_ID, catalog))


def test_a_pipe_in_the_place_of_a_model_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.tflite")
    for path in (tmp_path / "m.tflite", Path("/dev/zero")):
        with pytest.raises(ConfigurationError, match="no regular file"):
            read_content(path)
    with pytest.raises(ConfigurationError, match="cannot read the model"):
        read_content(tmp_path)


def test_a_folder_in_the_place_of_a_model_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ConfigurationError, match="cannot read the model: Is a directory"):
        read_content(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize("what", ["family", "model"])
def test_an_id_that_stands_twice_is_refused(catalog: Path, what: str) -> None:
    """Which of the two would run, and which would an application's records name?"""
    text = text_of(catalog)
    first = text.index(f"[[{what}]]")
    block = text[first : text.index("[[", first + 2)]
    (catalog / CATALOG_NAME).write_text(text + block, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"{CATALOG_NAME}: {what} '\w+' stands twice; remove one"):
        list_models(catalog)


def test_a_catalogue_without_models_says_so(catalog: Path) -> None:
    (catalog / CATALOG_NAME).write_bytes(b"")
    with pytest.raises(ConfigurationError, match=rf"not in .*/{CATALOG_NAME}; known: none; or give"):
        find_model(MODEL_ID, catalog)


def test_a_file_of_more_than_is_read_is_refused_before_it_is(tmp_path: Path) -> None:
    with (tmp_path / "m.tflite").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigurationError, match=rf"it has {MAX_BYTES + 1} bytes.* smaller file"):
        read_content(tmp_path / "m.tflite")


def test_a_catalogue_that_is_no_text_is_one_line(catalog: Path) -> None:
    (catalog / CATALOG_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=rf"{CATALOG_NAME}: cannot read it: it is not UTF-8"):
        list_models(catalog)
