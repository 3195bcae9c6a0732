"""The convolutions that train fast give what XLA's own give, and the same gradients."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from edgejoule.making.convolution import (
    Padding,
    Pair,
    convolution,
    depthwise_convolution,
    output_size,
    padding_of,
)

pytestmark = pytest.mark.train

Convolve = Callable[[Any, Any], Any]


def drawn(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def reference(stride: Pair, padding: Padding, groups: int) -> Convolve:
    def convolve(x: Any, weights: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, weights, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
        )

    return convolve


def gradients(convolve: Convolve, x: Any, weights: Any) -> Any:
    return jax.jit(jax.grad(lambda one, two: (jax.numpy.sin(convolve(one, two))).sum(), (0, 1)))(x, weights)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((3, 3), (2, 2), "SAME"), ((5, 2), (1, 2), "VALID"), ((1, 1), (2, 1), "SAME")]
)
def test_a_convolution_and_its_gradients_are_those_of_xla(kernel: Pair, stride: Pair, padding: Padding) -> None:
    x, weights = drawn(3, 7, 8, 2), drawn(*kernel, 2, 4)
    expected = reference(stride, padding, 1)

    made = convolution(x, weights, stride, padding)

    assert made.shape[1:3] == tuple(output_size(*axis, padding) for axis in zip((7, 8), kernel, stride, strict=True))
    np.testing.assert_allclose(made, expected(x, weights), rtol=1e-5, atol=1e-5)
    own = gradients(lambda one, two: convolution(one, two, stride, padding), x, weights)
    for mine, theirs in zip(own, gradients(expected, x, weights), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "multiplier"),
    [((3, 3), (2, 2), "SAME", 1), ((2, 3), (2, 1), "SAME", 2), ((2, 2), (1, 3), "VALID", 1)],
)
def test_a_depthwise_convolution_and_its_gradients_are_those_of_xla(
    kernel: Pair, stride: Pair, padding: Padding, multiplier: int
) -> None:
    x, weights = drawn(3, 7, 8, 2), drawn(*kernel, 2, multiplier)

    def expected(one: Any, two: Any) -> Any:
        return reference(stride, padding, 2)(one, two.reshape(*kernel, 1, 2 * multiplier))

    def made(one: Any, two: Any) -> Any:
        return depthwise_convolution(one, two, stride, padding)

    np.testing.assert_allclose(made(x, weights), expected(x, weights), rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(gradients(made, x, weights), gradients(expected, x, weights), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_padding_puts_the_odd_zero_behind() -> None:
    assert padding_of(32, 3, 2, "SAME") == (0, 1)
    assert padding_of(49, 10, 2, "SAME") == (4, 5)
    assert padding_of(49, 10, 2, "VALID") == (0, 0)


def test_a_kernel_that_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="a kernel of 5 does not fit into 4"):
        output_size(4, 5, 1, "VALID")
