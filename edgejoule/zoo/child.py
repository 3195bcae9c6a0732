"""A module of ours run in a process of its own, so that a library that crashes on a model ends nothing else."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

TIMEOUT_S: Final = 600.0


@dataclass(frozen=True)
class Ended:
    """How a child ended. ``failure``: why it gave no answer, in one line; "" if it gave one."""

    stdout: str
    stderr: str
    failure: str


def run_module(module: str, *arguments: str, stdin: bytes = b"") -> Ended:
    """Run ``python -m module arguments`` and return what it wrote. Never raises for what the child does."""
    try:
        outcome = subprocess.run(
            [sys.executable, "-B", "-P", "-m", module, *arguments],
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended("", "", f"no answer after {TIMEOUT_S:.0f} s")
    stdout, stderr = (one.decode(errors="replace") for one in (outcome.stdout, outcome.stderr))
    return Ended(stdout, stderr, _failure(outcome.returncode, stderr))


def _failure(returncode: int, stderr: str) -> str:
    if returncode == 0:
        return ""
    if returncode < 0:
        return f"its process crashed ({_signal_name(-returncode)})"
    return next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), f"exit code {returncode}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
