"""The check set of a family: held-out inputs that come along, so that anybody can see that a model works."""

import io
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.network import F32
from edgejoule.making.quality import LoadedFile

_OLDEST: Final = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can state; a real one would make the same content other bytes each time."""


def write_check_set(
    path: Path,
    int8_model: bytes,
    x: F32,
    y: NDArray[Any] | None = None,
    anomalous: NDArray[Any] | None = None,
) -> None:
    """Write inputs ``x`` (n, ...) as int8 on the input scale of ``int8_model``, and that scale, and what they are.

    Keys: ``x`` int8; ``scale`` float64 and ``zero_point`` int64, 0-d, so that an input is (x - zero_point) * scale;
    ``y`` (n,) for classes or ``anomalous`` (n,) 0 or 1. The same content is the same bytes. Raises ValueError for a
    model whose input is not int8, and for labels of another number.
    """
    loaded = LoadedFile(int8_model)
    if loaded.input_scale is None:
        raise ValueError("a check set is written on the scale of the int8 model; this model takes floats")
    scale, zero_point = loaded.input_scale
    arrays: dict[str, Any] = {"x": loaded.quantised(x), "scale": np.float64(scale), "zero_point": np.int64(zero_point)}
    for name, values in (("y", y), ("anomalous", anomalous)):
        if values is None:
            continue
        if len(values) != len(x):
            raise ValueError(f"{len(values)} {name} for {len(x)} inputs; give one for each")
        arrays[name] = np.asarray(values, np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, values in arrays.items():
            stored = io.BytesIO()
            np.save(stored, np.asarray(values))
            entry = zipfile.ZipInfo(f"{name}.npy", _OLDEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, stored.getvalue(), compresslevel=9)
