"""Writes .tflite files of any operators and types, for what counts them; LiteRT runs those that it knows."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


class GraphFile:
    """One subgraph, or several; tensors and operators are added in order, then ``to_bytes`` gives the file."""

    def __init__(self) -> None:
        self.subgraph: Any = None
        self._buffers: list[Any] = [schema.BufferT()]
        self._codes: list[tuple[int, str]] = []
        self._subgraphs: list[Any] = []
        self.begin()

    def begin(self) -> None:
        """Begin a further subgraph."""
        self.subgraph = schema.SubGraphT()
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.subgraph.inputs, self.subgraph.outputs = [], []
        self._subgraphs.append(self.subgraph)

    def buffer(self, data: bytes) -> int:
        """Add a buffer and return its number."""
        made = schema.BufferT()
        made.data = list(data)
        self._buffers.append(made)
        return len(self._buffers) - 1

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        name: str = "",
        data: bytes | None = None,
        buffer: int = 0,
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        axis: int = 0,
        variable: bool = False,
        sparse: bool = False,
        signature: Sequence[int] = (),
    ) -> int:
        """Add a tensor and return its number."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type = list(shape), getattr(schema.TensorType, dtype.upper())
        tensor.name = name or f"t{len(self.subgraph.tensors)}"
        tensor.buffer = buffer if data is None else self.buffer(data)
        tensor.isVariable = variable
        if signature:
            tensor.shapeSignature = list(signature)
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = list(scales), list(zero_points)
            tensor.quantization.quantizedDimension = axis
        if sparse:
            tensor.sparsity = schema.SparsityParametersT()
            tensor.sparsity.traversalOrder = list(range(len(shape)))
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, *, custom: str = ""
    ) -> None:
        """Add an operator; its options' kind follows from their class."""
        code = (getattr(schema.BuiltinOperator, name), custom)
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.subgraph.operators.append(operator)

    def to_bytes(self, inputs: Sequence[int] = (), outputs: Sequence[int] = ()) -> bytes:
        """Return the file; inputs and outputs are those of the first subgraph."""
        self._subgraphs[0].inputs, self._subgraphs[0].outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.buffers, model.subgraphs = 3, self._buffers, self._subgraphs
        model.operatorCodes = [_code(*one) for one in self._codes]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _code(number: int, custom: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    if custom:
        code.customCode = custom
    return code
