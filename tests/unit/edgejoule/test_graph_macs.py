"""Multiply-accumulates and parameters: the published ones of MLPerf Tiny's models, and those of every operator.

Published: mlcommons/tiny at 1afd2c98, counted there with batch normalisation folded into weights and biases.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from edgejoule.making.network import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    Flatten,
    Layer,
    Network,
    Residual,
    Softmax,
    initial,
)
from edgejoule.making.tflite import float_model
from edgejoule.zoo.graph import facts_of
from tests.fakes.graph_files import GraphFile


def _separable(filters: int, stride: int = 1) -> list[Layer]:
    return [Depthwise((3, 3), stride), Conv(filters, (1, 1))]


def _ds_cnn() -> Network:
    blocks: list[Layer] = [layer for _ in range(4) for layer in _separable(64)]
    return Network((49, 10, 1), (Conv(64, (10, 4), 2), *blocks, AveragePool(), Flatten(), Dense(12), Softmax()))


def _resnet_8() -> Network:
    def block(filters: int, stride: int) -> Residual:
        body = (Conv(filters, (3, 3), stride), Conv(filters, (3, 3), activation="none"))
        shortcut = (Conv(filters, (1, 1), stride, activation="none", batch_norm=False),) if stride > 1 else ()
        return Residual(body, shortcut)

    blocks = (block(16, 1), block(32, 2), block(64, 2))
    return Network((32, 32, 3), (Conv(16, (3, 3)), *blocks, AveragePool(), Flatten(), Dense(10), Softmax()))


def _mobilenet_v1_quarter() -> Network:
    steps = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    blocks = [layer for filters, stride in steps for layer in _separable(filters, stride)]
    return Network((96, 96, 3), (Conv(8, (3, 3), 2), *blocks, AveragePool(), Flatten(), Dense(2), Softmax()))


def _autoencoder() -> Network:
    hidden = (128, 128, 128, 128, 8, 128, 128, 128, 128)
    return Network((640,), (*(Dense(units, "relu", batch_norm=True) for units in hidden), Dense(640)))


def _streaming() -> Network:
    layers: list[Layer] = []
    for filters, frames in ((128, 3), (128, 5), (128, 10), (32, 15)):
        layers += [
            Depthwise((frames, 1), padding="VALID", activation="none", batch_norm=False),
            Conv(filters, (1, 1), padding="VALID"),
        ]
    return Network((30, 1, 40), (*layers, Flatten(), Dense(3)))


@pytest.mark.parametrize(
    ("network", "macs", "parameters"),
    [
        (_ds_cnn, 2_656_768, 22_604),
        (_resnet_8, 12_501_632, 77_706),
        (_mobilenet_v1_quarter, 7_489_664, 210_850),
        (_autoencoder, 264_192, 265_864),
        (_streaming, 826_368, 46_883),
    ],
)
def test_the_benchmarks_models_count_as_published(network: Callable[[], Network], macs: int, parameters: int) -> None:
    made = network()

    facts = facts_of(float_model(made, initial(made, 1)))

    assert (facts.macs, facts.parameters) == (macs, parameters)
    assert sum(one.macs or 0 for one in facts.by_operator) == macs
    assert sum(one.parameters for one in facts.by_operator) == parameters


def _ones(shape: Sequence[int]) -> bytes:
    return np.ones(shape, "<f4").tobytes()


def _products(data: bytes) -> int:
    """Return the sum of what LiteRT makes of ones: where weights and inputs are 1, each product adds 1."""
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    for source in interpreter.get_input_details():
        interpreter.set_tensor(source["index"], np.ones(source["shape"], np.float32))
    interpreter.invoke()
    return round(float(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).astype(np.float64).sum()))


SIZES = st.integers(1, 5)


@given(
    height=st.integers(3, 9), width=st.integers(3, 9), channels=SIZES, filters=SIZES, kernel=st.tuples(SIZES, SIZES)
)
@settings(max_examples=40, deadline=None)
def test_a_convolution_has_as_many_products_as_are_added_up(
    height: int, width: int, channels: int, filters: int, kernel: tuple[int, int]
) -> None:
    rows, columns = min(kernel[0], height), min(kernel[1], width)
    for depthwise in (False, True):
        file = GraphFile()
        outputs = channels if depthwise else filters
        shape = (1, rows, columns, channels) if depthwise else (filters, rows, columns, channels)
        x = file.tensor((1, height, width, channels))
        weights, bias = file.tensor(shape, data=_ones(shape)), file.tensor((outputs,), data=bytes(4 * outputs))
        y = file.tensor((1, height - rows + 1, width - columns + 1, outputs))
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
        if depthwise:
            options.depthMultiplier = 1
        file.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, weights, bias], [y], options)
        data = file.to_bytes([x], [y])

        assert facts_of(data).macs == _products(data)


@given(batch=SIZES, rows=SIZES, inner=SIZES, columns=SIZES, swapped=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_product_of_matrices_has_as_many_products_as_are_added_up(
    batch: int, rows: int, inner: int, columns: int, *, swapped: bool
) -> None:
    file = GraphFile()
    left = file.tensor((batch, inner, rows) if swapped else (batch, rows, inner))
    right, out = file.tensor((batch, inner, columns)), file.tensor((batch, rows, columns))
    options = schema.BatchMatMulOptionsT()
    options.adjX = swapped
    file.operator("BATCH_MATMUL", [left, right], [out], options)
    data = file.to_bytes([left, right], [out])

    assert facts_of(data).macs == _products(data)


@given(batch=SIZES, inputs=SIZES, units=SIZES)
@settings(max_examples=15, deadline=None)
def test_a_dense_layer_has_as_many_products_as_are_added_up(batch: int, inputs: int, units: int) -> None:
    file = GraphFile()
    x, y = file.tensor((batch, inputs)), file.tensor((batch, units))
    weights = file.tensor((units, inputs), data=_ones((units, inputs)))
    file.operator("FULLY_CONNECTED", [x, weights, -1], [y], schema.FullyConnectedOptionsT())
    data = file.to_bytes([x], [y])

    assert facts_of(data).macs == _products(data)


@given(height=SIZES, width=SIZES, channels=SIZES, filters=SIZES, kernel=st.tuples(SIZES, SIZES))
@settings(max_examples=25, deadline=None)
def test_a_transposed_convolution_has_as_many_products_as_are_added_up(
    height: int, width: int, channels: int, filters: int, kernel: tuple[int, int]
) -> None:
    out_shape = (1, height + kernel[0] - 1, width + kernel[1] - 1, filters)
    shape = (filters, *kernel, channels)
    file = GraphFile()
    wanted = file.tensor((4,), "int32", data=np.array(out_shape, "<i4").tobytes())
    weights, x = file.tensor(shape, data=_ones(shape)), file.tensor((1, height, width, channels))
    y = file.tensor(out_shape)
    options = schema.TransposeConvOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    file.operator("TRANSPOSE_CONV", [wanted, weights, x], [y], options)
    data = file.to_bytes([x], [y])

    facts = facts_of(data)
    assert facts.macs == _products(data)
    assert facts.parameters == filters * kernel[0] * kernel[1] * channels  # the shape that is asked for is none


def _file(shapes: Sequence[Sequence[int] | None], output: Sequence[int], name: str, options: Any = None) -> bytes:
    """Return a file of one operator; the first shape is of its input, the others are of constants, None of none."""
    file = GraphFile()
    inputs = [
        -1 if shape is None else file.tensor(shape, data=_ones(shape) if at else None)
        for at, shape in enumerate(shapes)
    ]
    y = file.tensor(output)
    file.operator(name, inputs, [y], options)
    return file.to_bytes(inputs[:1], [y])


LSTM = [[2, 7, 3], *[[5, 3]] * 4, *[[5, 4]] * 4, *[None] * 3, *[[5]] * 4, [4, 5], None]
COUPLED = [[2, 7, 3], None, *[[5, 3]] * 3, None, *[[5, 5]] * 3, *[None] * 3, None, *[[5]] * 3, None, None]


@pytest.mark.parametrize(
    ("name", "shapes", "output", "macs"),
    [
        ("CONV_3D", [[1, 4, 4, 4, 2], [2, 3, 3, 2, 5]], [1, 3, 2, 2, 5], 3 * 2 * 2 * 5 * 2 * 3 * 3 * 2),
        ("SVDF", [[2, 6], [8, 6], [8, 10], [4]], [2, 4], 2 * (8 * 6 + 8 * 10)),
        ("RNN", [[2, 6], [4, 6], [4, 4], [4]], [2, 4], 2 * (4 * 6 + 4 * 4)),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", [[2, 9, 6], [4, 6], [4, 4], [4]], [2, 9, 4], 18 * (4 * 6 + 4 * 4)),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", LSTM, [2, 7, 4], 14 * (4 * 5 * 3 + 4 * 5 * 4 + 4 * 5)),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", COUPLED, [2, 7, 5], 14 * (3 * 5 * 3 + 3 * 5 * 5)),
        ("LSTM", [[2, 3], [2, 4], [16, 7], [16], [2, 4]], [2, 4], 2 * 16 * 7),
        ("SOFTMAX", [[1, 10]], [1, 10], 0),
    ],
)
def test_other_operators_count_by_their_definition(
    name: str, shapes: list[list[int] | None], output: list[int], macs: int
) -> None:
    assert facts_of(_file(shapes, output, name)).macs == macs


def test_a_grouped_convolution_takes_a_part_of_the_channels() -> None:
    data = _file([[1, 8, 8, 6], [4, 3, 3, 2], [4]], [1, 6, 6, 4], "CONV_2D")

    assert facts_of(data).macs == 6 * 6 * 4 * 3 * 3 * 2


def test_what_nobody_counts_is_named_and_never_zero() -> None:
    file = GraphFile()
    x, middle, end, y = (file.tensor((1, 4)) for _ in range(4))
    weights = file.tensor((4, 4), data=_ones((4, 4)))
    file.operator("FULLY_CONNECTED", [x, weights, -1], [middle], schema.FullyConnectedOptionsT())
    file.operator("CUSTOM", [middle], [end], custom="Spectrum")
    file.operator("BIDIRECTIONAL_SEQUENCE_LSTM", [end], [y])

    facts = facts_of(file.to_bytes([x], [y]))

    assert facts.macs is None
    assert facts.known_macs == 16
    assert facts.unknown_macs == ["CUSTOM:Spectrum", "BIDIRECTIONAL_SEQUENCE_LSTM"]


@pytest.mark.parametrize("output", [[], [1, 6, 6], [1, -1, 6, 4]])
def test_a_shape_that_the_file_leaves_open_leaves_the_count_open(output: list[int]) -> None:
    facts = facts_of(_file([[1, 8, 8, 6], [4, 3, 3, 6]], output, "CONV_2D"))

    assert facts.macs is None
    assert facts.unknown_macs == ["CONV_2D"]
