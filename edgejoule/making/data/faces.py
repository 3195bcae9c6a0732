"""Faces and what is none: grey pictures of 25x25 pixels, from what the package scikit-image brings along.

``lfw_subset`` holds 100 faces of Labeled Faces in the Wild and 100 pieces of background of the same set (G. Huang et
al., "Labeled Faces in the Wild", University of Massachusetts, technical report 07-49, 2007). The photographs are those
of news agencies and nobody states a licence for them: they may be trained on here, and are not passed on.

Most pieces of background are corners of photographs that were turned upright, with a black wedge or plain. A network
would learn to find those, so crops of pictures that are in the public domain or CC0 are added as further backgrounds.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

CLASSES: Final = ("no face", "face")
DATA_PACKAGE: Final = "scikit-image"
DATA_LICENCE: Final = (
    "not stated for the faces and their backgrounds; CC0 or public domain for the crops of other pictures"
)
PICTURE_SIZE: Final = 25
INPUT_SIZE: Final = 96
INPUT_CHANNELS: Final = 3

FACES_COUNT: Final = 100
HELD_OUT_COUNT: Final = 40
"""Of the faces, and of the backgrounds: the last ones in file order. The file was drawn at random."""
NOT_EMPTY: Final = (25, 30)
"""Backgrounds that show a face, and half of one: they are left out."""

TRAIN_PICTURES: Final = ("brick", "coffee", "coins", "grass", "rocket", "text")
TEST_PICTURES: Final = ("chelsea", "clock", "gravel", "hubble_deep_field")
"""Names in ``skimage.data``, whose documentation states their origin. No picture is on both sides."""
TRAIN_CROPS_COUNT: Final = 20
TEST_CROPS_COUNT: Final = 10
CROP_SIZE_MIN_MAX: Final = (50, 170)
CROPS_SEED: Final = 11


@dataclass(frozen=True, slots=True)
class Pictures:
    """``x``: (n, 25, 25) float32, 0 black to 1 white. ``y``: (n,), positions in ``CLASSES``.

    ``cropped``: (n,), whether a picture is a crop of the public domain.
    """

    x: F32
    y: I64
    cropped: NDArray[np.bool_]


def load() -> tuple[Pictures, Pictures]:
    """Return what to train on and what to test on. Raises ConfigurationError where scikit-image is missing."""
    subset = _read("lfw_subset")
    if subset.shape != (2 * FACES_COUNT, PICTURE_SIZE, PICTURE_SIZE):
        raise ConfigurationError(
            f"faces: lfw_subset has the shape {subset.shape}, not (200, 25, 25); "
            f"reinstall it: pip install --force-reinstall {DATA_PACKAGE}"
        )
    faces, backgrounds = subset[:FACES_COUNT].astype(np.float32), subset[FACES_COUNT:].astype(np.float32)
    empty = np.setdiff1d(np.arange(FACES_COUNT), NOT_EMPTY)
    cut = FACES_COUNT - HELD_OUT_COUNT
    return (
        _pictures(faces[:cut], backgrounds[empty[empty < cut]], crops(TRAIN_PICTURES, TRAIN_CROPS_COUNT)),
        _pictures(faces[cut:], backgrounds[empty[empty >= cut]], crops(TEST_PICTURES, TEST_CROPS_COUNT)),
    )


def crops(names: tuple[str, ...], count: int) -> F32:
    """Return ``count`` squares of each picture, drawn by a seed, as (n, 25, 25) float32, 0 to 1."""
    draw = np.random.default_rng(CROPS_SEED)
    made = []
    for name in names:
        picture = grey(_read(name))
        for _ in range(count):
            size = int(draw.integers(*CROP_SIZE_MIN_MAX))
            top, left = (int(draw.integers(0, extent - size + 1)) for extent in picture.shape)
            made.append(shrunk(picture[top : top + size, left : left + size], PICTURE_SIZE))
    return np.stack(made)


def grey(picture: NDArray[np.uint8]) -> F32:
    """Return a picture (height, width) or (height, width, 3), 0 to 255, as luma (height, width), 0 to 1.

    Weights: ITU-R BT.709-6, section 3.2.
    """
    values: F32 = picture.astype(np.float32) / np.float32(255.0)
    if values.ndim == 2:
        return values
    luma: F32 = values @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return luma


def shrunk(picture: F32, size: int) -> F32:
    """Return a square picture of ``size`` pixels or more with ``size`` ones, each the mean of the area it covers."""
    edges = np.linspace(0.0, len(picture), size + 1)
    pixels = np.arange(len(picture))
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.clip(covered, 0.0, None) * (size / len(picture))
    small: F32 = (shares @ picture @ shares.T).astype(np.float32)
    return small


def interpolation(places: NDArray[np.float64]) -> F32:
    """Return for each place (n, m), in pixels from the first one, what each of 25 pixels has in it: (n, m, 25).

    Linear; beyond the edge the edge's pixel goes on.
    """
    inside = np.clip(places, 0.0, PICTURE_SIZE - 1.0)[..., None]
    return np.clip(1.0 - np.abs(inside - np.arange(PICTURE_SIZE)), 0.0, None).astype(np.float32)


def network_input(pictures: F32) -> F32:
    """Return pictures (n, 25, 25) as (n, 96, 96, 3): enlarged, in three equal channels that share their memory.

    That is the input of MLPerf Tiny's visual wake words, which is made for colour pictures of 96x96 pixels.
    """
    middles = (np.arange(INPUT_SIZE, dtype=np.float64) + 0.5) * (PICTURE_SIZE / INPUT_SIZE) - 0.5
    rows = interpolation(middles[None])
    return as_channels((rows @ pictures @ rows.transpose(0, 2, 1)).astype(np.float32))


def as_channels(pictures: F32) -> F32:
    """Return pictures (n, height, width) as (n, height, width, 3) without a copy."""
    return np.broadcast_to(pictures[..., None], (*pictures.shape, INPUT_CHANNELS))


def _pictures(faces: F32, backgrounds: F32, cropped: F32) -> Pictures:
    return Pictures(
        x=np.concatenate([faces, backgrounds, cropped]),
        y=np.repeat([1, 0], [len(faces), len(backgrounds) + len(cropped)]).astype(np.int64),
        cropped=np.repeat([False, True], [len(faces) + len(backgrounds), len(cropped)]),
    )


def _read(name: str) -> NDArray[np.uint8]:
    try:
        from skimage import data  # noqa: PLC0415 - only training needs it
    except ImportError as error:
        raise ConfigurationError(
            f"faces: the package {DATA_PACKAGE} is not installed; install it: pip install {DATA_PACKAGE}"
        ) from error
    try:
        picture: NDArray[np.uint8] = getattr(data, name)()
    except (AttributeError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"faces: scikit-image's {name} cannot be read ({error}); "
            f"reinstall it: pip install --force-reinstall {DATA_PACKAGE}"
        ) from error
    return picture
