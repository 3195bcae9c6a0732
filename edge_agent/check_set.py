"""Check sets: held-out inputs of a model in an .npz file, with what they should give.

``x``: shape ``(n, ...)``, the inputs. ``scale`` and ``zero_point`` (0-d): what its integers stand for, value = scale x
(integer - zero_point), so that one set serves every precision of a model. ``y``: shape ``(n,)``, the number of the
class of each. ``anomalous``: shape ``(n,)``, 0 or 1, instead of ``y`` for a model that reproduces its input.
"""

import io
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_agent.file_content import FileContent, read_content
from edge_agent.wire.errors import ConfigurationError

ARRAY_FILE_ERRORS: Final = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,  # a header with sizes that no machine has
    MemoryError,
    RuntimeError,  # an encrypted archive, or (NotImplementedError) one packed in a way that Python does not know
    tokenize.TokenError,  # numpy.load on a header that breaks off
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading .npy and .npz files raises where they are damaged."""
WHAT: Final = "the check set"


class CheckSet(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. What a set has not is None; ``scale`` and ``zero_point`` come together."""

    x: NDArray[Any]
    y: NDArray[Any] | None = None
    anomalous: NDArray[Any] | None = None
    scale: float | None = None
    zero_point: int | None = None


def load_check_set(source: Path | FileContent) -> CheckSet:
    """Read a check set, from a file or from what was read of one. Raises ConfigurationError: one line."""
    content = source if isinstance(source, FileContent) else read_content(source, WHAT)
    path = content.path
    try:
        with np.load(io.BytesIO(content.data), allow_pickle=False) as arrays:
            found = {name: arrays.get(name) for name in ("x", "y", "anomalous", "scale", "zero_point")}
            x = arrays["x"]
        if not all(isinstance(one, np.ndarray | None) for one in found.values()):
            raise ValueError("what it holds are no arrays as np.savez writes them")
    except ARRAY_FILE_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError(f"{path}: not a check set (an npz file with x and y): {reason}") from error
    y, anomalous = found["y"], found["anomalous"]
    if y is not None and not _are_labels(y, x.shape[:1]):
        raise ConfigurationError(
            f"{path}: y is {y.dtype} {y.shape}, and x {x.shape}: y is the number of the class of each input, as whole "
            "numbers; write it so, or leave it out"
        )
    if anomalous is not None and not (_are_labels(anomalous, x.shape[:1]) and bool(np.isin(anomalous, (0, 1)).all())):
        raise ConfigurationError(
            f"{path}: anomalous is {anomalous.dtype} {anomalous.shape}, and x {x.shape}: it is 0 or 1 for each input; "
            "write it so, or leave it out"
        )
    if y is not None and anomalous is not None:
        raise ConfigurationError(
            f"{path}: it has both y and anomalous; keep y for a model that tells classes apart, anomalous for one "
            "that reproduces its input"
        )
    scale, zero_point = _quantisation(path, found["scale"], found["zero_point"])
    return CheckSet(x=x, y=y, anomalous=anomalous, scale=scale, zero_point=zero_point)


def _are_labels(y: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return y.shape == shape and y.dtype.kind in "biuf" and bool(np.all(np.isfinite(y) & (y == np.floor(y))))


def _quantisation(
    path: Path, scale: NDArray[Any] | None, zero_point: NDArray[Any] | None
) -> tuple[float | None, int | None]:
    if scale is None and zero_point is None:
        return None, None
    if (
        scale is None
        or zero_point is None
        or (scale.shape, zero_point.shape) != ((), ())
        or (scale.dtype.kind, zero_point.dtype.kind) not in {("f", "i"), ("f", "u")}
        or not (math.isfinite(scale) and float(scale) > 0.0)
    ):
        raise ConfigurationError(
            f"{path}: scale and zero_point come together, one positive number and one whole one that are those of "
            "the int8 model's input; write both so, or leave both out"
        )
    return float(scale), int(zero_point)
