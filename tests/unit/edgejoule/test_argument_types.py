"""Numbers that a user types: what is wrong is exit code 2 with one plain sentence, never a traceback."""

import argparse
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.argument_types import finite, moment, not_negative, port_number, positive
from edgejoule.cli import main

WRONG = [
    (["broker", "--port", "-1"], "--port: '-1' is not a port"),
    (["broker", "--port", "65536"], "--port: '65536' is not a port"),
    (["broker", "--port-v311", "mqtt"], "--port-v311: 'mqtt' is not a port"),
    (["demo", "--seconds", "x"], "--seconds: 'x' is not a number"),
    (["demo", "--window-s", "0"], "--window-s: must be above zero, not 0"),
    (["demo", "--gain-error", "nan"], "--gain-error: 'nan' is not a number"),
    (["demo", "--influxdb", "foo"], "--influxdb: 'foo' is not a server's address"),
    (["demo", "--influxdb", "ftp://h:1/db"], "--influxdb: 'ftp://h:1/db' is not a server's address"),
    (["meter", "emulate", "tc66c", "--link", "x", "--voltage-v", "inf"], "--voltage-v: 'inf' is not a number"),
    (["meter", "emulate", "tc66c", "--link", "x", "--idle-w", "-3"], "--idle-w: must not be below zero: -3"),
    (["meter", "emulate", "tc66c", "--link", "x", "--gain-error", "x"], "--gain-error: 'x' is not a number"),
    (["meter", "emulate", "tc66c", "--seed", "-1"], "--seed: '-1' is not a whole number from 0 up"),
    (["meter", "read", "tc66c", "/dev/null", "--seconds", "1e999"], "--seconds: '1e999' is not a number"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_a_wrong_number_is_told_in_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(words)

    assert exit_info.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sentence in shown.err.splitlines()[-1]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_as_they_were_typed(value: float) -> None:
    assert finite(repr(value)) == value
    assert not_negative(repr(abs(value))) == abs(value)


@given(st.floats(min_value=0.0, exclude_min=True, allow_infinity=False))
def test_whatever_is_above_zero_is_positive(value: float) -> None:
    assert math.isfinite(positive(repr(value)))


@given(st.integers(1, 65_535))
def test_every_port_is_taken(port: int) -> None:
    assert port_number(str(port)) == port


@pytest.mark.parametrize("text", ["2024-03-05", "2024-03-05T00:00", "2024-03-05T00:00Z", "2024-03-05T01:00+01:00"])
def test_a_moment_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert moment(text) == 1_709_596_800 * 10**9


def test_a_moment_may_be_so_long_ago_or_ahead() -> None:
    before = time.time_ns()
    assert before <= moment("now") <= time.time_ns()
    assert abs(moment("2h") - (before - 7200 * 10**9)) < 3600 * 10**9
    assert abs(moment("+2d") - (before + 2 * 86_400 * 10**9)) < 3600 * 10**9


@pytest.mark.parametrize("text", ["yesterday", "2h30", "-2h", "9999-01-01", "0001-01-01", "", "+h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time; write"):
        moment(text)
