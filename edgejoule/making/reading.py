"""The weights of a float32 .tflite file that this toolkit wrote, to train on from there."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.network import (
    Conv,
    Dense,
    Depthwise,
    Layer,
    LayerParams,
    Network,
    Params,
    Residual,
    Shape,
    layer_shape,
)
from edgejoule.zoo.graph_file import read_graph

Constants = dict[str, NDArray[np.float32]]


def parameters_of(network: Network, model: bytes) -> Params:
    """Return the weights and biases of ``model`` for ``network``, which has no batch normalisation: it is folded in.

    Raises ConfigurationError if the file holds another network.
    """
    try:
        tensors = read_graph(model).subgraphs[0].tensors
    except ValueError as error:
        raise ConfigurationError(f"the model to begin with: {error}; train its family again") from error
    constants = {
        one.name: np.frombuffer(one.data, "<f4").reshape(one.shape)
        for one in tensors
        if one.constant and one.dtype == "float32"
    }
    return _layers("", network.layers, network.input_shape, constants)


def _layers(prefix: str, layers: Sequence[Layer], shape: Shape, constants: Constants) -> Params:
    params: list[LayerParams] = []
    for number, layer in enumerate(layers):
        name = f"{prefix}{type(layer).__name__.lower()}_{number}"
        params.append(_layer(name, layer, shape, constants))
        shape = layer_shape(layer, shape)
    return tuple(params)


def _layer(name: str, layer: Layer, shape: Shape, constants: Constants) -> LayerParams:
    match layer:
        case Residual():
            sides = {"body": layer.body, "shortcut": layer.shortcut}
            return {part: _layers(f"{name}/{part}/", side, shape, constants) for part, side in sides.items()}
        case Conv() | Depthwise() | Dense():
            if layer.batch_norm:
                raise ValueError(f"{name} has batch normalisation, which a file holds folded; give a network without")
            return {
                "weights": _weights(layer, _constant(f"{name}/weights", constants), shape),
                "bias": _constant(f"{name}/bias", constants),
            }
    return {}


def _weights(layer: Conv | Depthwise | Dense, stored: NDArray[np.float32], shape: Shape) -> Any:
    wanted: Shape
    match layer:
        case Conv():
            weights, wanted = stored.transpose(1, 2, 3, 0), (*layer.kernel, shape[-1], layer.filters)
        case Depthwise():
            wanted = (*layer.kernel, shape[-1], layer.multiplier)
            weights = stored.reshape(wanted) if stored.size == math.prod(wanted) else stored
        case Dense():
            weights, wanted = stored.T, (shape[-1], layer.units)
    if weights.shape != wanted:
        raise _other(f"it has weights {weights.shape} where {wanted} are wanted")
    return np.ascontiguousarray(weights)


def _constant(name: str, constants: Constants) -> NDArray[np.float32]:
    if name not in constants:
        raise _other(f"it has no {name}")
    return constants[name]


def _other(what: str) -> ConfigurationError:
    return ConfigurationError(f"the model to begin with is of another network: {what}; train its family again")
