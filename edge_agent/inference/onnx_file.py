"""Whether an .onnx file is whole: weights may lie in other files beside it, which no hash of this one covers.

An .onnx file is a Protocol Buffers message (schema: onnx/onnx.proto). A message is fields one after the other: a
varint of field number x 8 + wire type, then a varint (type 0), 8 bytes (1), a length and as many bytes (2), or 4
bytes (5). Only the messages on the way to a tensor are looked into.
"""

from collections.abc import Iterator
from typing import Final

_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_DAMAGED: Final = "the file is cut short or damaged"
_INSIDE: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Field numbers of the schema that lead towards tensors, by message."""
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 8, 13, 14


def weights_elsewhere(data: bytes) -> str | None:
    """Return the name of a tensor whose values lie in another file, None if this one holds them all.

    Raises ValueError if ``data`` is no such file.
    """
    todo = [("model", memoryview(data))]
    while todo:
        kind, message = todo.pop()
        if kind == "tensor":
            name = _name_if_elsewhere(message)
            if name is not None:
                return name
            continue
        inside = _INSIDE[kind]
        todo.extend(
            (inside[number], value)
            for number, value in _fields(message)
            if number in inside and isinstance(value, memoryview)
        )
    return None


def _name_if_elsewhere(tensor: memoryview) -> str | None:
    name, elsewhere = "", False
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode(errors="replace")
        elsewhere |= number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value != 0)
    return name if elsewhere else None


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field; of one with a fixed size, which none of ours has, its bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in {_FIXED_64, _FIXED_32}:
            size = 8 if kind == _FIXED_64 else 4
        else:
            raise ValueError(_DAMAGED)
        if at + size > len(message):
            raise ValueError(_DAMAGED)
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the number and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError(_DAMAGED)
