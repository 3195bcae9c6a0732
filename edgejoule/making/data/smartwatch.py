"""Shoulder exercises recorded by a smartwatch: six axes at 50 Hz, from the package seglearn.

Ten subjects did twenty repetitions of each of seven exercises with either arm: 140 recordings of 19 s to 52 s
(D. Burns et al., "Shoulder physiotherapy exercise recognition", arXiv 1802.01489; the data come with seglearn 1.2.5,
BSD 3-clause). A subject's recordings stay together: a split by windows would test on neighbours of the training data.
"""

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError

F32 = NDArray[np.float32]
Side = Literal["left", "right"]

SAMPLE_RATE_HZ: Final = 50
EXERCISES: Final = {
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward elevation",
    "IR": "internal rotation",
    "ER": "external rotation",
    "TRAP": "lower trapezius row",
    "ROW": "bent-over row",
}
"""What the labels of the data mean, in their order: as the authors' page of the whole set, SPAR, names them. Rotations
and the first row pull a resistance band, the second row lifts a dumbbell."""
CHANNELS: Final = ("ax", "ay", "az", "wx", "wy", "wz", "a", "w")
"""What ``channels`` gives: three accelerations, three turning rates, and the length of either vector."""
DATA_PACKAGE: Final = "seglearn==1.2.5"
DATA_LICENCE: Final = "BSD-3-Clause"

_TURNING_RATE_UNIT_RAD_S: Final = 3.0
_LIMIT: Final = 4.0
_MIRRORED: Final = np.array([-1.0, 1.0, 1.0, 1.0, -1.0, -1.0], np.float32)
"""A left arm's movement seen in a mirror across the forearm: the acceleration along it turns round, and so do the
turns about the two other axes."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One exercise done by one subject with one arm.

    ``samples``: (n, 6) float32 at 50 Hz, acceleration in g and turning rate in rad/s. ``exercise``: of ``EXERCISES``.
    """

    subject: int
    exercise: str
    side: Side
    samples: F32


def recordings() -> tuple[Recording, ...]:
    """Return all 140, by subject, exercise and side. Raises ConfigurationError where the package is missing."""
    try:
        from seglearn.datasets import load_watch  # noqa: PLC0415 - only training needs it
    except ImportError as error:
        raise ConfigurationError(
            f"smartwatch data: the package seglearn is not installed; install it: pip install {DATA_PACKAGE}"
        ) from error
    try:
        watch = load_watch()
        labels = [str(watch["y_labels"][index]) for index in watch["y"]]
        made = [
            Recording(
                subject=int(subject),
                exercise=exercise,
                side="right" if side else "left",
                samples=np.asarray(samples, np.float32).reshape(-1, len(_MIRRORED)),
            )
            for subject, exercise, side, samples in zip(
                watch["subject"], labels, watch["side"], watch["X"], strict=True
            )
        ]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ConfigurationError(
            f"smartwatch data: seglearn's file is not what was expected ({error}); reinstall it: "
            f"pip install --force-reinstall {DATA_PACKAGE}"
        ) from error
    order = list(EXERCISES)
    return tuple(sorted(made, key=lambda one: (one.subject, order.index(one.exercise), one.side)))


def of_subjects(known: Iterable[Recording], subjects: Collection[int]) -> tuple[Recording, ...]:
    """Return the recordings of some subjects."""
    return tuple(one for one in known if one.subject in subjects)


def channels(recording: Recording) -> F32:
    """Return (n, 8) float32, about -1 to 1 and never beyond 4: ``CHANNELS`` as a right arm would have moved.

    Accelerations are in g, turning rates in units of 3 rad/s.
    """
    values = recording.samples * _MIRRORED if recording.side == "left" else recording.samples
    acceleration, turning = values[:, :3], values[:, 3:] / np.float32(_TURNING_RATE_UNIT_RAD_S)
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in (acceleration, turning)]
    limited: F32 = np.clip(np.concatenate([acceleration, turning, *lengths], axis=1), -_LIMIT, _LIMIT)
    return limited.astype(np.float32)


def frames(recording: Recording, samples_per_frame: int) -> F32:
    """Return (frames, samples_per_frame * 8) float32: the channels cut into frames, the rest at the end left out.

    A frame's features are sample after sample, each with its eight channels: 5 samples are the 40 features of the
    benchmark's streaming model, 16 samples the 128 of its autoencoder.
    """
    values = channels(recording)
    count = len(values) // samples_per_frame
    return values[: count * samples_per_frame].reshape(count, samples_per_frame * len(CHANNELS))


def windows(values: F32, length: int, hop: int) -> F32:
    """Return (windows, length, ...) float32: every ``hop``-th run of ``length`` rows of ``values`` (n, ...).

    None where there are fewer rows than ``length``: then the first axis is 0.
    """
    starts = range(0, len(values) - length + 1, hop)
    if not starts:
        return np.empty((0, length, *values.shape[1:]), np.float32)
    return np.stack([values[start : start + length] for start in starts])


def labelled_windows(
    known: Iterable[Recording], *, samples_per_frame: int, length: int, hop: int
) -> tuple[F32, NDArray[np.int64], NDArray[np.int64]]:
    """Return windows of ``length`` frames of all recordings, each window's exercise, and its recording.

    Shapes (n, length, features) float32, (n,) the position in ``EXERCISES``, (n,) the position in ``known``.
    """
    order = list(EXERCISES)
    kept = list(known)
    cut = [windows(frames(one, samples_per_frame), length, hop) for one in kept]
    counts = [len(one) for one in cut]
    exercise = np.repeat(np.array([order.index(one.exercise) for one in kept], np.int64), counts)
    number = np.repeat(np.arange(len(kept), dtype=np.int64), counts)
    empty = [np.empty((0, length, samples_per_frame * len(CHANNELS)), np.float32)]
    return np.concatenate(list(itertools.chain(empty, cut))), exercise, number
