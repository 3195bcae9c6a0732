"""``edgejoule meter`` as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

COMMAND = [sys.executable, "-m", "edgejoule", "meter"]


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a verb while the block runs; it is killed at the end if it has not ended."""
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
