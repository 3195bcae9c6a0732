"""Recipe of ``ds_cnn``: the keyword-spotting shape of MLPerf Tiny, which learns to tell nine speakers apart.

The plan was chosen by leaving out ten consecutive utterances of each speaker's training part, never by the test part.
"""

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.data.japanese_vowels import DATA_PACKAGE, F32, SPEAKERS, stretched, utterances
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    Dropout,
    Flatten,
    Network,
    Softmax,
    initial,
)
from edgejoule.making.progress import Progress
from edgejoule.making.recipe import TOOLS, Recipe, Trained, main
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

SEED = 3
FRAMES, COEFFICIENTS, FILTERS, BLOCKS = 49, 10, 64, 4
PLAN = Plan(epochs=40, batch_size=30, learning_rate=6e-3, weight_decay=0.1, label_smoothing=0.1, seed=SEED)
NOISE = 0.1
CHECK_COUNT = 200
EDGE_RATIO = 0.1
NETWORK = Network(
    (FRAMES, COEFFICIENTS, 1),
    (
        Conv(FILTERS, (10, 4), stride=2),
        Dropout(0.2),
        *(layer for _ in range(BLOCKS) for layer in (Depthwise((3, 3)), Conv(FILTERS, (1, 1)))),
        Dropout(0.4),
        AveragePool(),
        Flatten(),
        Dense(len(SPEAKERS)),
        Softmax(),
    ),
)
"""Y. Zhang et al., "Hello Edge", arXiv 1711.07128, as C. Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597."""

FAMILY = Family(
    id="ds_cnn",
    task="speaker identification: which of nine men said two vowels",
    architecture="depthwise separable convolutions: 10x4 with 64 filters, then 4 times 3x3 depthwise and 64 of 1x1",
    benchmark="KWS",
    classes=list(SPEAKERS),
    data=(
        "Japanese Vowels: 640 utterances of /ae/ by nine men, LPC cepstrum coefficients every 6.4 ms (M. Kudo, "
        "J. Toyama, M. Shimbo, Pattern Recognition Letters 20, 1999; UCI, doi 10.24432/C5NS47). Of the twelve "
        "coefficients the first ten, of the 7 to 29 frames 49 by interpolation"
    ),
    data_package=DATA_PACKAGE,
    data_licence="BSD-3-Clause, as part of sktime",
    licence="Apache-2.0",
    test_set="the set's own test part: 370 utterances by the same nine men, spoken on other occasions",
    seed=SEED,
    intended_use="a load in the shape of MLPerf Tiny's keyword spotting, which does something real; no access control",
    limits=[
        "it knows nine speakers and nothing else: anybody else is taken for one of them",
        "its inputs are LPC cepstra, not the benchmark's MFCC, and what makes them from sound does not come along",
        "it learned from 270 utterances only: five trainings with other seeds gave 97.8 % to 99.2 %, float32",
    ],
)


def features(frames: tuple[F32, ...]) -> F32:
    """Return utterances (7 to 29, 12) as the network's inputs (n, 49, 10, 1)."""
    return np.stack([stretched(one[:, :COEFFICIENTS], FRAMES) for one in frames])[..., None]


def augmented(batch: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """Return inputs that begin and end up to a tenth earlier or later, with noise on top."""
    made = np.empty_like(batch)
    for at, one in enumerate(batch):
        begin, end = (FRAMES - 1) * (np.array([0.0, 1.0]) + draw.uniform(-EDGE_RATIO, EDGE_RATIO, 2))
        places = np.clip(np.linspace(begin, end, FRAMES), 0.0, FRAMES - 1)
        before = np.minimum(places.astype(np.int64), FRAMES - 2)
        share = (places - before)[:, None, None]
        made[at] = one[before] * (1.0 - share) + one[before + 1] * share
    return made + draw.normal(0.0, NOISE, batch.shape).astype(np.float32)


def train(progress: Progress) -> Trained:
    """Train; some of the test part, drawn by the seed, come along as check set."""
    known, held_out = utterances("TRAIN"), utterances("TEST")
    x, test_x = features(known.frames), features(held_out.frames)
    params = fit(
        NETWORK,
        initial(NETWORK, SEED),
        x,
        known.speaker,
        PLAN,
        augment=augmented,
        progress=progress,
        stage="train",
    )
    return Trained(
        float_model=float_model(NETWORK, params),
        calibration=x,
        test_x=test_x,
        test_y=held_out.speaker,
        check=np.sort(np.random.default_rng(SEED).choice(len(test_x), CHECK_COUNT, replace=False)),
    )


if __name__ == "__main__":
    main(Recipe(family=FAMILY, train=train, tools=(*TOOLS, DATA_PACKAGE)))
