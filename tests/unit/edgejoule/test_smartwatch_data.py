"""The smartwatch's recordings: what is in them, and how they are cut without mixing subjects."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.making.data.smartwatch import (
    CHANNELS,
    EXERCISES,
    SAMPLE_RATE_HZ,
    Recording,
    channels,
    frames,
    labelled_windows,
    of_subjects,
    recordings,
    windows,
)

pytest.importorskip("seglearn")


def test_every_subject_did_every_exercise_with_either_arm_once() -> None:
    known = recordings()
    assert Counter((one.subject, one.exercise, one.side) for one in known) == Counter(
        (subject, exercise, side) for subject in range(1, 11) for exercise in EXERCISES for side in ("left", "right")
    )
    seconds = [len(one.samples) / SAMPLE_RATE_HZ for one in known]
    assert 18.0 < min(seconds) < max(seconds) < 53.0
    assert all(one.samples.dtype == np.float32 and np.isfinite(one.samples).all() for one in known)


def test_accelerations_are_in_g() -> None:
    """The bent-over row is slow: the acceleration's median length is gravity's, but for the sensors' own error."""
    rows = [channels(one)[:, CHANNELS.index("a")] for one in recordings() if one.exercise == "ROW"]
    assert np.median(np.concatenate(rows)) == pytest.approx(1.0, abs=0.15)


def test_a_left_arm_is_turned_into_a_right_one() -> None:
    """Gravity lies along the forearm in the pendulum exercise, and along it the axes of the two arms are opposite."""
    pendulum = [one for one in recordings() if one.exercise == "PEN"]
    raw = {side: [one.samples[:, 0].mean() for one in pendulum if one.side == side] for side in ("left", "right")}
    assert min(raw["left"]) > 0.5
    assert max(raw["right"]) < -0.5
    assert max(channels(one)[:, 0].mean() for one in pendulum) < -0.5


def test_the_benchmarks_feature_counts() -> None:
    one = recordings()[0]
    assert frames(one, 5).shape == (len(one.samples) // 5, 40)
    assert frames(one, 16).shape == (len(one.samples) // 16, 128)


@given(rows=st.integers(0, 40), length=st.integers(1, 12), hop=st.integers(1, 12))
def test_windows_are_runs_of_rows_and_reach_as_far_as_they_can(rows: int, length: int, hop: int) -> None:
    values = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    cut = windows(values, length, hop)
    assert len(cut) == (0 if rows < length else (rows - length) // hop + 1)
    for index, one in enumerate(cut):
        assert (one == values[index * hop : index * hop + length]).all()


@given(
    samples=st.lists(st.integers(0, 70), min_size=1, max_size=4), per_frame=st.integers(1, 9), length=st.integers(1, 4)
)
def test_a_window_never_spans_two_recordings(samples: list[int], per_frame: int, length: int) -> None:
    known = [
        Recording(subject=1, exercise="ROW", side="right", samples=np.full((count, 6), 0.1 * index, np.float32))
        for index, count in enumerate(samples)
    ]
    x, exercise, number = labelled_windows(known, samples_per_frame=per_frame, length=length, hop=1)
    assert len(x) == len(exercise) == len(number) == sum(max(n // per_frame - length + 1, 0) for n in samples)
    assert x.shape[1:] == (length, per_frame * len(CHANNELS))
    for values, which in zip(x, number, strict=True):
        first = values.reshape(-1, len(CHANNELS))[:, 0]
        assert (first == np.float32(0.1 * int(which))).all()


def test_subjects_are_kept_apart() -> None:
    known = recordings()
    kept, held_out = of_subjects(known, range(1, 8)), of_subjects(known, (8, 9, 10))
    assert len(kept) == 98
    assert len(held_out) == 42
    assert not {one.subject for one in kept} & {one.subject for one in held_out}
