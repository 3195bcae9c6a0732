"""The agent's directory on the device: one agent at a time in it, and a process id for others to find."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.wire.errors import ConfigurationError


@contextmanager
def locked_state_dir(state_dir: Path) -> Iterator[Path]:
    """Create ``state_dir`` if need be and hold its lock. Raises ConfigurationError if another agent holds it.

    The kernel drops the lock with the process, so a killed agent leaves none behind.
    """
    lock_path = state_dir / "agent.lock"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"[device] state_dir {state_dir}: {error.strerror}; name a directory that this user may write"
        ) from error
    try:
        _lock(descriptor, state_dir)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield state_dir
    finally:
        os.close(descriptor)


def _lock(descriptor: int, state_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise ConfigurationError(
            f"{state_dir}: another agent (process {holder}) runs in it; stop that one, or give this one its own "
            "[device] state_dir"
        ) from error


@contextmanager
def pid_file(path: Path | None) -> Iterator[None]:
    """Write this process's id to ``path`` while the block runs. Raises ConfigurationError if it cannot."""
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(f"{os.getpid()}\n", encoding="ascii")
        fresh.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"[device] pid_file {path}: {error.strerror}; name a path that can be written"
        ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
