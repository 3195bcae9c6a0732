"""How strongly and how fast an arm moves: bands of frequency of a smartwatch's eight channels.

A frame is two seconds; the next one begins one second later, and a window is five frames: six seconds in 5 x 128
values, which is the input of MLPerf Tiny's anomaly detection.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgejoule.making.data.smartwatch import CHANNELS, F32, Recording, channels

FRAME_SAMPLES: Final = 100
FRAME_HOP_SAMPLES: Final = 50
FRAMES: Final = 5
BANDS: Final = 15
FEATURES: Final = FRAMES * (BANDS + 1) * len(CHANNELS)
WINDOW_SAMPLES: Final = (FRAMES - 1) * FRAME_HOP_SAMPLES + FRAME_SAMPLES

_FLOOR: Final = 1e-3
"""Of an amplitude, in units of the channels: quieter than this is not told apart."""
_MIDDLE: Final = 3.0
_MEAN_GAIN: Final = 2.0
"""Both bring the values to about -4 to 4, so that one int8 scale serves all."""


def band_edges() -> NDArray[np.int64]:
    """Return where bands begin and end, (BANDS + 1,): numbers of half hertz, from 1, each wider than the last."""
    highest = FRAME_SAMPLES // 2
    edges = [0]
    for number in range(1, BANDS + 1):
        edges.append(max(round(highest ** (number / BANDS)), edges[-1] + 1))
    return np.array(edges) + 1


def window_features(recording: Recording, hop_samples: int) -> F32:
    """Return windows (n, 640) float32 that begin every ``hop_samples``; none for a recording under six seconds.

    For each frame 16 values for each channel: its mean, and the logarithms of its amplitudes in 15 bands up to 25 Hz
    under a Hann window (F. Harris, Proc. IEEE 66, 1978, section V).
    """
    values = channels(recording)
    starts = np.arange(0, len(values) - WINDOW_SAMPLES + 1, hop_samples)
    frame_starts = starts[:, None] + np.arange(FRAMES) * FRAME_HOP_SAMPLES
    frames = values[frame_starts[..., None] + np.arange(FRAME_SAMPLES)]
    means = frames.mean(axis=2, keepdims=True)
    tapered = (frames - means) * np.hanning(FRAME_SAMPLES)[:, None]
    amplitudes = np.abs(np.fft.rfft(tapered, axis=2)) / FRAME_SAMPLES
    edges = band_edges()
    power = np.add.reduceat(amplitudes**2, edges[:-1], axis=2)
    levels = np.log((np.sqrt(power) + _FLOOR) / _FLOOR) - _MIDDLE
    features: F32 = np.concatenate([means * _MEAN_GAIN, levels], axis=2).reshape(len(starts), FEATURES)
    return features.astype(np.float32)
