"""Fewer weights: the smallest set to zero one by one, or whole filters left out."""

from collections.abc import Sequence

import jax
import numpy as np
from numpy.typing import NDArray

from edgejoule.making.network import F32, LayerParams, Network, Params, Residual

Chosen = NDArray[np.int64]


def largest_weights(params: Params, kept_ratio: float) -> Params:
    """Return a mask for ``fit``: in each layer but the first and the last, 1 for the largest weights, 0 for the rest.

    ``kept_ratio`` of the weights of each of those layers stay; biases and statistics all do. The first and the last
    layer are small, and what they lose no other layer can replace (M. Zhu, S. Gupta, arXiv 1710.01878, section 4).
    """
    if not 0.0 < kept_ratio <= 1.0:
        raise ValueError(f"{kept_ratio} of the weights cannot stay; give a ratio above 0 and up to 1")
    ends = [number for number, layer in enumerate(params) if layer]
    mask = [
        jax.tree_util.tree_map_with_path(
            lambda path, leaf, whole=number in {ends[0], ends[-1]}: (
                np.ones_like(leaf) if whole or path[-1].key != "weights" else _largest(leaf, kept_ratio)
            ),
            layer,
        )
        for number, layer in enumerate(params)
    ]
    return tuple(mask)


def _largest(weights: F32, kept_ratio: float) -> F32:
    count = max(round(kept_ratio * weights.size), 1)
    mask = np.zeros(weights.size, np.float32)
    mask[np.argsort(-np.abs(weights), axis=None, kind="stable")[:count]] = 1.0
    return mask.reshape(weights.shape)


def with_fewer_filters(network: Network, params: Params, kept_ratio: float) -> Params:
    """Return params with ``kept_ratio`` of the filters of each layer.

    The network is a convolution, residual layers and a dense layer, without batch normalisation. The filters with
    the largest sum of absolute weights stay (H. Li et al., ICLR 2017, section 3.1). Layers whose outputs are added to
    each other keep the same ones, by the sum over all of these layers.
    """
    streams = _streams(network, params)
    kept = iter([_strongest(producers, kept_ratio) for producers in streams])
    current = next(kept)
    result: list[LayerParams] = [_cut(params[0], None, current)]
    for layer, own in zip(network.layers[1:], params[1:], strict=True):
        if isinstance(layer, Residual):
            before, current = current, next(kept) if layer.shortcut else current
            body = _narrowed(own["body"], before, current, kept_ratio)
            shortcut = tuple(_cut(one, before, current) for one in own["shortcut"])
            result.append({"body": body, "shortcut": shortcut})
        else:
            result.append(_cut(own, current, None))
    return tuple(result)


def _streams(network: Network, params: Params) -> list[list[LayerParams]]:
    """Return for each sum of layers, which begins at a shortcut with weights, the layers whose outputs go into it."""
    streams = [[params[0]]]
    for layer, own in zip(network.layers, params, strict=True):
        if not isinstance(layer, Residual):
            continue
        if layer.shortcut:
            streams.append([own["shortcut"][-1]])
        streams[-1].append(own["body"][-1])
    return streams


def _strongest(producers: Sequence[LayerParams], kept_ratio: float) -> Chosen:
    strength = sum(np.abs(one["weights"]).sum(axis=(0, 1, 2)) for one in producers)
    count = max(round(kept_ratio * np.size(strength)), 1)
    return np.sort(np.argsort(-np.asarray(strength), kind="stable")[:count])


def _narrowed(body: Params, before: Chosen, after: Chosen, kept_ratio: float) -> Params:
    result = []
    for at, own in enumerate(body):
        outputs = after if at == len(body) - 1 else _strongest([own], kept_ratio)
        result.append(_cut(own, before, outputs))
        before = outputs
    return tuple(result)


def _cut(own: LayerParams, inputs: Chosen | None, outputs: Chosen | None) -> LayerParams:
    if not own:
        return own
    weights, bias = own["weights"], own["bias"]
    if inputs is not None:
        weights = weights[..., inputs, :]
    if outputs is not None:
        weights, bias = weights[..., outputs], bias[outputs]
    return {"weights": np.ascontiguousarray(weights), "bias": bias}
