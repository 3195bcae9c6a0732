"""LPM01A: the maker's worked examples, both formats, what time stamps find, the handshake, the odd baud rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.drivers.lpm01a import Lpm01aDecoder
from firmware_bridge.protocol.lpm01a.format import (
    STAMP_BITS,
    decimal_lines,
    decimals_a,
    mark_at,
    pack_mark,
    pack_stamp,
    stamp_line,
    stamp_of_line,
    word_table_a,
    words_of,
)
from firmware_bridge.samples import FrameError
from tests.fakes.events import blocks_of, errors_of, joined
from tests.fakes.lpm01a_streams import HZ, binary, listen, stretch, words


# The maker's examples: UM2269, formats of measured values.
@pytest.mark.parametrize(("word", "current_a"), [("52A0", 640.9e-6), ("3145", 79.35e-3)])
def test_the_makers_binary_examples(word: str, current_a: float) -> None:
    assert word_table_a(0.25)[int(word, 16)] == pytest.approx(current_a, rel=1e-4)
    assert words_of(np.array([current_a]))[0] == int(word, 16)


def test_the_makers_decimal_example() -> None:
    line = b"6409-07\r\n"
    assert decimals_a(np.frombuffer(line, dtype=np.uint8).reshape(1, 9))[0] == pytest.approx(640.9e-6)
    assert decimal_lines(np.array([640.9e-6])) == [line]


@given(st.floats(1e-9, 0.2))
def test_both_formats_keep_a_current_to_their_step(current_a: float) -> None:
    one = np.array([current_a])
    assert word_table_a(0.25)[words_of(one)[0]] == pytest.approx(current_a, rel=0.002)  # UM2269: 0.20 %
    row = np.frombuffer(decimal_lines(one)[0], dtype=np.uint8).reshape(1, 9)
    assert decimals_a(row)[0] == pytest.approx(current_a, rel=0.0005)


def test_exponent_15_is_no_current() -> None:
    assert np.isnan(word_table_a(0.25)[0xF000:]).all()
    payload = bytearray(binary(2))
    payload[9 + 500] = 0xF2
    events = listen(bytes(payload))
    assert errors_of(events) == [("implausible", 1)]
    assert len(joined(events, "t_device_s")) == 1999


def test_zero_and_below() -> None:
    assert words_of(np.array([0.0, -1e-3])).tolist() == [0, 0]
    assert word_table_a(0.25)[0] == 0.0
    assert decimal_lines(np.array([0.0])) == [b"0000-10\r\n"]


def test_samples_are_numbered_by_the_meters_clock() -> None:
    events = listen(binary(3))
    assert errors_of(events) == []
    np.testing.assert_allclose(joined(events, "t_device_s"), np.arange(1, 3001) / HZ, rtol=1e-12)
    np.testing.assert_allclose(joined(events, "current_a"), stretch(3000), rtol=0.002)
    np.testing.assert_allclose(joined(events, "power_w"), 3.3 * joined(events, "current_a"), rtol=1e-12)


def test_lost_samples_are_a_gap_in_the_device_clock() -> None:
    data = binary(3)
    at = 9 + 2009 + 400
    events = listen(data[:at] + data[at + 100 :])
    assert errors_of(events) == [("lost", 50)]
    times_s = joined(events, "t_device_s")
    assert len(times_s) == 2950
    assert times_s[-1] == pytest.approx(0.03)


def test_lost_blocks_are_a_gap_in_the_device_clock() -> None:
    events = listen(binary(2) + words(stretch(50)) + binary(3, from_block=8)[9 + 1900 :])
    lost = sum(count for kind, count in errors_of(events) if kind == "lost")
    times_s = joined(events, "t_device_s")
    assert len(times_s) + lost == 11_000
    assert times_s[-1] == pytest.approx(0.11)
    assert lost >= 5900


def test_blocks_lost_whole_are_known_at_the_second_stamp() -> None:
    """The meter itself drops whole buffers: the bytes look perfect, only the stamps jump."""
    events = listen(binary(2) + words(stretch(1000)) + binary(3, from_block=8)[0:])
    assert ("lost", 5000) in errors_of(events)
    times_s = joined(events, "t_device_s")
    assert times_s[-1] == pytest.approx(0.11)
    assert (np.diff(times_s) > 0).all()


def test_one_damaged_stamp_moves_no_sample() -> None:
    data = bytearray(binary(4))
    data[2009 + 3] ^= 0x20  # the second stamp is later by hours
    events = listen(bytes(data))
    assert errors_of(events) == [("implausible", 1)]
    np.testing.assert_allclose(joined(events, "t_device_s"), np.arange(1, 4001) / HZ, rtol=1e-12)


def test_a_destroyed_stamp_costs_no_sample() -> None:
    data = bytearray(binary(4))
    data[2 * 2009] = 0x40
    events = listen(bytes(data))
    assert [kind for kind, _ in errors_of(events)] == ["desync"]
    times_s = joined(events, "t_device_s")
    assert len(times_s) == 4000
    assert times_s[-1] == pytest.approx(0.04)


@pytest.mark.parametrize("extra", [b"\x41", b"\x45\x67\x89", b"\x00" * 7, b"\xff" * 5, b"\x4a\x3d" * 200])
@pytest.mark.parametrize("at", [9 + 2009 + 1, 9 + 2009 + 900, 9 + 2009 + 1997])
def test_bytes_too_many_are_left_out(extra: bytes, at: int) -> None:
    data = binary(3)
    events = listen(data[:at] + extra + data[at:])
    assert "desync" in dict(errors_of(events))
    assert len(joined(events, "t_device_s")) >= 2990
    wrong = np.abs(
        np.interp(joined(events, "t_device_s") * HZ, np.arange(1, 3001), stretch(3000)) - joined(events, "current_a")
    )
    assert np.count_nonzero(wrong > 1e-4) <= 2


def test_a_stamp_that_wraps_is_one_step() -> None:
    period_ms = STAMP_BITS + 1
    data = b"".join(pack_stamp(period_ms - 10 + 10 * k) + words(stretch(1000, 1000 * k)) for k in range(3))
    decoder = Lpm01aDecoder({"voltage_v": 3.3})
    events = decoder.feed(data + pack_stamp(period_ms + 20), 1.0)
    assert errors_of(events) == []
    np.testing.assert_allclose(joined(events, "t_device_s"), np.arange(1, 3001) / HZ)
    assert decoder.last_fields()["time_stamp_overflowed"] is True


def test_stamps_that_go_back_are_a_reset() -> None:
    events = listen(binary(3, from_block=50) + binary(3)[9:])
    assert ("reset", 1) in errors_of(events)
    times_s = joined(events, "t_device_s")
    assert (np.diff(times_s) > 0).all()


def test_metadata_of_every_kind() -> None:
    marks = (
        pack_mark(0xF2, b"hello") + pack_mark(0xF8, (-5).to_bytes(2, "big", signed=True)) + pack_mark(0xF9, b"\x01")
    )
    marks += pack_mark(0xF7, (3290).to_bytes(2, "big"))
    decoder = Lpm01aDecoder({"voltage_v": 3.3})
    events = decoder.feed(pack_stamp(0) + marks + words(stretch(1000)) + pack_stamp(10, 7), 1.0)
    assert errors_of(events) == []
    assert decoder.last_fields() == {
        "time_stamp_s": 0.01,
        "meter_buffer_percent": 7,
        "time_stamp_overflowed": False,
        "last_info": "hello",
        "temperature_c": -5,
        "power_state": 1,
        "supply_voltage_v": 3.29,
    }
    assert joined(events, "voltage_v").tolist() == [3.29] * 1000


@pytest.mark.parametrize("code", [0xF4, 0xF5])
def test_both_codes_end_the_acquisition(code: int) -> None:
    mark = mark_at(bytearray(pack_mark(code)), 0)
    assert not isinstance(mark, str)
    assert mark.kind == "end"


def test_a_voltage_is_believed_when_it_is_near_or_comes_twice() -> None:
    far, near = pack_mark(0xF7, (2300).to_bytes(2, "big")), pack_mark(0xF7, (3310).to_bytes(2, "big"))
    assert errors_of(listen(pack_stamp(0) + near)) == []
    assert errors_of(listen(pack_stamp(0) + far)) == [("implausible", 1)]
    assert errors_of(listen(pack_stamp(0) + far + far)) == [("implausible", 1)]
    assert errors_of(listen(pack_stamp(0) + pack_mark(0xF7, b"\xff\xf0") * 2)) == [("implausible", 1)] * 2


def test_an_error_in_the_stream_is_told() -> None:
    events = listen(pack_stamp(0) + pack_mark(0xF1, b"Overcurrent\r\n") + pack_mark(0xF4))
    assert errors_of(events) == [("protocol", 1)]
    assert any(isinstance(event, FrameError) and "Overcurrent" in event.detail for event in events)


def ascii_stream(blocks: int, hz: int = 5000) -> bytes:
    pieces = [stamp_line(0)]
    for k in range(blocks):
        pieces += [*decimal_lines(stretch(1000, 1000 * k)), stamp_line(round(1e6 * (k + 1) / hz))]
    return b"".join(pieces)


def test_text_with_a_stray_nul_behind_each_stamp() -> None:
    assert b"\r\n\x00" in ascii_stream(1)
    events = listen(ascii_stream(3), frequency_hz=5000)
    assert errors_of(events) == []
    np.testing.assert_allclose(joined(events, "t_device_s"), np.arange(1, 3001) / 5000, rtol=1e-12)
    np.testing.assert_allclose(joined(events, "current_a"), stretch(3000), rtol=5e-4)


def test_a_stamp_as_text() -> None:
    mark = stamp_of_line(b"\x00TimeStamp: 012s 034ms, buff 05%\r\n")
    assert mark is not None
    assert (mark.value, mark.buffer_percent) == (12_034, 5)


def test_a_lost_line_is_counted_at_the_next_stamp() -> None:
    lines = ascii_stream(3).splitlines(keepends=True)
    del lines[1500:1510]
    lines[2500] = lines[2500].replace(b"-", b"?")
    events = listen(b"".join(lines), frequency_hz=5000)
    assert dict(errors_of(events))["desync"] == 9
    assert sum(count for kind, count in errors_of(events) if kind == "lost") == 11
    assert joined(events, "t_device_s")[-1] == pytest.approx(0.6 - 1 / 5000)  # the last block lacks one line


def test_a_digit_of_an_exponent_that_flips_is_not_a_current() -> None:
    data = ascii_stream(2).replace(b"-05\r\n", b"-01\r\n", 1)
    events = listen(data, frequency_hz=5000)
    assert errors_of(events) == [("implausible", 1)]


def test_a_raw_file_without_a_voltage_says_what_is_missing() -> None:
    events = Lpm01aDecoder({}).feed(binary(2), 1.0)
    assert errors_of(events) == [("protocol", 1000), ("protocol", 1000)]
    assert all("voltage_v" in event.detail for event in events if isinstance(event, FrameError))


@pytest.mark.parametrize("data", [ascii_stream(3, 1000), ascii_stream(3, 200)])
def test_a_raw_file_at_another_frequency_says_which(data: bytes) -> None:
    events = listen(data, frequency_hz=5000)
    assert not blocks_of(events)
    details = [event.detail for event in events if isinstance(event, FrameError)]
    assert any("give the option frequency_hz=" in detail for detail in details)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 2100), max_size=20),
    at=st.integers(0, 6000),
    lose=st.integers(0, 30),
    junk=st.one_of(st.binary(max_size=40), st.just(b"\xf0\xf3\x00"), st.just(b"\xf0\xf1text"), st.just(b"D" * 9000)),
)
def test_damaged_bytes_mean_the_same_however_they_are_cut(cuts: list[int], at: int, lose: int, junk: bytes) -> None:
    data = binary(4)
    data = data[:at] + junk + data[at + lose :]
    whole = listen(data)
    decoder, pieces, start = Lpm01aDecoder({"voltage_v": 3.3}), [], 0
    for size in cuts:
        pieces += decoder.feed(data[start : start + size], 1.0)
        start += size
    pieces += decoder.feed(data[start:], 1.0)
    np.testing.assert_array_equal(joined(pieces, "t_device_s"), joined(whole, "t_device_s"))
    np.testing.assert_array_equal(joined(pieces, "current_a"), joined(whole, "current_a"))
    totals = [
        {kind: sum(n for k, n in errors_of(events) if k == kind) for kind, _ in errors_of(events)}
        for events in (pieces, whole)
    ]
    assert totals[0] == totals[1]
