"""What a disk holds after the power went: rebuilt from a record of every write and every sync of a process.

A write that was synced is there. Of those that were not, each sector of 512 bytes may have arrived or not, in any
order; so may the length of the file. A file's removal is sure once its folder was synced.
"""

import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPEN, WRITE, TRUNCATE, SYNC, UNLINK = range(1, 6)
SECTOR_BYTES = 512
MARKS = "marks"
"""A file in the recorded folder: what a process writes to it says that it had got so far."""
_HEAD = struct.Struct("<5q")


@dataclass(frozen=True)
class Operation:
    kind: int
    path: str
    offset: int
    data: bytes


def compile_recorder(directory: Path) -> Path:
    library = directory / "power_cut.so"
    source = Path(__file__).with_name("power_cut.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def record(library: Path, folder: Path, script: str, *arguments: str) -> list[Operation]:
    """Run a Python script whose files are in ``folder``; return what it did to them, in order."""
    log = folder.with_name(f"{folder.name}.log")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "POWER_CUT_DIR": str(folder),
        "POWER_CUT_LOG": str(log),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run([sys.executable, "-c", script, str(folder), *arguments], env=environment, check=True)
    return list(_parse(log.read_bytes()))


def _parse(log: bytes) -> Iterator[Operation]:
    paths: dict[int, str] = {}
    position = 0
    while position < len(log):
        kind, file, offset, length, _ = _HEAD.unpack_from(log, position)
        position += _HEAD.size
        data = log[position : position + length]
        position += length
        if kind == OPEN:
            paths[file] = data.decode()
        yield Operation(kind, paths[file], offset, data)


def marks(operations: list[Operation]) -> list[str]:
    """Return the lines that the process had written to the file of marks."""
    text = b"".join(one.data for one in operations if one.kind == WRITE and Path(one.path).name == MARKS)
    return text.decode().splitlines()


def disk_after_cut(operations: list[Operation], folder: Path, draw: random.Random) -> None:
    """Write to ``folder`` what the disk may hold when the power went after ``operations``."""
    folders = {one.path for one in operations if one.kind == SYNC and Path(one.path).is_dir()}
    names_sure = max((i for i, one in enumerate(operations) if one.kind == SYNC and one.path in folders), default=-1)
    for path in sorted({one.path for one in operations if Path(one.path).name != MARKS} - folders):
        own = [(i, one) for i, one in enumerate(operations) if one.path == path]
        removed_surely = sum(1 for i, one in own if one.kind == UNLINK and i < names_sure)
        content = _content_after_cut([one for _, one in own], removed_surely, draw)
        if content is not None:
            (folder / Path(path).name).write_bytes(content)


def _content_after_cut(operations: list[Operation], removed_surely: int, draw: random.Random) -> bytes | None:
    """Return what is left of one file, None if it is gone. The first ``removed_surely`` removals did happen."""
    removals = [i for i, one in enumerate(operations) if one.kind == UNLINK][:removed_surely]
    last_sync = max((i for i, one in enumerate(operations) if one.kind == SYNC), default=-1)
    last_sync = max([last_sync, *removals])
    sure: bytearray | None = None
    for one in operations[: last_sync + 1]:
        sure = _apply(sure, one)
    unsure = operations[last_sync + 1 :]
    arrival_ratio = draw.choice([0.0, 0.3, 0.7, 1.0])
    if sure is None and draw.random() >= arrival_ratio:
        return None
    content = sure if sure is not None else bytearray()
    pieces = [piece for one in unsure for piece in _pieces(one) if draw.random() < arrival_ratio]
    if draw.random() < 0.5:
        draw.shuffle(pieces)  # of two versions of a sector, either may be the one that stays
    for piece in pieces:
        applied = _apply(content, piece)
        if applied is None:
            return None
        content = applied
    return bytes(content)


def _pieces(operation: Operation) -> Iterator[Operation]:
    """Split a write at the borders of the sectors."""
    if operation.kind != WRITE:
        yield operation
        return
    begin, end = operation.offset, operation.offset + len(operation.data)
    while begin < end:
        until = min(end, (begin // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Operation(
            WRITE, operation.path, begin, operation.data[begin - operation.offset : until - operation.offset]
        )
        begin = until


def _apply(content: bytearray | None, operation: Operation) -> bytearray | None:
    content = bytearray() if content is None else content
    if operation.kind == WRITE:
        content.extend(bytes(max(0, operation.offset - len(content))))
        content[operation.offset : operation.offset + len(operation.data)] = operation.data
    elif operation.kind == TRUNCATE:
        del content[operation.offset :]
        content.extend(bytes(max(0, operation.offset - len(content))))
    elif operation.kind == UNLINK:
        return None
    return content
