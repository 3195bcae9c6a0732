"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MOST_JSON_BYTES = 16 << 20


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file with its mode, synchronised, under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name("." + path.name + ".new")
    if fresh.is_symlink() or fresh.exists():
        fresh.unlink()
    descriptor = os.open(str(fresh), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink()
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Write a value so."""
    write_whole(path, (json.dumps(value, sort_keys=True) + "\n").encode(), mode)


def read_json(path: Path) -> Any:
    """Return what a file of ours holds, None where it is not there or is no JSON.

    One of them is written by the agent, which root does not trust: no link is followed and no pipe is waited for.
    """
    try:
        descriptor = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = file.read(MOST_JSON_BYTES + 1)
        return json.loads(content.decode("utf-8")) if len(content) <= MOST_JSON_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None


def append_history(path: Path, event: str, **facts: Any) -> None:
    """Add one line, on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"t_unix_ns": time.time_ns(), "event": event, **facts})
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return its lines; one that a power cut left torn is passed over."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [entry for entry in map(_parsed, lines) if entry is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def point(link: Path, target: str) -> None:
    """Let ``link`` point to ``target``, in one step."""
    fresh = link.with_name("." + link.name + ".new")
    if fresh.is_symlink():
        fresh.unlink()
    fresh.symlink_to(target)
    fresh.replace(link)
    sync_folder(link.parent)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    elif path.is_symlink() or path.exists():
        path.unlink()
    else:
        return
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk."""
    descriptor = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: OSError) -> bool:
    """Tell whether there was no room."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str | None:
    """Return a small file's SHA-256, None where it cannot be read."""
    try:
        return sha256_of(path.read_bytes())
    except OSError:
        return None
