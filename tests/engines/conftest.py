"""The engines that this interpreter can import, and the models that each of them is tried with.

``EDGEJOULE_ENGINES=litert,tflite-runtime`` demands that these can be imported, and tries no other.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engines.engines_here import KNOWN, engines_here

HERE = Path(__file__).parent
REFERENCE_DATA = os.environ.get("EDGEJOULE_REFERENCE_DATA", "")
collect_ignore = [] if REFERENCE_DATA else ["test_reference_graph.py", "test_reference_model.py"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test once for each engine that it can be about."""
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines_here(), scope="session")
    if "tflite_engine" in metafunc.fixturenames:
        found = [name for name in engines_here() if KNOWN[name].SUFFIX == ".tflite"]
        metafunc.parametrize("tflite_engine", found, scope="session")


@pytest.fixture(scope="session")
def adding_delegate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the test delegate; needs neither headers nor libraries."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("the program gcc is not installed")
    library = tmp_path_factory.mktemp("delegate") / "libadding.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib"]
    no_library_calls = "-fno-tree-loop-distribute-patterns"
    source = HERE / "adding_delegate.c"
    subprocess.run([compiler, *flags, no_library_calls, "-o", library, source], check=True, timeout=60)
    return library
