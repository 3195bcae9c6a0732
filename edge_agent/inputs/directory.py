"""A directory of arrays as inputs: every .npy and .npz file, in order of name.

A file holds one input (an array of the model's shape) or several along its first axis; of an .npz file it is the
array ``x``, as in a check set. All files are checked before anything runs, from their headers.
"""

import math
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy

from edge_agent.check_set import ARRAY_FILE_ERRORS
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.wire.errors import ConfigurationError

MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Inputs up to this size together are held in memory; more are read again at every pass, as they are used."""
SUFFIXES: Final = (".npy", ".npz")
ARRAY_NAME: Final = "x"


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """One file and how many inputs are in it."""

    path: Path
    count: int


class DirectoryInputs:
    """The inputs, read from disk at every iteration. Reading is then part of an inference's latency.

    Raises ConfigurationError for a file that is no longer what it was.
    """

    def __init__(self, files: list[ArrayFile], runner: InferenceRunner) -> None:
        self._files, self._shape, self._dtype = files, runner.input_shape, runner.input_dtype

    def __iter__(self) -> Iterator[Tensor]:
        for file in self._files:
            stored = _load(file.path)
            if stored.dtype != self._dtype or inputs_in(stored.shape, self._shape) != file.count:
                raise ConfigurationError(
                    f"{file.path}: it changed while the agent runs: {stored.dtype} {stored.shape}; restore it, and "
                    "start the agent again for other inputs"
                )
            array = stored.reshape(file.count, *self._shape)
            for number in range(file.count):
                yield np.ascontiguousarray(array[number])


def directory_inputs(
    directory: Path, runner: InferenceRunner, memory_bytes: int = MEMORY_BYTES
) -> tuple[Iterable[Tensor], int]:
    """Return the inputs (a list where they fit into ``memory_bytes``) and their number. Raises ConfigurationError."""
    files = checked_files(directory, runner)
    count = sum(file.count for file in files)
    inputs = DirectoryInputs(files, runner)
    return (list(inputs) if count * runner.input_bytes <= memory_bytes else inputs), count


def checked_files(directory: Path, runner: InferenceRunner) -> list[ArrayFile]:
    """Return the files of a folder, all of which fit the model, by their headers. Raises ConfigurationError."""
    return [_checked(path, runner) for path in array_files(directory)]


def array_files(directory: Path) -> list[Path]:
    """Return the files that hold arrays, in order of name. Raises ConfigurationError if there is none."""
    try:
        found = sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES and path.is_file())
    except OSError as error:
        raise ConfigurationError(
            f"[input] path {directory}: cannot read it: {error.strerror}; name a directory of .npy or .npz files"
        ) from error
    if not found:
        raise ConfigurationError(f"[input] path {directory}: no .npy or .npz file in it; put the inputs there")
    return found


def _checked(path: Path, runner: InferenceRunner) -> ArrayFile:
    shape, dtype = _header(path)
    count = inputs_in(shape, runner.input_shape)
    if dtype != runner.input_dtype or not count:
        raise ConfigurationError(
            f"{path}: it holds {dtype} {shape}, but the model takes {runner.input_dtype} {runner.input_shape}; "
            "convert it, or take it out of the directory"
        )
    return ArrayFile(path, count)


def inputs_in(shape: tuple[int, ...], input_shape: tuple[int, ...]) -> int:
    """Return how many inputs an array of ``shape`` holds: one, as many as its first axis is long, or none."""
    size = math.prod(input_shape)
    if shape == input_shape or (input_shape[:1] == (1,) and shape == input_shape[1:]):
        return 1
    return shape[0] if shape and math.prod(shape[1:]) == size else 0


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return _read_header(file)
        with zipfile.ZipFile(path) as archive, archive.open(f"{ARRAY_NAME}.npy") as member:
            return _read_header(member)
    except KeyError as error:
        raise ConfigurationError(f"{path}: no array {ARRAY_NAME!r} in it; save the inputs under that name") from error
    except ARRAY_FILE_ERRORS as error:
        raise _damaged(path, error) from error


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    major, _minor = npy.read_magic(file)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, _fortran_order, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return tuple(shape), dtype


def _load(path: Path) -> Tensor:
    """Read the file's array: an .npy file page by page as it is used. Raises ConfigurationError."""
    try:
        if path.suffix == ".npy":
            array: Tensor = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        with np.load(path, allow_pickle=False) as arrays:
            member: Tensor = arrays[ARRAY_NAME]
            return member
    except ARRAY_FILE_ERRORS as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ConfigurationError:
    if isinstance(error, OSError) and error.strerror:
        return ConfigurationError(f"{path}: cannot read it: {error.strerror}; restore it, or let this user read it")
    reason = " ".join(str(error).split()) or type(error).__name__
    return ConfigurationError(f"{path}: not an array file: {reason}; write it with numpy.save")
