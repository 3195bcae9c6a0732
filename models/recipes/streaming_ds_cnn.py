"""Recipe of ``streaming_ds_cnn``: the streaming benchmark's one-dimensional DS-CNN, for a smartwatch's data.

It looks at three seconds, 30 frames of 40 features, and again with every new frame of a tenth of a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.data.smartwatch import (
    CHANNELS,
    DATA_LICENCE,
    DATA_PACKAGE,
    EXERCISES,
    SAMPLE_RATE_HZ,
    Recording,
    channels,
    labelled_windows,
    of_subjects,
    recordings,
    windows,
)
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import F32, Conv, Dense, Depthwise, Dropout, Flatten, Layer, Network, Softmax, initial
from edgejoule.making.progress import Progress
from edgejoule.making.quality import predictions
from edgejoule.making.quantise import int8_model
from edgejoule.making.recipe import TOOLS, Recipe, Trained, main
from edgejoule.making.stream_score import stream_score
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

SEED = 8
FRAMES = 30
SAMPLES_PER_FRAME = 5
FRAME_S = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
FEATURES = SAMPLES_PER_FRAME * len(CHANNELS)
INPUT_SHAPE = (FRAMES, 1, FEATURES)
BLOCKS = ((3, 128), (5, 128), (10, 128), (15, 32))
"""Frames that each depthwise filter spans, and filters of the pointwise convolution after it."""

TEST_SUBJECTS = (8, 9, 10)
TRAIN_HOP_SAMPLES = 4 * SAMPLES_PER_FRAME
CALIBRATION_COUNT = 300
CHECK_COUNT = 64
ANNOUNCE_RUN = 20
DROPOUT_RATIO = 0.2
PLAN = Plan(epochs=8, batch_size=128, learning_rate=2e-3, weight_decay=1e-2, seed=SEED)


@dataclass(frozen=True, slots=True)
class Variation:
    """How other people's movements differ.

    By up to ``speed_ratio`` faster or slower; by standard deviations of how a watch sits on the arm (``tilt_rad``) and
    of how strongly it is moved (``gain``).
    """

    speed_ratio: float = 1.2
    tilt_rad: float = 0.2
    gain: float = 0.1


VARIATION = Variation()
WINDOW_SAMPLES = FRAMES * SAMPLES_PER_FRAME
LONG_SAMPLES = round(WINDOW_SAMPLES * VARIATION.speed_ratio) + SAMPLES_PER_FRAME
LIMIT = 4.0
"""Of ``channels``."""

FAMILY = Family(
    id="streaming_ds_cnn",
    task="streaming classification: one of seven shoulder exercises from a smartwatch, three seconds at a time",
    architecture="1-D DS-CNN: four pairs of depthwise and pointwise convolutions over 30 frames, without padding",
    benchmark="SWW",
    classes=list(EXERCISES.values()),
    data=(
        "seglearn watch_dataset: 140 recordings of ten subjects, six axes at 50 Hz (D. Burns et al., arXiv 1802.01489)"
    ),
    data_package=DATA_PACKAGE,
    data_licence=DATA_LICENCE,
    licence="Apache-2.0",
    test_set=(
        f"subjects {', '.join(map(str, TEST_SUBJECTS))}, of whom nothing is trained on: windows of three seconds that "
        "do not overlap; the interval is over recordings"
    ),
    seed=SEED,
    intended_use=(
        "a streaming load in the shape of the benchmark's wake-word model: one inference for each new frame of 0.1 s"
    ),
    limits=[
        "it always answers with an exercise: there is no class for rest or for another movement",
        "three test subjects tell little of people in general",
        "subject 10 seems to have kept pace with subject 7, who is trained on",
        "a left arm's data have to be mirrored first, as edgejoule/making/data/smartwatch.py does",
        "no medical device: it does not judge whether an exercise is done well",
    ],
)


def network() -> Network:
    """Return the benchmark's network, with seven classes in the place of three."""
    layers: list[Layer] = []
    for frames, filters in BLOCKS:
        layers.append(Depthwise((frames, 1), padding="VALID", activation="none"))
        layers += [Conv(filters, (1, 1)), Dropout(DROPOUT_RATIO)]
    return Network(INPUT_SHAPE, (*layers, Flatten(), Dense(len(EXERCISES)), Softmax()))


def split(known: Sequence[Recording]) -> tuple[tuple[Recording, ...], tuple[Recording, ...]]:
    """Return what is trained on, and what is tested on: other people."""
    kept = {one.subject for one in known} - set(TEST_SUBJECTS)
    return of_subjects(known, kept), of_subjects(known, TEST_SUBJECTS)


def long_windows(known: Sequence[Recording]) -> tuple[F32, NDArray[np.int64]]:
    """Return what ``varied`` cuts windows from, (n, LONG_SAMPLES, 6): the six axes, and the exercise (n,)."""
    order = list(EXERCISES)
    cut = [windows(channels(one)[:, :6], LONG_SAMPLES, TRAIN_HOP_SAMPLES) for one in known]
    labels = [np.full(len(part), order.index(one.exercise)) for one, part in zip(known, cut, strict=True)]
    return np.concatenate(cut), np.concatenate(labels)


def varied(batch: F32, draw: np.random.Generator, variation: Variation = VARIATION) -> F32:
    """Return windows (n, *INPUT_SHAPE) cut from ``batch`` (n, LONG_SAMPLES, 6).

    Each begins somewhere, is played faster or slower, as by a watch that sits a little tilted on an arm of another
    strength.
    """
    count = len(batch)
    limit = np.log(variation.speed_ratio)
    speed = np.exp(draw.uniform(-limit, limit, count))
    room = LONG_SAMPLES - 1 - (WINDOW_SAMPLES - 1) * speed
    at = (draw.uniform(0.0, 1.0, count) * room)[:, np.newaxis] + speed[:, np.newaxis] * np.arange(WINDOW_SAMPLES)
    before = np.floor(at).astype(np.int64).clip(0, LONG_SAMPLES - 2)
    weight = (at - before)[:, :, np.newaxis]
    row = np.arange(count)[:, np.newaxis]
    played = batch[row, before] * (1.0 - weight) + batch[row, before + 1] * weight
    vectors = np.einsum(
        "ntki,noi->ntko", played.reshape(count, WINDOW_SAMPLES, 2, 3), tilts(count, variation.tilt_rad, draw)
    )
    vectors[:, :, 1] *= speed[:, np.newaxis, np.newaxis]
    vectors *= np.exp(draw.normal(scale=variation.gain, size=(count, 1, 2, 1)))
    features = np.concatenate(
        [vectors.reshape(count, WINDOW_SAMPLES, 6), np.linalg.norm(vectors, axis=3)], axis=2
    ).clip(-LIMIT, LIMIT)
    return features.astype(np.float32).reshape(count, *INPUT_SHAPE)


def tilts(count: int, tilt_rad: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """Return rotations (count, 3, 3) about axes of any direction: Rodrigues' formula."""
    axes = draw.normal(size=(count, 3))
    x, y, z = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).T
    zero = np.zeros(count)
    cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    angle = draw.normal(scale=tilt_rad, size=count)[:, np.newaxis, np.newaxis]
    turned: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return turned


def train(progress: Progress) -> Trained:
    """Train on the subjects that are not in the test set."""
    kept, held_out = split(recordings())
    x, y = long_windows(kept)
    made = network()
    params = fit(made, initial(made, SEED), x, y, PLAN, progress=progress, stage="train", augment=varied)
    model = float_model(made, params)
    draw = np.random.default_rng(SEED)
    calibration, _, _ = windows_of(kept, hop=FRAMES)
    calibration = calibration[draw.permutation(len(calibration))[:CALIBRATION_COUNT]]
    test_x, test_y, groups = windows_of(held_out, hop=FRAMES)
    int8 = int8_model(model, calibration)
    subjects = np.array([held_out[number].subject for number in groups])
    return Trained(
        float_model=model,
        calibration=calibration,
        test_x=test_x,
        test_y=test_y,
        groups=groups,
        check=np.sort(draw.permutation(len(test_x))[:CHECK_COUNT]),
        limits=(
            window_limit(predictions(int8, test_x).argmax(axis=1), test_y, subjects),
            stream_limit(int8, held_out),
        ),
    )


def windows_of(known: Sequence[Recording], *, hop: int) -> tuple[F32, NDArray[np.int64], NDArray[np.int64]]:
    """Return every ``hop``-th window (n, *INPUT_SHAPE) with its exercise (n,) and its recording (n,)."""
    x, y, number = labelled_windows(known, samples_per_frame=SAMPLES_PER_FRAME, length=FRAMES, hop=hop)
    return x.reshape(-1, *INPUT_SHAPE), y, number


def window_limit(answers: NDArray[np.int64], y: NDArray[np.int64], subjects: NDArray[np.int64]) -> str:
    """Return a sentence on how people differ, and on what is confused most; all of shape (n,)."""
    right = ", ".join(f"subject {one} {(answers == y)[subjects == one].mean():.1%}" for one in np.unique(subjects))
    counts = np.zeros((len(EXERCISES), len(EXERCISES)), np.int64)
    np.add.at(counts, (y, answers), 1)
    wrong = counts * (1 - np.eye(len(EXERCISES), dtype=np.int64))
    of, taken_for = np.unravel_index(int(wrong.argmax()), wrong.shape)
    names = list(EXERCISES.values())
    return (
        f"int8 answers rightly for {right} of the windows, and takes {names[of]} for {names[taken_for]} in "
        f"{wrong[of, taken_for]} of {counts[of].sum()}, its most frequent error"
    )


def stream_limit(model: bytes, held_out: Sequence[Recording]) -> str:
    """Return a sentence on what the int8 model announces when it hears whole recordings, frame by frame."""
    x, y, number = windows_of(held_out, hop=1)
    answers = predictions(model, x).argmax(axis=1)
    score = stream_score(
        ((answers[number == one], int(y[number == one][0])) for one in np.unique(number)),
        run=ANNOUNCE_RUN,
        seconds_per_window=FRAME_S,
    )
    return (
        f"as a stream, with an exercise announced once it was the likeliest for {ANNOUNCE_RUN * FRAME_S:g} s on end: "
        f"int8 misses {score.missed_count} of {score.recordings_count} recordings of the test subjects and announces "
        f"another exercise {score.false_count} times in {score.wrong_recordings_count} of them, in "
        f"{score.seconds / 60.0:.0f} minutes"
    )


RECIPE = Recipe(family=FAMILY, train=train, tools=(*TOOLS, "seglearn"))

if __name__ == "__main__":
    main(RECIPE)
