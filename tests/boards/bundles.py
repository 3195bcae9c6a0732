"""A bundle for the boards of tests, which are what this machine is."""

import subprocess
import sys
from pathlib import Path

import msgspec

from edgejoule.deploy.onboard.board import board_facts
from edgejoule.deploy.targets import BoardFacts, read_targets, target_of


def bundle_for_boards(folder: Path) -> Path:
    """Make the bundle of this checkout in ``folder``, as a user makes it."""
    target = target_of(msgspec.convert(board_facts(folder), BoardFacts), read_targets())
    path = folder / "edgejoule.bundle.zip"
    words = ["deploy", "bundle", "--target", target.id, "--out", str(path)]
    made = subprocess.run([sys.executable, "-m", "edgejoule", *words], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return path
