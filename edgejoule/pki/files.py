"""Files that are there whole or not at all, also after a power cut, and secrets that were never readable by others."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_agent.durable_file import fsync_directory
from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki.errors import UnreachableError

SECRET: Final = 0o600
PUBLIC: Final = 0o644


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write ``path`` beside itself, with ``mode`` from its first byte on, and put it in its place.

    Raises ConfigurationError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
        fsync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}; check the directory") from error


def refuse_open_file(path: Path, name: str) -> None:
    """Refuse a secret that others may read or write. Raises ConfigurationError, whose line begins with ``name``."""
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{name}: others may read or write it ({stat.filemode(mode)}); chmod 600 {path}")


def link_whole(path: Path, target: str) -> None:
    """Make ``path`` a link to ``target`` in one step, whatever link was there. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.link")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)
    fsync_directory(path.parent)


def make_folder(folder: Path, mode: int) -> None:
    """Make ``folder`` with ``mode`` if it is not there. Raises ConfigurationError."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot make the directory: {error.strerror}; name another") from error


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Let one process at a time work in ``folder``. The lock is a file of its owner's: nobody else can hold it.

    Raises ConfigurationError when it cannot be opened, and without ``wait`` UnreachableError while another is at work.
    """
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, SECRET)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot work there: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise UnreachableError(f"{folder}: another enrol or renew is at work there; try again later") from error
        yield
    finally:
        os.close(descriptor)
