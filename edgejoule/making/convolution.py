"""Convolutions that train fast on a processor: NHWC inputs, float32, padding as TensorFlow Lite counts it.

XLA's own convolutions are fast on a processor but for two cases, which are written here in another way: the gradient
of a filter (as one matrix product over patches) and the depthwise convolution (as a sum over the taps). Both were
found by timing; tests/unit/edgejoule/test_making_convolution.py compares their values and gradients with XLA's.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final, Literal

import jax
import jax.numpy as jnp
from jax import lax

Padding = Literal["SAME", "VALID"]
Pair = tuple[int, int]
_LAYOUT: Final = ("NHWC", "HWIO", "NHWC")


def output_size(size: int, kernel: int, stride: int, padding: Padding) -> int:
    """Return how many places a kernel takes along an axis of ``size``. Raises ValueError if it takes none."""
    count = -(-size // stride) if padding == "SAME" else (size - kernel) // stride + 1
    if count < 1:
        raise ValueError(f"a kernel of {kernel} does not fit into {size}; take a smaller one, or padding SAME")
    return count


def padding_of(size: int, kernel: int, stride: int, padding: Padding) -> Pair:
    """Return the zeros before and after an axis; where their number is odd, one more stands after."""
    if padding == "VALID":
        return 0, 0
    total = max((output_size(size, kernel, stride, padding) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution(x: Any, weights: Any, stride: Pair, padding: Padding) -> Any:
    """Return ``x`` (n, h, w, c) convolved with ``weights`` (kh, kw, c, filters)."""
    return _plain(x, weights, stride, padding)


def _plain(x: Any, weights: Any, stride: Pair, padding: Padding) -> Any:
    return lax.conv_general_dilated(x, weights, stride, padding, dimension_numbers=_LAYOUT)


def _forward(x: Any, weights: Any, stride: Pair, padding: Padding) -> tuple[Any, tuple[Any, Any]]:
    return _plain(x, weights, stride, padding), (x, weights)


def _backward(stride: Pair, padding: Padding, kept: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    x, weights = kept
    _, of_input = jax.vjp(lambda inputs: _plain(inputs, weights, stride, padding), x)
    patches = jnp.concatenate(list(_taps(x, weights.shape[:2], stride, padding)), axis=-1)
    of_weights = patches.reshape(-1, patches.shape[-1]).T @ gradient.reshape(-1, gradient.shape[-1])
    return of_input(gradient)[0], of_weights.reshape(weights.shape)


convolution.defvjp(_forward, _backward)


def depthwise_convolution(x: Any, weights: Any, stride: Pair, padding: Padding) -> Any:
    """Return ``x`` (n, h, w, c) with each channel convolved by its own ``weights`` (kh, kw, c, multiplier).

    Output channel ``i * multiplier + j`` is the j-th of input channel i.
    """
    kernel = weights.shape[:2]
    taps = weights.reshape(kernel[0] * kernel[1], *weights.shape[2:])
    total = sum(cut[..., None] * taps[number] for number, cut in enumerate(_taps(x, kernel, stride, padding)))
    return jnp.reshape(total, (*jnp.shape(total)[:3], -1))


def _taps(x: Any, kernel: Pair, stride: Pair, padding: Padding) -> Iterator[Any]:
    """Yield for each tap of the kernel, row by row, what it meets: (n, rows, columns, c)."""
    sizes = x.shape[1:3]
    around = [padding_of(*axis, padding) for axis in zip(sizes, kernel, stride, strict=True)]
    rows, columns = (output_size(*axis, padding) for axis in zip(sizes, kernel, stride, strict=True))
    padded = jnp.pad(x, ((0, 0), *around, (0, 0)))
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            yield padded[
                :,
                row : row + (rows - 1) * stride[0] + 1 : stride[0],
                column : column + (columns - 1) * stride[1] + 1 : stride[1],
            ]
