"""What runs the agent: systemd on a board, nobody where ``--no-service`` was asked for."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import board
from .layout import CONFIRM_UNIT, RENEW_TIMER, UNIT
from .problems import InstallError

if TYPE_CHECKING:
    from pathlib import Path

CALL_S = 180.0
STOP_S = 90.0
"""The agent delivers for up to 30 s at its end; the unit ends it after 60 s."""
JOURNAL_LINES = 20


@dataclass(frozen=True)
class ServiceState:
    """What the service manager says. ``main_pid`` and ``restarts`` are 0 where there is nothing to tell."""

    active: str
    main_pid: int = 0
    restarts: int = 0


class NoService:
    """Nobody: a person starts the agent, and nothing can be waited for."""

    exists = False
    state_dir = ""
    """Where alone the agent may write, "" for anywhere."""

    def apply(self, changed: list[Path]) -> None:
        """Make ``changed`` files known: there is nobody to tell."""

    def enable(self, further: list[str]) -> None:
        """Let the agent and ``further`` units start at boot: there is nobody to tell."""

    def restart(self) -> None:
        """Start the agent anew: there is nobody to tell."""

    def stop(self, *, disable: bool = False) -> None:
        """End the agent: there is nobody to tell."""

    def forget(self) -> None:
        """End the agent and let nothing of it start again: there is nobody to tell."""

    def state(self) -> ServiceState:
        """Say that nothing is known."""
        return ServiceState("unknown")

    def journal(self) -> list[str]:
        """Return nothing."""
        return []


class Systemd(NoService):
    """The agent's unit. Raises InstallError where systemctl says no."""

    exists = True
    state_dir = "/var/lib/edgejoule-agent"

    def apply(self, changed: list[Path]) -> None:
        """Let systemd, udev and the time service read files that changed."""
        names = " ".join(map(str, changed))
        if "/systemd/system/" in names:
            _systemctl("daemon-reload")
        if "/udev/" in names:
            board.answer(["udevadm", "control", "--reload"])
            board.answer(["udevadm", "trigger", "--subsystem-match=tty", "--action=change"])
        if "timesyncd" in names:
            board.answer(["systemctl", "try-restart", "systemd-timesyncd.service"])
        if "/chrony/" in names:
            board.answer(["systemctl", "try-restart", "chrony.service"])

    def enable(self, further: list[str]) -> None:
        """Let the agent start at boot, what finishes an interrupted switch, and ``further`` timers from now on."""
        _systemctl("enable", "--quiet", UNIT, CONFIRM_UNIT)
        for name in further:
            _systemctl("enable", "--now", "--quiet", name)

    def restart(self) -> None:
        """Start the agent anew, and forget how often it failed."""
        board.answer(["systemctl", "reset-failed", UNIT])
        _systemctl("restart", "--no-block", UNIT)

    def stop(self, *, disable: bool = False) -> None:
        """End the agent; with ``disable`` it does not start at boot either."""
        _systemctl(*(["disable", "--now", "--quiet"] if disable else ["stop"]), UNIT)

    def forget(self) -> None:
        """End the agent and let nothing of it start again; what is not there is no fault."""
        for name in (UNIT, CONFIRM_UNIT, RENEW_TIMER):
            board.answer(["systemctl", "disable", "--now", "--quiet", name], STOP_S)

    def state(self) -> ServiceState:
        """Return what systemd says of the agent."""
        said = board.answer(["systemctl", "show", UNIT, "--property=ActiveState,MainPID,NRestarts"])
        pairs = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return ServiceState(
            pairs.get("ActiveState", "unknown"),
            int(pairs.get("MainPID") or 0),
            int(pairs.get("NRestarts") or 0),
        )

    def journal(self) -> list[str]:
        """Return the last lines that the agent wrote."""
        said = board.answer(
            ["journalctl", "--unit", UNIT, "--lines", str(JOURNAL_LINES), "--no-pager", "--output", "cat", "--quiet"]
        )
        return said.splitlines()


def service_for(*, wanted: bool) -> NoService:
    """Return what runs the agent here. Raises InstallError where a service is wanted and systemd is not there."""
    if not wanted:
        return NoService()
    if not board.systemd_running():
        raise InstallError(
            "service",
            "systemd does not run here, so there is nothing that could start the agent",
            "install with --no-service, and start it yourself",
        )
    return Systemd()


def _systemctl(*words: str) -> None:
    try:
        outcome = subprocess.run(
            ["systemctl", *words], capture_output=True, encoding="utf-8", errors="replace", timeout=CALL_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallError("service", f"systemctl {words[0]}: {error}") from error
    if outcome.returncode != 0:
        said = " ".join(outcome.stderr.split()) or f"exit {outcome.returncode}"
        raise InstallError("service", f"systemctl {words[0]}: {said}", "see: systemctl status " + UNIT)
