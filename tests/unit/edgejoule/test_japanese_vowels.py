"""The Japanese vowels as the package ships them, stretched to one length, and files that are something else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.data.japanese_vowels import COEFFICIENTS, read_utterances, stretched, utterances

pytest.importorskip("sktime")

SERIES = ":".join(["0.5,1.5"] * COEFFICIENTS)


def test_the_package_holds_what_the_paper_counts() -> None:
    """M. Kudo et al. 1999: 270 to train on, 30 of each speaker; 370 to test on, of these lengths and speakers."""
    known, held_out = utterances("TRAIN"), utterances("TEST")

    assert np.bincount(known.speaker).tolist() == [30] * 9
    assert np.bincount(held_out.speaker).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    lengths = {len(one) for one in (*known.frames, *held_out.frames)}
    assert (min(lengths), max(lengths)) == (7, 29)
    assert {one.shape[1] for one in known.frames} == {12}
    assert known.frames[0][0, 0] == pytest.approx(1.860936)
    assert known.frames[0][1, 0] == pytest.approx(1.891651)


@given(st.integers(1, 29), st.integers(2, 60))
def test_stretching_keeps_the_ends_and_what_is_straight(frames: int, count: int) -> None:
    line = np.linspace(-1.0, 2.0, frames, dtype=np.float32)[:, None] * np.array([1.0, -0.5], np.float32)

    made = stretched(line, count)

    assert made.shape == (count, 2)
    ends = (line[0], line[-1])
    np.testing.assert_array_equal(made[[0, -1]], ends)
    np.testing.assert_allclose(made, np.linspace(*ends, count), atol=1e-5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no data", "'@data' is not in list"),
        (f"@data\n{SERIES}:10\n", "there is no speaker 10"),
        (f"@data\n{SERIES}:0\n", "there is no speaker 0"),
        (f"@data\n{SERIES.removesuffix(',1.5')}:1\n", "inhomogeneous"),
        ("@data\n0.5,1.5:1\n", "not 12 series"),
        (f"@data\n{SERIES.replace('0.5', '?', 1)}:1\n", "could not convert"),
        (f"@data\n{SERIES.replace('0.5', 'nan', 1)}:1\n", "not 12 series"),
    ],
)
def test_a_file_that_is_something_else_is_one_line(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "JapaneseVowels_TRAIN.ts"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=said) as raised:
        read_utterances(path)

    assert "reinstall sktime" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_utterances(tmp_path / "JapaneseVowels_TEST.ts")
