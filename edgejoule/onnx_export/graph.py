"""A .tflite graph as an ONNX graph: pictures turned to channels first, the first size of every tensor left free.

Integers stay integers: each int8 tensor is an ONNX tensor of int8 between QuantizeLinear and DequantizeLinear, which
runtimes fuse with what stands between them. Sources: ONNX operators, opset 17; TensorFlow Lite schema.fbs for the
fields of options, and the padding of TensorFlow ("SAME": the smaller half before).
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgejoule.zoo.graph_file import Operator, Subgraph, Tensor

BATCH: Final = "batch"
_LAYOUTS: Final = {"float32": "<f4", "int8": "i1", "int32": "<i4", "uint8": "u1"}
_ACTIVATIONS: Final = {1: "Relu", 3: "Relu6"}
"""ActivationFunctionType: NONE 0, RELU 1, RELU6 3."""
_RELU6_END: Final = 6.0
_SAME: Final = 0


class NotExportedError(ValueError):
    """A graph that this does not write as ONNX; the text says what stands against it."""


class OnnxGraph:
    """Nodes and constants as they come. ``values``: the ONNX name of each tensor's floats, by its number.

    ``channels_first``: the numbers of those that are turned.
    """

    def __init__(self, graph: Subgraph) -> None:
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._values: dict[int, str] = {}
        self._channels_first: set[int] = set()
        self._count = 0

    def write(self) -> None:
        """Write every operator. Raises NotExportedError."""
        for number in self.graph.inputs:
            tensor = self.tensor(number)
            self._values[number] = self._read(tensor, self.input_name(tensor))
        for operator in self.graph.operators:
            found = _WRITERS.get(operator.name)
            if found is None:
                raise NotExportedError(f"its operator {operator.name} is none of {', '.join(sorted(_WRITERS))}")
            least, writer = found
            if len(operator.inputs) < least or len(operator.outputs) != 1:
                raise NotExportedError(f"its operator {operator.name} has too few tensors, or too many")
            writer(self, operator)
        for number in self.graph.outputs:
            tensor, made = self.tensor(number), self.rows(number)
            if tensor.scales:
                made = self.node("QuantizeLinear", [made, *self._scale(tensor)])
            self.nodes.append(helper.make_node("Identity", [made], [self.output_name(tensor)]))

    def input_name(self, tensor: Tensor) -> str:
        """Return what the graph's input is called."""
        return tensor.name or "x"

    def output_name(self, tensor: Tensor) -> str:
        """Return what the graph's output is called; never as an input."""
        inputs = {self.input_name(self.tensor(number)) for number in self.graph.inputs}
        name = tensor.name or "y"
        return f"{name}_out" if name in inputs else name

    def tensor(self, number: int) -> Tensor:
        """Return a tensor that must be there. Raises NotExportedError."""
        if number < 0:
            raise NotExportedError("an operator leaves out a tensor that is wanted")
        return self.graph.tensors[number]

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return the name of what it makes."""
        self._count += 1
        name = f"n{self._count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{kind}_{self._count}", **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self._count += 1
        name = f"c{self._count}"
        self.constants.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def pictures(self, number: int) -> str:
        """Return the value with channels first."""
        if number not in self._channels_first:
            if len(self.tensor(number).shape) != 4:
                raise NotExportedError(f"tensor {self.tensor(number).name!r} is no picture")
            self._values[number] = self.node("Transpose", [self._value(number)], perm=[0, 3, 1, 2])
            self._channels_first.add(number)
        return self._values[number]

    def rows(self, number: int) -> str:
        """Return the value with its sizes in the order of the .tflite file."""
        if number in self._channels_first:
            return self.node("Transpose", [self._values[number]], perm=[0, 2, 3, 1])
        return self._value(number)

    def is_turned(self, number: int) -> bool:
        """Return whether the value is held with channels first."""
        return number in self._channels_first

    def set_value(self, number: int, name: str, *, channels_first: bool) -> None:
        """Note what an operator made; integers go through their own scale."""
        tensor = self.tensor(number)
        if tensor.dtype not in {"float32", "int8"} or (tensor.dtype == "int8" and not tensor.scales):
            raise NotExportedError(f"tensor {tensor.name!r} is {tensor.dtype}: only float32 and int8 are written")
        if tensor.scales:
            scale = self._scale(tensor)
            name = self.node("DequantizeLinear", [self.node("QuantizeLinear", [name, *scale]), *scale])
        self._values[number] = name
        if channels_first:
            self._channels_first.add(number)

    def parameter(self, number: int, turn: Callable[[NDArray[Any]], NDArray[Any]] | None = None) -> str:
        """Return a constant's value; ``turn`` brings it to the shape that ONNX wants, slices first."""
        tensor = self.tensor(number)
        values = _values(tensor)
        values = values if turn is None else turn(values)
        if not tensor.scales:
            return self.constant(values)
        scales, zeros = np.asarray(tensor.scales, np.float32), _zeros(tensor, values.dtype)
        if len(scales) == 1:
            scales, zeros = scales.reshape(()), zeros.reshape(())
        stored = self.constant(values)
        return self.node("DequantizeLinear", [stored, self.constant(scales), self.constant(zeros)], axis=0)

    def activated(self, name: str, code: int) -> str:
        """Return the value after a fused activation. Raises NotExportedError for one that is not known."""
        if code == 0:
            return name
        if code not in _ACTIVATIONS:
            raise NotExportedError(f"the fused activation {code} is not known")
        if _ACTIVATIONS[code] == "Relu":
            return self.node("Relu", [name])
        limits = [self.constant(np.asarray(end, np.float32)) for end in (0.0, _RELU6_END)]
        return self.node("Clip", [name, *limits])

    def _value(self, number: int) -> str:
        if number not in self._values and self.tensor(number).constant:
            self._values[number] = self.parameter(number)
        if number not in self._values:
            raise NotExportedError(f"tensor {self.tensor(number).name!r} is used before it is made")
        return self._values[number]

    def _read(self, tensor: Tensor, name: str) -> str:
        return self.node("DequantizeLinear", [name, *self._scale(tensor)]) if tensor.scales else name

    def _scale(self, tensor: Tensor) -> list[str]:
        if len(tensor.scales) != 1 or tensor.dtype != "int8":
            raise NotExportedError(f"tensor {tensor.name!r} is {tensor.dtype} without a single scale")
        zero = _zeros(tensor, np.dtype(np.int8)).reshape(())
        return [self.constant(np.asarray(tensor.scales[0], np.float32)), self.constant(zero)]


def _values(tensor: Tensor) -> NDArray[Any]:
    if not tensor.constant or tensor.sparse or tensor.dtype not in _LAYOUTS:
        raise NotExportedError(f"the values of {tensor.name!r} ({tensor.dtype}) are not in the file as they are")
    return np.frombuffer(tensor.data, _LAYOUTS[tensor.dtype]).reshape(tensor.shape)


def _zeros(tensor: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the zero points as integers of the tensor's own type, one for each scale."""
    points = tensor.zero_points or (0,) * len(tensor.scales)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if (
        limits is None
        or len(points) != len(tensor.scales)
        or not all(limits.min <= point <= limits.max for point in points)
    ):
        raise NotExportedError(f"the zero points of tensor {tensor.name!r} do not fit {dtype}")
    return np.asarray(points, dtype)


def _number(operator: Operator, field: int, layout: str, default: int) -> int:
    return default if operator.options is None else operator.options.number(field, layout, default)


def _four_sizes(*tensors: Tensor) -> None:
    for tensor in tensors:
        if len(tensor.shape) != 4:
            raise NotExportedError(f"tensor {tensor.name!r} is no picture and no filter")


def _pads(sizes: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int]) -> list[int]:
    """Return what "SAME" adds before and after (rows, columns), as ONNX orders it."""
    before, after = [], []
    if min(*sizes, *kernel, *strides, *dilations) < 1:
        raise NotExportedError("a window has no size, or makes no step")
    for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return [*before, *after]


def _convolution(graph: OnnxGraph, operator: Operator) -> None:
    """Filter (outputs, height, width, inputs); depthwise (1, height, width, outputs)."""
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    source, weights = operator.inputs[0], graph.tensor(operator.inputs[1])
    _four_sizes(graph.tensor(source), weights)
    strides = [_number(operator, 2, "<i", 1), _number(operator, 1, "<i", 1)]
    dilations = [_number(operator, field + depthwise, "<i", 1) for field in (5, 4)]
    sizes, kernel = graph.tensor(source).shape[1:3], weights.shape[1:3]
    same = _number(operator, 0, "<b", _SAME) == _SAME
    order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
    inputs = [
        graph.pictures(source),
        graph.parameter(operator.inputs[1], lambda values: values.transpose(order)),
    ]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(graph.parameter(operator.inputs[2]))
    made = graph.node(
        "Conv",
        inputs,
        strides=strides,
        dilations=dilations,
        pads=_pads(sizes, kernel, strides, dilations) if same else [0, 0, 0, 0],
        kernel_shape=list(kernel),
        group=graph.tensor(source).shape[3] if depthwise else 1,
    )
    made = graph.activated(made, _number(operator, 3 + depthwise, "<b", 0))
    graph.set_value(operator.outputs[0], made, channels_first=True)


def _pool(graph: OnnxGraph, operator: Operator) -> None:
    source = operator.inputs[0]
    _four_sizes(graph.tensor(source))
    kernel = (_number(operator, 4, "<i", 1), _number(operator, 3, "<i", 1))
    strides = [_number(operator, 2, "<i", 1), _number(operator, 1, "<i", 1)]
    same = _number(operator, 0, "<b", _SAME) == _SAME
    pads = _pads(graph.tensor(source).shape[1:3], kernel, strides, [1, 1]) if same else [0, 0, 0, 0]
    kind = {"AVERAGE_POOL_2D": "AveragePool", "MAX_POOL_2D": "MaxPool"}[operator.name]
    made = graph.node(kind, [graph.pictures(source)], kernel_shape=list(kernel), strides=strides, pads=pads)
    made = graph.activated(made, _number(operator, 5, "<b", 0))
    graph.set_value(operator.outputs[0], made, channels_first=True)


def _dense(graph: OnnxGraph, operator: Operator) -> None:
    source, weights = operator.inputs[0], graph.tensor(operator.inputs[1])
    if len(graph.tensor(operator.outputs[0]).shape) != 2 or len(weights.shape) != 2:
        raise NotExportedError("a dense layer that keeps more than two sizes is not written")
    rows = graph.rows(source)
    if len(graph.tensor(source).shape) != 2:
        rows = graph.node("Reshape", [rows, graph.constant(np.asarray([-1, weights.shape[1]], np.int64))])
    inputs = [rows, graph.parameter(operator.inputs[1])]
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        inputs.append(graph.parameter(operator.inputs[2]))
    made = graph.activated(graph.node("Gemm", inputs, transB=1), _number(operator, 0, "<b", 0))
    graph.set_value(operator.outputs[0], made, channels_first=False)


def _add(graph: OnnxGraph, operator: Operator) -> None:
    turned = any(graph.is_turned(number) for number in operator.inputs)
    inputs = [graph.pictures(number) if turned else graph.rows(number) for number in operator.inputs]
    made = graph.activated(graph.node("Add", inputs), _number(operator, 0, "<b", 0))
    graph.set_value(operator.outputs[0], made, channels_first=turned)


def _reshape(graph: OnnxGraph, operator: Operator) -> None:
    wanted = [-1, *graph.tensor(operator.outputs[0]).shape[1:]]
    shape = graph.constant(np.asarray(wanted, np.int64))
    made = graph.node("Reshape", [graph.rows(operator.inputs[0]), shape])
    graph.set_value(operator.outputs[0], made, channels_first=False)


def _softmax(graph: OnnxGraph, operator: Operator) -> None:
    made = graph.node("Softmax", [graph.rows(operator.inputs[0])], axis=-1)
    graph.set_value(operator.outputs[0], made, channels_first=False)


_WRITERS: Final[dict[str, tuple[int, Callable[[OnnxGraph, Operator], None]]]] = {
    "CONV_2D": (2, _convolution),
    "DEPTHWISE_CONV_2D": (2, _convolution),
    "AVERAGE_POOL_2D": (1, _pool),
    "MAX_POOL_2D": (1, _pool),
    "FULLY_CONNECTED": (2, _dense),
    "ADD": (2, _add),
    "RESHAPE": (1, _reshape),
    "SOFTMAX": (1, _softmax),
}
"""How many inputs each has at least, and what writes it."""
