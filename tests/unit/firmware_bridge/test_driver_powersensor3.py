"""PowerSensor3: bytes by hand, the time stamp's wraps, several pairs, the FF 3F trap, a configuration that is off."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge.drivers.powersensor3 import DRIVER, PowerSensor3Decoder
from firmware_bridge.protocol.powersensor3.encoder import PowerSensor3Encoder
from firmware_bridge.protocol.powersensor3.format import (
    FRAME_BYTES,
    FrameStream,
    Sensor,
    frame_starts,
    frames,
    levels,
    parse_sensor,
)
from firmware_bridge.samples import F64, Event, FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import errors_of
from tests.fakes.meter_talk import Conversation, steady

OFF = Sensor("NA", "NA", 0.0, 0.0, in_use=False)
CURRENT = Sensor("MLX10", "12V", 1.65, 0.12, in_use=True)
VOLTAGE = Sensor("voltage", "12V", 0.0, 0.1, in_use=True)


def streaming(*sensors: Sensor) -> PowerSensor3Decoder:
    decoder = PowerSensor3Decoder({})
    assert decoder.bytes_to_send(0.0) == b"T"
    assert decoder.bytes_to_send(0.2) == b"V"
    decoder.feed(b"F411-1.6.1\r\n", 0.21)
    assert decoder.bytes_to_send(0.21) == b"R"
    for sensor in [*sensors, *[OFF] * 8][:8]:
        decoder.feed(sensor.pack(), 0.22)
        assert len(decoder.bytes_to_send(0.22)) == 1
    decoder.feed(b"D", 0.23)
    assert decoder.bytes_to_send(0.23) == b"S"
    return decoder


def stream(stamps_us: list[int], sensor_levels: list[int] | None = None, marked: int | None = None) -> bytes:
    count = len(stamps_us)
    rows = np.tile(np.array([sensor_levels or [600, 400, 0, 0, 0, 0, 0, 0]], dtype=np.uint16), (count, 1))
    markers = np.arange(count) == (-1 if marked is None else marked)
    return frames(np.array(stamps_us, dtype=np.int64).astype(np.uint16) % np.uint16(1024), rows, markers)


def regular(first: int, count: int) -> list[int]:
    return [(50 * (first + i)) % 1024 for i in range(count)]


def microseconds(events: list[Event]) -> list[int]:
    return [round(t * 1e6) for event in events if isinstance(event, SampleBlock) for t in event.t_device_s]


def test_a_frame_by_hand() -> None:
    # stamp 50 = 0000 110010; sensor 0: 600 = 1001 011000 with its marker; sensor 1: 400 = 0110 010000
    golden = bytes.fromhex("f072 8958 9610 a000 b000 c000 d000 e000 f000")
    assert stream([50], marked=0) == golden
    decoder = streaming(CURRENT, VOLTAGE)
    (block,) = decoder.feed(golden + stream([100]), 1.0)
    assert isinstance(block, SampleBlock)
    assert block.t_device_s.tolist() == pytest.approx([5e-5, 1e-4])
    current_a = (3.3 * 600 / 1023 - 1.65) / 0.12
    voltage_v = 3.3 * 400 / 1023 / 0.1
    assert block.current_a[0] == pytest.approx(current_a, rel=1e-6)
    assert block.voltage_v[0] == pytest.approx(voltage_v, rel=1e-6)
    assert block.power_w[0] == pytest.approx(current_a * voltage_v, rel=1e-6)
    assert block.logic is not None
    assert block.logic.tolist() == [1, 0]


def test_a_sensor_record_by_hand() -> None:
    record = b"MLX10".ljust(16, b"\0") + b"Jetson".ljust(16, b"\0") + bytes.fromhex("00000040 000000bf 01")
    assert parse_sensor(record) == Sensor("MLX10", "Jetson", 2.0, -0.5, in_use=True)
    assert len(record) == 41


def test_erased_memory_is_a_sensor_that_is_off() -> None:
    assert not parse_sensor(b"\xff" * 41).in_use


@pytest.mark.parametrize("vref_and_sensitivity", ["0000c07f 0000003f", "00000000 00000000"])
def test_a_sensor_in_use_without_numbers_is_refused(vref_and_sensitivity: str) -> None:
    with pytest.raises(ValueError, match="psconfig"):
        parse_sensor(bytes(32) + bytes.fromhex(vref_and_sensitivity) + b"\1")


def test_the_identity_holds_the_configuration() -> None:
    decoder = PowerSensor3Decoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    decoder.feed(b"F411-1.6.1\r\n", 0.2)
    (identity,) = decoder.feed(CURRENT.pack() + VOLTAGE.pack() + OFF.pack() * 6 + b"D", 0.2)
    assert isinstance(identity, MeterIdentity)
    assert identity.firmware == "F411-1.6.1"
    assert identity.calibration["type0"] == "MLX10"
    assert identity.calibration["sensitivity1"] == pytest.approx(0.1)
    assert "type2" not in identity.calibration


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"\x80\x00\x91\n", "version line"),
        (b"x" * 100, "is this a PowerSensor3"),
        (b"F411-1.6.1\r\n" + OFF.pack() * 8 + b"D", "no pair of sensors is switched on"),
        (b"F411-1.6.1\r\n" + CURRENT.pack() + OFF.pack() * 7 + b"D", "no pair of sensors is switched on"),
        (b"F411-1.6.1\r\n" + OFF.pack() * 8 + b"?", "not with D"),
        (b"F411-1.6.1\r\n" + bytes(40) + b"\1", "sensor 0 is in use with"),
    ],
)
def test_a_handshake_that_makes_no_sense_begins_again(answer: bytes, complaint: str) -> None:
    decoder = PowerSensor3Decoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    (error,) = decoder.feed(answer, 0.2)
    assert isinstance(error, FrameError)
    assert error.kind == "protocol"
    assert complaint in error.detail
    assert decoder.bytes_to_send(0.21) == b"T"


def test_a_meter_that_never_answers_is_asked_again() -> None:
    decoder = PowerSensor3Decoder({})
    sent = b"".join(decoder.bytes_to_send(step * 0.05) for step in range(100))
    assert sent == b"TVTVTVTV"


def test_stamps_unwrap() -> None:
    decoder = streaming(CURRENT, VOLTAGE)
    events = decoder.feed(stream(regular(7, 100)), 1.0)
    assert microseconds(events) == [50 * i for i in range(1, 101)]
    assert errors_of(events) == []


@pytest.mark.parametrize("lost", [1, 2, 19])
def test_missing_frames_advance_the_clock(lost: int) -> None:
    decoder = streaming(CURRENT, VOLTAGE)
    events = decoder.feed(stream(regular(0, 10)) + stream(regular(10 + lost, 10)), 1.0)
    assert errors_of(events) == [("lost", lost)]
    assert microseconds(events)[-1] == 50 * (20 + lost)


@pytest.mark.parametrize("frames_hit", [1, 5, 21, 40, 100])
def test_a_corrupted_stretch_lasts_as_long_as_it_was(frames_hit: int) -> None:
    data = stream(regular(0, 200))
    hole = slice(50 * FRAME_BYTES, (50 + frames_hit) * FRAME_BYTES)
    decoder = streaming(CURRENT, VOLTAGE)
    events = decoder.feed(data[: hole.start] + b"\0" * (hole.stop - hole.start) + data[hole.stop :], 1.0)
    assert errors_of(events) == [("desync", frames_hit * FRAME_BYTES), ("lost", frames_hit)]
    assert microseconds(events)[-1] == 50 * 200


@example(slip=20, at=503)  # joins f0 of one frame to the second byte of another's time stamp: a legal frame
@given(slip=st.integers(1, 3 * FRAME_BYTES), at=st.integers(20 * FRAME_BYTES, 60 * FRAME_BYTES))
def test_a_byte_slip_costs_the_frames_that_it_cut(slip: int, at: int) -> None:
    data = stream(regular(0, 100))
    decoder = streaming(CURRENT, VOLTAGE)
    events = decoder.feed(data[:at] + data[at + slip :], 1.0)
    assert microseconds(events)[-1] == 5000
    assert 100 - len(microseconds(events)) <= slip // FRAME_BYTES + 2
    assert sum(count for kind, count in errors_of(events) if kind == "desync") < 2 * FRAME_BYTES


def test_a_legal_frame_whose_stamp_leads_nowhere_is_no_beginning() -> None:
    data = stream(regular(0, 20)) + b"\0" + stream([500]) + stream(regular(20, 20))
    events = streaming(CURRENT, VOLTAGE).feed(data, 1.0)
    assert errors_of(events) == [("desync", 1 + FRAME_BYTES)]
    assert microseconds(events) == [50 * i for i in range(1, 41)]


def test_full_scale_of_sensor_7_is_a_sample_and_not_the_end() -> None:
    data = stream(regular(0, 50), [600, 400, 0, 0, 0, 0, 0, 1023])
    assert data[16:18] == b"\xff\x3f"
    assert len(microseconds(streaming(CURRENT, VOLTAGE).feed(data, 1.0))) == 50


def test_the_stop_mark_between_frames_is_skipped() -> None:
    data = stream(regular(0, 50)) + b"\xff\x3f\xff\x3f" + stream(regular(50, 50))
    events = streaming(CURRENT, VOLTAGE).feed(data, 1.0)
    assert len(microseconds(events)) == 100
    assert errors_of(events) == [("desync", 4)]


def test_a_pinned_converter_keeps_its_value_and_is_flagged() -> None:
    bad = [[1023, 400], [0, 400], [600, 1023]]
    data = b"".join(
        stream([50 * i], [*pair, *[0] * 6]) for i, pair in enumerate([[600, 0], *bad, [600, 400]], start=1)
    )
    decoder = streaming(CURRENT, VOLTAGE)
    events = decoder.feed(data, 1.0)
    assert errors_of(events) == [("overrange", 3)]
    assert microseconds(events) == [50, 100, 150, 200, 250]
    (block,) = (event for event in events if isinstance(event, SampleBlock))
    assert block.flags is not None
    assert block.flags.tolist() == [0, *[SampleFlag.SATURATED] * 3, 0]
    assert block.current_a[1] == pytest.approx((3.3 - 1.65) / 0.12, rel=1e-6)
    assert decoder.last_fields()["saturated_samples"] == 3


def test_pairs_are_summed_and_a_half_pair_is_not() -> None:
    pairs = (CURRENT, VOLTAGE, CURRENT, OFF, CURRENT, VOLTAGE)
    (block,) = streaming(*pairs).feed(stream([50, 100], [600, 400, 700, 700, 650, 200, 0, 0]), 1.0)
    assert isinstance(block, SampleBlock)
    amperes = [(3.3 * level / 1023 - 1.65) / 0.12 for level in (600, 650)]
    volts = [3.3 * level / 1023 / 0.1 for level in (400, 200)]
    power_w = amperes[0] * volts[0] + amperes[1] * volts[1]
    assert block.power_w[0] == pytest.approx(power_w, rel=1e-6)
    assert block.voltage_v[0] == pytest.approx(volts[0], rel=1e-6)
    assert block.current_a[0] == pytest.approx(power_w / volts[0], rel=1e-6)


def test_without_a_first_voltage_the_currents_are_summed() -> None:
    (block,) = streaming(CURRENT, VOLTAGE, CURRENT, VOLTAGE).feed(
        stream([50, 100], [600, 0, 650, 200, 0, 0, 0, 0]), 1.0
    )
    assert isinstance(block, SampleBlock)
    amperes = [(3.3 * level / 1023 - 1.65) / 0.12 for level in (600, 650)]
    assert block.current_a[0] == pytest.approx(sum(amperes), rel=1e-6)
    assert block.power_w[0] == pytest.approx(amperes[1] * 3.3 * 200 / 1023 / 0.1, rel=1e-6)


def test_a_loss_that_the_stamp_cannot_show_is_found_against_the_wall_clock() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(12.0, 2.0))
    talk.run(3.0, steady(12.0, 2.0))
    unheard = [2048 * FRAME_BYTES]  # 102.4 ms: a hundred periods of the stamp

    def lossy(data: bytes) -> bytes:
        drop = min(unheard[0], len(data))
        unheard[0] -= drop
        return data[drop:]

    before_s, t_before_s = talk.decoded.column("t_device_s")[-1], talk.t_s
    talk.lossy = lossy
    decoded = talk.run(6.0, steady(12.0, 2.0))
    assert decoded.errors() == {"lost": 2048}
    assert decoded.column("t_device_s")[-1] - before_s == pytest.approx(talk.t_s - t_before_s, abs=1e-4)


@pytest.mark.parametrize("noise_levels", [0.5, 1.0, 3.0])
def test_the_vref_of_the_emulated_meter_takes_the_truncation_out(noise_levels: float) -> None:
    talk = Conversation(DRIVER, {"noise_levels": noise_levels, "current_sensor": "MLX20"}, seed=4)
    talk.run_until_samples(steady(20.0, 1.0))
    amperes = np.random.default_rng(1).uniform(0.5, 4.0, 400_000)
    before = len(talk.decoded.column("current_a"))
    sent: list[float] = []

    def load(t: F64) -> tuple[F64, F64]:
        now = amperes[len(sent) : len(sent) + len(t)]
        sent.extend(now)
        return np.full(len(t), 20.0), now

    read = talk.run(2.0, load).column("current_a")[before:]
    one_level_a = 3.3 / 1023 / 0.0625
    assert read.mean() == pytest.approx(np.mean(sent), abs=0.02 * one_level_a)


def test_markers_sent_by_the_host_come_back_in_the_stream() -> None:
    encoder = PowerSensor3Encoder({}, 1)
    encoder.receive(b"SM", 0.0)
    t_s = np.arange(1, 5, dtype=np.float64) * 5e-5
    rows = np.frombuffer(encoder.emit(t_s, np.full(4, 20.0), np.ones(4)), dtype=np.uint8).reshape(4, FRAME_BYTES)
    assert ((rows[:, 3] & 0x40) != 0).tolist() == [True, False, False, False]
    assert encoder.receive(b"X", 0.0) == b"\xff\x3f\xff\x3f"
    assert encoder.emit(t_s, np.full(4, 20.0), np.ones(4)) == b""


@given(
    st.lists(st.lists(st.integers(0, 1023), min_size=8, max_size=8), min_size=1, max_size=5),
    st.binary(max_size=40),
)
def test_frames_are_read_as_written_and_found_behind_anything(numbers: list[list[int]], junk: bytes) -> None:
    sensor_levels = np.array(numbers, dtype=np.uint16)
    stamps = np.arange(len(numbers), dtype=np.uint16) * np.uint16(50)
    data = frames(stamps, sensor_levels, np.zeros(len(numbers), dtype=np.bool_))
    read = levels(np.frombuffer(data, dtype="<u2").reshape(-1, 9))
    assert (read[:, 1:] == sensor_levels).all()
    starts = frame_starts(np.frombuffer(junk + data, dtype=np.uint8))
    assert set(len(junk) + FRAME_BYTES * np.arange(len(numbers) - 1)) <= set(starts.tolist())


@given(st.lists(st.sampled_from([1, 2, 17, 18, 19, 34, 35, 36, 37, 500]), max_size=30), st.integers(0, 255))
def test_what_is_held_back_is_bounded(sizes: list[int], byte: int) -> None:
    cutter = FrameStream()
    held = 0
    for size in sizes:
        rows = sum(len(run.packets) for run in cutter.feed(bytes([byte]) * size))
        held += size - cutter.take_skipped_bytes() - FRAME_BYTES * rows
    assert held < 2 * FRAME_BYTES
