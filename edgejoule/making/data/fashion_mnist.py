"""Fashion-MNIST: 70,000 grey pictures of clothes, 28x28 pixels, ten classes, as the Debian package installs them.

H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", arXiv 1708.07747, 2017; MIT licence. The split into 60,000 for training and 10,000 for the test is the
authors' own. The files are IDX, the format of MNIST: two zero bytes, the type (8 for a byte), the number of
dimensions, each size as a big-endian 32-bit integer, then the values.
"""

import gzip
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_agent.wire.errors import ConfigurationError

PACKAGE: Final = "dataset-fashion-mnist"
DIRECTORY: Final = Path("/usr/share/datasets/fashion-mnist")
DIRECTORY_VARIABLE: Final = "EDGEJOULE_FASHION_MNIST"
CLASSES: Final = (
    *("T-shirt or top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
PICTURE_SIZE: Final = 28
INPUT_SIZE: Final = 32
INPUT_CHANNELS: Final = 3
WHITE: Final = 255
UNSIGNED_BYTES: Final = 8

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FashionMnist:
    """Pictures (n, 28, 28), 0 black to 255 white, and labels (n,), positions in ``CLASSES``."""

    train_x: U8
    train_y: I64
    test_x: U8
    test_y: I64


def directory_from(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the files lie: the folder that EDGEJOULE_FASHION_MNIST names, else where Debian puts them."""
    return Path(environment.get(DIRECTORY_VARIABLE) or DIRECTORY)


def load(directory: Path | None = None) -> FashionMnist:
    """Read the four files. Raises ConfigurationError if one is missing or damaged."""
    directory = directory or directory_from()
    train_x, train_y = _part(directory, "train")
    test_x, test_y = _part(directory, "t10k")
    return FashionMnist(train_x, train_y, test_x, test_y)


def network_input(pictures: U8) -> F32:
    """Return pictures (n, 28, 28) as (n, 32, 32, 3), 0 to 1: a black edge of two pixels, three equal channels.

    That is the input of MLPerf Tiny's image classification, which is made for colour pictures of 32x32 pixels.
    The channels share their memory.
    """
    edge = (INPUT_SIZE - PICTURE_SIZE) // 2
    framed = np.pad(pictures.astype(np.float32) / WHITE, ((0, 0), (edge, edge), (edge, edge)))
    return np.broadcast_to(framed[..., np.newaxis], (*framed.shape, INPUT_CHANNELS))


def parse_idx(data: bytes, dimensions: int, where: str) -> U8:
    """Return the bytes of an IDX file as an array. Raises ConfigurationError that begins with ``where``."""
    header_bytes = 4 + 4 * dimensions
    if len(data) < header_bytes or data[:4] != bytes([0, 0, UNSIGNED_BYTES, dimensions]):
        raise ConfigurationError(f"{where}: not an IDX file of {dimensions} dimensions of bytes; {_remedy()}")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    if len(data) - header_bytes != math.prod(shape):
        raise ConfigurationError(
            f"{where}: {len(data) - header_bytes} values, {math.prod(shape)} by its header; {_remedy()}"
        )
    return np.frombuffer(data, np.uint8, offset=header_bytes).reshape(shape)


def _part(directory: Path, prefix: str) -> tuple[U8, I64]:
    pictures_file = directory / f"{prefix}-images-idx3-ubyte.gz"
    labels_file = directory / f"{prefix}-labels-idx1-ubyte.gz"
    pictures = parse_idx(_unpacked(pictures_file), 3, str(pictures_file))
    labels = parse_idx(_unpacked(labels_file), 1, str(labels_file))
    if pictures.shape[1:] != (PICTURE_SIZE, PICTURE_SIZE):
        found = "x".join(map(str, pictures.shape[1:]))
        raise ConfigurationError(f"{pictures_file}: pictures of {found} pixels, not 28x28; {_remedy()}")
    if len(labels) != len(pictures):
        raise ConfigurationError(f"{labels_file}: {len(labels)} labels for {len(pictures)} pictures; {_remedy()}")
    if labels.size and labels.max() >= len(CLASSES):
        raise ConfigurationError(f"{labels_file}: label {labels.max()}, but there are ten classes; {_remedy()}")
    return pictures, labels.astype(np.int64)


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: Fashion-MNIST is not there; {_remedy()}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); {_remedy()}") from error


def _remedy() -> str:
    return f"install the Debian package {PACKAGE}, or name a folder with its four files in {DIRECTORY_VARIABLE}"
