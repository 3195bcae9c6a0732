"""Child processes: started in their own group, logged to files, restarted when they die, never left behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from edge_agent.wire.errors import ConfigurationError
from edgejoule.parent import environment_of_child
from edgejoule.signals import STOP_SIGNALS, handled, held_back

STOP_S: Final = 2.0
MAX_RESTARTS: Final = 5
EXIT_USAGE: Final = 2


@dataclass(slots=True)
class Child:
    """One child process and how often it had to be started again."""

    name: str
    words: Sequence[str]
    log_file: Path
    restarts: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start ``edgejoule <words>``; output is appended to the log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        # A signal between the start and the assignment would leave a child that nobody knows.
        with held_back((*STOP_SIGNALS, signal.SIGHUP)), self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edgejoule", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment_of_child(),
                process_group=0,
            )

    def start_again(self) -> None:
        """Start it after it died, and count that."""
        self.restarts += 1
        self.start()

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, None while it runs or before it was started."""
        return None if self.process is None else self.process.poll()

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL and reap."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        """Return the last line of its log, for an error message."""
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@dataclass(slots=True)
class Household:
    """All children of one run, in order of start. Use as a context manager: none outlives it."""

    log_dir: Path
    children: dict[str, Child] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    """How often each child that was stopped had been started again before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop_all()

    def add(self, name: str, words: Sequence[str]) -> Child:
        """Start a child under ``name``."""
        child = Child(name, words, self.log_dir / f"{name}.log")
        self.children[name] = child
        child.start()
        return child

    def keep_running(self, on_restart: Callable[[Child], None]) -> None:
        """Start again whatever has died. Raises ConfigurationError for a child that cannot run at all."""
        for child in self.children.values():
            code = child.exit_code
            if code is None or child.process is None:
                continue
            if code == EXIT_USAGE or child.restarts >= MAX_RESTARTS:
                raise ConfigurationError(f"{child.name} ended with exit code {code}: {child.last_words()}")
            child.start_again()
            on_restart(child)

    def wait_until(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait for ``done()``; raise ConfigurationError when a child dies meanwhile or time runs out."""
        deadline_s = time.monotonic() + timeout_s
        while not done():
            for child in self.children.values():
                if child.exit_code is not None:
                    message = f"{child.name} ended with exit code {child.exit_code}: {child.last_words()}"
                    raise ConfigurationError(message)
            if time.monotonic() > deadline_s:
                raise ConfigurationError(f"{what} was not ready within {timeout_s:.0f} s; see {self.log_dir}")
            time.sleep(0.02)

    def stop(self, names: Sequence[str], timeout_s: float, each_moment: Callable[[], None] = lambda: None) -> None:
        """Ask the named children to stop, wait, then kill those that do not."""
        children = [self.children[name] for name in names if name in self.children]
        for child in children:
            child.ask_to_stop()
        deadline_s = time.monotonic() + timeout_s
        while any(child.pid is not None for child in children) and time.monotonic() < deadline_s:
            each_moment()
            time.sleep(0.05)
        for child in children:
            child.kill()
            self.children.pop(child.name)
            if child.restarts:
                self.restarts[child.name] = child.restarts

    def stop_all(self) -> None:
        """Stop every child, last started first; deaf to further signals meanwhile, so that none is left behind."""
        with handled((*STOP_SIGNALS, signal.SIGHUP), signal.SIG_IGN):
            self.stop(list(reversed(self.children)), STOP_S)
