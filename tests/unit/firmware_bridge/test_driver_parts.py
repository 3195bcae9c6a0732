"""What the drivers share: the watch on the wall clock, and options."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.wall_clock import WallClock

PERIOD_S = 6.4e-4
TICK_S = 0.02


class Stream:
    """A stream of ticks whose arrival is late by chance; ``t_device_s`` is corrected as a decoder would."""

    def __init__(self, seed: int, *, late_s: float = 0.01, drift_ratio: float = 0.0) -> None:
        self.watch = WallClock(PERIOD_S)
        self._rng = np.random.default_rng(seed)
        self._late_s = late_s
        self._drift_ratio = drift_ratio
        self.t_true_s = self.t_device_s = 0.0
        self.found_s = 0.0

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.t_true_s += TICK_S
            t_host_s = 100.0 + self.t_true_s + self._rng.exponential(self._late_s)
            found = self.watch.hidden_periods(t_host_s, self.t_device_s, TICK_S)
            self.found_s += found * PERIOD_S
            self.t_device_s += found * PERIOD_S + TICK_S * (1 - self._drift_ratio)
            self.watch.observe(t_host_s, self.t_device_s)


@given(seed=st.integers(0, 10_000), periods=st.integers(50, 1400))
def test_a_hidden_loss_is_found_within_two_windows(seed: int, periods: int) -> None:
    stream = Stream(seed, late_s=0.005)
    stream.run(10.0)
    assert stream.found_s == 0.0
    stream.t_true_s += periods * PERIOD_S
    stream.run(5.0)
    assert stream.found_s == pytest.approx(periods * PERIOD_S, abs=0.003)


@pytest.mark.parametrize("drift_ratio", [-1e-4, 0.0, 1e-4])
def test_clocks_that_disagree_are_not_a_loss(drift_ratio: float) -> None:
    stream = Stream(3, drift_ratio=drift_ratio)
    stream.run(3600.0)
    assert stream.found_s == 0.0


def test_after_silence_the_clock_is_advanced_at_once() -> None:
    stream = Stream(5, late_s=0.0)
    stream.run(3.0)
    stream.t_true_s += 60.0
    stream.run(TICK_S)
    assert stream.found_s == pytest.approx(60.0, abs=0.001)


def test_a_reader_that_hangs_for_a_moment_is_not_a_loss() -> None:
    watch = WallClock(PERIOD_S)
    found = 0
    for tick in range(2000):
        t_device_s = tick * TICK_S
        stalled_until_s = 20.0 if 19.1 < t_device_s < 20.0 else 0.0
        t_host_s = max(t_device_s, stalled_until_s)
        found += watch.hidden_periods(t_host_s, t_device_s - TICK_S, TICK_S)
        watch.observe(t_host_s, t_device_s)
    assert found == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": "many"}, "give a number from 1 to 9"),
        ({"number": 10}, "give a number from 1 to 9"),
        ({"number": True}, "give a number from 1 to 9"),
        ({"number": "nan"}, "give a number from 1 to 9"),
        ({"word": "blue"}, "give one of red, green"),
        ({"flag": "perhaps"}, "give one of true"),
        ({"other": 1}, "no option 'other'; it accepts: flag, number, word"),
    ],
)
def test_a_wrong_option_is_refused_with_what_would_be_right(options: dict[str, str | int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_all(options)


def read_all(options: dict[str, str | int]) -> tuple[float, str, bool]:
    read = OptionReader("meter", options, {"number": "", "word": "", "flag": ""})
    return (
        read.number("number", 5, low=1, high=9),
        read.choice("word", "red", ("red", "green")),
        read.flag("flag", default=False),
    )


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ({}, (5.0, "red", False)),
        ({"number": "7.5", "word": "Green", "flag": "yes"}, (7.5, "green", True)),
        ({"number": 2, "flag": True}, (2.0, "red", True)),
    ],
)
def test_options_are_read_from_text_and_from_values(
    options: dict[str, str | int], values: tuple[float, str, bool]
) -> None:
    assert read_all(options) == values
