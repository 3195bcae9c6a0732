"""Child processes are restarted when killed, refused when they cannot run, and never left behind."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.demo.children import Child, Household


def test_a_killed_child_is_started_again_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    with Household(tmp_path) as household:
        child = household.add("help", ["meter", "emulate", "tc66c", "--link", str(tmp_path / "tty")])
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert child.process is not None
        child.process.wait(timeout=10)
        household.keep_running(lambda restarted: told.append(restarted.name))
        assert child.pid not in {None, first}
    assert told == ["help"]
    assert household.restarts == {"help": 1}
    assert not psutil.pid_exists(first)


def test_a_child_with_a_wrong_configuration_is_not_started_again(tmp_path: Path) -> None:
    with Household(tmp_path) as household:
        child = household.add("agent", ["agent", "run", "--config", str(tmp_path / "absent.toml")])
        assert child.process is not None
        child.process.wait(timeout=20)
        with pytest.raises(ConfigurationError, match=r"agent ended with exit code 2: .*absent\.toml"):
            household.keep_running(_refuse)


def test_waiting_ends_when_a_child_dies(tmp_path: Path) -> None:
    with Household(tmp_path) as household:
        household.add("agent", ["agent", "run", "--config", str(tmp_path / "absent.toml")])
        with pytest.raises(ConfigurationError, match="agent ended"):
            household.wait_until(lambda: False, 30.0, "nothing")


def _refuse(child: Child) -> None:
    raise AssertionError(f"{child.name} was started again")
