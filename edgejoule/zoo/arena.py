"""What TensorFlow Lite Micro's allocator takes for a model: the memory that a microcontroller needs beside the file.

The PyPI package tflite-micro, which exists for x86-64 Linux alone, places the model as a 64-bit program would; on a
32-bit controller its structs are smaller. It ends the whole process for some files, so it runs in another one.
"""

import importlib.metadata
import importlib.util
import re
import sys
from typing import Final

import msgspec

from edgejoule.zoo.child import run_module
from edgejoule.zoo.graph_file import read_graph

DISTRIBUTION: Final = "tflite-micro"
_MODULE: Final = "tflite_micro"
_TOTAL: Final = re.compile(r"Arena allocation total (\d+) bytes")
_ROOM_BYTES: Final = 64 << 20
"""What the allocator may take; the memory is touched only where it is used."""


class Arena(msgspec.Struct, frozen=True, kw_only=True):
    """``arena_bytes``: None where it was not tried or the model does not run there. ``note``: why, or with what."""

    arena_bytes: int | None
    note: str


def arena_of(data: bytes) -> Arena:
    """Return what the allocator takes for a .tflite file."""
    if importlib.util.find_spec(_MODULE) is None:
        return Arena(arena_bytes=None, note="not tried: the package tflite-micro is not installed (x86-64 Linux only)")
    try:
        behind_count = read_graph(data).behind_count
    except ValueError as error:
        return Arena(arena_bytes=None, note=f"not tried: {error}")
    if behind_count:
        return Arena(
            arena_bytes=None,
            note=f"it would find {behind_count} constants empty, since they stand behind the file's tables",
        )
    version = importlib.metadata.version(DISTRIBUTION)
    ended = run_module(__name__, stdin=data)
    found = _TOTAL.search(ended.stderr)
    if ended.failure or found is None:
        reason = ended.failure or "its allocator said nothing"
        return Arena(arena_bytes=None, note=f"{DISTRIBUTION} {version} does not run it: {reason}")
    return Arena(arena_bytes=int(found.group(1)), note=f"{DISTRIBUTION} {version}, 64-bit")


def main() -> None:
    """Place and run the model on stdin once; the allocator writes what it took to stderr."""
    from tflite_micro.python.tflite_micro import runtime  # noqa: PLC0415 - only the child loads it

    interpreter = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=_ROOM_BYTES)
    interpreter.invoke()
    interpreter.print_allocations()


if __name__ == "__main__":
    main()
