"""Who may import whom: the contracts in pyproject.toml hold, and each of them catches a planted violation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("edgejoule", "firmware_bridge", "edge_agent", "collector")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages in ``folder``, not over the installed ones."""
    script = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the packages that a test may spoil."""
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept() -> None:
    outcome = lint_imports(REPOSITORY)

    assert outcome.returncode == 0, outcome.stdout
    assert " 0 broken" in outcome.stdout


@pytest.mark.parametrize(
    ("contract", "where", "line"),
    [
        ("firmware_bridge stands alone", "firmware_bridge/planted.py", "import edge_agent.wire.records"),
        ("edge_agent uses firmware_bridge only", "edge_agent/planted.py", "import collector.values"),
        ("collector knows of the agent nothing but the wire", "collector/planted.py", "import edge_agent.outbox"),
        ("the wire does no I/O", "edge_agent/wire/planted.py", "import sqlite3"),
        (
            "inside firmware_bridge: decoding and integrating are pure",
            "firmware_bridge/drivers/planted.py",
            "import time",
        ),
        ("inside firmware_bridge: ports at the top", "firmware_bridge/samples.py", "import firmware_bridge.stream"),
        ("inside firmware_bridge: ports at the top", "firmware_bridge/without_a_place.py", ""),
        ("collector.carbon is pure", "collector/carbon/planted.py", "import socket"),
    ],
)
def test_a_planted_import_is_caught(contract: str, where: str, line: str, copy: Path) -> None:
    place = copy / where
    place.write_text((place.read_text() if place.exists() else '"""Planted."""\n') + f"\n{line}\n")

    outcome = lint_imports(copy)

    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    broken = [row for row in outcome.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), outcome.stdout
