"""Answers of servers, kept so that an unchanged one isn't sent again: in memory, or in a folder that outlives us."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

DISK_BYTES: Final = 64 * 2**20
MEMORY_BYTES: Final = 8 * 2**20
"""Answers kept in all; the oldest go first. A month of one zone at five minutes is about 1 MB of JSON."""


class CachedAnswer(msgspec.Struct, frozen=True):
    """One answer. ``url``: without any key. ``asked_unix_s``: when the server last said it. ``etag``: "" for none."""

    url: str
    etag: str
    asked_unix_s: float
    max_age_s: float
    body: bytes


class AnswerCache:
    """The last answer to each URL, bounded in bytes. A damaged or unreadable file counts as no answer.

    ``directory``: where answers outlive the process; None keeps them in memory. Several processes may share one.
    ``limit_bytes``: None for ``DISK_BYTES`` or ``MEMORY_BYTES``.
    """

    def __init__(self, directory: Path | None = None, limit_bytes: int | None = None) -> None:
        self._directory = directory
        usual_bytes = MEMORY_BYTES if directory is None else DISK_BYTES
        self._limit_bytes = usual_bytes if limit_bytes is None else limit_bytes
        self._memory: dict[str, CachedAnswer] = {}

    def get(self, url: str) -> CachedAnswer | None:
        """Return the last answer to ``url``, or None."""
        if self._directory is None:
            return self._memory.get(url)
        try:
            answer = msgspec.msgpack.decode(self._file(self._directory, url).read_bytes(), type=CachedAnswer)
        except (OSError, msgspec.DecodeError):
            return None
        return answer if answer.url == url else None

    def put(self, answer: CachedAnswer) -> None:
        """Keep an answer instead of the last one to its URL; a folder that cannot be written to keeps nothing."""
        if len(answer.body) > self._limit_bytes:
            return
        if self._directory is None:
            self._memory.pop(answer.url, None)
            self._memory[answer.url] = answer
            kept_bytes = sum(len(one.body) for one in self._memory.values())
            while kept_bytes > self._limit_bytes:
                kept_bytes -= len(self._memory.pop(next(iter(self._memory))).body)
            return
        try:
            self._write(self._directory, answer)
            self._trim(self._directory)
        except OSError:
            return

    def _write(self, directory: Path, answer: CachedAnswer) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=directory, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.msgpack.encode(answer))
            Path(name).replace(self._file(directory, answer.url))
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _trim(self, directory: Path) -> None:
        kept = sorted((stat.st_mtime_ns, stat.st_size, file) for file, stat in _files(directory))
        kept_bytes = sum(size for _, size, _ in kept)
        for _, size, file in kept[:-1]:
            if kept_bytes <= self._limit_bytes:
                return
            file.unlink(missing_ok=True)
            kept_bytes -= size

    @staticmethod
    def _file(directory: Path, url: str) -> Path:
        return directory / f"{hashlib.sha256(url.encode()).hexdigest()}.answer"


def _files(directory: Path) -> list[tuple[Path, os.stat_result]]:
    """Return the answers' files; one that another process removes meanwhile is left out."""
    found = []
    for file in directory.glob("*.answer"):
        try:
            found.append((file, file.stat()))
        except FileNotFoundError:
            continue
    return found
