"""The clock fit finds offset and skew below arrival delays, and sees a device clock that falls behind."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.clock import ClockFit


def fitted(
    *,
    offset_s: float,
    skew_ratio: float,
    seconds: float,
    seed: int = 0,
    lag_at_s: float = math.inf,
    lag_s: float = 0.0,
) -> ClockFit:
    """Observe 100 arrivals a second, each 0.2 ms late at least and sometimes 30 ms; from ``lag_at_s`` on also lag."""
    fit = ClockFit()
    delays = random.Random(seed)
    for i in range(int(seconds * 100)):
        t_host_s = offset_s + i * 0.01
        t_device_s = (t_host_s - offset_s) / (1.0 + skew_ratio) - (lag_s if i * 0.01 >= lag_at_s else 0.0)
        delay_s = 0.0002 + delays.expovariate(1 / 0.002) + (0.03 if delays.random() < 0.1 else 0.0)
        fit.observe(t_device_s, t_host_s + delay_s)
    return fit


@settings(max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(-200e-6, 200e-6), st.floats(25.0, 400.0), st.integers(0, 2**32))
def test_aligns_within_its_residual(offset_s: float, skew_ratio: float, seconds: float, seed: int) -> None:
    fit = fitted(offset_s=offset_s, skew_ratio=skew_ratio, seconds=seconds, seed=seed)
    t_true_s = (seconds + 1.0) / (1.0 + skew_ratio)
    error_s = fit.to_device(offset_s + seconds + 1.0) - t_true_s
    assert abs(error_s) < 0.002
    assert abs(error_s) <= fit.residual_s + 1e-9
    assert fit.residual_s < 0.005


def test_one_observation_is_enough_to_start() -> None:
    fit = ClockFit()
    assert fit.residual_s == math.inf
    with pytest.raises(ValueError, match="observed"):
        fit.to_device(1.0)
    fit.observe(5.0, 105.0)
    assert fit.ready
    assert fit.to_device(106.0) == pytest.approx(6.0)


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(2, 40), st.floats(-50e-6, 50e-6))
def test_the_residual_is_a_bound_from_the_first_arrivals_on(seed: int, count: int, skew_ratio: float) -> None:
    """A busy host: arrivals are late by 8 ms in the mean."""
    delays = random.Random(seed)
    fit = ClockFit()
    for i in range(count):
        t_host_s = 50.0 + 0.025 * i
        fit.observe((t_host_s - 50.0) * (1.0 + skew_ratio), t_host_s + 0.0004 + delays.expovariate(1 / 0.008))
    t_s = 50.0 + 0.025 * count
    assert abs(fit.to_device(t_s) - (t_s - 50.0) * (1.0 + skew_ratio)) <= fit.residual_s


def test_a_host_that_stood_still_moves_nothing_and_is_no_scatter() -> None:
    """A stall of 1.2 s each quarter of a minute: its arrivals are late, the others tell the time."""
    fit = ClockFit()
    for i in range(6000):
        t_s = 0.01 * i
        stall_end_s = t_s // 15.0 * 15.0 + 1.2
        fit.observe(t_s * (1.0 + 50e-6), 7.0 + max(t_s, stall_end_s if t_s < stall_end_s else 0.0) + 0.0004)
    assert abs(fit.to_device(67.0) - 60.0 * (1.0 + 50e-6)) < 0.001
    assert fit.residual_s < 0.0015


def test_no_skew_is_read_from_a_short_span() -> None:
    fit = ClockFit()
    for second in range(10):
        fit.observe(float(second), 100.0 + second + 0.001 * second)
    assert fit.to_device(109.0) - fit.to_device(108.0) == pytest.approx(1.0)


def test_a_late_burst_moves_nothing() -> None:
    fit = fitted(offset_s=1000.0, skew_ratio=0.0, seconds=30.0)
    before_s = fit.to_device(1031.0)
    fit.observe(30.0, 1031.0)
    assert fit.to_device(1031.0) == pytest.approx(before_s, abs=1e-3)
    assert fit.lag_s < 0.005


def test_a_clock_that_fell_behind_is_seen() -> None:
    assert fitted(offset_s=0.0, skew_ratio=0.0, seconds=40.0).lag_s < 0.003
    fit = fitted(offset_s=0.0, skew_ratio=0.0, seconds=40.0, lag_at_s=30.0, lag_s=0.1)
    assert fit.lag_s == pytest.approx(0.1, abs=0.02)


def test_a_loss_that_nobody_saw_is_in_the_residual_before_it_is_found() -> None:
    fit = fitted(offset_s=0.0, skew_ratio=0.0, seconds=42.5, lag_at_s=40.0, lag_s=0.3)
    assert fit.lag_s == 0.0
    assert abs(fit.to_device(42.0) - (42.0 - 0.3)) <= fit.residual_s < 0.32


def test_memory_is_bounded() -> None:
    fit = ClockFit()
    for i in range(10_000):
        fit.observe(float(i), float(i) + 3.0)
    assert len(fit._minima) <= 122
