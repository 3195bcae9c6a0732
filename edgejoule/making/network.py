"""Networks as lists of layers: what a recipe writes down, what JAX trains, what becomes a .tflite file.

Pictures are (n, height, width, channels), all values float32. A signal in time is a picture that is one column wide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from edgejoule.making.convolution import (
    Padding,
    Pair,
    convolution,
    depthwise_convolution,
    output_size,
)

F32 = NDArray[np.float32]
Shape = tuple[int, ...]
Activation = Literal["none", "relu", "relu6"]
LayerParams = dict[str, Any]
Params = tuple[LayerParams, ...]
"""For each layer its arrays by name: ``weights`` with ``bias``, or with batch normalisation ``scale``, ``offset`` and
the statistics ``mean`` and ``variance``. A residual layer holds ``body`` and ``shortcut``, each of these again."""

BATCH_NORM_EPSILON: Final = 1e-3
BATCH_NORM_MOMENTUM: Final = 0.9
"""How much of the running statistics stays at each step; S. Ioffe, C. Szegedy, ICML 2015, section 3.1."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution; weights (kernel height, kernel width, channels, filters)."""

    filters: int
    kernel: Pair
    stride: int | Pair = 1
    padding: Padding = "SAME"
    activation: Activation = "relu"
    batch_norm: bool = True


@dataclass(frozen=True, slots=True)
class Depthwise:
    """A convolution of each channel by itself; weights (kernel height, kernel width, channels, multiplier)."""

    kernel: Pair
    stride: int | Pair = 1
    padding: Padding = "SAME"
    activation: Activation = "relu"
    batch_norm: bool = True
    multiplier: int = 1


@dataclass(frozen=True, slots=True)
class Dense:
    """Every input to every unit; weights (inputs, units). ``Flatten`` has to come before it."""

    units: int
    activation: Activation = "none"
    batch_norm: bool = False


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The mean over each ``kernel``, without overlap; None: over the whole picture, which becomes 1 by 1."""

    kernel: Pair | None = None


@dataclass(frozen=True, slots=True)
class Flatten:
    """A picture as a row of numbers."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """While training, ``ratio`` of the values become 0 and the rest grow to keep the sum; else nothing."""

    ratio: float


@dataclass(frozen=True, slots=True)
class Residual:
    """``body`` and ``shortcut`` of the same input, added; an empty shortcut is the input itself."""

    body: "tuple[Layer, ...]"
    shortcut: "tuple[Layer, ...]" = ()
    activation: Activation = "relu"


@dataclass(frozen=True, slots=True)
class Softmax:
    """Probabilities. Left out while training, as the loss wants what comes before."""


Layer = Conv | Depthwise | Dense | AveragePool | Flatten | Dropout | Residual | Softmax


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in order. ``input_shape`` is without the batch."""

    input_shape: Shape
    layers: tuple[Layer, ...]


def pair_of(stride: int | Pair) -> Pair:
    """Return a stride as (rows, columns)."""
    return (stride, stride) if isinstance(stride, int) else stride


def layer_shape(layer: Layer, shape: Shape) -> Shape:
    """Return the shape, without the batch, that ``layer`` makes of ``shape``. Raises ValueError if it does not fit."""
    match layer:
        case Conv() | Depthwise():
            height, width, channels = _picture(layer, shape)
            rows, columns = (
                output_size(*axis, layer.padding)
                for axis in zip((height, width), layer.kernel, pair_of(layer.stride), strict=True)
            )
            return rows, columns, layer.filters if isinstance(layer, Conv) else channels * layer.multiplier
        case Dense():
            if len(shape) != 1:
                raise ValueError(f"a dense layer cannot follow {shape}; put Flatten() between")
            return (layer.units,)
        case AveragePool():
            height, width, channels = _picture(layer, shape)
            kernel = layer.kernel or (height, width)
            return (
                output_size(height, kernel[0], kernel[0], "VALID"),
                output_size(width, kernel[1], kernel[1], "VALID"),
                channels,
            )
        case Flatten():
            return (math.prod(shape),)
        case Residual():
            sides = [layers_shape(side, shape) for side in (layer.body, layer.shortcut)]
            if sides[0] != sides[1]:
                raise ValueError(f"a body gives {sides[0]} and its shortcut {sides[1]}; they have to be equal")
            return sides[0]
    return shape


def layers_shape(layers: Sequence[Layer], shape: Shape) -> Shape:
    """Return the shape that ``layers``, one after the other, make of ``shape``."""
    for layer in layers:
        shape = layer_shape(layer, shape)
    return shape


def _picture(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(f"{type(layer).__name__} needs (height, width, channels) and gets {shape}")
    return shape[0], shape[1], shape[2]


def initial(network: Network, seed: int) -> Params:
    """Return weights drawn by ``seed``: normal, of a variance that keeps the size of signals (K. He, ICCV 2015)."""
    return _initial(network.layers, network.input_shape, np.random.default_rng(seed))


def _initial(layers: Sequence[Layer], shape: Shape, draw: np.random.Generator) -> Params:
    params: list[LayerParams] = []
    for layer in layers:
        match layer:
            case Conv():
                weights = (*layer.kernel, shape[-1], layer.filters)
                params.append(_drawn(layer, weights, math.prod(weights[:3]), layer.filters, draw))
            case Depthwise():
                weights = (*layer.kernel, shape[-1], layer.multiplier)
                channels = shape[-1] * layer.multiplier
                params.append(_drawn(layer, weights, math.prod(layer.kernel), channels, draw))
            case Dense():
                params.append(_drawn(layer, (shape[-1], layer.units), shape[-1], layer.units, draw))
            case Residual():
                sides = {"body": layer.body, "shortcut": layer.shortcut}
                params.append({name: _initial(side, shape, draw) for name, side in sides.items()})
            case _:
                params.append({})
        shape = layer_shape(layer, shape)
    return tuple(params)


def _drawn(
    layer: Conv | Depthwise | Dense, shape: Shape, inputs: int, channels: int, draw: np.random.Generator
) -> LayerParams:
    gain = 1.0 if layer.activation == "none" else 2.0
    weights = (draw.standard_normal(shape) * math.sqrt(gain / inputs)).astype(np.float32)
    zeros, ones = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    if layer.batch_norm:
        return {"weights": weights, "scale": ones, "offset": zeros, "mean": zeros, "variance": ones}
    return {"weights": weights, "bias": zeros}


def outputs(network: Network, params: Params, x: Any, *, training: bool, key: Any = None) -> tuple[Any, Params]:
    """Return what ``network`` makes of ``x`` (n, *input_shape), and ``params`` with the statistics of this batch in.

    ``key``: of jax.random, for dropout; a network without it needs none. Not training: the statistics are used and
    stay as they are.
    """
    return _run(network.layers, params, x, _Mode(training=training, key=key))


def infer(network: Network, params: Params, x: F32, batch_size: int = 250) -> F32:
    """Return the trained network's outputs for ``x`` (n, *input_shape), float32 (n, *output shape)."""
    parts = [np.asarray(_infer(network, params, x[at : at + batch_size])) for at in range(0, len(x), batch_size)]
    return np.concatenate(parts)


@partial(jax.jit, static_argnums=0)
def _infer(network: Network, params: Params, x: Any) -> Any:
    return outputs(network, params, x, training=False)[0]


@dataclass
class _Mode:
    training: bool
    key: Any

    def next_key(self) -> Any:
        if self.key is None:
            raise ValueError("a network with Dropout needs a key while training; pass one of jax.random.key(seed)")
        self.key, key = jax.random.split(self.key)
        return key


def _run(layers: Sequence[Layer], params: Params, x: Any, mode: _Mode) -> tuple[Any, Params]:
    after: list[LayerParams] = []
    for layer, own in zip(layers, params, strict=True):
        x, own_after = _apply(layer, own, x, mode)
        after.append(own_after)
    return x, tuple(after)


def _apply(layer: Layer, own: LayerParams, x: Any, mode: _Mode) -> tuple[Any, LayerParams]:
    match layer:
        case Conv() | Depthwise() | Dense():
            return _finished(layer, own, _weighed(layer, own["weights"], x), mode)
        case Residual():
            body, body_after = _run(layer.body, own["body"], x, mode)
            shortcut, shortcut_after = _run(layer.shortcut, own["shortcut"], x, mode)
            return _activated(body + shortcut, layer.activation), {"body": body_after, "shortcut": shortcut_after}
    return _weightless(layer, x, mode), own


def _weighed(layer: Conv | Depthwise | Dense, weights: Any, x: Any) -> Any:
    match layer:
        case Conv():
            return convolution(x, weights, pair_of(layer.stride), layer.padding)
        case Depthwise():
            return depthwise_convolution(x, weights, pair_of(layer.stride), layer.padding)
    return x @ weights


def _weightless(layer: AveragePool | Flatten | Dropout | Softmax, x: Any, mode: _Mode) -> Any:
    match layer:
        case Dropout() if mode.training:
            kept = jax.random.bernoulli(mode.next_key(), 1.0 - layer.ratio, x.shape)
            return jnp.where(kept, x / (1.0 - layer.ratio), 0.0)
        case Softmax() if not mode.training:
            return jax.nn.softmax(x)
        case AveragePool():
            return _average(layer, x)
        case Flatten():
            return x.reshape(x.shape[0], -1)
    return x


def _average(layer: AveragePool, x: Any) -> Any:
    height, width = layer.kernel or x.shape[1:3]
    rows, columns = x.shape[1] // height, x.shape[2] // width
    whole = x[:, : rows * height, : columns * width]
    return whole.reshape(x.shape[0], rows, height, columns, width, -1).mean((2, 4))


def _finished(layer: Conv | Depthwise | Dense, own: LayerParams, y: Any, mode: _Mode) -> tuple[Any, LayerParams]:
    if not layer.batch_norm:
        return _activated(y + own["bias"], layer.activation), own
    mean, variance = own["mean"], own["variance"]
    if mode.training:
        axes = tuple(range(y.ndim - 1))
        mean, variance = y.mean(axes), y.var(axes)
        own = own | {"mean": _moved(own["mean"], mean), "variance": _moved(own["variance"], variance)}
    factor = own["scale"] * jax.lax.rsqrt(variance + BATCH_NORM_EPSILON)
    return _activated((y - mean) * factor + own["offset"], layer.activation), own


def _moved(old: Any, new: Any) -> Any:
    return BATCH_NORM_MOMENTUM * old + (1.0 - BATCH_NORM_MOMENTUM) * jax.lax.stop_gradient(new)


def _activated(y: Any, activation: Activation) -> Any:
    if activation == "none":
        return y
    return jnp.clip(y, 0.0, 6.0 if activation == "relu6" else None)
