"""The four files of Fashion-MNIST, with pictures of a test's own."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]


def idx_bytes(values: U8) -> bytes:
    """Return an array of bytes as an IDX file."""
    sizes = np.asarray(values.shape, ">u4").tobytes()
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def write_part(directory: Path, prefix: str, pictures: U8, labels: I64) -> None:
    """Write the pictures and the labels of one part, "train" or "t10k"."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = {"images-idx3-ubyte.gz": pictures, "labels-idx1-ubyte.gz": labels.astype(np.uint8)}
    for name, values in parts.items():
        (directory / f"{prefix}-{name}").write_bytes(gzip.compress(idx_bytes(values)))
