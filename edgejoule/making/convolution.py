"""Convolutions that train fast on a processor: NHWC inputs, float32, padding as TensorFlow Lite counts it.

XLA's own convolutions are fast on a processor but for two cases, which are written here in another way: the gradient
of a filter (as one matrix product over patches) and the depthwise convolution (as sums over the taps). Both were
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


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_convolution(x: Any, weights: Any, stride: Pair, padding: Padding) -> Any:
    """Return ``x`` (n, h, w, c) with each channel convolved by its own ``weights`` (kh, kw, c, multiplier).

    Output channel ``i * multiplier + j`` is the j-th of input channel i.
    """
    kernel = weights.shape[:2]
    taps = weights.reshape(kernel[0] * kernel[1], *weights.shape[2:])
    total = sum(cut[..., None] * taps[number] for number, cut in enumerate(_taps(x, kernel, stride, padding)))
    return jnp.reshape(total, (*jnp.shape(total)[:3], -1))


def _depthwise_forward(x: Any, weights: Any, stride: Pair, padding: Padding) -> tuple[Any, tuple[Any, Any]]:
    return depthwise_convolution(x, weights, stride, padding), (x, weights)


def _depthwise_backward(stride: Pair, padding: Padding, kept: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    x, weights = kept
    gradient = gradient.reshape(*gradient.shape[:3], *weights.shape[2:])
    kernel = weights.shape[:2]

    def add_one(sums: list[Any], one: tuple[Any, Any]) -> tuple[list[Any], None]:
        """Add elementwise over the batch, which the processor does on whole vectors, and over places last."""
        picture, its_gradient = one
        cuts = _taps(picture[None], kernel, stride, padding)
        return [total + cut[0, ..., None] * its_gradient for total, cut in zip(sums, cuts, strict=True)], None

    zeros = [jnp.zeros_like(gradient[0])] * (kernel[0] * kernel[1])
    sums, _ = lax.scan(add_one, zeros, (x, gradient))
    of_weights = jnp.stack([total.sum((0, 1)) for total in sums]).reshape(weights.shape)
    return _depthwise_of_input(x.shape, weights, gradient, stride, padding), of_weights


def _depthwise_of_input(shape: Any, weights: Any, gradient: Any, stride: Pair, padding: Padding) -> Any:
    """Return the gradient (n, h, w, c): that of the output, spread by the stride, under the kernel turned round."""
    kernel = weights.shape[:2]
    around = [(0, 0, 0)]
    for size, width, step, places in zip(shape[1:3], kernel, stride, gradient.shape[1:3], strict=True):
        before = width - 1 - padding_of(size, width, step, padding)[0]
        after = size + width - 1 - before - ((places - 1) * step + 1)
        around.append((before, after, step - 1))
    spread = lax.pad(gradient, jnp.zeros((), gradient.dtype), (*around, (0, 0, 0), (0, 0, 0)))
    return sum(
        (spread[:, row : row + shape[1], column : column + shape[2]] * weights[-1 - row, -1 - column]).sum(-1)
        for row in range(kernel[0])
        for column in range(kernel[1])
    )


depthwise_convolution.defvjp(_depthwise_forward, _depthwise_backward)


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
