"""What a recording comes to: means, limits, markers and the last reading, whatever the blocks are cut to."""

import dataclasses

import numpy as np
import pytest

from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock, SampleFlag
from firmware_bridge.tally import MARKER_LIMIT, Tally, flag_names
from tests.fakes import counter_meter

DRIVER = counter_meter.DRIVER
POINT = dataclasses.replace(
    DRIVER,
    data_sheet=counter_meter.sheet_like(
        sampling="point", clock="host_arrival", max_interval_s=1.0, counter_step_j=1.0
    ),
)


def block(first: int, volts: list[float], amperes: list[float], **columns: object) -> SampleBlock:
    t_s = (first + np.arange(1, len(volts) + 1)) * counter_meter.INTERVAL_S
    voltage_v, current_a = np.array(volts), np.array(amperes)
    return SampleBlock(t_s, voltage_v, current_a, voltage_v * current_a, **columns)  # type: ignore[arg-type]


def test_nothing_is_not_zero() -> None:
    tally = Tally(DRIVER)
    events: list[Event] = [FrameError("desync", 7, 0.0), FrameError("protocol", 1, 0.0, "no coil")]
    assert tally.take(events, 0.0) == ()
    summary = tally.summary({"coil": None})
    assert (summary.samples, summary.frame_errors) == (0, {"desync": 7, "protocol": 1})
    for name in ("t_first_s", "t_last_s", "mean_voltage_v", "mean_current_a", "mean_power_w", "energy_j", "gap_s"):
        assert getattr(summary, name) is None
    assert (summary.total, summary.energy_limits_j, summary.complaint) == (None, None, "no coil")
    assert summary.last == {"coil": None}


def test_means_joules_gap_and_the_last_sample() -> None:
    tally = Tally(DRIVER)
    logic = np.array([0, 1], dtype=np.uint8)
    tally.take([MeterIdentity("m"), block(0, [5.0, 5.2], [0.5, 0.7], logic=logic)], 0.002)
    tally.take([FrameError("lost", 3, 0.1)], 0.005)
    tally.take([block(5, [5.1], [0.9], logic=np.array([3], dtype=np.uint8))], 0.006)
    summary = tally.summary({"voltage_v": 99.0, "temperature_c": 20.5})
    assert summary.samples == 3
    assert (summary.t_first_s, summary.t_last_s) == (0.001, 0.006)
    assert summary.mean_voltage_v == pytest.approx(5.1)
    assert summary.mean_current_a == pytest.approx(0.7)
    energy_j = 1e-3 * (2.5 + 5.2 * 0.7 + 5.1 * 0.9)
    assert summary.energy_j == pytest.approx(energy_j)
    assert summary.mean_power_w == pytest.approx(energy_j / 3e-3)
    assert summary.gap_s == pytest.approx(3e-3)
    assert summary.lost == 3
    assert summary.energy_limits_j is not None
    assert summary.energy_limits_j[1] == pytest.approx(energy_j + 3e-3 * 5.2 * 5.0)
    assert summary.last == {
        "t_device_s": 0.006,
        "voltage_v": 5.1,
        "current_a": 0.9,
        "power_w": 5.1 * 0.9,
        "logic": 3,
        "flags": [],
        "temperature_c": 20.5,
    }
    assert [(one.t_s, one.bit, one.edge) for one in summary.markers] == [(0.002, 0, "rising"), (0.006, 1, "rising")]
    assert summary.identity == MeterIdentity("m")


def test_one_reading_has_a_mean_although_it_covers_no_time() -> None:
    tally = Tally(POINT)
    tally.take([block(0, [5.0], [0.5], counter_j=np.array([7.0]))], 0.001)
    summary = tally.summary({})
    assert summary.mean_power_w == 2.5
    assert summary.energy_j == 0.0
    assert summary.last["counter_j"] == 7.0


def test_a_stale_register_counts_in_no_mean() -> None:
    tally = Tally(POINT)
    flags = np.array([0, SampleFlag.STALE, SampleFlag.SATURATED], dtype=np.uint8)
    tally.take([block(0, [5.0, 5.0, 6.0], [0.5, 0.5, 1.0], flags=flags)], 0.003)
    summary = tally.summary({})
    assert (summary.samples, summary.stale_samples) == (3, 1)
    assert summary.mean_voltage_v == 5.5
    assert summary.last["flags"] == ["saturated"]


def test_markers_are_all_counted_and_the_first_are_listed() -> None:
    tally = Tally(DRIVER)
    for first in range(0, 2000, 100):
        logic = np.tile(np.array([0, 1], dtype=np.uint8), 50)
        tally.take([block(first, [5.0] * 100, [0.5] * 100, logic=logic)], (first + 100) * 1e-3)
    summary = tally.summary({})
    assert summary.marker_count == 1999
    assert len(summary.markers) == MARKER_LIMIT
    times_s = [round(one.t_s * 1e3) for one in summary.markers]
    assert times_s == list(range(2, 1002))
    assert [one.edge for one in summary.markers[:2]] == ["rising", "falling"]


def test_flags_have_names() -> None:
    assert flag_names(0) == []
    assert flag_names(5) == ["stale", "filtered"]
