"""A training's joules by an external meter: the emulator behind a pseudo-terminal, the real reader and register."""

import contextlib
import time
from pathlib import Path

import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.making.cost import CostMeter, cost_meter_from_environment
from edgejoule.zoo.recipe_process import METER_VARIABLE, Step, run_recipe
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.errors import FirmwareBridgeError
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.registry import get_driver

pytestmark = pytest.mark.timing

POWER_W = 2.0


def meter_file(folder: Path, *, port: Path, driver: str = "tc66c", boundary: str = "usb_dc") -> Path:
    path = folder / "agent.toml"
    path.write_text(
        f'[device]\nid = "workstation"\n[meter]\ndriver = "{driver}"\nport = "{port}"\nboundary = "{boundary}"\n'
    )
    return path


def test_the_meters_joules_are_those_of_the_training_with_its_uncertainty(tmp_path: Path) -> None:
    port = tmp_path / "port"
    with MeterEmulator(get_driver("tc66c"), port, ConstantLoad(POWER_W), EmulatorSettings(seed=3)):
        outer_s = time.monotonic()
        with CostMeter(meter=meter_file(tmp_path, port=port), root=tmp_path) as cost:
            time.sleep(2.0)
        outer_s = time.monotonic() - outer_s
        made = cost.development()
    assert made.method == "meter"
    assert not made.modelled
    assert made.boundary.startswith("simulated: tc66c at usb_dc")
    assert made.duration_s >= 2.0
    assert 0.9 * made.duration_s < made.development_energy_j / POWER_W < 1.1 * outer_s
    assert 0.0 < made.development_energy_u_j < made.development_energy_j


def test_a_meter_that_goes_away_at_once_leaves_the_model_and_a_note(tmp_path: Path) -> None:
    port = tmp_path / "port"
    emulator = MeterEmulator(get_driver("tc66c"), port, ConstantLoad(POWER_W), EmulatorSettings(seed=3))
    with contextlib.ExitStack() as plugged:
        plugged.enter_context(emulator)
        with CostMeter(meter=meter_file(tmp_path, port=port), root=tmp_path) as cost:
            plugged.close()
            time.sleep(4.0)
    assert cost.development().method == "cpu_time"
    assert "less than half" in cost.note


def test_the_environment_names_the_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METER_VARIABLE, str(meter_file(tmp_path, port=tmp_path / "nowhere")))
    with pytest.raises(FirmwareBridgeError, match="nowhere"):
        cost_meter_from_environment().__enter__()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"boundary": "ac_wall"}, "measures usb_dc"),
        ({"boundary": "site"}, "measures usb_dc"),
        ({"boundary": "nowhere"}, "nowhere"),
    ],
)
def test_a_boundary_that_the_meter_cannot_have_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    path = meter_file(tmp_path, port=tmp_path / "port", **changes)
    with pytest.raises(ConfigurationError, match=said) as caught:
        CostMeter(meter=path)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_meter_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("[device]\nid = 'a'\n")
    with pytest.raises(ConfigurationError, match="meter"):
        CostMeter(meter=path)


def test_a_recipe_is_told_which_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "recipe.py"
    recipe.write_text(
        "import json, os\n"
        f"note = os.environ.get({METER_VARIABLE!r}, 'none')\n"
        "print(json.dumps({'stage': 'told', 'done': 1, 'total': 1, 'note': note}))\n"
    )
    monkeypatch.chdir(tmp_path)
    steps: list[Step] = []
    run_recipe(recipe, tmp_path / "out", steps.append, Path("agent.toml"))
    run_recipe(recipe, tmp_path / "out", steps.append)
    assert [step.note for step in steps] == [str(tmp_path / "agent.toml"), "none"]


@pytest.mark.train
def test_train_takes_the_meter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without a [meter] stops the recipe before it trains, in one line."""
    (tmp_path / "agent.toml").write_text("[device]\nid = 'a'\n")
    assert main(["models", "train", "digits_mlp", "--meter", str(tmp_path / "agent.toml")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "missing key `meter`" in said or "meter" in said.rpartition("the recipe failed:")[2]
