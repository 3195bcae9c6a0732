"""Small residual networks for Fashion-MNIST: what their recipes share."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.data.fashion_mnist import (
    CLASSES,
    INPUT_CHANNELS,
    INPUT_SIZE,
    PACKAGE,
    PICTURE_SIZE,
    FashionMnist,
    network_input,
)
from edgejoule.making.network import (
    F32,
    AveragePool,
    Conv,
    Dense,
    Flatten,
    Layer,
    Network,
    Params,
    Residual,
    Softmax,
)
from edgejoule.making.recipe import Trained
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

INPUT_NAME: Final = "picture"
OUTPUT_NAME: Final = "probabilities"
INPUT_SHAPE: Final = (INPUT_SIZE, INPUT_SIZE, INPUT_CHANNELS)
DRAWN_BY: Final = 8
"""Seed of which pictures calibrate and which come along: one for all, so that one check set serves all."""

CALIBRATION_COUNT: Final = 300
CHECK_COUNT: Final = 200
SHIFT: Final = 1
"""By how many pixels at most ``varied`` moves a picture along each axis."""

LIMITS: Final = (
    "it knows one shop's product pictures, cut out and centred on black: expect nothing of photographs",
    "the pictures are grey and smaller than its input: all three channels hold the same values, and the edge is black",
)

Block = tuple[int, int]
"""Filters and stride of a residual block."""


def clothes_family(
    family_id: str, *, architecture: str, seed: int, intended_use: str, limits: Sequence[str], benchmark: str = ""
) -> Family:
    """Return what a recipe states of a network for these pictures. ``limits``: beside those of all such networks."""
    return Family(
        id=family_id,
        task="image classification: pictures of clothes, ten kinds",
        architecture=architecture,
        benchmark=benchmark,
        classes=list(CLASSES),
        data=(
            "Fashion-MNIST: 70,000 pictures of clothes from a shop's catalogue, 28x28 pixels, grey (H. Xiao, K. Rasul "
            "and R. Vollgraf, arXiv 1708.07747, 2017)"
        ),
        data_package=f"the Debian package {PACKAGE}",
        data_licence="MIT",
        licence="Apache-2.0",
        test_set="the 10,000 pictures that the data's authors set apart; none was used for training or calibration",
        seed=seed,
        intended_use=intended_use,
        limits=[*LIMITS, *limits],
    )


def residual_network(blocks: Sequence[Block], *, stem_stride: int = 1, batch_norm: bool = True) -> Network:
    """Return a convolution with the first block's filters, the blocks, the mean over the picture and a dense layer.

    Blocks of 16, 32 and 64 filters, halving the picture before the last two, are MLPerf Tiny's ResNet-8
    (mlcommons/tiny, benchmark/training/image_classification); K. He et al., CVPR 2016, section 4.2.
    """
    stem = Conv(blocks[0][0], (3, 3), stem_stride, batch_norm=batch_norm)
    body = [_block(filters, stride, batch_norm=batch_norm) for filters, stride in blocks]
    return Network(INPUT_SHAPE, (stem, *body, AveragePool(), Flatten(), Dense(len(CLASSES)), Softmax()))


def _block(filters: int, stride: int, *, batch_norm: bool) -> Layer:
    body = (
        Conv(filters, (3, 3), stride, batch_norm=batch_norm),
        Conv(filters, (3, 3), activation="none", batch_norm=batch_norm),
    )
    if stride == 1:
        return Residual(body)
    return Residual(body, (Conv(filters, (1, 1), stride, activation="none", batch_norm=batch_norm),))


def varied(pictures: NDArray[Any], draw: np.random.Generator) -> F32:
    """Return pictures (n, 28, 28) as the network's input, each moved by a pixel or none, half of them mirrored."""
    framed = np.pad(pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    mirrored = draw.random(len(pictures)) < 0.5
    framed[mirrored] = framed[mirrored, :, ::-1]
    rows, columns = draw.integers(0, 2 * SHIFT + 1, (2, len(pictures), 1, 1))
    inside = np.arange(PICTURE_SIZE)
    moved = framed[np.arange(len(pictures))[:, None, None], rows + inside[:, None], columns + inside]
    return network_input(moved)


def trained(data: FashionMnist, network: Network, params: Params) -> Trained:
    """Return the trained network with what it is calibrated, measured and checked on."""
    draw = np.random.default_rng(DRAWN_BY)
    calibration = draw.choice(len(data.train_x), min(CALIBRATION_COUNT, len(data.train_x)), replace=False)
    check = draw.choice(len(data.test_x), min(CHECK_COUNT, len(data.test_x)), replace=False)
    return Trained(
        float_model=float_model(network, params, INPUT_NAME, OUTPUT_NAME),
        calibration=network_input(data.train_x[calibration]),
        test_x=network_input(data.test_x),
        test_y=data.test_y,
        check=np.sort(check),
    )
