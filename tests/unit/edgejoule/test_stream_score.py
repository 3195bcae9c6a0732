"""What a classifier of windows announces on a stream, against counting by hand and against a slow way of counting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.making.stream_score import StreamScore, announcements, stream_score


def test_short_runs_are_not_announced_and_long_ones_are_once() -> None:
    assert announcements([1, 1, 1, 2, 2, 1, 1, 1, 1], 3) == [1, 1]
    assert announcements([1, 1, 1, 2, 2, 1, 1, 1, 1], 2) == [1, 2, 1]
    assert announcements([], 1) == []


def test_misses_and_false_announcements_are_counted_by_recording() -> None:
    streams = [
        (np.array([0, 0, 0, 0]), 0),  # right
        (np.array([1, 1, 0, 0]), 0),  # announces 1 first
        (np.array([2, 2, 1, 1]), 0),  # announces two others, and never 0
        (np.array([0, 1, 0, 1]), 0),  # announces nothing
    ]
    assert stream_score(streams, run=2, seconds_per_window=0.5) == StreamScore(
        recordings_count=4, missed_count=2, false_count=3, wrong_recordings_count=2, seconds=8.0
    )


@given(answers=st.lists(st.integers(0, 2), max_size=30), run=st.integers(1, 6))
def test_announcements_are_those_that_a_listener_hears(answers: list[int], run: int) -> None:
    """A listener who counts up with each window, and speaks at the moment the count reaches ``run``."""
    heard: list[int] = []
    count = 0
    for index, answer in enumerate(answers):
        count = count + 1 if index and answers[index - 1] == answer else 1
        if count == run:
            heard.append(answer)
    assert announcements(answers, run) == heard


@given(
    streams=st.lists(st.tuples(st.lists(st.integers(0, 2), max_size=20), st.integers(0, 2)), max_size=5),
    run=st.integers(1, 4),
)
def test_counts_stay_within_what_can_be(streams: list[tuple[list[int], int]], run: int) -> None:
    score = stream_score(
        ((np.array(answers, np.int64), truth) for answers, truth in streams), run=run, seconds_per_window=0.1
    )
    assert score.recordings_count == len(streams)
    assert 0 <= score.missed_count <= len(streams)
    assert score.wrong_recordings_count <= min(score.false_count, len(streams))
    assert score.false_count <= sum(len(answers) // run for answers, _ in streams)
