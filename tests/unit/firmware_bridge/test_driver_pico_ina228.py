"""The open meter's driver: codes to readings, order and loss, clock, own counter, identity; its firmware is tested
in tests/integration/test_firmware.py."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from firmware_bridge.driver import MeterDecoder
from firmware_bridge.drivers.pico_ina228 import DRIVER, PicoIna228Encoder
from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.protocol.pico_ina228.format import (
    ENERGY_STEPS,
    FAULT,
    IDENTITY,
    REPLY,
    SampleFrame,
    columns,
    command,
    pack_body,
    sample_frame,
    state_of,
    text_frame,
    wrap,
)
from firmware_bridge.samples import FrameError
from tests.fakes.meter_talk import Conversation, Decoded, steady

STEP_A = 78.125e-9 / 0.005
STEP_V = 195.3125e-6
PERIOD = 1 << 32
IDENTITY_TEXT = (
    "model=pico_ina228;firmware=1.0.0;serial=s1;board=b;profile=0;record=ok;current_gain=1;current_offset_a=0;"
    "voltage_gain=1;voltage_offset_v=0;shunt_ohm=0.005;adc_range=1;date=2026-05-01;by=bench"
)


def identity(**changes: str) -> bytes:
    fields = dict(part.split("=") for part in IDENTITY_TEXT.split(";")) | changes
    return text_frame(IDENTITY, 1, ";".join(f"{key}={value}" for key, value in fields.items()))


def frame(
    number: int, *, start_us: int = 0, shunt: int = 32000, bus: int = 25600, late: int = 0, count: int = 4
) -> SampleFrame:
    """The frame of that number, four conversions of 870 us, as a meter writes it that measures the same for ever."""
    conversion = count * (number + 1) + late
    return SampleFrame(
        profile=0,
        boot=1,
        seq=count * number,
        conversion=conversion,
        t_us=(start_us + 870 * (conversion - count + 1)) % PERIOD,
        temperature=3200,
        energy=10_000 + abs(shunt) * bus * 870 * conversion // 262_144_000_000,
        count=count,
        body=pack_body(
            np.array([0, *[870] * (count - 1)]),
            np.full(count, shunt),
            np.full(count, bus),
            np.zeros(count, dtype=np.uint8),
        ),
    )


def hear(*frames: SampleFrame, first: bytes | None = None) -> Decoded:
    decoder = DRIVER.make_decoder({})
    decoded = Decoded(decoder.feed(identity() if first is None else first, 0.0))
    for index, one in enumerate(frames):
        decoded.events += decoder.feed(sample_frame(one), 0.1 * index)
    decoded.check_blocks()
    return decoded


def details(decoded: Decoded) -> list[str]:
    return [event.detail for event in decoded.events if isinstance(event, FrameError)]


def test_codes_become_volts_and_amperes_by_the_shunt() -> None:
    body = pack_body(
        np.array([0, 870, 870, 40_000]),
        np.array([64_000, -64_000, (1 << 19) - 1, -(1 << 19)]),
        np.array([25_600, 0, 435_200, 1]),
        np.array([0, 1, 0, 1], dtype=np.uint8),
    )
    decoded = hear(replace(frame(0), body=body))
    (block,) = decoded.blocks()
    np.testing.assert_allclose(block.current_a, [1.0, -1.0, 8.192 - STEP_A, -8.192], rtol=1e-12)
    np.testing.assert_allclose(block.voltage_v, [5.0, 0.0, 85.0, STEP_V], rtol=1e-12)
    np.testing.assert_allclose(block.power_w, block.voltage_v * block.current_a)
    assert block.logic is not None
    assert block.logic.tolist() == [0, 1, 0, 1]
    assert block.flags is not None
    assert block.flags.tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(block.t_device_s * 1e6, [870, 1740, 2610, 42_610])


def test_a_frame_byte_by_byte() -> None:
    """One sample by hand from the layout in firmware/frame.py: 0x0FA000 is 64000 << 4, 0x064001 is 25600 << 4 | 1."""
    payload = bytes.fromhex("01 80 3412 05000000 07000000 78563412 0C80 0000000A00 01 0000 0FA000 064001")
    wire = wrap(payload)
    assert wire[1:-1].count(0) == 0
    assert state_of(payload + zlib.crc32(payload).to_bytes(4, "little")) == "good"
    decoder = DRIVER.make_decoder({})
    decoder.feed(identity(), 0.0)
    decoded = Decoded(decoder.feed(wire, 0.0))
    (block,) = decoded.blocks()
    assert (block.current_a[0], block.voltage_v[0]) == (pytest.approx(1.0), pytest.approx(5.0))
    assert block.logic is not None
    assert block.logic[0] == 1
    assert decoder.last_fields() == {
        "die_temperature_c": 25.0,
        "energy_register_j": pytest.approx(2560 * ENERGY_STEPS * STEP_A),
        "late_count": 0,
        "boot_number": 0x1234,
        "conversion_interval_us": 870,
    }


def test_the_record_of_calibration_is_applied_here_and_told() -> None:
    changes = {"current_gain": "1.01", "current_offset_a": "0.002", "voltage_gain": "0.99", "voltage_offset_v": "0.1"}
    decoded = hear(*map(frame, range(50)), first=identity(**changes))
    (found,) = decoded.identities()
    assert (found.calibration["current_gain"], found.calibration["date"], found.calibration["by"]) == (
        *(1.01, "2026-05-01"),
        "bench",
    )
    current_a, voltage_v = decoded.column("current_a"), decoded.column("voltage_v")
    np.testing.assert_allclose(current_a, 1.01 * 0.5 + 0.002, rtol=1e-12)
    np.testing.assert_allclose(voltage_v, 0.99 * 5.0 + 0.1, rtol=1e-12)
    counter_j = decoded.column("counter_j")
    assert counter_j[-1] - counter_j[0] == pytest.approx(199 * 870e-6 * current_a[0] * voltage_v[0], rel=5e-3)


def test_a_frame_that_is_missing_is_lost_and_the_chip_knows_its_energy() -> None:
    decoded = hear(*(frame(n) for n in (0, 1, 5, 6)))
    assert decoded.errors() == {"lost": 12}
    assert details(decoded) == ["frames are missing"]
    t_s, counter_j = decoded.column("t_device_s"), decoded.column("counter_j")
    assert t_s[8] - t_s[7] == pytest.approx(13 * 870e-6)
    assert counter_j[8] - counter_j[7] == pytest.approx(13 * 870e-6 * 2.5, abs=2 * ENERGY_STEPS * STEP_A)


def test_conversions_that_came_too_fast_are_lost_too_and_make_the_counter_sure_only_at_the_end() -> None:
    decoded = hear(frame(0), frame(1), frame(2, late=3), frame(3, late=3))
    assert decoded.errors() == {"lost": 3}
    assert details(decoded) == ["the meter did not read them in time"]
    known = np.isfinite(decoded.column("counter_j"))
    assert known.tolist() == [True] * 8 + [False] * 3 + [True] * 5


@pytest.mark.parametrize("again", [0, 1, 2])
def test_a_frame_that_comes_twice_adds_nothing(again: int) -> None:
    decoded = hear(frame(0), frame(1), frame(2), frame(again), frame(3))
    assert decoded.errors() == {"stale": 1}
    assert len(decoded.column("power_w")) == 16


def test_two_samples_at_one_time_are_refused() -> None:
    body = pack_body(np.zeros(4, dtype=np.int64), np.ones(4, int), np.ones(4, int), np.zeros(4, dtype=np.uint8))
    decoded = hear(replace(frame(0), body=body), frame(1))
    assert decoded.errors()["implausible"] == 1
    assert len(decoded.column("power_w")) == 4


def test_the_32_bit_clock_rolls_over_even_within_a_loss_of_hours() -> None:
    conversions_an_hour = round(3600e6 / 870)
    far = frame(3 * conversions_an_hour // 4, start_us=PERIOD - 4000)
    decoded = hear(*(frame(n, start_us=PERIOD - 4000) for n in range(3)), far)
    t_s = decoded.column("t_device_s")
    np.testing.assert_allclose(np.diff(t_s[:12]), 870e-6, rtol=1e-9)
    assert t_s[12] - t_s[11] == pytest.approx((far.seq - 11) * 870e-6, rel=1e-9)
    assert t_s[12] > 2 * PERIOD * 1e-6
    assert decoded.errors() == {"lost": far.seq - 12}


def test_a_clock_that_jumps_is_told_and_time_goes_on_by_the_conversions() -> None:
    jumped = [replace(frame(n), t_us=frame(n).t_us + 5_000_000) for n in (3, 4)]
    decoded = hear(frame(0), frame(1), frame(2), *jumped)
    assert decoded.errors() == {"implausible": 1}
    np.testing.assert_allclose(np.diff(decoded.column("t_device_s")), 870e-6, rtol=1e-9)
    shown_j = decoded.column("counter_j")
    assert (np.diff(shown_j[np.isfinite(shown_j)]) < 0).sum() == 1


def test_numbers_roll_over() -> None:
    offset = PERIOD - 6
    frames = [
        replace(frame(n), seq=(frame(n).seq + offset) % PERIOD, conversion=(frame(n).conversion + offset) % PERIOD)
        for n in range(5)
    ]
    decoded = hear(*frames)
    assert decoded.errors() == {}
    assert len(decoded.column("power_w")) == 20


def test_a_reset_is_an_event_and_time_goes_on() -> None:
    decoded = hear(*map(frame, range(4)), *(replace(frame(n), boot=9) for n in range(4)))
    assert decoded.errors() == {"reset": 1}
    assert len(decoded.column("power_w")) == 32


def test_a_reset_that_draws_the_same_boot_number_is_seen_within_a_second() -> None:
    decoded = hear(*map(frame, range(300)), *map(frame, range(200)))
    assert decoded.errors() == {"stale": 60, "reset": 1}
    assert len(decoded.column("power_w")) == 4 * 300 + 4 * 140


def test_reverse_current_hides_the_counter_which_then_begins_anew() -> None:
    decoded = hear(frame(0), frame(1), frame(2, shunt=-100), *(frame(n, start_us=0) for n in (3, 4, 5)))
    counter_j = decoded.column("counter_j")
    assert np.isnan(counter_j[8:12]).all()
    shown_j = counter_j[np.isfinite(counter_j)]
    assert shown_j[8] == 0.0
    assert shown_j[-1] == pytest.approx(8 * 870e-6 * 2.5, abs=2 * ENERGY_STEPS * STEP_A)


def test_a_load_around_zero_with_bursts_stays_within_its_limits() -> None:
    """Every second frame holds a reverse current, so that the counter begins anew before it has moved."""
    decoded = hear(*(frame(n, shunt=-1 if n % 2 else 32000) for n in range(400)))
    register = EnergyRegister(DRIVER.data_sheet)
    readings = []
    for block in decoded.blocks():
        register.add(block, np.zeros(len(block)))
        readings.append(register.latest())
    delta = energy_between(readings[10], readings[-1])
    low_j, high_j = energy_limits_j(delta, DRIVER.data_sheet)
    assert delta.energy_j > 3.0 * ENERGY_STEPS * STEP_A
    assert low_j <= delta.energy_j <= high_j


def test_a_chip_whose_energy_was_cleared_begins_anew() -> None:
    frames = [frame(0), frame(1), replace(frame(2), energy=5), replace(frame(3), energy=6)]
    shown_j = hear(*frames).column("counter_j")
    assert (np.diff(shown_j[np.isfinite(shown_j)]) < 0).sum() == 1
    assert np.nanmax(np.diff(shown_j)) < 0.1


def test_a_frame_without_energy_leaves_the_counter_unknown_until_the_next() -> None:
    shown_j = hear(frame(0), replace(frame(1), energy=None), frame(2)).column("counter_j")
    assert np.isfinite(shown_j).tolist() == [True] * 4 + [False] * 4 + [True] * 4
    assert shown_j[-1] - shown_j[3] == pytest.approx(8 * 870e-6 * 2.5, abs=2 * ENERGY_STEPS * STEP_A)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "scale"}, "not a pico_ina228"),
        ({"record": "damaged"}, "write it again with calibrate"),
        ({"shunt_ohm": "x"}, "lacks a number"),
        ({"shunt_ohm": "0"}, "lacks a number"),
        ({"shunt_ohm": "-0.005"}, "coarser than the data sheet"),
        ({"shunt_ohm": "0.002"}, "coarser than the data sheet"),
        ({"shunt_ohm": "0.015", "adc_range": "0"}, "coarser than the data sheet"),
        ({"adc_range": "7"}, "lacks a number"),
        ({"current_gain": "nan"}, "lacks a number"),
        ({"voltage_gain": "0"}, "lacks a number"),
        ({"voltage_offset_v": "inf"}, "lacks a number"),
    ],
)
def test_an_identity_that_no_reading_can_rest_on_is_refused_with_a_remedy(changes: dict[str, str], says: str) -> None:
    decoded = hear(frame(0), first=identity(**changes))
    assert decoded.blocks() == []
    assert decoded.identities() == []
    assert says in details(decoded)[0]


def test_a_wider_shunt_is_taken() -> None:
    decoded = hear(frame(0), first=identity(shunt_ohm="0.015"))
    assert decoded.column("current_a")[0] == pytest.approx(0.5 / 3)
    decoded = hear(frame(0), first=identity(shunt_ohm="0.02", adc_range="0"))
    assert decoded.column("current_a")[0] == pytest.approx(0.5)


def test_a_listener_holds_frames_until_the_identity_comes_but_not_for_ever() -> None:
    decoder: MeterDecoder = DRIVER.make_decoder({})
    events = [event for n in range(70) for event in decoder.feed(sample_frame(frame(n)), 0.0)]
    assert [event.count for event in events if isinstance(event, FrameError)] == [4] * 6
    decoded = Decoded(decoder.feed(identity(), 0.0))
    assert len(decoded.identities()) == 1
    assert len(decoded.column("power_w")) == 4 * 64


def test_faults_and_refusals_are_told_and_replies_are_not() -> None:
    decoder = DRIVER.make_decoder({})
    data = text_frame(FAULT, 1, "no pulse") + text_frame(REPLY, 1, "ok start") + text_frame(REPLY, 1, "error: start")
    decoded = Decoded(decoder.feed(data, 0.0))
    assert details(decoded) == ["no pulse", "error: start"]
    assert decoded.errors() == {"protocol": 2}
    decoder.feed(text_frame(REPLY, 1, "selftest ok memory=ok"), 0.0)
    assert decoder.last_fields()["selftest"] == "selftest ok memory=ok"


def test_a_flipped_bit_in_a_frame_costs_that_frame_only() -> None:
    wire = bytearray(sample_frame(frame(1)))
    wire[-4] ^= 0x10
    decoder = DRIVER.make_decoder({})
    decoder.feed(identity(), 0.0)
    decoded = Decoded(decoder.feed(sample_frame(frame(0)) + bytes(wire) + sample_frame(frame(2)), 0.0))
    assert decoded.errors() == {"checksum": 1, "lost": 4}
    assert len(decoded.column("power_w")) == 8


def test_columns_are_what_was_packed() -> None:
    random = np.random.default_rng(1)
    packed = (
        random.integers(0, 1 << 16, 300),
        random.integers(-(1 << 19), 1 << 19, 300),
        random.integers(0, 1 << 20, 300),
        random.integers(0, 2, 300).astype(np.uint8),
    )
    for got, given in zip(columns(pack_body(*packed)), packed, strict=True):
        np.testing.assert_array_equal(got, given)


def test_a_command_carries_its_check() -> None:
    assert command("identify") == b"identify*%08X\n" % zlib.crc32(b"identify")
    encoder = PicoIna228Encoder({}, 1)
    assert encoder.receive(b"identify*00000000\n", 0.0) == text_frame(
        REPLY, encoder.boot, "error: the emulated meter knows identify, start and stop"
    )


def test_a_marker_of_the_emulated_meter_arrives() -> None:
    encoder, decoder = DRIVER.make_encoder({}, 1), DRIVER.make_decoder({})
    decoder.feed(encoder.receive(command("identify") + command("start"), 0.0), 0.0)
    t_s = np.arange(1, 101, dtype=np.float64) * 870e-6
    logic = (np.arange(100) // 10 % 2).astype(np.uint8)
    decoded = Decoded(decoder.feed(encoder.emit(t_s, np.full(100, 5.0), np.full(100, 1.0), logic), 0.0))
    np.testing.assert_array_equal(decoded.column("logic"), logic)


def test_a_meter_that_falls_silent_is_asked_again_without_inventing_loss() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(5.0, 0.5))
    talk.run(0.5, steady(5.0, 0.5))
    talk.encoder.receive(command("stop"), 0.0)
    decoded = talk.run(4.0, steady(5.0, 0.5))
    assert decoded.errors() == {}
    t_s = decoded.column("t_device_s")
    assert np.diff(t_s).max() > 1.5
    assert talk.t_s - t_s[-1] == pytest.approx(talk.t_s - decoded.column("t_device_s")[-1])
    assert len(decoded.identities()) == 1
