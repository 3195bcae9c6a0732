"""Offset and drift with their uncertainty: two standard uncertainties hold 95 of 100 true values, whatever the delays.

A least-squares line over the same arrivals states a far smaller uncertainty and does not hold: delays are one-sided,
and come in runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from firmware_bridge.clock import ClockEstimate, ClockFit
from firmware_bridge.samples import F64

SEEDS = 60
LIMIT_DRIFT_RATIO = 100e-6
Delays = Callable[[np.random.Generator, F64], F64]


def exponential(rng: np.random.Generator, t_s: F64) -> F64:
    """A USB port: 2 ms in the mean, and one arrival of ten 30 ms more."""
    return rng.exponential(2e-3, len(t_s)) + np.where(rng.random(len(t_s)) < 0.1, 0.03, 0.0)


def network(rng: np.random.Generator, t_s: F64) -> F64:
    """No arrival is on time: three exponential parts, 10 ms in the mean."""
    return rng.gamma(3.0, 3.3e-3, len(t_s))


def queueing(rng: np.random.Generator, t_s: F64) -> F64:
    """One server that is busy nine tenths of its time (Lindley's recursion): delays come in runs."""
    service_s = rng.exponential(0.9 * (t_s[1] - t_s[0]), len(t_s))
    between_s = rng.exponential(t_s[1] - t_s[0], len(t_s))
    wait_s = np.zeros(len(t_s))
    for i in range(1, len(t_s)):
        wait_s[i] = max(0.0, wait_s[i - 1] + service_s[i - 1] - between_s[i])
    return wait_s


def bursts(rng: np.random.Generator, t_s: F64) -> F64:
    """The host stands still for a second, eight seconds apart, and then takes all at once."""
    delay_s = rng.exponential(1e-3, len(t_s))
    at_s = 0.0
    while at_s < t_s[-1]:
        at_s += rng.exponential(8.0)
        end_s = at_s + rng.exponential(1.0)
        stalled = (t_s >= at_s) & (t_s < end_s)
        delay_s[stalled] += end_s - t_s[stalled]
        at_s = end_s
    return delay_s


def busy(rng: np.random.Generator, t_s: F64) -> F64:
    """Half of the time something else runs for 5 to 20 s, and every arrival is 5 to 20 ms later."""
    delay_s = rng.exponential(1e-3, len(t_s))
    at_s = 0.0
    while at_s < t_s[-1]:
        at_s += rng.exponential(10.0)
        end_s = at_s + rng.uniform(5.0, 20.0)
        late = (t_s >= at_s) & (t_s < end_s)
        delay_s[late] += rng.uniform(5e-3, 20e-3) * (0.5 + rng.random(np.count_nonzero(late)))
        at_s = end_s
    return delay_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """(estimate - true) / stated standard uncertainty, of many seeds."""

    offset: F64
    drift: F64

    def coverage(self) -> tuple[float, float]:
        return float(np.mean(np.abs(self.offset) <= 2.0)), float(np.mean(np.abs(self.drift) <= 2.0))


Estimator = Callable[[F64, F64], tuple[float, float, float, float]]


def envelope(t_device_s: F64, arrived_s: F64) -> tuple[float, float, float, float]:
    one = estimate(t_device_s, arrived_s)
    return one.offset_s, one.offset_u_s, one.drift_ratio, one.drift_u_ratio


def estimate(t_device_s: F64, arrived_s: F64) -> ClockEstimate:
    fit = ClockFit()
    for t_s, t_host_s in zip(t_device_s.tolist(), arrived_s.tolist(), strict=True):
        fit.observe(t_s, t_host_s)
    return fit.estimate()


def least_squares(t_device_s: F64, arrived_s: F64) -> tuple[float, float, float, float]:
    """Fit a line with textbook standard errors, and the same allowance for the delay that nobody can see."""
    x_s, y_s = t_device_s - t_device_s[-1], arrived_s - t_device_s
    slope, offset_s = np.polyfit(x_s, y_s, 1)
    residual_s = y_s - offset_s - slope * x_s
    s_s = float(np.sqrt(np.sum(residual_s**2) / (len(x_s) - 2)))
    spread_s2 = float(np.sum((x_s - x_s.mean()) ** 2))
    u_s = s_s * float(np.sqrt(1.0 / len(x_s) + x_s.mean() ** 2 / spread_s2))
    return float(offset_s), float(np.hypot(u_s, 1e-3 / 3.0**0.5)), float(slope), s_s / spread_s2**0.5


def score(estimator: Estimator, delays: Delays, seconds: float, rate_hz: float) -> Outcome:
    offsets, drifts = [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        drift_ratio = rng.uniform(-LIMIT_DRIFT_RATIO, LIMIT_DRIFT_RATIO)
        t_device_s = np.arange(round(seconds * rate_hz)) / rate_hz
        true_s = rng.uniform(-1e3, 1e3) + t_device_s * (1.0 + drift_ratio)
        late_s = rng.uniform(0.0, 1e-3) + delays(rng, t_device_s)
        offset_s, offset_u_s, drift, drift_u = estimator(t_device_s, np.maximum.accumulate(true_s + late_s))
        offsets.append((offset_s - (true_s[-1] - t_device_s[-1])) / offset_u_s)
        drifts.append((drift - drift_ratio) / drift_u)
    return Outcome(np.array(offsets), np.array(drifts))


@pytest.mark.parametrize("delays", [exponential, network, queueing, bursts, busy])
@pytest.mark.parametrize(("seconds", "rate_hz"), [(3.0, 50.0), (30.0, 50.0), (120.0, 20.0), (300.0, 5.0)])
def test_the_stated_uncertainty_holds(delays: Delays, seconds: float, rate_hz: float) -> None:
    """95 of 100, less what 60 seeds may miss by chance (three standard deviations of a binomial share: 0.087)."""
    offset, drift = score(envelope, delays, seconds, rate_hz).coverage()
    assert offset >= 0.95 - 0.087
    assert drift >= 0.95 - 0.087


@pytest.mark.parametrize("delays", [exponential, network, queueing, bursts, busy])
def test_a_least_squares_line_is_off_by_more_than_it_says(delays: Delays) -> None:
    """The reason for the envelope: the mean of the delays is not in a least-squares line's uncertainty."""
    offset, _ = score(least_squares, delays, 30.0, 50.0).coverage()
    assert offset < 0.3


def test_the_uncertainty_is_not_only_honest_but_small() -> None:
    """With a USB port's delays a minute gives half a millisecond, nearly all of it what no arrival can show."""
    rng = np.random.default_rng(3)
    t_device_s = np.arange(6000) / 100.0
    one = estimate(t_device_s, 7.0 + t_device_s * (1.0 + 40e-6) + 3e-4 + exponential(rng, t_device_s))
    assert one.offset_u_s < 0.8e-3
    assert one.drift_u_ratio < 1e-6
    assert one.drift_ratio == pytest.approx(40e-6, abs=2e-6)
    assert (one.observed, one.steps) == (6000, 0)
    assert one.span_s == pytest.approx(59.99, abs=1.0)
    assert one.t_device_s == pytest.approx(59.99)


def test_a_slope_is_not_claimed_before_there_is_one() -> None:
    t_device_s = np.arange(100) / 10.0
    one = estimate(t_device_s, 5.0 + t_device_s * (1.0 + 90e-6))
    assert one.drift_ratio == 0.0
    assert one.drift_u_ratio == pytest.approx(100e-6 / 3.0**0.5)


def test_a_clock_faster_than_any_crystal_is_doubted_aloud() -> None:
    """The slope that is used ends at 1000 ppm; what is beyond is in its uncertainty, not gone."""
    t_device_s = np.arange(600) / 10.0
    one = estimate(t_device_s, 5.0 + t_device_s * 1.01)
    assert abs(one.drift_ratio - 0.01) <= one.drift_u_ratio * 1.01


def test_a_delay_that_every_arrival_has_is_in_the_uncertainty_if_it_is_named() -> None:
    fit = ClockFit(unseen_delay_s=0.02)
    for i in range(3000):
        fit.observe(0.01 * i, 50.0 + 0.01 * i + 0.019)
    assert abs(fit.estimate().offset_s - 50.0) <= 2.0 * fit.estimate().offset_u_s
    assert abs(fit.to_device(80.0) - 30.0) <= fit.residual_s


def test_an_arrival_that_is_too_early_gives_a_jump_forward_away() -> None:
    fit = ClockFit()
    rng = np.random.default_rng(1)
    for i in range(1500):
        t_s = 0.01 * i
        t_host_s = 9.0 + t_s + 3e-4 + rng.exponential(2e-3)
        assert fit.lead_s(t_s, t_host_s) == 0.0
        fit.observe(t_s, t_host_s)
    assert fit.lead_s(15.0 + 2.0, 24.0) == pytest.approx(2.0, abs=0.005)
    assert fit.lead_s(15.0 - 2.0, 24.0) == 0.0
    assert fit.lead_s(15.0 + 0.03, 24.0) == 0.0
