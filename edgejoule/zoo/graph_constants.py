"""How many values of a constant are zero."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgejoule.zoo.graph_file import Tensor

_LAYOUTS: Final = {
    "float32": "<f4",
    "float64": "<f8",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int8": "i1",
    "uint8": "u1",
    "int16": "<i2",
    "uint16": "<u2",
    "int32": "<i4",
    "uint32": "<u4",
    "int64": "<i8",
    "uint64": "<u8",
}
_PACKED_BITS: Final = {"int4": 4, "uint4": 4, "int2": 2}
_BFLOAT16_WITHOUT_SIGN: Final = 0x7FFF


def zero_count(tensor: Tensor) -> int | None:
    """Return how many values of a constant are zero, or stand for zero; None for a type that this does not read.

    What a sparse tensor leaves out is zero.
    """
    values = _values(tensor)
    if values is None:
        return None
    if tensor.dtype == "bfloat16":
        values = values & _BFLOAT16_WITHOUT_SIGN
    nonzero = int(np.count_nonzero(values != _zero(tensor, values)))
    return tensor.value_count - nonzero


def _values(tensor: Tensor) -> NDArray[Any] | None:
    bits = _PACKED_BITS.get(tensor.dtype)
    if bits is not None:
        return _unpacked(tensor, bits)
    layout = _LAYOUTS.get(tensor.dtype)
    if layout is None:
        return None
    whole = len(tensor.data) - len(tensor.data) % np.dtype(layout).itemsize
    return np.frombuffer(tensor.data[:whole], dtype=layout)


def _unpacked(tensor: Tensor, bits: int) -> NDArray[Any]:
    """Return packed values, the first in the lowest bits of a byte; a negative one is as its bits are."""
    packed = np.frombuffer(tensor.data, dtype="u1")
    shifts = np.arange(0, 8, bits, dtype="u1")
    values = (packed[:, np.newaxis] >> shifts) & ((1 << bits) - 1)
    return values.reshape(-1)[: tensor.value_count]


def _zero(tensor: Tensor, values: NDArray[Any]) -> Any:
    """Return the value that stands for zero: one for all, or an array of one for each value."""
    points = np.array(tensor.zero_points, dtype=np.int64)
    if not tensor.scales or not points.any():
        return 0
    if tensor.dtype in _PACKED_BITS:
        points &= (1 << _PACKED_BITS[tensor.dtype]) - 1
    if len(points) == 1:
        return points[0]
    axis = tensor.axis
    if tensor.sparse or not 0 <= axis < len(tensor.shape) or len(points) != tensor.shape[axis]:
        return 0
    shape = [1] * len(tensor.shape)
    shape[axis] = -1
    each = np.broadcast_to(points.reshape(shape), tensor.shape).reshape(-1)
    return each if len(each) == len(values) else 0
