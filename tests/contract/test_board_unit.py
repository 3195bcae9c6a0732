"""The units as they are shipped, judged by systemd without a board: what an attacker in the agent could reach."""

import subprocess
from pathlib import Path

import pytest

from edgejoule.deploy.data import board_data

pytestmark = pytest.mark.boards  # systemd-analyze comes with what boots them

MOST_EXPOSED = {"edgejoule-agent.service": 19, "edgejoule-renew.service": 25}
"""In tenths, as ``--threshold`` takes it; a unit without any sandbox has 96. docs/deploy-boards.md says 1.9."""


def judged(unit: Path, threshold: int) -> subprocess.CompletedProcess[str]:
    words = ["systemd-analyze", "security", "--offline=yes", f"--threshold={threshold}", "--no-pager", str(unit)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_a_unit_is_no_more_exposed_than_is_said(name: str) -> None:
    said = judged(board_data() / name, MOST_EXPOSED[name])

    assert said.returncode == 0, said.stdout
    assert said.stderr == "", "a key that systemd does not know"


@pytest.mark.parametrize("lost", ["CapabilityBoundingSet=\n", "DevicePolicy=strict\n", "MemoryDenyWriteExecute=yes\n"])
def test_one_line_of_the_sandbox_less_is_noticed(lost: str, tmp_path: Path) -> None:
    text = (board_data() / "edgejoule-agent.service").read_text()
    assert lost in text
    unit = tmp_path / "edgejoule-agent.service"
    unit.write_text(text.replace(lost, ""))

    assert judged(unit, MOST_EXPOSED[unit.name]).returncode != 0
