"""Files by their hash: a folder in which each file is named by the SHA-256 of its content, and by nothing else.

A file appears whole or not at all. What is handed out was read once and its hash compared; it is read again when the
file changed meanwhile. A file whose content is no longer that of its name is not handed out.
"""

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import IO, Final, NamedTuple

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import MAX_BLOB_BYTES

READ_BYTES: Final = 1 << 20
REMEMBERED: Final = 1000
LEFT_OVER_S: Final = 86_400.0
_NAME: Final = re.compile(r"[0-9a-f]{64}\Z")


class BlobDamagedError(Exception):
    """The file's content is not that of its name; the text says what it is."""


class Blob(NamedTuple):
    """A file in the store. ``new``: it was not there before."""

    sha256: str
    size_bytes: int
    new: bool


class BlobPart(NamedTuple):
    """Bytes of a file of ``total_bytes``."""

    total_bytes: int
    data: bytes


class BlobCounts(NamedTuple):
    """Since the start. ``unanswered``: over a device's rate, or the broker took nothing. ``unknown``: no such file."""

    chunks: int = 0
    sent_bytes: int = 0
    unknown: int = 0
    unanswered: int = 0


class BlobStore:
    """See the module's text. For one thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen: OrderedDict[str, tuple[tuple[int, ...], str]] = OrderedDict()

    def put(self, path: Path) -> Blob:
        """Copy the file into the store. Raises ConfigurationError: what cannot be read or written, and the remedy."""
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
                    raise ConfigurationError(f"{path}: is a pipe; name a file")
                return self._take_in(file, path)
        except OSError as error:
            where = error.filename or path
            raise ConfigurationError(
                f"{where}: cannot publish {path}: {error.strerror}; check owner and free space"
            ) from error

    def _take_in(self, file: IO[bytes], path: Path) -> Blob:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._forget_left_over()
        number, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=self.directory)
        temporary = Path(name)
        digest = hashlib.sha256()
        size_bytes = 0
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(temporary.unlink, missing_ok=True)
            with os.fdopen(number, "wb") as copy:
                while data := file.read(READ_BYTES):
                    size_bytes += len(data)
                    if size_bytes > MAX_BLOB_BYTES:
                        raise ConfigurationError(f"{path}: over the limit of {MAX_BLOB_BYTES} bytes for a file")
                    digest.update(data)
                    copy.write(data)
                copy.flush()
                os.fsync(copy.fileno())
            if not size_bytes:
                raise ConfigurationError(f"{path}: is empty; name a file with something in it")
            name = digest.hexdigest()
            new = not self._whole(name)
            temporary.chmod(0o644)
            temporary.replace(self.directory / name)
            _fsync_directory(self.directory)
            on_failure.pop_all()
        return Blob(name, size_bytes, new)

    def _forget_left_over(self) -> None:
        """Remove what was cut off in the middle of a copy, up to a gigabyte each; a copy takes no day."""
        for left_over in self.directory.glob(".*.new"):
            with contextlib.suppress(FileNotFoundError):  # another one removes it, or has just finished with it
                if time.time() - left_over.stat().st_mtime > LEFT_OVER_S:
                    left_over.unlink()

    def _whole(self, sha256: str) -> bool:
        try:
            return self.read(sha256, 0, 1) is not None
        except BlobDamagedError:
            return False

    def read(self, sha256: str, offset: int, max_bytes: int) -> BlobPart | None:
        """Return bytes of the file from ``offset`` on, None where there is no such file.

        Raises BlobDamagedError for one that is not what its name says, OSError for one that cannot be read.
        """
        if not _NAME.match(sha256):
            return None
        try:
            number = os.open(self.directory / sha256, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(number, "rb", buffering=0) as file:
            found = os.fstat(number)
            if not stat.S_ISREG(found.st_mode):
                raise BlobDamagedError("it is no regular file")
            self._check(sha256, file, found)
            return BlobPart(found.st_size, os.pread(number, max_bytes, offset))

    def _check(self, sha256: str, file: IO[bytes], found: os.stat_result) -> None:
        """Compare the hash, which is found out once for this very file. Raises BlobDamagedError."""
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if found.st_size > MAX_BLOB_BYTES:
            raise BlobDamagedError(f"it has {found.st_size} bytes, over the limit of {MAX_BLOB_BYTES}")
        seen = self._seen.get(sha256)
        if seen is None or seen[0] != identity:
            digest = hashlib.sha256()
            while data := file.read(READ_BYTES):
                digest.update(data)
            seen = self._seen[sha256] = identity, digest.hexdigest()
        self._seen.move_to_end(sha256)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if seen[1] != sha256:
            raise BlobDamagedError(f"its content has the hash {seen[1]}")


def _open_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)


def _fsync_directory(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
