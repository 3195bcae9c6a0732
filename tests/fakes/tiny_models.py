"""Builds the tiny .tflite models in tests/data/models: ``python -m tests.fakes.tiny_models`` writes them again.

They are kept as files because the second virtual environment, for tflite-runtime, has no schema to build them with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FOLDER = Path(__file__).parents[1] / "data" / "models"
VARIABLE = "total"


@dataclass
class Graph:
    """One subgraph: tensors in their order, operators that name them by number."""

    name: str
    tensors: list[Any] = field(default_factory=list)
    operators: list[tuple[int, Sequence[int], Sequence[int], int, Any]] = field(default_factory=list)
    inputs: Sequence[int] = ()
    outputs: Sequence[int] = ()


class Model:
    """Collects buffers and operator codes, and writes the file."""

    def __init__(self) -> None:
        self.buffers: list[Any] = [schema.BufferT()]
        self.codes: list[int] = []
        self.graphs: list[Graph] = []

    def tensor(
        self, graph: Graph, shape: Sequence[int], *, values: Any = None, variable: bool = False, whole: bool = False
    ) -> int:
        """Add a float tensor, or one of ``whole`` numbers (int32), with constant floats if given."""
        tensor = schema.TensorT()
        tensor.shape, tensor.name = list(shape), f"t{len(graph.tensors)}"
        tensor.type = schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32
        tensor.isVariable = variable
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = list(np.asarray(values, "<f4").reshape(shape).tobytes())
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def handle(self, graph: Graph) -> int:
        """Add the tensor of a VAR_HANDLE and the operator that makes it."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = [], schema.TensorType.RESOURCE, f"t{len(graph.tensors)}"
        graph.tensors.append(tensor)
        options = schema.VarHandleOptionsT()
        options.container, options.sharedName = "", VARIABLE
        at = len(graph.tensors) - 1
        self.add(graph, schema.BuiltinOperator.VAR_HANDLE, [], [at], options)
        return at

    def add(self, graph: Graph, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Any = None) -> None:
        """Add an operator; its options' kind follows from their class."""
        if code not in self.codes:
            self.codes.append(code)
        kind = 0
        if options is not None:
            kind = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        graph.operators.append((code, inputs, outputs, kind, options))

    def to_bytes(self) -> bytes:
        """Return the file."""
        model = schema.ModelT()
        model.version, model.buffers, model.description = 3, self.buffers, "edgejoule test model"
        model.operatorCodes = [self._code(code) for code in self.codes]
        model.subgraphs = [self._graph(graph) for graph in self.graphs]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    @staticmethod
    def _code(number: int) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        return code

    def _graph(self, graph: Graph) -> Any:
        made = schema.SubGraphT()
        made.name, made.tensors = graph.name, graph.tensors
        made.inputs, made.outputs, made.operators = list(graph.inputs), list(graph.outputs), []
        for code, inputs, outputs, kind, options in graph.operators:
            operator = schema.OperatorT()
            operator.opcodeIndex = self.codes.index(code)
            operator.inputs, operator.outputs = list(inputs), list(outputs)
            operator.builtinOptionsType, operator.builtinOptions = kind, options
            made.operators.append(operator)
        return made


def accumulator() -> bytes:
    """Return a model that adds each input (1, 4) to a resource variable, first 10, and gives the sum."""
    model, main, first = Model(), Graph("main"), Graph("initialise")
    model.graphs = [main, first]
    once = schema.CallOnceOptionsT()
    once.initSubgraphIndex = 1
    model.add(main, schema.BuiltinOperator.CALL_ONCE, [], [], once)
    x, old, new = (model.tensor(main, (1, 4)) for _ in range(3))
    handle = model.handle(main)
    model.add(main, schema.BuiltinOperator.READ_VARIABLE, [handle], [old], schema.ReadVariableOptionsT())
    model.add(main, schema.BuiltinOperator.ADD, [old, x], [new], schema.AddOptionsT())
    model.add(main, schema.BuiltinOperator.ASSIGN_VARIABLE, [handle, new], [], schema.AssignVariableOptionsT())
    main.inputs, main.outputs = [x], [new]
    start = model.tensor(first, (1, 4), values=[10.0, 10.0, 10.0, 10.0])
    target = model.handle(first)
    model.add(first, schema.BuiltinOperator.ASSIGN_VARIABLE, [target, start], [], schema.AssignVariableOptionsT())
    return model.to_bytes()


def last_three() -> bytes:
    """Return a model (SVDF) with a variable tensor, that sums its latest three inputs (1, 1)."""
    model, main = Model(), Graph("main")
    model.graphs = [main]
    x, feature = model.tensor(main, (1, 1)), model.tensor(main, (1, 1), values=[1.0])
    time, memory = model.tensor(main, (1, 3), values=[1.0, 1.0, 1.0]), model.tensor(main, (1, 3), variable=True)
    y = model.tensor(main, (1, 1))
    options = schema.SVDFOptionsT()
    options.rank = 1
    model.add(main, schema.BuiltinOperator.SVDF, [x, feature, time, -1, memory], [y], options)
    main.inputs, main.outputs = [x], [y]
    return model.to_bytes()


def add_multiply_add() -> bytes:
    """Return a model of three operators: (x + 1) x 2 + 3, x of shape (1, 4)."""
    model, main = Model(), Graph("main")
    model.graphs = [main]
    x, a, b, y = (model.tensor(main, (1, 4)) for _ in range(4))
    one, two, three = (model.tensor(main, (1, 4), values=[value] * 4) for value in (1.0, 2.0, 3.0))
    model.add(main, schema.BuiltinOperator.ADD, [x, one], [a], schema.AddOptionsT())
    model.add(main, schema.BuiltinOperator.MUL, [a, two], [b], schema.MulOptionsT())
    model.add(main, schema.BuiltinOperator.ADD, [b, three], [y], schema.AddOptionsT())
    main.inputs, main.outputs = [x], [y]
    return model.to_bytes()


def single_add() -> bytes:
    """Return a model of one operator: x + 1, x of shape (1, 4)."""
    model, main = Model(), Graph("main")
    model.graphs = [main]
    x, y = (model.tensor(main, (1, 4)) for _ in range(2))
    one = model.tensor(main, (1, 4), values=[1.0] * 4)
    model.add(main, schema.BuiltinOperator.ADD, [x, one], [y], schema.AddOptionsT())
    main.inputs, main.outputs = [x], [y]
    return model.to_bytes()


def pick() -> bytes:
    """Return a model (GATHER) that fails on some inputs: x of shape (1, 2) are places in (10, 20, 30)."""
    model, main = Model(), Graph("main")
    model.graphs = [main]
    x, table = model.tensor(main, (1, 2), whole=True), model.tensor(main, (3,), values=[10.0, 20.0, 30.0])
    y = model.tensor(main, (1, 2))
    model.add(main, schema.BuiltinOperator.GATHER, [table, x], [y], schema.GatherOptionsT())
    main.inputs, main.outputs = [x], [y]
    return model.to_bytes()


MODELS = {
    "accumulator": accumulator,
    "last_three": last_three,
    "add_multiply_add": add_multiply_add,
    "single_add": single_add,
    "pick": pick,
}


if __name__ == "__main__":
    for name, build in MODELS.items():
        (FOLDER / f"{name}.tflite").write_bytes(build())
