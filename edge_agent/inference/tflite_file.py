"""What a .tflite file says about state, and whether it is whole, read from its bytes.

The Python interfaces of the engines do not tell of state, and a file that was cut short, as by a copy that broke off,
ends tflite-runtime 2.14.0 with a bus error (tried), so every table is visited before an engine gets the file.

A .tflite file is a FlatBuffer (schema: tensorflow/compiler/mlir/lite/schema/schema.fbs). A table begins with the
signed distance back to its vtable; the vtable holds its own size, the table's size, and for each field the distance
from the table's start, 0 for a field that is left out. A vector begins with its length; all is little-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

IDENTIFIER: Final = b"TFL3"

# Field numbers of the schema.
_MODEL_OPERATOR_CODES: Final = 1
_MODEL_SUBGRAPHS: Final = 2
_MODEL_BUFFERS: Final = 4
_OPERATOR_CODE_OLD: Final = 0
_OPERATOR_CODE: Final = 3
_SUBGRAPH_TENSORS: Final = 0
_SUBGRAPH_OPERATORS: Final = 3
_TENSOR_SHAPE: Final = 0
_TENSOR_IS_VARIABLE: Final = 5
_OPERATOR_INPUTS: Final = 1
_OPERATOR_OUTPUTS: Final = 2
_BUFFER_DATA: Final = 0
_RESOURCE_OPERATORS: Final = frozenset({142, 143, 144})
"""BuiltinOperator VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE. All are above 127, where only the newer field counts."""


class State(Enum):
    """Where a model keeps what it remembers."""

    NONE = "none"
    TENSORS = "variable tensors"
    RESOURCES = "resource variables"


@dataclass(frozen=True, slots=True)
class _Table:
    data: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Return where the field's value is, None for one that is left out."""
        vtable = self.at - _read("<i", self.data, self.at)
        entry = 4 + 2 * number
        if entry >= _read("<H", self.data, vtable):
            return None
        distance = _read("<H", self.data, vtable + entry)
        return self.at + distance if distance else None

    def vector(self, number: int, item_bytes: int) -> range:
        """Return where the items of the field's vector are; it ends inside the file."""
        at = self.field(number)
        if at is None:
            return range(0)
        start = at + _read("<I", self.data, at)
        end = start + 4 + item_bytes * _read("<I", self.data, start)
        if end > len(self.data):
            raise ValueError(_DAMAGED)
        return range(start + 4, end, item_bytes)

    def tables(self, number: int) -> Iterator["_Table"]:
        """Return the tables in the field's vector."""
        for entry in self.vector(number, 4):
            yield _Table(self.data, entry + _read("<I", self.data, entry))


_DAMAGED: Final = "the file is cut short or damaged"


def read_state(data: bytes) -> State:
    """Return where the model in a .tflite file keeps its state.

    Raises ValueError if ``data`` is no such file, or if a table, a shape or weights lead out of it.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a .tflite file does")
    model = _Table(data, _read("<I", data, 0))
    found = {State.RESOURCES for code in model.tables(_MODEL_OPERATOR_CODES) if _operator(code) in _RESOURCE_OPERATORS}
    for graph in model.tables(_MODEL_SUBGRAPHS):
        for tensor in graph.tables(_SUBGRAPH_TENSORS):
            tensor.vector(_TENSOR_SHAPE, 4)
            at = tensor.field(_TENSOR_IS_VARIABLE)
            if at is not None and _read("<B", data, at):
                found.add(State.TENSORS)
        for operator in graph.tables(_SUBGRAPH_OPERATORS):
            operator.vector(_OPERATOR_INPUTS, 4)
            operator.vector(_OPERATOR_OUTPUTS, 4)
    for buffer in model.tables(_MODEL_BUFFERS):
        buffer.vector(_BUFFER_DATA, 1)
    return next((state for state in (State.RESOURCES, State.TENSORS) if state in found), State.NONE)


def _operator(code: _Table) -> int:
    old, new = code.field(_OPERATOR_CODE_OLD), code.field(_OPERATOR_CODE)
    return max(
        0 if old is None else _read("<b", code.data, old),
        0 if new is None else _read("<i", code.data, new),
    )


def _read(layout: str, data: bytes, at: int) -> int:
    if at < 0:
        raise ValueError(_DAMAGED)
    try:
        value: int = struct.unpack_from(layout, data, at)[0]
    except struct.error as error:
        raise ValueError(_DAMAGED) from error
    return value
