"""A disk that is full until a test frees it: a small tmpfs, or a limit on file sizes where nobody may mount."""

import contextlib
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 65_536
FALLBACK_LIMIT_BYTES = 262_144
"""Logs stay below it, SQLite's files grow beyond it."""


class SmallDisk:
    """``fill`` leaves no byte free; what files hold already can still be overwritten, as on any full disk."""

    def __init__(self, path: Path, *, mounted: bool) -> None:
        self.path = path
        self.mounted = mounted
        self._filler = path / "filler"
        self._limited: list[int] = []

    def fill(self, pid: int) -> None:
        """Make it full for the process ``pid``, which must be ours."""
        if not self.mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (FALLBACK_LIMIT_BYTES, resource.RLIM_INFINITY))
            self._limited.append(pid)
            return
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            size = CHUNK_BYTES
            while size:
                try:
                    filler.write(b"x" * size)
                except OSError:
                    size //= 2

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)
        for pid in self._limited:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self._limited.clear()


@contextlib.contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """Mount a tmpfs of ``size_bytes`` at ``path``; everything in it must be closed when the block ends."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(path)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield SmallDisk(path, mounted=mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(path)], check=True)
