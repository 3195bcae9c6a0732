"""Bands of frequency of a movement: where a tone lands, and what a recording gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.making.data.movement_bands import (
    BANDS,
    FEATURES,
    FRAME_SAMPLES,
    FRAMES,
    WINDOW_SAMPLES,
    band_edges,
    window_features,
)
from edgejoule.making.data.smartwatch import CHANNELS, SAMPLE_RATE_HZ, Recording, recordings


def _tone(frequency_hz: float, samples_count: int = WINDOW_SAMPLES) -> Recording:
    samples = np.zeros((samples_count, 6), np.float32)
    samples[:, 0] = np.sin(2 * np.pi * frequency_hz * np.arange(samples_count) / SAMPLE_RATE_HZ)
    return Recording(subject=1, exercise="ROW", side="right", samples=samples)


def _of_axis(features: np.ndarray, axis: int) -> np.ndarray:
    return features.reshape(-1, FRAMES, BANDS + 1, len(CHANNELS))[..., axis]


def test_it_is_the_benchmarks_input() -> None:
    assert FEATURES == 640
    assert window_features(_tone(1.0), 1).shape == (1, 640)
    assert window_features(_tone(1.0), 1).dtype == np.float32


def test_bands_cover_half_a_hertz_to_25_hertz_without_gap() -> None:
    edges = band_edges()
    assert edges[0] == 1
    assert edges[-1] == FRAME_SAMPLES // 2 + 1
    assert len(edges) == BANDS + 1
    assert (np.diff(edges) > 0).all()


@pytest.mark.parametrize("frequency_hz", [1.0, 2.5, 6.0, 12.0, 20.0])
def test_a_tone_is_loudest_in_its_band(frequency_hz: float) -> None:
    levels = _of_axis(window_features(_tone(frequency_hz), 1), 0)[0, 0, 1:]
    band = int(np.searchsorted(band_edges(), frequency_hz * FRAME_SAMPLES / SAMPLE_RATE_HZ, side="right")) - 1
    assert int(levels.argmax()) == band


def test_a_still_arm_has_no_movement_in_any_band_but_its_position() -> None:
    samples = np.zeros((WINDOW_SAMPLES, 6), np.float32)
    samples[:, 2] = 1.0
    still = Recording(subject=1, exercise="ROW", side="right", samples=samples)
    upright = _of_axis(window_features(still, 1), 2)
    assert (upright[..., 0] == 2.0).all()
    assert (upright[..., 1:] == -3.0).all()


@given(count=st.integers(0, 3 * WINDOW_SAMPLES), hop=st.integers(1, 120))
def test_windows_reach_as_far_as_they_can(count: int, hop: int) -> None:
    made = window_features(_tone(1.0, count), hop)
    assert made.shape == (max(0, (count - WINDOW_SAMPLES) // hop + 1) if count >= WINDOW_SAMPLES else 0, FEATURES)


def test_real_movements_fit_one_int8_scale() -> None:
    pytest.importorskip("seglearn")
    values = np.concatenate([window_features(one, 200) for one in recordings()])
    assert np.isfinite(values).all()
    assert values.min() >= -8.0
    assert values.max() <= 8.0
    assert 0.5 < values.std() < 3.0
