"""One timeline over reconnections, silence and losses that no counter shows. Time is an argument throughout."""

from collections import Counter

import numpy as np
import pytest

from firmware_bridge.energy import energy_between
from firmware_bridge.samples import MeterIdentity, SampleBlock
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


def test_a_register_that_changes_once_a_second_is_known_to_be_late() -> None:
    sheet = sheet_like(clock="host_arrival", sample_interval_s=0.5, max_interval_s=3.0, refresh_interval_s=1.0)
    assert Timeline(sheet).sync().residual_s == pytest.approx(1.5)


# --- steps of the device's clock -----------------------------------------------------------------------------------


def test_a_clock_that_jumps_ahead_is_moved_back_and_no_second_is_lost() -> None:
    """An hour ahead without a word: no gap of an hour appears, and host times still find their samples."""
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=20.0)
    feed(timeline, host_s=T0_S + 20.0, device_s=3620.0, seconds=20.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 10.0, T0_S + 30.0, T0_S + 40.1)
    assert duration_s == pytest.approx(20.0, abs=0.002)
    assert gap_s == pytest.approx(0.0, abs=1e-9)
    assert energy_j == pytest.approx(20.0 * POWER_W, abs=0.01)
    assert timeline.clock_steps == 1
    clock = timeline.clock()
    assert clock is not None
    assert clock.steps == 1


def test_a_clock_that_goes_back_without_a_word_is_put_in_its_place() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=5000.0, seconds=20.0)
    feed(timeline, host_s=T0_S + 20.3, device_s=0.0, seconds=20.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 10.0, T0_S + 30.0, T0_S + 40.4)
    assert duration_s == pytest.approx(20.0, abs=0.003)
    assert gap_s == pytest.approx(0.3, abs=0.003)
    assert energy_j == pytest.approx((20.0 - gap_s) * POWER_W, abs=0.02)
    assert timeline.clock_steps == 1


def test_a_clock_that_fell_behind_counts_as_a_step() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=30.0)
    feed(timeline, host_s=T0_S + 30.5, device_s=30.0, seconds=20.0)
    assert timeline.clock_steps == 1


def test_a_host_that_slept_is_a_gap_and_not_a_short_integral() -> None:
    """CLOCK_BOOTTIME goes on while the host is suspended; a meter that counts samples knows nothing of it."""
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=30.0)
    asleep_s = 600.0
    feed(timeline, host_s=T0_S + 30.0 + asleep_s, device_s=30.0, seconds=20.0)
    energy_j, gap_s, duration_s = span(timeline, T0_S + 10.0, T0_S + 645.0, T0_S + 650.1)
    assert duration_s == pytest.approx(635.0, abs=0.01)
    assert gap_s == pytest.approx(asleep_s, abs=0.01)
    assert energy_j == pytest.approx((duration_s - gap_s) * POWER_W, abs=0.01)


def test_a_meter_with_a_clock_that_ran_on_while_the_host_slept_has_a_gap_and_no_step() -> None:
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=30.0)
    feed(timeline, host_s=T0_S + 630.0, device_s=630.0, seconds=20.0)
    energy_j, gap_s, _ = span(timeline, T0_S + 10.0, T0_S + 645.0, T0_S + 650.1)
    assert gap_s == pytest.approx(600.0, abs=0.01)
    assert energy_j == pytest.approx(35.0 * POWER_W, abs=0.01)
    assert timeline.clock_steps == 0


def test_late_arrivals_are_no_steps() -> None:
    """The reader stood still for 1.5 s each ten seconds, and took everything afterwards."""
    timeline = Timeline(SHEET)
    for i in range(3000):
        t_s = i * 0.02 + np.arange(1, 21, dtype=np.float64) * INTERVAL_S
        power_w = np.full(20, POWER_W)
        now_s = i * 0.02
        arrived_s = max(now_s, now_s // 10.0 * 10.0 + 1.5)
        timeline.add(SampleBlock(t_s, np.ones(20), power_w, power_w), T0_S + arrived_s + 0.021)
    assert timeline.clock_steps == 0
    assert timeline.latest().gap_s == 0.0


def test_another_meter_in_its_place_is_counted() -> None:
    timeline = Timeline(SHEET)
    errors: Counter[str] = Counter()
    for serial_number in ("1", "1", "2", "2", "1"):
        timeline.take([MeterIdentity("counter", serial_number)], T0_S, errors)
    assert timeline.meter_changes == 2


def test_a_network_between_is_in_the_residual() -> None:
    timeline = Timeline(SHEET)
    timeline.reconnected(path_delay_s=0.03)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=10.0)
    assert timeline.sync().residual_s > 0.03


def test_without_a_sample_there_is_no_clock_to_tell_of() -> None:
    assert Timeline(SHEET).clock() is None
    assert Timeline(sheet_like(clock="host_arrival")).clock() is None
    timeline = Timeline(SHEET)
    feed(timeline, host_s=T0_S, device_s=0.0, seconds=30.0)
    clock = timeline.clock()
    assert clock is not None
    assert abs(clock.offset_s - T0_S) <= 2.0 * clock.offset_u_s
