"""What orders have changed, over restarts and power cuts."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge_agent.remote.model_files import ModelFiles
from edge_agent.remote.settings import ModelChoice, Settings, SettingsFile
from tests.unit.edge_agent.remote.test_guard import make_config

FIRST = ModelChoice(model_id="first", sha256="a" * 64, suffix=".tflite")
SECOND = ModelChoice(model_id="second", sha256="b" * 64, suffix=".onnx", check_set_sha256="c" * 64)


def test_a_change_is_on_trial_until_it_is_confirmed(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    assert file.settings == Settings()
    file.begin(Settings(window_s=30.0), "one")
    file.confirm()
    file.begin(Settings(window_s=60.0), "two")
    again = SettingsFile(tmp_path)
    assert again.settings == Settings(window_s=60.0)
    assert again.trial is not None
    assert (again.trial.command_id, again.trial.tried) == ("two", True)
    again.roll_back()
    assert SettingsFile(tmp_path).settings == Settings(window_s=30.0)
    assert SettingsFile(tmp_path).trial is None


def test_an_ordinary_end_leaves_the_trial_untried(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    file.begin(Settings(window_s=30.0), "one")
    file.note_tried(tried=False)
    trial = SettingsFile(tmp_path).trial
    assert trial is not None
    assert not trial.tried


def test_the_present_model_and_the_one_before_stay(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    for number, choice in enumerate((FIRST, SECOND)):
        file.begin(Settings(model=choice), str(number))
        assert choice in file.models
        file.confirm()
    assert SettingsFile(tmp_path).models == [SECOND, FIRST]
    file.begin(Settings(model=SECOND, window_s=2.0), "window")
    file.confirm()
    assert file.models == [SECOND, FIRST]


def test_a_damaged_file_counts_as_none_and_is_said(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    file.begin(Settings(window_s=30.0), "one")
    whole = file.path.read_bytes()
    for damaged in (whole[:-5], whole.replace(b"one", b"\xff\xff\xff")):
        file.path.write_bytes(damaged)
        with capture_logs() as logs:
            assert SettingsFile(tmp_path).settings == Settings()
        assert [line["event"] for line in logs] == ["settings_not_read"]


def test_a_disk_that_takes_nothing_changes_nothing_but_going_back_always_works(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    file.begin(Settings(window_s=30.0), "one")
    in_the_way = tmp_path / "settings.json.new"
    in_the_way.mkdir()
    with pytest.raises(OSError, match="directory"):
        file.begin(Settings(window_s=60.0), "two")
    assert file.settings == Settings(window_s=30.0)
    with capture_logs() as logs:
        file.roll_back()
    assert file.settings == Settings()
    assert [line["event"] for line in logs] == ["settings_not_written"]


def test_over_the_configuration(tmp_path: Path) -> None:
    config, files = make_config(), ModelFiles(tmp_path)
    assert Settings().over(config, files) == config
    changed = Settings(window_s=30.0, duty_ratio=0.25, model=SECOND).over(config, files)
    assert (changed.window.window_s, changed.workload.duty_ratio) == (30.0, 0.25)
    model = changed.model
    assert (model.id, model.path, model.sha256) == ("second", str(files.path("b" * 64, ".onnx")), "b" * 64)
    assert (model.check_set, model.check_set_sha256) == (str(files.path("c" * 64, ".npz")), "c" * 64)
    of_catalogue = Settings(model=ModelChoice(model_id="digits_mlp_float32", sha256="d" * 64)).over(config, files)
    assert (of_catalogue.model.id, of_catalogue.model.path) == ("digits_mlp_float32", "")
