"""What a .tflite file says about state, and whether it is whole, read from its bytes.

The Python interfaces of the engines do not tell of state, and a file that was cut short, as by a copy that broke off,
ends tflite-runtime 2.14.0 with a bus error (tried), so every table is visited before an engine gets the file.

A .tflite file is a FlatBuffer (schema: tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from enum import Enum
from typing import Final

from edge_agent.inference.flatbuffer import Table, read, stored_bytes

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
_RESOURCE_OPERATORS: Final = frozenset({142, 143, 144})
"""BuiltinOperator VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE. All are above 127, where only the newer field counts."""


class State(Enum):
    """Where a model keeps what it remembers."""

    NONE = "none"
    TENSORS = "variable tensors"
    RESOURCES = "resource variables"


def read_state(data: bytes) -> State:
    """Return where the model in a .tflite file keeps its state.

    Raises ValueError if ``data`` is no such file, or if a table, a shape or weights lead out of it.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a .tflite file does")
    model = Table(data, read("<I", data, 0))
    found = {State.RESOURCES for code in model.tables(_MODEL_OPERATOR_CODES) if _operator(code) in _RESOURCE_OPERATORS}
    for graph in model.tables(_MODEL_SUBGRAPHS):
        for tensor in graph.tables(_SUBGRAPH_TENSORS):
            tensor.vector(_TENSOR_SHAPE, 4)
            if tensor.number(_TENSOR_IS_VARIABLE, "<B"):
                found.add(State.TENSORS)
        for operator in graph.tables(_SUBGRAPH_OPERATORS):
            operator.vector(_OPERATOR_INPUTS, 4)
            operator.vector(_OPERATOR_OUTPUTS, 4)
    for buffer in model.tables(_MODEL_BUFFERS):
        stored_bytes(buffer)
    return next((state for state in (State.RESOURCES, State.TENSORS) if state in found), State.NONE)


def _operator(code: Table) -> int:
    return max(code.number(_OPERATOR_CODE_OLD, "<b"), code.number(_OPERATOR_CODE, "<i"))
