"""What a user can get wrong at the agent's start: one clear line and exit code 2, nothing left behind."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.model_catalog import find_model, models_dir
from tests.fakes.agent import agent_toml


def agent(action: str, config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgejoule", "agent", action, "--config", str(config), *more],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("edgejoule: ")
    assert "Traceback" not in done.stderr
    assert all(word in last for word in words), last


METER = 'driver = "{driver}"\nport = "/dev/null-absent"\nboundary = "{boundary}"'


@pytest.mark.parametrize("action", ["run", "check-config"])
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"meter": METER.format(driver="tc66", boundary="usb_dc")}, ["'tc66'", "did you mean tc66c"]),
        ({"meter": METER.format(driver="tc66c", boundary="ac_wall")}, ["ac_wall", "usb_dc or dc_input"]),
        ({"meter": METER.format(driver="tc66c", boundary="usb_dc") + "\n[meter.options]\nbaud = 1"}, ["baud"]),
        ({"meter": METER.format(driver="tc66c", boundary="usb")}, ["meter.boundary", "did you mean usb_dc"]),
        ({"meter": METER.format(driver="sml", boundary="site")}, ["'sml'", "whole site", "edgejoule meter list"]),
        ({"meter": METER.format(driver="sml", boundary="ac_wall")}, ["'sml'", "whole site"]),
        ({"meter": METER.format(driver="sdm120", boundary="site")}, ["'site'", "the boundary is ac_wall"]),
        ({"meter": METER.format(driver="sdm120", boundary="ac_wall") + "\n[meter.options]\nbaud_hz = 1"}, ["2400"]),
        ({"meter": 'driver = "tc66c"\nport = "capture:///x"\nboundary = "usb_dc"'}, ["recording", "meter replay"]),
        ({"model": 'id = "digits_mlp_int9"'}, ["digits_mlp_int9", "known: ", "digits_mlp_int8"]),
        ({"model": f'id = "digits_mlp_int8"\nsha256 = "{"0" * 64}"'}, ["sha256", "0000", "digits_mlp_int8"]),
        ({"model": f'id = "own"\npath = "m.tflite"\nsha256 = "{"0" * 64}"'}, ["m.tflite", "cannot read"]),
        ({"model": 'id = "own"\ncatalog = "zoo"'}, ["agent.toml", "catalog_sha256", "model"]),
        ({"model": f'id = "own"\ncatalog = "zoo"\ncatalog_sha256 = "{"0" * 64}"'}, ["zoo/catalog.toml", "cannot"]),
        ({"broker": 'url = "tcp://localhost:1883"'}, ["agent.toml", "tcp://localhost:1883", "mqtt://host:port"]),
        ({"broker": 'uri = "mqtt://localhost"'}, ["agent.toml", "unknown key `uri`", "`broker`"]),
        ({"window": "window_s = 1.0\nlength = 2"}, ["agent.toml", "unknown key `length`", "`window`"]),
        ({"input": 'source = "directory"\npath = "absent"'}, ["[input] path", "absent", "cannot read it"]),
        ({"input": 'source = "stdin"\npath = "x"'}, ["takes no path"]),
        ({"input": 'source = "application"'}, ["runtime", "application"]),
        ({"input.models": 'mine = "..."'}, ["sha256sum FILE", "input.models"]),
        ({"align": 'marker_socket = "m.sock"'}, ["tc66c has no marker input"]),
        ({"workload": 'kind = "bursty"'}, ["agent.toml", "workload.kind"]),
    ],
)
def test_a_wrong_configuration(tmp_path: Path, action: str, changed: dict[str, str], words: list[str]) -> None:
    assert_one_line(agent(action, agent_toml(tmp_path, **changed)), *words)


def test_a_changed_model_file_names_both_hashes(tmp_path: Path) -> None:
    body = find_model("digits_mlp_int8").path.read_bytes() + b"x"
    (tmp_path / "own.tflite").write_bytes(body)
    expected, actual = hashlib.sha256(body[:-1]).hexdigest(), hashlib.sha256(body).hexdigest()
    config = agent_toml(tmp_path, model=f'id = "own"\npath = "own.tflite"\nsha256 = "{expected}"')
    assert_one_line(agent("run", config), "own.tflite", expected, actual, "restore")


def test_a_tampered_model_of_a_catalogue_is_refused_by_name(tmp_path: Path) -> None:
    shutil.copytree(models_dir(), tmp_path / "zoo", ignore=shutil.ignore_patterns("recipes"))
    file = tmp_path / "zoo/digits_mlp/int8.tflite"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    pin = hashlib.sha256((tmp_path / "zoo/catalog.toml").read_bytes()).hexdigest()
    config = agent_toml(tmp_path, model=f'id = "digits_mlp_int8"\ncatalog = "zoo"\ncatalog_sha256 = "{pin}"')
    assert_one_line(agent("run", config), str(file), "for model 'digits_mlp_int8'", "restore the file")


def test_a_missing_port(tmp_path: Path) -> None:
    assert_one_line(agent("run", agent_toml(tmp_path)), str(tmp_path / "tty"), "no such port")
    assert not (tmp_path / "agent.pid").exists()


def test_a_port_that_is_no_serial_device(tmp_path: Path) -> None:
    (tmp_path / "tty").write_text("a file")
    assert_one_line(agent("run", agent_toml(tmp_path)), str(tmp_path / "tty"), "not a serial device")


def test_a_state_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    assert_one_line(agent("run", agent_toml(tmp_path)), str(tmp_path / "state"), "state_dir")


def test_check_config_opens_nothing_and_shows_the_defaults(tmp_path: Path) -> None:
    config = agent_toml(tmp_path)
    done = agent("check-config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{config}: ok.")
    shown = json.loads(agent("check-config", config, "--json").stdout)
    assert shown["workload"] == {"kind": "paced", "duty_ratio": 0.3, "inferences_per_s": None}
    assert not (tmp_path / "state").exists()


def test_an_own_model_runs_up_to_the_port(tmp_path: Path) -> None:
    source = find_model("digits_mlp_int8")
    (tmp_path / "own.tflite").write_bytes(source.path.read_bytes())
    config = agent_toml(tmp_path, model=f'id = "own"\npath = "own.tflite"\nsha256 = "{source.sha256}"')
    done = agent("run", config)
    loaded = json.loads(next(line for line in done.stderr.splitlines() if "model_loaded" in line))
    assert (loaded["model"], loaded["inputs"], loaded["accuracy_ratio"]) == ("own", "random", None)
    assert_one_line(done, "no such port")
