"""Recipe of ``autoencoder``: the anomaly-detection shape of MLPerf Tiny, which tells an unusual movement of an arm.

It learns to repeat four exercises; what it repeats badly is something else. Features and plan were chosen by leaving
out two of the training subjects at a time, never by the test subjects.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.data.movement_bands import FEATURES, window_features
from edgejoule.making.data.smartwatch import (
    DATA_LICENCE,
    DATA_PACKAGE,
    EXERCISES,
    Recording,
    of_subjects,
    recordings,
)
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import F32, Dense, Network, initial
from edgejoule.making.progress import Progress
from edgejoule.making.quality import mean_square_error, roc_auc_score
from edgejoule.making.recipe import TOOLS, Recipe, Trained, main
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

SEED = 5
UNITS, NARROWEST, DEPTH = 128, 8, 4
NORMAL = ("IR", "ER", "TRAP", "ROW")
UNUSUAL = tuple(name for name in EXERCISES if name not in NORMAL)
TEST_SUBJECTS = (7, 8, 9, 10)
TRAIN_HOP_SAMPLES, TEST_HOP_SAMPLES = 6, 50
NOISE = 0.3
CALIBRATION_COUNT = 400
CHECK_COUNT = 80
PLAN = Plan(epochs=12, batch_size=128, learning_rate=1e-3, seed=SEED)

_SIDE = tuple(Dense(UNITS, activation="relu", batch_norm=True) for _ in range(DEPTH))
NETWORK = Network((FEATURES,), (*_SIDE, Dense(NARROWEST, activation="relu", batch_norm=True), *_SIDE, Dense(FEATURES)))
"""C. Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597, section on anomaly detection."""

FAMILY = Family(
    id="autoencoder",
    task="anomaly detection: an arm's movement that is none of four exercises, six seconds of a smartwatch at a time",
    architecture="dense autoencoder 640-128-128-128-128-8-128-128-128-128-640",
    benchmark="AD",
    data=(
        "seglearn watch_dataset: 140 recordings of ten subjects, six axes at 50 Hz (D. Burns et al., arXiv "
        "1802.01489). Normal: " + ", ".join(EXERCISES[name] for name in NORMAL) + ". Unusual: "
        "" + ", ".join(EXERCISES[name] for name in UNUSUAL) + ", of which nothing is trained on"
    ),
    data_package=DATA_PACKAGE,
    data_licence=DATA_LICENCE,
    licence="Apache-2.0",
    test_set=(
        f"subjects {', '.join(map(str, TEST_SUBJECTS))}, of whom nothing is trained on: windows of six seconds, one a "
        "second; the interval is over recordings"
    ),
    seed=SEED,
    intended_use="a load in the shape of MLPerf Tiny's anomaly detection, which does something real",
    limits=[
        "it gives no threshold: what error is too large has to be found on one's own arm",
        "its inputs are bands of frequency that edgejoule/making/data/movement_bands.py makes; a left arm is mirrored",
        "three unusual exercises say little of other movements, and four test subjects little of people in general",
        "subjects 7 and 10, and 8 and 9, seem to have done their sets at one pace: they are held out together",
        "no medical device: it does not judge whether an exercise is done well",
    ],
)


def noisy(batch: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """Return inputs with noise on top, which the network learns to leave out."""
    return batch + draw.normal(0.0, NOISE, batch.shape).astype(np.float32)


def normal_windows(known: Iterable[Recording], hop_samples: int) -> F32:
    """Return windows (n, 640) of the exercises that are learnt."""
    return np.concatenate([window_features(one, hop_samples) for one in known if one.exercise in NORMAL])


def train(progress: Progress, plan: Plan = PLAN) -> Trained:
    """Train on the other subjects' normal exercises."""
    known = recordings()
    kept = of_subjects(known, {one.subject for one in known} - set(TEST_SUBJECTS))
    held_out = of_subjects(known, TEST_SUBJECTS)
    x = normal_windows(kept, TRAIN_HOP_SAMPLES)
    params = fit(
        NETWORK,
        initial(NETWORK, SEED),
        x,
        x,
        plan,
        loss="mean_square",
        augment=noisy,
        progress=progress,
        stage="train",
    )
    parts = [window_features(one, TEST_HOP_SAMPLES) for one in held_out]
    counts = [len(part) for part in parts]
    test_x = np.concatenate(parts)
    anomalous = np.repeat([int(one.exercise in UNUSUAL) for one in held_out], counts)
    draw = np.random.default_rng(SEED)
    return Trained(
        float_model=float_model(NETWORK, params),
        calibration=x[draw.permutation(len(x))[:CALIBRATION_COUNT]],
        test_x=test_x,
        anomalous=anomalous,
        groups=np.repeat(np.arange(len(held_out)), counts),
        check=np.sort(draw.permutation(len(test_x))[:CHECK_COUNT]),
        limits=(plain_limit(x, test_x, anomalous),),
    )


def plain_limit(x: F32, test_x: F32, anomalous: NDArray[np.int64]) -> str:
    """Return a sentence on what can be had without a network: by the training windows' mean and main directions."""
    mean = x.mean(axis=0)
    directions = np.linalg.eigh(np.cov(x, rowvar=False))[1][:, -NARROWEST:]
    flat = np.broadcast_to(mean, test_x.shape)
    projected = mean + (test_x - mean) @ directions @ directions.T
    from_mean, from_plane = (
        roc_auc_score(mean_square_error(made, test_x), anomalous).value for made in (flat, projected)
    )
    return (
        f"without a network, the distance from the training windows' mean has an ROC AUC of {from_mean:.3f}, and that "
        f"from the plane of their {NARROWEST} principal components one of {from_plane:.3f}"
    )


RECIPE = Recipe(family=FAMILY, train=train, tools=(*TOOLS, "seglearn"))

if __name__ == "__main__":
    main(RECIPE)
