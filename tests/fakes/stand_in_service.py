"""Runs the version that ``current`` points to as a process, where systemd is not the point of a test."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgejoule.deploy.onboard.layout import Layout
from edgejoule.deploy.onboard.report import Event, Report
from edgejoule.deploy.onboard.service import NoService, ServiceState
from edgejoule.deploy.onboard.switching import Site

CUT = 9


class StandIn(NoService):
    """``before``: called with the name of each call that would change something, right before it.

    ``cut_at``: the call, or ``gate``, before which this process and the agent end with the exit code ``CUT``.
    """

    exists = True

    def __init__(self, layout: Layout, before: Callable[[str], None] = lambda _: None) -> None:
        self._layout, self._before = layout, before
        self._process: subprocess.Popen[bytes] | None = None
        self._log = layout.root.parent / "agent.log"
        self.calls: list[str] = []
        self.enabled = False
        self.cut_at = ""

    @property
    def pid(self) -> int | None:
        """Return the agent's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def apply(self, changed: list[Path]) -> None:
        del changed
        self._note("apply")

    def enable(self, further: list[str]) -> None:
        del further
        self._note("enable")
        self.enabled = True

    def restart(self) -> None:
        self._note("restart")
        self.end()
        program = self._layout.current / "venv" / "bin" / "edgejoule"
        with self._log.open("wb") as log:
            words = [str(program), "agent", "run", "--config", str(self._layout.config)]
            self._process = subprocess.Popen(words, stdout=log, stderr=log)

    def stop(self, *, disable: bool = False) -> None:
        self._note("stop")
        self.end()
        self.enabled = self.enabled and not disable

    def forget(self) -> None:
        self.stop(disable=True)

    def state(self) -> ServiceState:
        self._cut("gate")
        pid = self.pid
        ended = self._process is not None and pid is None
        return ServiceState("active" if pid else "failed", pid or 0, 3 if ended else 0)

    def journal(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def end(self) -> None:
        """End the agent, however it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _note(self, name: str) -> None:
        self.calls.append(name)
        self._before(name)
        self._cut(name)

    def _cut(self, name: str) -> None:
        if name == self.cut_at:
            self.end()
            os._exit(CUT)


class Board:
    """A board in a folder: its site, and everything that its installers said."""

    def __init__(self, folder: Path, before: Callable[[str], None] = lambda _: None) -> None:
        system = folder / "etc"
        (system / "systemd").mkdir(parents=True)
        self.layout = Layout.at(folder / "root", None, system)
        self.service = StandIn(self.layout, before)
        self.events: list[Event] = []
        self.site = Site(self.layout, self.service, Report(self.events.append))

    def files(self) -> dict[str, str]:
        """Return every file outside versions and logs: links by where they point, files by what they hold."""
        found = {}
        for path in sorted([*self.layout.root.rglob("*"), *self.layout.system.rglob("*")]):
            inside = path.relative_to(self.layout.root.parent)
            if "versions" in inside.parts or "state" in inside.parts or path.name in {"history.jsonl", ".lock"}:
                continue
            if path.is_symlink():
                found[str(inside)] = str(path.readlink())
            elif path.is_file():
                found[str(inside)] = path.read_bytes().hex()
        return found


@contextmanager
def board_in(folder: Path, before: Callable[[str], None] = lambda _: None) -> Iterator[Board]:
    """Yield a board whose agent ends with the block."""
    board = Board(folder, before)
    try:
        yield board
    finally:
        board.service.end()
