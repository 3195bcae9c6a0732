"""A sample that comes alone is reckoned in plain floats; that has to be what arrays give for many, to rounding."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.calibration import RECTANGULAR, Calibration, PowerUncertainty
from firmware_bridge.driver import DataSheet, MeterRange
from firmware_bridge.energy import EnergyRegister
from firmware_bridge.history import KnotHistory
from firmware_bridge.samples import EnergyReading, SampleBlock, SampleFlag
from tests.fakes.counter_meter import sheet_like

INTERVAL_S = 0.1
TOLERANCE = 1e-11
RANGES = (MeterRange(0.1, 0.01, 1e-4, 1e-5, 0.1), MeterRange(3.0, 0.02, 1e-3, 1e-4, 0.2))

sheets = st.builds(
    lambda sampling, clock, counter_step_j: replace(
        sheet_like(sample_interval_s=INTERVAL_S, max_interval_s=0.25, sampling=sampling),
        clock=clock,
        counter_step_j=counter_step_j,
    ),
    st.sampled_from(["mean", "point"]),
    st.sampled_from(["host_arrival", "device"]),
    st.sampled_from([None, 0.5]),
)
limits = st.sampled_from([None, 4.0, 60.0])
samples = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([INTERVAL_S, 0.25, 0.2501, 1e-4, 3.0]), st.floats(1e-4, 0.5)),
        st.one_of(st.floats(-50.0, 50.0), st.just(math.nan)),
        st.sampled_from([5.0, 12.0, -5.0]),
        st.sampled_from([0, SampleFlag.STALE, SampleFlag.SATURATED, SampleFlag.STALE | SampleFlag.SATURATED]),
        st.one_of(st.just(math.nan), st.sampled_from([0.0, 0.5, 3.0, 40.0])),
    ),
    min_size=2,
    max_size=40,
)


def close(ours: EnergyReading | None, theirs: EnergyReading | None, *leave_out: str) -> None:
    assert (ours is None) == (theirs is None)
    for name in set(EnergyReading.__slots__) - set(leave_out):
        one, other = getattr(ours, name, None), getattr(theirs, name, None)
        if one is None or other is None:
            assert one is other, name
        else:
            assert one == pytest.approx(other, rel=TOLERANCE, abs=TOLERANCE), name


def part_of(block: SampleBlock, part: slice) -> SampleBlock:
    columns: dict[str, Any] = {}
    for name in SampleBlock.__slots__:
        column = getattr(block, name)
        columns[name] = None if column is None else column[part]
    return SampleBlock(**columns)


@given(sheets, limits, samples, st.sampled_from([None, 0.3, 0.7]))
def test_samples_alone_or_together_make_the_same_register(
    sheet: DataSheet, limit_w: float | None, stream: list[tuple[float, float, float, int, float]], silent: float | None
) -> None:
    """``silent``: the time up to this share of the stream was declared a gap after the first sample."""
    steps_s, power_w, volts, flags, counter_j = (np.array(column) for column in zip(*stream, strict=True))
    t_s = np.cumsum(steps_s)
    whole = SampleBlock(t_s, volts, power_w / volts, power_w, flags=flags.astype(np.uint8), counter_j=counter_j)
    u_w, step_w = 0.01 * np.abs(np.nan_to_num(power_w)), np.linspace(0.1, 0.2, len(stream))
    together, alone = (EnergyRegister(sheet, limit_w=limit_w, history=KnotHistory(fine_s=1e9)) for _ in range(2))
    for i in range(len(stream)):
        part = slice(i, i + 1)
        alone.add(part_of(whole, part), u_w[part], step_w[part])
        if i == 0 and silent is not None:
            together.add(part_of(whole, part), u_w[part], step_w[part])
            for register in (alone, together):
                register.add_gap_until(float(t_s[0] + silent * (t_s[-1] - t_s[0])))
    rest = slice(0 if silent is None else 1, None)
    together.add(part_of(whole, rest), u_w[rest], step_w[rest])
    close(alone.latest(), together.latest())
    for share in (0.0, 0.13, 0.5, 0.77, 1.0):
        asked_s = float(t_s[0]) + share * float(t_s[-1] - t_s[0])
        close(alone.reading_at(asked_s), together.reading_at(asked_s), "lost_count")  # a block's lost come first


measured = st.lists(
    st.tuples(
        st.one_of(st.just(5.0), st.floats(-25.0, 25.0)),
        st.one_of(st.just(0.05), st.floats(-3.0, 3.0)),
        st.integers(0, len(RANGES) - 1),
    ),
    min_size=2,
    max_size=20,
)
certificates = st.sampled_from([None, Calibration(gain_ratio=1.01, gain_u_ratio=2e-3, offset_u_a=1e-4)])


def plain(
    sheet: DataSheet, volts: float, amps: float, watts: float, one: MeterRange, certificate: Calibration | None
) -> tuple[float, float]:
    """Reckon uncertainty and step of one sample as the guide writes it: root sums of squares of half-widths."""
    step_w = sheet.power_resolution_w or math.hypot(volts * one.resolution_a, amps * sheet.voltage_resolution_v)
    gain_k = 1.0 if sheet.gain_distribution == "normal" else RECTANGULAR
    if sheet.power_gain_limit_ratio is not None and certificate is None:
        u_w = math.hypot(gain_k * sheet.power_gain_limit_ratio * watts, RECTANGULAR * one.power_offset_limit_w)
    else:
        u_v = RECTANGULAR * math.hypot(sheet.voltage_gain_limit_ratio * volts, sheet.voltage_offset_limit_v)
        u_a = math.hypot(gain_k * one.gain_limit_ratio * amps, RECTANGULAR * one.offset_limit_a)
        if certificate is not None:
            u_a = math.hypot(certificate.gain_u_ratio * amps, certificate.offset_u_a)
        u_w = math.hypot(amps * u_v, volts * u_a)
    if abs(watts) < sheet.starting_power_w:
        u_w = max(u_w, RECTANGULAR * sheet.starting_power_w)
    return u_w, step_w


@given(
    measured,
    st.booleans(),
    certificates,
    st.sampled_from([{}, {"power_gain_limit_ratio": 0.02}, {"power_resolution_w": 0.1}, {"starting_power_w": 1.0}]),
    st.sampled_from(["rectangular", "normal"]),
)
def test_the_uncertainty_of_a_sample_is_the_same_alone_and_together(
    rows: list[tuple[float, float, int]],
    has_ranges: bool,  # noqa: FBT001 a drawn case
    certificate: Calibration | None,
    changes: dict[str, float],
    distribution: str,
) -> None:
    sheet = sheet_like(ranges=RANGES, gain_distribution=distribution, **changes)
    volts, amps, index = (np.array(column) for column in zip(*rows, strict=True))
    range_index = index.astype(np.int8) if has_ranges else None
    block = SampleBlock(np.arange(1.0, len(rows) + 1.0), volts, amps, volts * amps, range_index=range_index)
    uncertainty = PowerUncertainty(sheet, certificate)
    together_u_w, together_step_w = uncertainty.of(block)
    for i, (one_v, one_a, at) in enumerate(rows):
        expected = plain(sheet, one_v, one_a, one_v * one_a, RANGES[at if has_ranges else -1], certificate)
        u_w, step_w = uncertainty.of(part_of(block, slice(i, i + 1)))
        assert (u_w[0], step_w[0]) == pytest.approx(expected, rel=1e-12)
        assert (together_u_w[i], together_step_w[i]) == pytest.approx(expected, rel=1e-12)
