"""What every meter driver must do, found by the registry: one more file in drivers/ is tested here without an edit.

Voltage, currents and times come from the driver's data sheet. Damage is in test_driver_damage.py.
"""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import DataSheet, MeterDriver
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.registry import driver_names, get_driver
from firmware_bridge.samples import SampleFlag
from tests.fakes.driver_checks import check_clock_jumps, check_cut, check_garbage, check_known_first
from tests.fakes.held import held_bytes
from tests.fakes.meter_talk import Conversation, Load, Said, levels_a, steady
from tests.fakes.metered_talk import is_slow

every_driver = pytest.mark.parametrize("driver", driver_names(), indirect=True)

# Lengths around what decoders wait for: words of 4, frames of 18, chains of 24, blocks of 64, answers of 192 bytes.
_LIMITS = (4, 18, 24, 41, 64, 192, 4096)
lengths = st.sampled_from(_LIMITS).flatmap(lambda limit: st.integers(max(1, limit - 2), limit + 2))
runs_of_one_byte = st.builds(lambda byte, count: bytes([byte]) * count, st.integers(0, 255), lengths)
garbage = st.one_of(runs_of_one_byte, st.binary(min_size=1, max_size=300))


@pytest.fixture(scope="session")
def driver(request: pytest.FixtureRequest) -> MeterDriver:
    return get_driver(str(request.param))


def at_level(sheet: DataSheet, level: int) -> Load:
    return steady(sheet.nominal_voltage_v, levels_a(sheet)[level])


@cache
def transcript(name: str) -> tuple[Said, ...]:
    """A handshake and a short stretch of samples."""
    talk = Conversation(get_driver(name))
    sheet = talk.driver.data_sheet
    talk.run_until_samples(at_level(sheet, 0))
    talk.run(10 * sheet.sample_interval_s if is_slow(sheet) else 0.04, at_level(sheet, 1))
    return tuple(talk.said)


@every_driver
def test_a_driver_is_documented_by_its_own_data(driver: MeterDriver) -> None:
    sheet = driver.data_sheet
    assert driver.name in driver_names()
    assert driver.title
    assert sheet.source
    assert any(word in sheet.accuracy_basis for word in ("specification", "typical", "assumption"))
    assert 0 <= sheet.min_voltage_v < sheet.max_voltage_v
    assert 0 < sheet.sample_interval_s < sheet.max_interval_s
    assert sheet.boundaries
    limits = [one.max_current_a for one in sheet.ranges]
    assert limits == sorted(limits)
    assert limits[0] > 0
    assert all(one.gain_limit_ratio >= 0 and one.offset_limit_a >= 0 and one.resolution_a > 0 for one in sheet.ranges)
    assert all("default" in text for text in driver.options.values())


@every_driver
def test_an_unknown_option_is_refused_by_name(driver: MeterDriver) -> None:
    with pytest.raises(ConfigurationError, match="no option 'colour'"):
        driver.make_decoder({"colour": "red"})
    with pytest.raises(ConfigurationError, match="no option 'colour'"):
        driver.make_encoder({"colour": "red"}, 0)


@every_driver
def test_what_is_measured_arrives(driver: MeterDriver) -> None:
    sheet = driver.data_sheet
    talk = Conversation(driver)
    talk.run_until_samples(at_level(sheet, 0))
    step_a = max(one.resolution_a for one in sheet.ranges)
    for level_a in levels_a(sheet):
        load = steady(sheet.nominal_voltage_v, level_a)
        talk.run(max(0.3, 3 * sheet.sample_interval_s), load)
        before = len(talk.decoded.column("power_w"))
        decoded = talk.run(max(0.5, 5 * sheet.sample_interval_s), load)
        current_a = decoded.column("current_a")[before:]
        voltage_v = decoded.column("voltage_v")[before:]
        power_w = decoded.column("power_w")[before:]
        assert current_a.mean() == pytest.approx(level_a, rel=0.002, abs=step_a)
        assert voltage_v.mean() == pytest.approx(sheet.nominal_voltage_v, rel=0.002, abs=sheet.voltage_resolution_v)
        own_step_w = sheet.power_resolution_w or 1e-3
        if sheet.power_gain_limit_ratio is not None:
            expected_w = sheet.nominal_voltage_v * level_a
            assert power_w.mean() == pytest.approx(expected_w, rel=0.002, abs=own_step_w)
        else:
            assert power_w.mean() == pytest.approx((voltage_v * current_a).mean(), rel=1e-3, abs=own_step_w)
    assert talk.decoded.errors() == {}
    talk.decoded.check_blocks()


@every_driver
def test_the_meter_is_known_before_its_first_sample(driver: MeterDriver) -> None:
    check_known_first(driver, transcript(driver.name))


@every_driver
def test_samples_are_as_far_apart_as_the_data_sheet_says(driver: MeterDriver) -> None:
    sheet = driver.data_sheet
    talk = Conversation(driver)
    talk.run_until_samples(at_level(sheet, 0))
    slow = is_slow(sheet)
    decoded = talk.run(100 * sheet.sample_interval_s if slow else 0.5, at_level(sheet, 0))
    steps_s = np.diff(decoded.column("t_device_s"))
    assert steps_s.mean() == pytest.approx(sheet.sample_interval_s, rel=0.05 if slow else 0.01)
    assert steps_s.max() <= sheet.max_interval_s


@every_driver
def test_a_register_that_was_read_again_is_stale(driver: MeterDriver) -> None:
    """Where the sheet says how often the meter measures, there are no more fresh samples than that."""
    sheet = driver.data_sheet
    if sheet.refresh_interval_s is None:
        return
    talk = Conversation(driver)
    load = at_level(sheet, 1)
    talk.run_until_samples(load)
    talk.run(20 * sheet.refresh_interval_s, load)
    fresh = sum(
        len(block) if block.flags is None else int(np.count_nonzero(block.flags & SampleFlag.STALE == 0))
        for block in talk.decoded.blocks()
    )
    assert 10 <= fresh <= 23


@every_driver
def test_chunking_never_matters_byte_by_byte(driver: MeterDriver) -> None:
    check_cut(driver, transcript(driver.name), None)


@every_driver
@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.one_of(st.integers(1, 40), lengths), max_size=40))
def test_chunking_never_matters(driver: MeterDriver, sizes: list[int]) -> None:
    check_cut(driver, transcript(driver.name), sizes)


@every_driver
@settings(max_examples=40, deadline=None)
@given(junk=garbage)
def test_after_garbage_the_samples_come_back(driver: MeterDriver, junk: bytes) -> None:
    check_garbage(driver, transcript(driver.name), junk)


@every_driver
@pytest.mark.parametrize("kind", ["random", "zeros", "ones", "letter D", "newlines"])
@pytest.mark.parametrize("during", ["handshake", "stream"])
def test_endless_garbage_takes_no_memory(driver: MeterDriver, kind: str, during: str) -> None:
    fill = {"zeros": b"\0", "ones": b"\xff", "letter D": b"D", "newlines": b"\n"}
    junk = np.random.default_rng(7).bytes(4096) if kind == "random" else fill[kind] * 4096
    decoder = driver.make_decoder({})
    t_s = 0.0
    for one in transcript(driver.name) if during == "stream" else ():
        t_s = one.t_host_s
        _ = decoder.feed(one.data, t_s) if one.from_meter else decoder.bytes_to_send(t_s)
    before_bytes = held_bytes(decoder)
    for _ in range(16):
        t_s += 0.01
        decoder.bytes_to_send(t_s)
        decoder.feed(junk, t_s)
    assert held_bytes(decoder) - before_bytes < 32_000


@every_driver
def test_a_decoder_survives_a_host_clock_that_jumps(driver: MeterDriver) -> None:
    check_clock_jumps(driver, transcript(driver.name))


@pytest.mark.parametrize(("asked", "near"), [("tc66", "tc66c"), ("ppk", "ppk2"), ("Power-Sensor-3", "powersensor3")])
def test_a_wrong_name_is_answered_with_the_near_ones(asked: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no meter driver '{asked}'; did you mean {near}"):
        get_driver(asked)


def test_a_name_near_nothing_is_answered_with_all_names() -> None:
    with pytest.raises(ConfigurationError, match=", ".join(driver_names())):
        get_driver("xyzzy")
