"""The residual networks' shapes, and how a training picture is varied."""

import itertools

import numpy as np
import pytest

from edgejoule.making.data.fashion_mnist import U8
from edgejoule.making.network import initial
from edgejoule.making.resnet import SHIFT, Block, residual_network, varied
from edgejoule.making.tflite import float_model
from edgejoule.zoo.graph import facts_of

pytestmark = pytest.mark.train

PICTURES = np.random.default_rng(5).integers(0, 256, (60, 28, 28)).astype(np.uint8)


@pytest.mark.parametrize(
    ("blocks", "stem_stride", "macs", "parameters"),
    [
        ([(16, 1), (32, 2), (64, 2)], 1, 12_501_632, 77_706),  # MLPerf Tiny's ResNet-8
        ([(8, 1), (16, 2), (32, 2)], 1, 3_236_160, 19_786),
        ([(16, 1), (32, 2)], 2, 2_208_064, 19_850),
    ],
)
def test_each_network_has_its_counts(blocks: list[Block], stem_stride: int, macs: int, parameters: int) -> None:
    network = residual_network(blocks, stem_stride=stem_stride)

    facts = facts_of(float_model(network, initial(network, 0)))

    assert (facts.macs, facts.parameters) == (macs, parameters)


def test_a_varied_picture_is_moved_by_a_pixel_at_most_and_perhaps_mirrored() -> None:
    seen = set()
    for picture, shown in zip(PICTURES, varied(PICTURES, np.random.default_rng(1)), strict=True):
        values = np.rint(255 * shown[2:30, 2:30, 0])
        ways = list(itertools.product((False, True), range(-SHIFT, SHIFT + 1), range(-SHIFT, SHIFT + 1)))
        fits = [way for way in ways if np.array_equal(_moved(picture, *way[1:], mirrored=way[0]), values)]
        assert len(fits) == 1
        seen.update(fits)
    assert {mirrored for mirrored, _, _ in seen} == {False, True}
    assert {rows for _, rows, _ in seen} == {columns for _, _, columns in seen} == {-1, 0, 1}


def test_the_same_seed_varies_in_the_same_way_and_leaves_the_data_alone() -> None:
    before = PICTURES.copy()

    first, again = (varied(PICTURES, np.random.default_rng(2)) for _ in range(2))

    assert np.array_equal(first, again)
    assert np.array_equal(PICTURES, before)


def _moved(picture: U8, rows: int, columns: int, *, mirrored: bool) -> U8:
    framed = np.pad(picture[:, ::-1] if mirrored else picture, 1)
    return framed[1 + rows : 29 + rows, 1 + columns : 29 + columns]
