"""One timeline over reconnections, silence and losses that no counter shows. Time is an argument throughout."""

import numpy as np
import pytest

from firmware_bridge.energy import energy_between
from firmware_bridge.samples import SampleBlock
from firmware_bridge.timeline import Timeline
from tests.fakes.counter_meter import INTERVAL_S, SHEET, sheet_like

T0_S = 5000.0
POWER_W = 3.0


def feed(timeline: Timeline, *, host_s: float, device_s: float, seconds: float) -> None:
    """Feed blocks of 20 ms that arrive 1 ms after they end."""
    for i in range(round(seconds / 0.02)):
        t_s = device_s + i * 0.02 + np.arange(1, 21, dtype=np.float64) * INTERVAL_S
        power_w = np.full(20, POWER_W)
        timeline.add(SampleBlock(t_s, np.ones(20), power_w, power_w), host_s + (i + 1) * 0.02 + 0.001)


def span(timeline: Timeline, begin_s: float, end_s: float, now_s: float) -> tuple[float, float, float]:
    a, b = timeline.reading_at(begin_s, now_s), timeline.reading_at(end_s, now_s)
    assert a is not None
    assert b is not None
    delta = energy_between(a, b)
    return delta.energy_j, delta.gap_s, delta.duration_s


def test_host_times_find_their_samples() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=10.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 2.0, T0_S + 8.0, T0_S + 10.1)
    assert duration_s == pytest.approx(6.0)
    assert energy_j == pytest.approx(6.0 * POWER_W)
    assert gap_s == 0.0
    assert timeline.reading_at(T0_S + 10.05, T0_S + 10.1) is None


def test_an_outage_is_gap_whatever_the_device_clock_does() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=10.0)
    timeline.reconnected()
    feed(timeline, host_s=T0_S + 25.0, device_s=0.0, seconds=10.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 5.0, T0_S + 30.0, T0_S + 35.1)
    assert duration_s == pytest.approx(25.0, abs=0.005)
    assert gap_s == pytest.approx(15.0, abs=0.005)
    assert energy_j == pytest.approx(10.0 * POWER_W, abs=0.02)


def test_silence_becomes_gap_after_two_seconds_and_joins_on() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=10.0)
    asked_s = T0_S + 11.0
    assert timeline.reading_at(asked_s, T0_S + 11.5) is None
    in_silence = timeline.reading_at(asked_s, T0_S + 12.5)
    assert in_silence is not None
    assert in_silence.gap_s == pytest.approx(1.0, abs=0.002)
    timeline.reconnected()
    feed(timeline, host_s=T0_S + 20.0, device_s=0.0, seconds=5.0)
    later = timeline.reading_at(T0_S + 24.0, T0_S + 25.1)
    assert later is not None
    delta = energy_between(in_silence, later)
    assert delta.gap_s == pytest.approx(9.0, abs=0.005)
    assert delta.energy_j == pytest.approx(4.0 * POWER_W, abs=0.02)
    assert delta.covered_s + delta.gap_s == pytest.approx(delta.duration_s, abs=1e-9)


def test_the_future_is_not_declared_silent() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=1.0)
    assert timeline.reading_at(T0_S + 60.0, T0_S + 30.0) is None


def test_a_loss_that_the_counter_hides_becomes_gap() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=30.0)
    feed(timeline, host_s=T0_S + 30.5, device_s=30.0, seconds=20.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 10.0, T0_S + 50.0, T0_S + 50.6)
    assert duration_s == pytest.approx(40.0, abs=0.01)
    assert gap_s == pytest.approx(0.5, abs=0.01)
    assert energy_j == pytest.approx(39.5 * POWER_W, rel=1e-3)


def test_without_a_clock_of_its_own_arrival_is_the_time() -> None:
    timeline = Timeline(sheet_like(clock="host_arrival", sampling="point", sample_interval_s=0.1, max_interval_s=0.5))
    for i in range(101):
        values = np.array([POWER_W])
        timeline.add(SampleBlock(np.array([T0_S + 0.1 * i]), np.ones(1), values, values), T0_S + 0.1 * i)
    timeline.reconnected()
    values = np.array([POWER_W])
    timeline.add(SampleBlock(np.array([T0_S + 30.0]), np.ones(1), values, values), T0_S + 30.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 5.0, T0_S + 30.0, T0_S + 30.0)
    assert (duration_s, gap_s, energy_j) == pytest.approx((25.0, 20.0, 5.0 * POWER_W))
    assert timeline.sync().method == "host_clock"
    assert timeline.sync().residual_s == pytest.approx(0.1)
