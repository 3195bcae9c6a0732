"""TC66C: the bytes themselves, lost and damaged answers, the rhythm of questions."""

import struct
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.drivers.tc66c import FORMAT_KEY, Tc66cDecoder, Tc66cEncoder, encode_plain
from firmware_bridge.protocol.crc import crc16_modbus
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock

RECORDED = Path(__file__).parents[2] / "data" / "captures" / "tc66c" / "one-answer-firmware-1.18.hex"


def encrypt(plain: bytes) -> bytes:
    return Cipher(algorithms.AES(FORMAT_KEY), modes.ECB()).encryptor().update(plain)  # type: ignore[no-any-return,unused-ignore]


def with_crc(fields: bytes) -> bytes:
    body = fields.ljust(60, b"\0")
    return body + struct.pack("<I", crc16_modbus(body))


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0x4B37),  # the check value of CRC-16/MODBUS
        (b"", 0xFFFF),
        (bytes.fromhex("010300000001"), 0x0A84),  # a Modbus question; on the wire 84 0A
    ],
)
def test_crc_of_known_messages(data: bytes, crc: int) -> None:
    assert crc16_modbus(data) == crc


def test_every_field_of_an_answer_made_by_hand() -> None:
    pac1 = bytearray(60)
    pac1[0:12] = b"pac1TC661.14"
    struct.pack_into("<I", pac1, 12, 4711)
    struct.pack_into("<4I", pac1, 44, 33, 51234, 123456, 63251)
    pac2 = bytearray(60)
    pac2[0:4] = b"pac2"
    struct.pack_into("<9I", pac2, 4, 415, 100, 200, 300, 400, 1, 12, 271, 65)
    decoder = Tc66cDecoder({})
    decoder.bytes_to_send(5.0)
    events = decoder.feed(encrypt(with_crc(bytes(pac1)) + with_crc(bytes(pac2)) + with_crc(b"pac3")), 5.02)
    assert events[0] == MeterIdentity("TC66", "4711", "1.14")
    block = events[1]
    assert isinstance(block, SampleBlock)
    assert block.t_device_s.tolist() == [5.02]
    assert block.voltage_v[0] == pytest.approx(5.1234)
    assert block.current_a[0] == pytest.approx(1.23456)
    assert block.power_w[0] == pytest.approx(6.3251)
    reading = decoder.last_reading
    assert reading is not None
    assert reading.runs == 33
    assert reading.resistance_ohm == pytest.approx(41.5)
    assert reading.charge_mah == (100, 300)
    assert reading.energy_mwh == (200, 400)
    assert reading.temperature_c == -12.0
    assert reading.d_plus_v == pytest.approx(2.71)
    assert reading.d_minus_v == pytest.approx(0.65)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_blocks_may_come_in_any_order(order: tuple[int, ...]) -> None:
    plain = encode_plain(5.0, 1.0, 5.0, serial_number=1)
    blocks = [plain[64 * i : 64 * i + 64] for i in order]
    events = Tc66cDecoder({}).feed(encrypt(b"".join(blocks)), 1.0)
    assert any(isinstance(event, SampleBlock) for event in events)


@pytest.mark.parametrize("block", [0, 1, 2])
def test_one_wrong_bit_in_the_clear_is_a_checksum_error(block: int) -> None:
    plain = bytearray(encode_plain(5.0, 1.0, 5.0, serial_number=1))
    plain[64 * block + 50] ^= 1
    assert Tc66cDecoder({}).feed(encrypt(bytes(plain)), 1.0) == [FrameError("checksum", 1, 1.0, f"pac{block + 1}")]


def test_the_meters_own_power_is_taken_not_the_product() -> None:
    events = Tc66cDecoder({}).feed(encrypt(encode_plain(5.0, 1.0, 4.9, serial_number=1)), 1.0)
    assert events[-1].power_w[0] == pytest.approx(4.9)  # type: ignore[union-attr]


def test_questions_come_every_tenth_of_a_second_in_the_mean_whatever_the_loop() -> None:
    decoder, encoder = Tc66cDecoder({}), Tc66cEncoder({}, 1)
    encoder.emit(np.array([0.0]), np.array([5.0]), np.array([1.0]))
    asked = 0
    for step in range(10_000):
        question = decoder.bytes_to_send(step * 0.007)
        asked += bool(question)
        decoder.feed(encoder.receive(question, 0.0), step * 0.007)
    assert asked == pytest.approx(700, abs=25)


def test_questions_fall_evenly_on_a_load_that_repeats_ten_times_a_second() -> None:
    """Regular questions would meet one phase for ever: no number of samples averages that out."""
    decoder, encoder = Tc66cDecoder({}), Tc66cEncoder({}, 1)
    encoder.emit(np.array([0.0]), np.array([5.0]), np.array([1.0]))
    phases: list[float] = []
    for step in range(20_000):
        t_s = step * 0.005
        question = decoder.bytes_to_send(t_s)
        if question:
            phases.append(t_s % 0.1)
            decoder.feed(encoder.receive(question, 0.0), t_s)
    shares = np.histogram(phases, bins=4, range=(0.0, 0.1))[0] / len(phases)
    assert shares == pytest.approx(0.25, abs=0.07)


def test_an_unanswered_question_is_asked_again_and_counted() -> None:
    decoder, encoder = Tc66cDecoder({"timeout_s": 0.5}), Tc66cEncoder({}, 1)
    encoder.emit(np.array([0.0]), np.array([5.0]), np.array([1.0]))
    assert decoder.bytes_to_send(0.0) == b"getva\r\n"
    assert decoder.bytes_to_send(0.49) == b""
    assert decoder.feed(b"\x00" * 100, 0.49) == []
    question = decoder.bytes_to_send(0.5)
    assert question == b"getva\r\n"
    events = decoder.feed(encoder.receive(question, 0.5), 0.52)
    assert [(e.kind, e.count) for e in events if isinstance(e, FrameError)] == [("stale", 1), ("desync", 100)]
    assert isinstance(events[-1], SampleBlock)


def test_another_unit_on_the_port_introduces_itself() -> None:
    decoder = Tc66cDecoder({})
    serials = [
        event.serial_number
        for number in (1, 1, 2)
        for event in decoder.feed(encrypt(encode_plain(5.0, 1.0, 5.0, serial_number=number)), 1.0)
        if isinstance(event, MeterIdentity)
    ]
    assert serials == ["1", "2"]


def test_the_emulated_meter_answers_with_the_mean_since_its_last_answer() -> None:
    decoder, encoder = Tc66cDecoder({}), Tc66cEncoder({}, 1)
    assert encoder.receive(b"getva\r\n", 0.0) == b""
    encoder.emit(np.zeros(2), np.array([5.0, 5.0]), np.array([1.0, 3.0]))
    assert encoder.receive(b"query\r\nget", 0.0) == b"firm"
    first = decoder.feed(encoder.receive(b"va\r\n", 0.0), 1.0)[-1]
    encoder.emit(np.zeros(1), np.array([5.0]), np.array([0.5]))
    second = decoder.feed(encoder.receive(b"noise\r\ngetva\r\n", 0.0), 2.0)[-1]
    assert isinstance(first, SampleBlock)
    assert isinstance(second, SampleBlock)
    assert (first.power_w[0], second.power_w[0]) == (pytest.approx(10.0), pytest.approx(2.5))


@given(
    volts=st.floats(0, 25, allow_nan=False),
    amperes=st.floats(-6, 6, allow_nan=False),
)
def test_fields_round_to_the_resolution(volts: float, amperes: float) -> None:
    events = Tc66cDecoder({}).feed(encrypt(encode_plain(volts, amperes, volts * amperes, serial_number=0)), 1.0)
    block = events[-1]
    assert isinstance(block, SampleBlock)
    assert block.voltage_v[0] == pytest.approx(volts, abs=0.51e-4)
    assert block.current_a[0] == pytest.approx(abs(amperes), abs=0.51e-5)
    assert block.power_w[0] == pytest.approx(abs(volts * amperes), abs=0.51e-4)


def answer(*, volts: float = 5.0, amperes: float = 1.0, watts: float | None = None, **fields: int) -> bytes:
    power_w = volts * amperes if watts is None else watts
    return encrypt(encode_plain(volts, amperes, power_w, **{"serial_number": 1, **fields}))


def resets(events: list[Event]) -> list[str]:
    return [event.detail for event in events if isinstance(event, FrameError) and event.kind == "reset"]


def test_the_recorded_answer_of_a_real_meter() -> None:
    """The readings beside it are those that the recording's owner noted: jedie/tc66c2mqtt, tests."""
    decoder = Tc66cDecoder({})
    identity, block = decoder.feed(bytes.fromhex(RECORDED.read_text("ascii")), 1.0)
    assert identity == MeterIdentity("TC66", "48724", "1.18")
    assert isinstance(block, SampleBlock)
    assert (block.voltage_v[0], block.current_a[0]) == (pytest.approx(5.1609), pytest.approx(0.0199))
    assert block.power_w[0] == pytest.approx(0.1026)
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(18.0)
    fields = decoder.last_fields()
    assert fields["resistance_ohm"] == pytest.approx(259.3)
    assert fields["temperature_c"] == 27.0
    assert fields["d_plus_v"] == pytest.approx(2.81)
    assert fields["d_minus_v"] == pytest.approx(2.80)
    assert (fields["energy_mwh_0"], fields["energy_mwh_1"], fields["runs"], fields["repeats"]) == (5, 0, 40, 0)


def test_a_new_run_and_a_cleared_group_are_resets() -> None:
    decoder = Tc66cDecoder({})
    assert resets(decoder.feed(answer(energy_mwh=700), 1.0)) == []
    assert resets(decoder.feed(answer(energy_mwh=701), 1.1)) == []
    assert resets(decoder.feed(answer(energy_mwh=3), 1.2)) == ["recording group 0 was cleared"]
    assert resets(decoder.feed(answer(energy_mwh=3, runs=2), 1.3)) == ["the meter's run 2 follows run 1"]
    assert resets(decoder.feed(answer(energy_mwh=0, runs=9, serial_number=2), 1.4)) == []


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"volts": 31.0}, "31 V, 1 A are beyond the scale"),
        ({"amperes": 7.0}, "5 V, 7 A are beyond the scale"),
        ({"watts": 5.31}, "5.31 W is not 5 V x 1 A"),
        ({"watts": 4.69}, "4.69 W is not 5 V x 1 A"),
    ],
)
def test_what_cannot_be_is_left_out_and_said(fields: dict[str, float], detail: str) -> None:
    whole = {"volts": 5.0, "amperes": 1.0, "watts": None} | fields
    assert Tc66cDecoder({}).feed(answer(**whole), 1.0) == [FrameError("implausible", 1, 1.0, detail)]  # type: ignore[arg-type]


def test_answers_that_repeat_to_the_last_byte_are_counted() -> None:
    decoder = Tc66cDecoder({})
    repeats = []
    for amperes in (1.0, 1.0, 1.0, 1.1, 1.1):
        decoder.feed(answer(amperes=amperes), 1.0)
        repeats.append(decoder.last_fields()["repeats"])
    assert repeats == [0, 1, 2, 0, 1]


def test_after_a_damaged_answer_the_next_question_comes_on_time() -> None:
    decoder = Tc66cDecoder({})
    assert decoder.bytes_to_send(1.0)
    plain = bytearray(encode_plain(5.0, 1.0, 5.0, serial_number=1))
    plain[50] ^= 1
    decoder.feed(encrypt(bytes(plain)), 1.01)
    assert decoder.bytes_to_send(1.16), "0.15 s is the longest time between two questions; the timeout is 0.5 s"


def test_an_answer_is_found_at_every_place_in_garbage() -> None:
    for before in range(70):
        decoder = Tc66cDecoder({})
        events = decoder.feed(b"\xa5" * before + answer() + b"\xa5" * 7, 1.0)
        assert sum(isinstance(event, SampleBlock) for event in events) == 1
        assert [event.count for event in events if isinstance(event, FrameError)] == ([before] if before else [])
