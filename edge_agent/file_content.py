"""A file read once: who checks it and who uses it get the same bytes, whatever happens to the file meanwhile."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError

MAX_BYTES: Final = 1 << 30
"""A model is held in memory beside what an engine makes of it; beyond a gibibyte it is none for a small board."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """``data``: the whole file as it was; ``path``: the name that messages call it by."""

    path: Path
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Return the sha256 of these very bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def read_content(path: Path, what: str = "the model") -> FileContent:
    """Read a regular file of at most ``MAX_BYTES``. Raises ConfigurationError: one line that says ``what`` it is for.

    A pipe, a device and the like are refused without waiting for what they would say.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ConfigurationError(f"{path}: cannot read {what}: it is no regular file; name a file")
            if found.st_size > MAX_BYTES:
                raise ConfigurationError(
                    f"{path}: cannot read {what}: it has {found.st_size} bytes, and {MAX_BYTES} are the most that "
                    "is read; name a smaller file"
                )
            data = file.read(found.st_size + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read {what}: {error.strerror}; name an existing file") from error
    if len(data) != found.st_size:
        raise ConfigurationError(
            f"{path}: cannot read {what}: it changed while it was read; try again when it is whole"
        )
    return FileContent(path, data)


def read_pinned(path: Path, sha256: str, whose: str, what: str = "the model") -> FileContent:
    """Read a file and return it only if ``sha256`` is its hash; ``whose``: the model that it is for.

    Raises ConfigurationError.
    """
    content = read_content(path, what)
    if content.sha256 != sha256:
        raise ConfigurationError(
            f"{path}: sha256 is {content.sha256}, but {sha256} is expected for {whose}; restore the file (reinstall "
            "edgejoule if it came with it), or state the new hash if the change is meant"
        )
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever writes into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
