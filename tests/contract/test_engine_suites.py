"""The suite of tests/engines also passes with tflite-runtime, in the environment that it needs for itself.

``make test`` builds that environment, .venv-tflite, wherever Python 3.11 is: tflite-runtime has no wheel for a later
one.
"""

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv-tflite" / "bin" / "python"
HAS_WHEELS = (
    sys.version_info[:2] == (3, 11) and sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}
)
LEAST_TESTS = 40
"""For the one engine that is there: a suite that collects next to nothing also passes."""


def run_suite(python: Path, engines: str, report: Path) -> tuple[subprocess.CompletedProcess[str], list[ET.Element]]:
    """Run tests/engines in another interpreter; return what it said and its test cases."""
    outcome = subprocess.run(
        [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests/engines"],
        cwd=REPOSITORY,
        env=os.environ | {"EDGEJOULE_ENGINES": engines},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    cases = list(ET.parse(report).getroot().iter("testcase")) if report.exists() else []
    return outcome, cases


@pytest.mark.parametrize("package", ["ai_edge_litert", "onnxruntime", "onnx"])
def test_this_environment_has_the_engines_that_it_can_have(package: str) -> None:
    """Without this, tests/engines would pass with fewer of them and nobody would see it."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed; make venv installs it")


def test_an_engine_that_is_demanded_and_absent_fails_the_suite(tmp_path: Path) -> None:
    outcome, _ = run_suite(Path(sys.executable), "litert,absent", tmp_path / "report.xml")
    assert outcome.returncode != 0
    assert "EDGEJOULE_ENGINES names absent, which cannot be imported here" in outcome.stdout + outcome.stderr


if PYTHON.exists() or HAS_WHEELS:

    @pytest.mark.compiler
    def test_the_suite_passes_with_tflite_runtime(tmp_path: Path) -> None:
        if not PYTHON.exists():
            pytest.skip(".venv-tflite is not there; make .venv-tflite/.installed builds it")
        outcome, cases = run_suite(PYTHON, "tflite-runtime", tmp_path / "report.xml")
        assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-2000:]
        assert [case.get("name") for case in cases if case.find("skipped") is not None] == []
        assert sum("[tflite-runtime" in str(case.get("name")) for case in cases) >= LEAST_TESTS
