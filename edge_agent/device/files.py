"""Small text files of /sys and /proc: read once, or kept open to be read often."""

import os
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 4096


class KeptFile:
    """A file that is read again and again: opening it is most of what a read costs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def text(self) -> str:
        """Return the text as it is now, without white space around it; empty if it cannot be read."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._descriptor, MAX_BYTES, 0).decode("utf-8", errors="replace").strip()
        except OSError:  # a core went off line, a zone is asleep
            self.close()
            return ""

    def close(self) -> None:
        """Close it; the next read opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read(path: Path) -> str:
    """Return the file's text without white space around it, empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def integer(text: str, base: int = 10) -> int | None:
    """Return the text as an integer, None if it is none."""
    try:
        return int(text, base)
    except ValueError:
        return None
