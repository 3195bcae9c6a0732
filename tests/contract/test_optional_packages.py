"""Without the extras every meter is listed and has its page; what needs a package says which line installs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgejoule.doctor import runtimes

REPOSITORY = Path(__file__).parents[2]
EXTRAS = {"serial": ("pymodbus", "cryptography"), "site": ("dsmr_parser", "smllib")}
ALL = (*runtimes.EXTRAS["serial"], *runtimes.EXTRAS["site"])
NEEDS = {
    "serial": {"pzem004t", "pzem016", "pzem017", "sdm120", "sdm230", "sdm630", "tc66c"},
    "site": {"dsmr_p1", "sml"},
}
"""Which meters cannot even be emulated or decoded without an extra; the others are read without any package."""
HIDE = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
DECODERS = """
import json
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.registry import all_drivers

said = {}
for driver in all_drivers():
    try:
        driver.make_encoder({}, 1)
        driver.make_decoder({})
    except ConfigurationError as error:
        said[driver.name] = str(error)
print(json.dumps(said))
"""
COMMAND = """
from edgejoule.cli import main
sys.exit(main({arguments!r}))
"""


def without(packages: tuple[str, ...], script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter in which these packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(hidden=set(packages)) + script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_a_meter_that_needs_an_extra_names_the_line_that_installs_it(extra: str) -> None:
    outcome = without(EXTRAS[extra], DECODERS)

    assert outcome.returncode == 0, outcome.stderr
    said: dict[str, str] = json.loads(outcome.stdout)
    assert NEEDS[extra] <= set(said) <= NEEDS[extra] | NEEDS["site"]  # dsmr-parser needs cryptography itself
    assert all(f"is not installed; pip install 'edgejoule[{extra}]'" in said[name] for name in NEEDS[extra])


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["meter", "list"], 0, "Ports are not listed: pip install 'edgejoule[serial]'"),
        (["meter", "show", "sdm120"], 0, "Modbus"),
        (["meter", "read", "wattsup", "/dev/ttyS0"], 2, "pip install 'edgejoule[serial]'"),
        (["meter", "decode", "sml", "/dev/null"], 2, "pip install 'edgejoule[site]'"),
    ],
    ids=["list", "show", "read", "decode"],
)
def test_the_command_without_any_extra(arguments: list[str], code: int, text: str) -> None:
    outcome = without(ALL, COMMAND.format(arguments=arguments))

    assert outcome.returncode == code, outcome.stderr
    assert text in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "export", "digits_mlp_float32", "--onnx", "/nowhere/d.onnx"],
        ["cloud", "bench", "digits_mlp_float32", "--cpu-watts", "table"],
    ],
    ids=["export", "cloud bench"],
)
def test_what_writes_onnx_names_the_line_that_installs_it(arguments: list[str]) -> None:
    outcome = without(("onnx",), COMMAND.format(arguments=arguments))

    assert outcome.returncode == 2, outcome.stderr
    assert "pip install 'edgejoule[cloud]'" in outcome.stderr
    assert "Traceback" not in outcome.stderr
