"""UM24C, UM25C, UM34C: an answer in bytes, what its fields must agree on, the counter of the group shown."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import MeterDecoder
from firmware_bridge.drivers.um34c import DRIVER as UM34C_DRIVER
from firmware_bridge.protocol.um import (
    MODELS,
    UM24C,
    UM25C,
    UM34C,
    UmDecoder,
    UmEncoder,
    UmModel,
    check_byte,
    encode_answer,
    parse,
    power_tolerance_w,
)
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import block_of, errors_of
from tests.fakes.meter_talk import Conversation, steady

every_model = pytest.mark.parametrize("model", list(MODELS.values()), ids=lambda model: model.name)
NOTHING = [(0, 0)] * 10

# The fields of one answer of a real UM34C, as S3nsu1k4n/um34c_visualization prints them in the example of a raw
# response (app/routers/commands_models.py): every field but the last two bytes.
REAL_UM34C = bytes.fromhex(
    "0d4c 01fc 0017 00000074 0021 005c 0000 00000022 000000ad"
    + "00000000 00000000" * 9
    + "0121 0001 0000 00000000 00000000 001e 00000000 0000 0000 0005 000008a0 0000"
)


def answer(model: UmModel, amperes: float = 1.0, mwh: int = 100, group: int = 0) -> bytes:
    counters = [(0, 0)] * 10
    counters[group] = (20, mwh)
    return encode_answer(model, 5.0, amperes, group=group, counters=counters)


def with_end(model: UmModel, data: bytes) -> bytes:
    return data[:129] + bytes([check_byte(data)]) if model.has_check_byte else data


def counters_j(decoder: MeterDecoder, answers: list[bytes], step_s: float = 0.6) -> tuple[list[float], list[str]]:
    shown: list[float] = []
    said: list[str] = []
    for i, data in enumerate(answers):
        events = decoder.feed(data, i * step_s)
        said += [event.kind for event in events if isinstance(event, FrameError)]
        counter = block_of(events).counter_j
        assert counter is not None
        shown.append(float(counter[0]))
    return shown, said


def test_every_field_of_a_real_answer() -> None:
    assert len(REAL_UM34C) == 128
    data = with_end(UM34C, REAL_UM34C + b"\xff\x00")
    decoder = UM34C_DRIVER.make_decoder({})
    events = decoder.feed(data, 7.0)
    assert events[0] == MeterIdentity("UM34C")
    block = block_of(events)
    assert block.t_device_s.tolist() == [7.0]
    assert block.voltage_v[0] == pytest.approx(5.08)
    assert block.current_a[0] == pytest.approx(0.023)
    assert block.power_w[0] == pytest.approx(0.116)
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(0.173 * 3600)
    fields = decoder.last_fields()
    assert (fields["temperature_c"], fields["temperature_f"], fields["group"]) == (33, 92, 0)
    assert (fields["charge_mah_0"], fields["energy_mwh_0"], fields["energy_mwh_9"]) == (34, 173, 0)
    assert fields["d_plus_v"] == pytest.approx(2.89)
    assert fields["d_minus_v"] == pytest.approx(0.01)
    assert fields["recording_threshold_a"] == pytest.approx(0.30)
    assert fields["resistance_ohm"] == pytest.approx(220.8)
    assert (fields["charging_mode"], fields["recording"], fields["screen_brightness"]) == ("none", False, 5)


@pytest.mark.parametrize(
    ("model", "volts", "amperes"), [(UM24C, 5.12, 1.234), (UM25C, 0.512, 0.1234), (UM34C, 5.12, 1.234)]
)
def test_the_same_counts_mean_what_the_model_says(model: UmModel, volts: float, amperes: float) -> None:
    data = struct.pack(">2sHHI", model.start, 512, 1234, 0).ljust(130, b"\0")
    reading = parse(model, data)
    assert reading.voltage_v == pytest.approx(volts)
    assert reading.current_a == pytest.approx(amperes)


@every_model
def test_an_answer_of_a_sister_model_names_the_right_driver(model: UmModel) -> None:
    sister = next(other for other in MODELS.values() if other is not model)
    events = UmDecoder(model, {}).feed(answer(sister), 1.0)
    assert not any(isinstance(event, SampleBlock) for event in events)
    assert [event.detail for event in events if isinstance(event, FrameError)] == [
        f"this is a {sister.name}: use the driver {sister.driver}"
    ]


@every_model
def test_watts_that_are_not_volts_times_amperes_are_refused(model: UmModel) -> None:
    off = bytearray(answer(model))
    off[8:10] = (int.from_bytes(off[8:10], "big") + 64).to_bytes(2, "big")
    data = with_end(model, bytes(off))
    assert errors_of(UmDecoder(model, {}).feed(data, 1.0)) == [("implausible", 1)]
    assert block_of(UmDecoder(model, {"power_check": "off"}).feed(data, 1.0))


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [(11, 60, "60 C is not 77 F"), (15, 12, "group 12 of 0..9"), (2, 0x7F, "beyond the scale")],
)
def test_what_cannot_be_true_is_refused(at: int, value: int, why: str) -> None:
    data = bytearray(answer(UM24C, amperes=0.0))
    data[at] = value
    events = UmDecoder(UM24C, {}).feed(bytes(data), 1.0)
    assert len(events) == 1
    assert isinstance(events[0], FrameError)
    assert (events[0].kind, events[0].count) == ("implausible", 1)
    assert why in events[0].detail


@every_model
@pytest.mark.parametrize("amperes", [0.02, 0.6, 2.9])
def test_one_flipped_bit_never_moves_power_further_than_the_page_says(model: UmModel, amperes: float) -> None:
    true = answer(model, amperes)
    watts = block_of(UmDecoder(model, {}).feed(true, 1.0)).power_w[0]
    bound_w = 2 * power_tolerance_w(model, 5.0, amperes)
    for bit in range(8 * len(true)):
        data = bytearray(true)
        data[bit // 8] ^= 1 << bit % 8
        for event in UmDecoder(model, {}).feed(bytes(data), 1.0):
            if isinstance(event, SampleBlock):
                assert abs(event.power_w[0] - watts) <= bound_w
                assert abs(event.voltage_v[0] * event.current_a[0] - watts) <= bound_w


def test_a_wrong_check_byte_is_a_checksum_error_and_no_desync_besides() -> None:
    data = bytearray(answer(UM34C))
    data[3] ^= 1
    assert errors_of(UmDecoder(UM34C, {}).feed(bytes(data), 1.0)) == [("checksum", 1)]


def test_after_a_damaged_answer_the_next_one_is_taken() -> None:
    data = bytearray(answer(UM34C))
    data[3] ^= 1
    decoder = UmDecoder(UM34C, {})
    events = [event for byte in bytes(data) + answer(UM34C) for event in decoder.feed(bytes([byte]), 1.0)]
    assert errors_of(events) == [("checksum", 1)]
    assert block_of(events).current_a[0] == pytest.approx(1.0)


def test_an_answer_that_lost_a_byte_is_counted_when_the_next_question_comes() -> None:
    decoder = UmDecoder(UM25C, {})
    assert decoder.bytes_to_send(0.0) == b"\xf0"
    assert decoder.feed(answer(UM25C)[1:], 0.1) == []
    assert decoder.bytes_to_send(1.4) == b""
    assert decoder.bytes_to_send(1.5) == b"\xf0"
    events = decoder.feed(answer(UM25C), 1.6)
    assert errors_of(events) == [("stale", 1), ("desync", 129)]
    assert block_of(events)


@given(seed=st.integers(0, 50), interval_s=st.sampled_from([0.5, 0.6, 1.0, 2.0]))
def test_questions_are_half_a_second_apart_and_not_regular(seed: int, interval_s: float) -> None:
    decoder = UmDecoder(UM25C, {"poll_interval_s": interval_s})
    asked: list[float] = []
    rng = np.random.default_rng(seed)
    t_s = 0.0
    while t_s < 60.0:
        t_s += float(rng.uniform(0.001, 0.03))
        if decoder.bytes_to_send(t_s):
            asked.append(t_s)
            decoder.feed(answer(UM25C), t_s + 1e-4)
    steps_s = np.diff(asked)
    assert steps_s.min() >= 0.5 - 1e-5
    assert steps_s.mean() == pytest.approx(interval_s, rel=0.06)
    assert interval_s == 0.5 or steps_s.std() > 0.02


@every_model
def test_the_counter_goes_on_by_what_the_power_draws(model: UmModel) -> None:
    shown, said = counters_j(UmDecoder(model, {}), [answer(model, mwh=100 + i) for i in range(5)])
    assert shown == pytest.approx([3.6 * (100 + i) for i in range(5)])
    assert said == []


@every_model
@pytest.mark.parametrize("other_mwh", [900, 101, 0])
def test_another_group_is_a_reset_once_it_is_confirmed(model: UmModel, other_mwh: int) -> None:
    answers = [answer(model, mwh=100), *(answer(model, mwh=other_mwh + i, group=3) for i in range(2))]
    shown, said = counters_j(UmDecoder(model, {}), answers)
    assert shown == pytest.approx([360.0, np.nan, 3.6 * (other_mwh + 1)], nan_ok=True)
    assert said == ["reset"]


def test_a_cleared_group_is_a_reset_once_it_is_confirmed() -> None:
    shown, said = counters_j(UmDecoder(UM25C, {}), [answer(UM25C, mwh=mwh) for mwh in (5000, 0, 1, 2)])
    assert shown == pytest.approx([18_000.0, np.nan, 3.6, 7.2], nan_ok=True)
    assert said == ["reset"]


@pytest.mark.parametrize("damaged", [100 + (1 << bit) for bit in range(3, 32)])
def test_a_counter_with_one_flipped_bit_is_not_shown(damaged: int) -> None:
    shown, said = counters_j(UmDecoder(UM24C, {}), [answer(UM24C, mwh=mwh) for mwh in (100, damaged, 102, 103)])
    assert shown == pytest.approx([360.0, np.nan, 367.2, 370.8], nan_ok=True)
    assert said == ["implausible"]


def test_a_burst_of_energy_between_two_answers_is_believed_one_answer_later() -> None:
    shown, said = counters_j(UmDecoder(UM25C, {}), [answer(UM25C, 0.01, mwh) for mwh in (100, 108, 108)])
    assert shown == pytest.approx([360.0, np.nan, 388.8], nan_ok=True)
    assert said == []


def test_full_scale_is_marked() -> None:
    flags = block_of(UmDecoder(UM24C, {}).feed(answer(UM24C, 3.0), 1.0)).flags
    assert flags is not None
    assert flags.tolist() == [SampleFlag.SATURATED]
    assert block_of(UmDecoder(UM24C, {}).feed(answer(UM24C, 2.9), 1.0)).flags is None


@every_model
def test_the_emulated_meter_counts_the_energy_that_it_shows(model: UmModel) -> None:
    encoder, decoder = UmEncoder(model, {}, 0), UmDecoder(model, {})
    t_s = np.arange(1.0, 3601.0)
    encoder.emit(t_s, np.full(len(t_s), 5.0), np.full(len(t_s), 0.5))
    counter_j = block_of(decoder.feed(encoder.receive(b"\xf0", 0.0), 1.0)).counter_j
    assert counter_j is not None
    assert counter_j[0] == pytest.approx(2.5 * (t_s[-1] - t_s[0]), abs=3.6)


def test_the_emulated_meters_buttons_change_and_clear_the_group() -> None:
    encoder = UmEncoder(UM25C, {}, 500)
    encoder.emit(np.array([1.0]), np.array([5.0]), np.array([1.0]))
    assert parse(UM25C, encoder.receive(b"\xf0", 0.0)).counter_j == pytest.approx(1800.0)
    assert parse(UM25C, encoder.receive(b"\xa4\xf0", 0.0)).group == 4
    assert parse(UM25C, encoder.receive(b"\xf3\xf0", 0.0)).group == 5
    assert parse(UM25C, encoder.receive(b"\xa0\xf4\xf0", 0.0)).counter_j == 0.0
    assert encoder.receive(b"\x00\x01noise", 0.0) == b""


def test_a_conversation_with_the_group_changed_in_the_middle_keeps_the_energy() -> None:
    talk = Conversation(UM34C_DRIVER)
    talk.run_until_samples(steady(5.0, 1.0))
    talk.run(20.0, steady(5.0, 1.0))
    talk.encoder.receive(b"\xa7", talk.t_s)
    decoded = talk.run(20.0, steady(5.0, 1.0))
    assert decoded.errors() == {"reset": 1}
    assert decoded.column("power_w") == pytest.approx(5.0, abs=0.02)


@given(volts=st.floats(0, 24, allow_nan=False), amperes=st.floats(0, 2.9, allow_nan=False))
def test_fields_round_to_the_resolution(volts: float, amperes: float) -> None:
    for model in MODELS.values():
        data = encode_answer(model, volts, amperes, counters=NOTHING)
        block = block_of(UmDecoder(model, {}).feed(data, 1.0))
        assert block.voltage_v[0] == pytest.approx(volts, abs=0.51 * model.volt_step)
        assert block.current_a[0] == pytest.approx(amperes, abs=0.51 * model.ampere_step)
        assert block.power_w[0] == pytest.approx(volts * amperes, abs=power_tolerance_w(model, volts, amperes))
