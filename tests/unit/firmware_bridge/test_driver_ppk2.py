"""PPK2: the conversion by hand, the filter against a plain loop, and every way to lose words."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import Options
from firmware_bridge.drivers.ppk2 import DRIVER, Ppk2Decoder
from firmware_bridge.protocol.ppk2.encoder import Ppk2Encoder
from firmware_bridge.protocol.ppk2.filter import RangeChangeFilter
from firmware_bridge.protocol.ppk2.format import TABLE_MASK, current_table_a, parse_metadata
from firmware_bridge.protocol.ppk2.words import WordStream
from firmware_bridge.samples import F64, I8, FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.meter_talk import Conversation, steady

METADATA = Ppk2Encoder({}, 1).metadata()
CHAIN_BYTES = 24


def word(code: int, range_index: int, counter: int, logic: int = 0, reserved: int = 0) -> bytes:
    bits = code | range_index << 14 | reserved << 17 | (counter % 64) << 18 | logic << 24
    return bits.to_bytes(4, "little")


def words(count: int, first: int = 0, code: int = 1000, range_index: int = 4) -> bytes:
    return b"".join(word(code, range_index, first + i) for i in range(count))


def streaming(options: Options | None = None, metadata: bytes = METADATA) -> Ppk2Decoder:
    decoder = Ppk2Decoder({"spike_filter": False, **(options or {})})
    assert decoder.bytes_to_send(0.0) == b"\x07"
    assert decoder.bytes_to_send(0.2) == b"\x19"
    decoder.feed(metadata, 0.21)
    assert decoder.bytes_to_send(0.22).endswith(b"\x06")
    return decoder


def summary(decoder: Ppk2Decoder, data: bytes, t_host_s: float = 0.3) -> tuple[list[tuple[str, int]], list[int]]:
    """Return errors as (kind, count) and the numbers of the samples that came."""
    events = decoder.feed(data, t_host_s)
    errors: list[tuple[str, int]] = [(e.kind, e.count) for e in events if isinstance(e, FrameError)]
    numbers = [round(t * 1e5) for e in events if isinstance(e, SampleBlock) for t in e.t_device_s]
    return errors, numbers


def test_the_conversion_by_hand() -> None:
    names = {"R": 0.05, "GS": 0.07, "GI": 0.96, "O": 90.0, "S": 2e-5, "I": 1e-5, "UG": 1.01}
    constants = {f"{name}{index}": value for name, value in names.items() for index in range(5)}
    table_a = current_table_a(constants, 3.0)
    # code 1000: 4000 counts, less 90, times 1.8/163840 V over 0.05 ohm = 0.859130859375 A before gain
    x = 0.859130859375
    assert table_a[4 << 14 | 1000] == pytest.approx(1.01 * (x * (0.07 * x + 0.96) + 2e-5 * 3.0 + 1e-5), rel=1e-12)
    x = (4 * 0x3FFF - 90.0) * 1.8 / 163840 / 0.05
    assert table_a[4 << 14 | 0x3FFF] == pytest.approx(1.01 * (x * (0.07 * x + 0.96) + 2e-5 * 3.0 + 1e-5), rel=1e-12)
    assert np.isnan(table_a[5 << 14 :]).all()


def test_the_handshake_sets_mode_voltage_and_power_before_the_start() -> None:
    decoder = Ppk2Decoder({"mode": "source", "voltage_mv": 3700})
    assert decoder.bytes_to_send(0.0) == b"\x07"
    decoder.feed(bytes(17_000), 0.05)
    assert decoder.bytes_to_send(0.1) == b""
    assert decoder.bytes_to_send(0.16) == b"\x19"
    (identity,) = decoder.feed(METADATA, 0.2)
    assert isinstance(identity, MeterIdentity)
    assert identity.calibration["UG4"] == 1.0
    assert decoder.bytes_to_send(0.2) == bytes.fromhex("1102 0d0e74 0c01 06")
    assert decoder.stop_bytes() == b"\x07"


def test_a_meter_that_never_falls_silent_is_asked_all_the_same() -> None:
    decoder = Ppk2Decoder({})
    sent = []
    for step in range(300):
        sent.append(decoder.bytes_to_send(step * 0.01))
        decoder.feed(bytes(100), step * 0.01)
    assert b"\x19" in sent


@pytest.mark.parametrize("key", [b"R3", b"UG0", b"I4", b"GS2"])
def test_a_missing_constant_is_never_filled_in(key: bytes) -> None:
    decoder = Ppk2Decoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    text = b"\n".join(line for line in METADATA.split(b"\n") if not line.startswith(key + b":"))
    (error,) = decoder.feed(text, 0.21)
    assert isinstance(error, FrameError)
    assert error.kind == "protocol"
    assert key.decode() in error.detail
    assert decoder.bytes_to_send(0.22) == b"\x07"


def test_a_constant_that_is_not_a_number_takes_its_range_out() -> None:
    lines = [b"GI4: -nan" if line.startswith(b"GI4") else line for line in METADATA.split(b"\n")]
    decoder = streaming(metadata=b"\n".join(lines))
    errors, numbers = summary(decoder, words(10) + words(10, first=10, range_index=3))
    assert errors == [("implausible", 10)]
    assert numbers == list(range(11, 21))


def test_a_metadata_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="R0 = 'abc'"):
        parse_metadata("R0: abc")


@pytest.mark.parametrize("lost", [1, 2, 31, 62, 63])
def test_missing_words_advance_the_clock(lost: int) -> None:
    errors, numbers = summary(streaming(), words(20) + words(20, first=20 + lost))
    assert errors == [("lost", lost)]
    assert numbers == [*range(1, 21), *range(21 + lost, 41 + lost)]


@pytest.mark.parametrize("slip", [1, 2, 3, 5, 7, 50, 201])
def test_a_byte_slip_is_found_and_left(slip: int) -> None:
    data = words(400, code=777)
    errors, numbers = summary(streaming(), data[:802] + data[802 + slip :])
    lost = (slip + 2 + 3) // 4
    assert dict(errors)["lost"] == pytest.approx(lost, abs=1)
    assert dict(errors)["desync"] <= 4 + 3
    assert numbers[-1] == 400
    assert len(numbers) == 400 - dict(errors)["lost"]


@given(st.integers(1, 3), st.integers(10, 200), st.integers(0, 1000))
def test_a_slip_ends_at_the_first_chain_whatever_the_current_does(slip: int, at: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 0x3FFF, 1000)
    data = b"".join(word(int(code), 4, i) for i, code in enumerate(codes))
    _, numbers = summary(streaming(), data[: 4 * at + 1] + data[4 * at + 1 + slip :])
    assert numbers[-1] == 1000
    assert len(numbers) >= 1000 - 3


def test_a_corrupted_stretch_counts_for_as_many_words_as_it_was_long() -> None:
    data = words(1000)
    damaged = data[:400] + b"\xff" * 400 + data[800:]
    errors, numbers = summary(streaming(), damaged)
    assert errors == [("desync", 400), ("lost", 100)]
    assert numbers == [*range(1, 101), *range(201, 1001)]


def test_impossible_samples_are_left_out_in_their_places() -> None:
    wrong = [word(100, 5, 8), word(100, 6, 9), word(100, 7, 10), word(100, 4, 11, reserved=1)]
    errors, numbers = summary(streaming(), words(8) + b"".join(wrong) + words(8, first=12))
    assert errors == [("implausible", 4)]
    assert numbers == [*range(1, 9), *range(13, 21)]


@pytest.mark.parametrize("range_index", [0, 2, 4])
def test_a_pinned_converter_stands_at_its_ranges_end_and_is_flagged(range_index: int) -> None:
    decoder = streaming()
    data = words(8, range_index=range_index) + word(0x3FFF, range_index, 8) + words(8, 9, range_index=range_index)
    error, block = decoder.feed(data, 0.3)
    assert isinstance(error, FrameError)
    assert (error.kind, error.count) == ("overrange", 1)
    assert isinstance(block, SampleBlock)
    assert block.flags is not None
    assert np.flatnonzero(block.flags == SampleFlag.SATURATED).tolist() == [8]
    assert block.current_a.argmax() == 8
    assert len(block) == 17
    assert decoder.last_fields()["saturated_samples"] == 1


def test_more_than_the_meter_carries_counts_for_no_more_than_that() -> None:
    decoder = streaming()
    (error, block) = decoder.feed(words(8) + word(0x3000, 4, 8) + words(8, first=9), 0.3)
    assert isinstance(error, FrameError)
    assert (error.kind, error.count) == ("overrange", 1)
    assert isinstance(block, SampleBlock)
    assert block.flags is not None
    assert block.current_a[8] == 1.2
    assert block.flags.tolist() == [0] * 8 + [SampleFlag.SATURATED] + [0] * 8


def test_logic_inputs_come_with_their_samples() -> None:
    data = b"".join(word(500, 4, i, logic=i % 256) for i in range(300))
    blocks = [event for event in streaming().feed(data, 0.3) if isinstance(event, SampleBlock)]
    logic = np.concatenate([block.logic for block in blocks if block.logic is not None])
    assert logic.tolist() == [i % 256 for i in range(300)]


def test_a_break_within_the_last_words_waits_for_proof() -> None:
    decoder = streaming()
    summary(decoder, words(20))
    data = words(6, first=23)
    assert summary(decoder, data[: CHAIN_BYTES - 1])[1] == []
    assert summary(decoder, data[CHAIN_BYTES - 1 :]) == ([("lost", 3)], list(range(24, 30)))


def test_a_loss_that_the_counter_cannot_see_is_found_against_the_wall_clock() -> None:
    lost_words = 64 * 100
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(5.0, 0.2))
    talk.run(3.0, steady(5.0, 0.2))
    unheard = [lost_words * 4]

    def lossy(data: bytes) -> bytes:
        drop = min(unheard[0], len(data))
        unheard[0] -= drop
        return data[drop:]

    before_s = talk.decoded.column("t_device_s")[-1]
    t_before_s = talk.t_s
    talk.lossy = lossy
    decoded = talk.run(6.0, steady(5.0, 0.2))
    assert decoded.errors() == {"lost": lost_words}
    assert decoded.column("t_device_s")[-1] - before_s == pytest.approx(talk.t_s - t_before_s, abs=1e-4)
    decoded.check_blocks()


def test_no_loss_is_seen_where_there_is_none() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(5.0, 0.2))
    assert talk.run(8.0, steady(5.0, 0.2)).errors() == {}


def test_a_silent_stream_is_started_again() -> None:
    decoder = streaming()
    summary(decoder, words(50))
    assert decoder.bytes_to_send(1.0) == b""
    assert decoder.bytes_to_send(2.5) == b"\x07"
    assert decoder.bytes_to_send(2.7) == b"\x19"
    reset, identity = decoder.feed(METADATA, 2.71)
    assert isinstance(reset, FrameError)
    assert (reset.kind, reset.count) == ("reset", 1)
    assert isinstance(identity, MeterIdentity)
    decoder.bytes_to_send(2.72)
    errors, numbers = summary(decoder, words(50, first=9), 2.73)
    assert errors == []
    assert numbers == list(range(51, 101))


def plain_loop(current_a: list[float], range_index: list[int]) -> list[float]:
    """The filter as a person would write it, one sample after the other."""
    fast = slow = current_a[0]
    previous, left, since = range_index[0], 0, 0
    result = []
    for value, index in zip(current_a, range_index, strict=True):
        kept = fast, slow
        fast, slow = 0.18 * value + 0.82 * fast, 0.06 * value + 0.94 * slow
        if index != previous:
            left, since = 3, 0
        else:
            since += 1
        if left:
            if index == 4 and since < 2:
                fast, slow = kept
            result.append(slow if index == 4 else fast)
            left -= 1
        else:
            result.append(value)
        previous = index
    return result


@settings(max_examples=200)
@example(segments=[(0, 10), (1, 4), (2, 10)], cuts=[], seed=1)  # replaced samples with just one between them
@example(segments=[(4, 10), (0, 1), (4, 4), (3, 1), (4, 10)], cuts=[12], seed=1)
@given(
    segments=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 60)), min_size=1, max_size=12),
    cuts=st.lists(st.integers(1, 30), max_size=20),
    seed=st.integers(0, 1000),
)
def test_the_filter_equals_a_plain_loop(segments: list[tuple[int, int]], cuts: list[int], seed: int) -> None:
    range_index: I8 = np.concatenate([np.full(count, index, dtype=np.int8) for index, count in segments])
    current_a: F64 = np.random.default_rng(seed).uniform(0, 1, len(range_index))
    filtering = RangeChangeFilter()
    pieces, at = [], 0
    for size in [*cuts, len(range_index)]:
        if at < len(range_index):
            piece = current_a[at : at + size]
            filtered, replaced = filtering.apply(piece, range_index[at : at + size])
            assert set(np.flatnonzero(filtered != piece)) <= set(replaced)
            pieces.append(filtered)
            at += size
    expected = plain_loop(current_a.tolist(), range_index.tolist())
    np.testing.assert_allclose(np.concatenate(pieces), expected, rtol=1e-9, atol=1e-12)


@given(st.lists(st.sampled_from([1, 3, 4, 22, 23, 24, 25, 27, 28, 400]), max_size=30), st.integers(0, 255))
def test_what_is_held_back_is_bounded(sizes: list[int], byte: int) -> None:
    stream = WordStream()
    held = total = 0
    for size in sizes:
        runs = stream.feed(bytes([byte]) * size)
        total += size
        held = total - stream.take_skipped_bytes() - sum(4 * len(run.words) for run in runs)
        total = held
    assert held < CHAIN_BYTES


def test_the_emulated_meter_picks_the_range_that_fits() -> None:
    encoder = Ppk2Encoder({"noise_ratio": 0.0}, 5)
    encoder.receive(b"\x0c\x01\x06", 0.0)
    currents_a = np.array([10e-6, 200e-6, 2e-3, 20e-3, 0.5])
    sent = np.frombuffer(encoder.emit(np.arange(5.0), np.full(5, 5.0), currents_a), dtype="<u4")
    assert ((sent >> 14) & 7).tolist() == [0, 1, 2, 3, 4]
    table_a = current_table_a(dict(encoder.constants), 5.0)
    np.testing.assert_allclose(table_a[sent & TABLE_MASK], currents_a, rtol=0.003)
