import argparse
import configparser
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import DEFAULT_STATE_DIR
from edge_agent.service import WATCHDOG_S, Watchdog, feeding_interval_s, notify
from edgejoule.cli import COMMANDS
from edgejoule.commands import agent

UNIT = Path(__file__).parents[3] / "deploy/board/edgejoule-agent.service"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(2.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        yield channel


def test_the_service_manager_is_told(manager: socket.socket) -> None:
    assert notify("READY=1")
    assert manager.recv(100) == b"READY=1"


def test_the_watchdog_is_fed_no_more_often_than_needed(manager: socket.socket) -> None:
    watchdog = Watchdog()
    for now_s in (100.0, 100.1, 100.0 + WATCHDOG_S - 0.1, 100.0 + WATCHDOG_S):
        watchdog.feed(now_s)
    notify("STOPPING=1")
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    ("allowed", "interval_s"), [(None, WATCHDOG_S), ("60000000", WATCHDOG_S), ("6000000", 2.0), ("x", WATCHDOG_S)]
)
def test_a_manager_that_waits_for_less_is_told_more_often(
    allowed: str | None, interval_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if allowed is None:
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_USEC", allowed)
    assert feeding_interval_s() == interval_s


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_the_unit_file_fits_the_agent() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keep systemd's capital letters
    unit.read(UNIT, encoding="utf-8")
    service = unit["Service"]
    program, command, *words = shlex.split(service["ExecStart"])
    assert (Path(program).name, command) == ("edgejoule", "agent")
    assert command in COMMANDS
    parser = argparse.ArgumentParser()
    agent.add_arguments(parser)
    assert parser.parse_args(words).action == "run"
    assert f"/var/lib/{service['StateDirectory']}" == DEFAULT_STATE_DIR
    assert float(service["WatchdogSec"]) >= 3 * WATCHDOG_S
    assert "adjtimex" in service["SystemCallFilter"]
