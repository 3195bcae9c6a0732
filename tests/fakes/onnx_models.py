"""Builds small .onnx models: a perceptron with a free batch, and the shipped digits model with its own weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Dims = Sequence[int | str]
IR_VERSION = 8
OPSET = 17


def save(path: Path, nodes: Sequence[Any], constants: dict[str, NDArray[Any]], source: Any, sink: Any) -> Path:
    """Check and write a model."""
    initialisers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "test", source, sink, initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def floats(name: str, dims: Dims) -> Any:
    """Declare a float tensor."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def perceptron(path: Path, source: Dims = ("batch", 3)) -> Path:
    """Write y = relu(x W + b), W of (3, 2) counts from 0, b is -2."""
    constants = {"w": np.arange(6, dtype=np.float32).reshape(3, 2), "b": np.full(2, -2.0, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    return save(path, nodes, constants, [floats("x", source)], [floats("y", (*source[:-1], 2))])


def two_inputs(path: Path) -> Path:
    """Write y = a + b."""
    node = helper.make_node("Add", ["a", "b"], ["y"])
    return save(path, [node], {}, [floats("a", (1, 2)), floats("b", (1, 2))], [floats("y", (1, 2))])


def positive_values(path: Path) -> Path:
    """Write a model whose output's size depends on the values: the positions of those that are not zero."""
    node = helper.make_node("NonZero", ["x"], ["y"])
    sink = helper.make_tensor_value_info("y", TensorProto.INT64, (2, "found"))
    return save(path, [node], {}, [floats("x", (1, 4))], [sink])


def pick(path: Path) -> Path:
    """Write a model that fails on some inputs: x of shape (1, 2) are places in (10, 20, 30)."""
    node = helper.make_node("Gather", ["table", "x"], ["y"], axis=0)
    source = helper.make_tensor_value_info("x", TensorProto.INT32, (1, 2))
    return save(path, [node], {"table": np.array([10, 20, 30], np.float32)}, [source], [floats("y", (1, 2))])


def digits(path: Path, tflite: Path) -> Path:
    """Write the shipped digits model: int8 input as in the .tflite file, its weights multiplied out to floats."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: PLC0415  # not in every environment

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(tflite), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    source = interpreter.get_input_details()[0]
    scale, zero_point = source["quantization"]
    constants: dict[str, NDArray[Any]] = {"scale": np.float32(scale), "zero": np.int8(zero_point)}  # type: ignore[dict-item]
    nodes = [helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["h0"])]
    layers = [entry for entry in interpreter._get_ops_details() if entry["op_name"] == "FULLY_CONNECTED"]
    for number, layer in enumerate(layers):
        weights, bias = (_floats_of(interpreter, details[int(index)]) for index in layer["inputs"][1:3])
        constants |= {f"w{number}": weights, f"b{number}": bias}
        made, last = f"g{number}", number == len(layers) - 1
        made = "y" if last else made
        nodes.append(helper.make_node("Gemm", [f"h{number}", f"w{number}", f"b{number}"], [made], transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [made], [f"h{number + 1}"]))
    x = helper.make_tensor_value_info("x", TensorProto.INT8, ("batch", int(source["shape"][1])))
    return save(path, nodes, constants, [x], [floats("y", ("batch", 10))])


def _floats_of(interpreter: Any, tensor: dict[str, Any]) -> NDArray[np.float32]:
    integers = interpreter.get_tensor(tensor["index"])
    parameters = tensor["quantization_parameters"]
    scales, zero_points = parameters["scales"], parameters["zero_points"]
    per_row = (-1, *([1] * (integers.ndim - 1))) if len(scales) > 1 else (1,) * integers.ndim
    values = (integers.astype(np.float64) - zero_points.reshape(per_row)) * scales.reshape(per_row)
    return np.asarray(values, np.float32)
