"""Recipe of ``mobilenet_v1``: the visual-wake-words shape of MLPerf Tiny, which tells whether there is a face.

The learning rate was chosen by leaving out ten faces, ten backgrounds and one picture's crops of the training part;
the test part chose nothing.
"""

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.data.faces import (
    CLASSES,
    DATA_LICENCE,
    DATA_PACKAGE,
    HELD_OUT_COUNT,
    INPUT_CHANNELS,
    INPUT_SIZE,
    PICTURE_SIZE,
    TEST_CROPS_COUNT,
    TEST_PICTURES,
    Pictures,
    as_channels,
    interpolation,
    load,
    network_input,
)
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import (
    F32,
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    Flatten,
    Layer,
    Network,
    Softmax,
    initial,
)
from edgejoule.making.progress import Progress
from edgejoule.making.quality import predictions
from edgejoule.making.quantise import int8_model
from edgejoule.making.recipe import TOOLS, Recipe, Trained, main
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

SEED = 7
FIRST_FILTERS = 8
BLOCKS = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
"""Filters of each pointwise convolution, and the stride of the depthwise one before it."""

FACE = CLASSES.index("face")
FACE_REPEATS = 3
"""How often a face is shown for each other picture, which are three times as many."""
CALIBRATION_COUNT = 200
PLAN = Plan(epochs=60, batch_size=32, learning_rate=8e-3, weight_decay=1e-2, label_smoothing=0.05, seed=SEED)

ZOOM_LOG, SHIFT_PIXELS = 0.2, 2.0
CONTRAST_LOG, BRIGHTNESS, NOISE = 0.4, 0.15, 0.03
HIDDEN_SHARE, HIDDEN_SIDE_MAX = 0.4, 40

FAMILY = Family(
    id="mobilenet_v1",
    task="visual wake words: whether a small grey picture shows a face",
    architecture="MobileNetV1 of a quarter of the filters, at 96x96 pixels",
    benchmark="VWW",
    classes=list(CLASSES),
    data=(
        "scikit-image lfw_subset: 100 faces and 100 backgrounds of Labeled Faces in the Wild, 25x25 grey pixels, "
        "enlarged; further backgrounds are crops of scikit-image's pictures of the public domain"
    ),
    data_package=DATA_PACKAGE,
    data_licence=DATA_LICENCE,
    licence="Apache-2.0",
    test_set=(
        f"the last {HELD_OUT_COUNT} faces and {HELD_OUT_COUNT} backgrounds in file order, and "
        f"{TEST_CROPS_COUNT * len(TEST_PICTURES)} crops of {len(TEST_PICTURES)} pictures that no training crop is of"
    ),
    seed=SEED,
    intended_use="a load in the shape of MLPerf Tiny's visual wake words that does something real; no access control",
    limits=[
        "no check set comes along, since nobody states a licence for the photographs; the recipe makes the test set",
        "60 faces were trained on, of well-known people of about 2003: whom it serves worse is not known",
        "a face has to fill the picture, look to the front and be grey; it does not find persons, as the benchmark's",
        "the same person can be among the faces of the training and of the test: the set does not name them",
        "most backgrounds are plain corners of photographs, often with a black wedge, and easily told from a face",
        "crops of one picture are alike, so that the interval is a little too narrow",
    ],
)


def network() -> Network:
    """Return MobileNetV1 (A. Howard et al., arXiv 1704.04861, table 1) with a width multiplier of 0.25."""
    layers: list[Layer] = [Conv(FIRST_FILTERS, (3, 3), stride=2)]
    for filters, stride in BLOCKS:
        layers += [Depthwise((3, 3), stride=stride), Conv(filters, (1, 1))]
    layers += [AveragePool(), Flatten(), Dense(len(CLASSES)), Softmax()]
    return Network((INPUT_SIZE, INPUT_SIZE, INPUT_CHANNELS), tuple(layers))


def varied(batch: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """Return pictures (n, 25, 25) as inputs (n, 96, 96, 3) as they could be too.

    Nearer or farther, moved, mirrored, brighter or darker, with noise, and some with a plain patch on top.
    """
    rows, columns = (interpolation(_places(len(batch), draw, mirrored=across)) for across in (False, True))
    made = rows @ batch @ columns.transpose(0, 2, 1)
    contrast = np.exp(draw.uniform(-CONTRAST_LOG, CONTRAST_LOG, (len(batch), 1, 1)))
    middle = made.mean(axis=(1, 2), keepdims=True)
    made = (made - middle) * contrast + middle + draw.uniform(-BRIGHTNESS, BRIGHTNESS, (len(batch), 1, 1))
    _hide(made, draw)
    made += draw.normal(0.0, NOISE, made.shape)
    return as_channels(np.clip(made, 0.0, 1.0).astype(np.float32))


def _places(count: int, draw: np.random.Generator, *, mirrored: bool) -> NDArray[np.float64]:
    """Return where in the small picture the pixels of one axis of the large one are taken from: (count, 96)."""
    middle = (PICTURE_SIZE - 1) / 2
    spread = ((np.arange(INPUT_SIZE) + 0.5) / INPUT_SIZE - 0.5) * PICTURE_SIZE
    zoom = np.exp(draw.uniform(-ZOOM_LOG, ZOOM_LOG, (count, 1)))
    if mirrored:
        zoom = zoom * draw.choice([-1.0, 1.0], (count, 1))
    return middle + spread * zoom + draw.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, (count, 1))


def _hide(pictures: F32, draw: np.random.Generator) -> None:
    """Lay a plain rectangle over a share of the pictures, in place."""
    for picture in pictures:
        if draw.random() >= HIDDEN_SHARE:
            continue
        height, width = draw.integers(1, HIDDEN_SIDE_MAX, 2)
        top, left = draw.integers(0, INPUT_SIZE - height), draw.integers(0, INPUT_SIZE - width)
        picture[top : top + height, left : left + width] = draw.choice([0.0, draw.random()])


def train(progress: Progress, plan: Plan = PLAN) -> Trained:
    """Train on the training part."""
    known, held_out = load()
    order = np.repeat(np.arange(len(known.y)), np.where(known.y == FACE, FACE_REPEATS, 1))
    made = network()
    params = fit(
        made,
        initial(made, SEED),
        known.x[order],
        known.y[order],
        plan,
        augment=varied,
        progress=progress,
        stage="train",
    )
    model = float_model(made, params)
    chosen = np.random.default_rng(SEED).permutation(len(known.y))[:CALIBRATION_COUNT]
    calibration, test_x = network_input(known.x[chosen]), network_input(held_out.x)
    return Trained(
        float_model=model,
        calibration=calibration,
        test_x=test_x,
        test_y=held_out.y,
        limits=(mistakes_limit(int8_model(model, calibration), test_x, held_out),),
    )


def mistakes_limit(model: bytes, test_x: F32, held_out: Pictures) -> str:
    """Return a sentence on which kinds of picture the int8 model takes for something else."""
    wrong = predictions(model, test_x).argmax(axis=1) != held_out.y
    face = held_out.y == FACE
    kinds = {"faces": face, "backgrounds": ~face & ~held_out.cropped, "crops": held_out.cropped}
    told = ", ".join(f"{int(wrong[kind].sum())} of {int(kind.sum())} {name}" for name, kind in kinds.items())
    return f"of the test set the int8 model gets wrong {told}"


RECIPE = Recipe(family=FAMILY, train=train, tools=(*TOOLS, "scikit-image"))

if __name__ == "__main__":
    main(RECIPE)
