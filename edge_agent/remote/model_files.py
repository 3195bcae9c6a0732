"""Files that were fetched by their hash, in ``models/`` of the state directory: whole ones, and one in the making."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from edge_agent.durable_file import fsync_directory, remove_durably

DIRECTORY_NAME: Final = "models"
PART_SUFFIX: Final = ".part"
MARGIN_BYTES: Final = 32 * 1024 * 1024
"""Of the disk stays free for the outbox, whatever is fetched."""
READ_BYTES: Final = 1 << 20
CHECK_SET_SUFFIX: Final = ".npz"


class ModelFiles:
    """See the module's text. Names are hashes, which the wire has checked: they lead nowhere else."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / DIRECTORY_NAME

    def path(self, sha256: str, suffix: str) -> Path:
        """Return where the whole file is, once it is there."""
        return self.directory / f"{sha256}{suffix}"

    def part_bytes(self, sha256: str) -> int:
        """Return how much of a file is there from an earlier try."""
        try:
            return self._part(sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def room_missing(self, size_bytes: int) -> int:
        """Return how many bytes must be freed before ``size_bytes`` more fit, 0 for none. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        found = os.statvfs(self.directory)
        return max(0, size_bytes + MARGIN_BYTES - found.f_bavail * found.f_frsize)

    def append(self, sha256: str, data: bytes) -> None:
        """Add to the part of a file; it is on the disk when this returns. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._part(sha256).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def forget_part(self, sha256: str) -> None:
        """Throw away what is there of a file. Raises OSError."""
        if self.directory.is_dir():
            remove_durably(self._part(sha256))

    def finish(self, sha256: str, suffix: str) -> str:
        """Give the part its name if it is what it should be; else throw it away. Return its hash. Raises OSError."""
        part = self._part(sha256)
        found = hash_of(part)
        if found == sha256:
            part.replace(self.path(sha256, suffix))
            fsync_directory(self.directory)
        else:
            remove_durably(part)
        return found

    def is_whole(self, sha256: str, suffix: str) -> bool:
        """Tell whether the file is there and is what its name says; throw away one that is not. Raises OSError."""
        path = self.path(sha256, suffix)
        if not path.is_file():
            return False
        if hash_of(path) == sha256:
            return True
        remove_durably(path)
        return False

    def keep_only(self, sha256s: Collection[str]) -> None:
        """Remove every file but these, parts too. Raises OSError."""
        if not self.directory.is_dir():
            return
        for path in self.directory.iterdir():
            if path.name.split(".", 1)[0] not in sha256s:
                path.unlink(missing_ok=True)
        fsync_directory(self.directory)

    def _part(self, sha256: str) -> Path:
        return self.directory / f"{sha256}{PART_SUFFIX}"


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
