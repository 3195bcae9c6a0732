"""A trained network as a float32 .tflite file: batch normalisation folded into weights, one signature.

Weights stand as the format wants them: convolution (filters, height, width, channels), depthwise (1, height, width,
channels), dense (units, inputs). Format: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from collections.abc import Sequence
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgejoule.making.network import (
    BATCH_NORM_EPSILON,
    F32,
    Activation,
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    Dropout,
    Flatten,
    Layer,
    LayerParams,
    Network,
    Params,
    Residual,
    Shape,
    Softmax,
    layer_shape,
    pair_of,
)

SIGNATURE: Final = "serving_default"
_FUSED: Final[dict[Activation, int]] = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
_PADDING: Final = {"SAME": schema.Padding.SAME, "VALID": schema.Padding.VALID}


def float_model(network: Network, params: Params, input_name: str = "x", output_name: str = "y") -> bytes:
    """Return the network as the bytes of a .tflite file, for one input at a time. Dropout is left out."""
    graph = _Graph()
    source = graph.tensor(input_name, (1, *network.input_shape))
    target, _ = _Writer(graph).layers("", network.layers, params, source, network.input_shape)
    graph.rename(target, output_name)
    return graph.pack([source], [target])


def folded(layer: Conv | Depthwise | Dense, own: LayerParams) -> tuple[F32, F32]:
    """Return weights as they are in ``own`` and bias, with the batch normalisation taken into both."""
    weights = np.asarray(own["weights"], np.float32)
    if not layer.batch_norm:
        return weights, np.asarray(own["bias"], np.float32)
    scale, offset, mean, variance = (
        np.asarray(own[name], np.float64) for name in ("scale", "offset", "mean", "variance")
    )
    factor = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
    per_weight = factor.reshape(weights.shape[2:]) if isinstance(layer, Depthwise) else factor
    return (weights * per_weight).astype(np.float32), (offset - mean * factor).astype(np.float32)


class _Writer:
    """Writes layers one after the other; tensors are named by the layer's place."""

    def __init__(self, graph: "_Graph") -> None:
        self._graph = graph

    def layers(
        self, prefix: str, layers: Sequence[Layer], params: Params, source: int, shape: Shape
    ) -> tuple[int, Shape]:
        """Write ``layers`` behind tensor ``source`` and return the last tensor and its shape without the batch."""
        for number, (layer, own) in enumerate(zip(layers, params, strict=True)):
            name = f"{prefix}{type(layer).__name__.lower()}_{number}"
            source = self._layer(name, layer, own, source, shape)
            shape = layer_shape(layer, shape)
        return source, shape

    def _layer(self, name: str, layer: Layer, own: LayerParams, source: int, shape: Shape) -> int:
        if isinstance(layer, Dropout):
            return source
        after = (1, *layer_shape(layer, shape))
        match layer:
            case Residual():
                sides = [
                    self.layers(f"{name}/{part}/", getattr(layer, part), own[part], source, shape)[0]
                    for part in ("body", "shortcut")
                ]
                return self._graph.operator("ADD", sides, name, after, _options("Add", layer.activation))
            case Conv() | Depthwise() | Dense():
                return self._weighed(name, layer, own, source, after)
            case AveragePool():
                options = _options("Pool2D", "none")
                options.filterHeight, options.filterWidth = layer.kernel or shape[:2]
                options.strideH, options.strideW = options.filterHeight, options.filterWidth
                options.padding = schema.Padding.VALID
                return self._graph.operator("AVERAGE_POOL_2D", [source], name, after, options)
            case Flatten():
                options = schema.ReshapeOptionsT()
                options.newShape = [-1, after[1]]  # -1: a runtime may take several inputs at a time
                wanted = self._graph.tensor(f"{name}/shape", (2,), np.array(options.newShape, "<i4"))
                return self._graph.operator("RESHAPE", [source, wanted], name, after, options)
            case Softmax():
                options = schema.SoftmaxOptionsT()
                options.beta = 1.0
                return self._graph.operator("SOFTMAX", [source], name, after, options)

    def _weighed(self, name: str, layer: Conv | Depthwise | Dense, own: LayerParams, source: int, after: Shape) -> int:
        weights, bias = folded(layer, own)
        match layer:
            case Conv():
                code, options, stored = "CONV_2D", _options("Conv2D", layer.activation), weights.transpose(3, 0, 1, 2)
            case Depthwise():
                code, options = "DEPTHWISE_CONV_2D", _options("DepthwiseConv2D", layer.activation)
                options.depthMultiplier = layer.multiplier
                stored = weights.reshape(1, *layer.kernel, -1)
            case Dense():
                code, options, stored = "FULLY_CONNECTED", _options("FullyConnected", layer.activation), weights.T
        if isinstance(layer, Conv | Depthwise):
            options.padding = _PADDING[layer.padding]
            options.strideH, options.strideW = pair_of(layer.stride)
        constants = [
            self._graph.tensor(f"{name}/{part}", values.shape, values.astype("<f4"))
            for part, values in (("weights", stored), ("bias", bias))
        ]
        return self._graph.operator(code, [source, *constants], name, after, options)


def _options(kind: str, activation: Activation) -> Any:
    options = getattr(schema, f"{kind}OptionsT")()
    options.fusedActivationFunction = _FUSED[activation]
    return options


class _Graph:
    """Tensors, buffers and operators of one subgraph, in the order of the flatbuffer."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 stays empty by the format's convention
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def tensor(self, name: str, shape: Shape, values: NDArray[Any] | None = None) -> int:
        """Add a tensor, a constant one if it has ``values``, and return its number."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = schema.TensorType.FLOAT32
        if values is not None:
            if values.dtype.kind == "i":
                tensor.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
            self._buffers.append(buffer)
            tensor.buffer = len(self._buffers) - 1
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def rename(self, tensor: int, name: str) -> None:
        """Name a tensor anew."""
        self._tensors[tensor].name = name

    def operator(self, code_name: str, inputs: Sequence[int], name: str, shape: Shape, options: Any) -> int:
        """Add an operator with one output and return the output's tensor."""
        output = self.tensor(name, shape)
        code = getattr(schema.BuiltinOperator, code_name)
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = list(inputs), [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(operator)
        return output

    def pack(self, inputs: list[int], outputs: list[int]) -> bytes:
        """Return the file."""
        subgraph = schema.SubGraphT()
        subgraph.name, subgraph.tensors, subgraph.operators = "main", self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = inputs, outputs
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs = [self._map(index) for index in inputs]
        signature.outputs = [self._map(index) for index in outputs]
        model = schema.ModelT()
        model.version, model.description = 3, "edgejoule"
        model.operatorCodes = [_operator_code(code) for code in self._codes]
        model.subgraphs, model.buffers, model.signatureDefs = [subgraph], self._buffers, [signature]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _map(self, index: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = self._tensors[index].name, index
        return entry


def _operator_code(code: int) -> Any:
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = 1
    return entry
