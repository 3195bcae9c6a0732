"""Small files that a power cut leaves whole: written under another name, fsync, rename, fsync of the directory."""

import os
from pathlib import Path
from typing import Final

import msgspec

FRESH_SUFFIX: Final = ".new"
DAMAGED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a JSON file raises whose bytes are not those that were written."""


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put ``content`` at ``path``: afterwards it is on the disk, and never is there a part of it. Raises OSError."""
    fresh = path.with_name(f"{path.name}{FRESH_SUFFIX}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def remove_durably(path: Path) -> None:
    """Remove ``path`` if it is there; a power cut does not bring it back. Raises OSError."""
    path.unlink(missing_ok=True)
    fsync_directory(path.parent)


def fsync_directory(directory: Path) -> None:
    """Bring to the disk what was renamed, added and removed in ``directory``. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
