"""SML: recorded transmissions, the transport's escapes, hostile lengths, meters without PIN, what the emulator sends.

The recorded transmissions are those that smllib is tested with (spacemanspiff2007/SmlLib, tests/test_frames.py).
"""

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smllib import SmlStreamReader  # type: ignore[attr-defined,unused-ignore]

from firmware_bridge.drivers.sml import SmlDecoder, SmlEncoder
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.crc import crc16_kermit, crc16_x25
from firmware_bridge.protocol.site.sml_messages import Entry, fields, get_list, octets, unsigned
from firmware_bridge.protocol.site.sml_transport import LONGEST_BYTES, SmlFrames, well_formed, wrap
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import block_of, errors_of

WITHOUT_PIN = bytes.fromhex(
    "1b1b1b1b0101010176051c414c02620062007263010176010102310b0a01445a47000282c0b07262016505471c2a620263f9380076051d414c"
    "02620062007263070177010b0a01445a47000282c0b0070100620affff7262016505471c2a7477070100603201010172620162006200520004"
    "445a470177070100600100ff017262016200620052000b0a01445a47000282c0b00177070100010800ff641c01047262016200621e52036334"
    "4f0177070100020800ff017262016200621e520362000101016393770076051e414c026200620072630201710163e6ba00000000001b1b1b1b"
    "1a04dad0"
)
THREE_PHASES = bytes.fromhex(
    "1b1b1b1b0101010176040000016200620072650000010176010107000002dba23c0b0a01484c5902000424a0010163945b0076040000026200"
    "620072650000070177010b0a01484c5902000424a00101f10477070100603201010101010104484c590177070100600100ff010101010b0a01"
    "484c5902000424a00177070100010800ff65001c81046502dba23d621e52ff6502aea1320177070100020800ff65001c81046502dba23d621e"
    "52ff62000177070100100700ff0101621b52005300890177070100200700ff0101622352ff6309280177070100340700ff0101622352ff6309"
    "290177070100480700ff0101622352ff63092201770701001f0700ff0101622152fe62290177070100330700ff0101622152fe624e01770701"
    "00470700ff0101622152fe622e0177070100510701ff01016208520062f00177070100510702ff01016208520062780177070100510704ff01"
    "0162085200630110017707010051070fff010162085200630138017707010051071aff01016208520063011101770701000e0700ff0101622c"
    "52ff6301f40177070100000200000101010109312e30322e3030370177070100605a02010101010105413031410177070100600500ff010101"
    "0165001c810401010163fc1e00760400000362006200726500000201710163e8230000001b1b1b1b1a0222ed"
)
FINE_STEPS = bytes.fromhex(
    "1b1b1b1b01010101760501188e6162006200726500000101760101070000000000000b00000000000000000000010163687700760501188e62"
    "6200620072650000070177010b000000000000000000000172620165002ec3f47a77078181c78203ff010101010445425a0177070100000009"
    "ff010101010b000000000000000000000177070100010800ff6401018001621e52fb690000000a7ac1bc170177070100010801ff0101621e52"
    "fb690000000a74b1ea770177070100010802ff0101621e52fb6900000000060fd1a00177070100020800ff6401018001621e52fb6900000000"
    "0d19e1c00177070100100700ff0101621b52fe55000089d90177070100240700ff0101621b52fe55000020220177070100380700ff0101621b"
    "52fe5500000a9201770701004c0700ff0101621b52fe550000"
    "5f2501010163810200760501188e636200620072650000020171016325fc000000001b1b1b1b1a0356f5"
)
RECORDED = {"without PIN": WITHOUT_PIN, "three phases": THREE_PHASES, "fine steps": FINE_STEPS}
POWER, DRAWN, FED = (bytes.fromhex(code) for code in ("0100100700ff", "0100010800ff", "0100020800ff"))


def counter_j(events: list[Event]) -> float:
    counter = block_of(events).counter_j
    assert counter is not None
    return float(counter[0])


def sent(*, meter_s: int = 100, watts: int = 500, wh_tenths: int = 12_345, fed_tenths: int = 0) -> bytes:
    entries = [Entry(DRAWN, wh_tenths, -1, "Wh"), Entry(FED, fed_tenths, -1, "Wh"), Entry(POWER, watts, 0, "W")]
    return wrap(get_list(1, b"\x0a\x01EDJ", meter_s, entries))


@pytest.mark.parametrize("frame", RECORDED.values(), ids=RECORDED.keys())
def test_the_recorded_check_sums_hold(frame: bytes) -> None:
    assert crc16_x25(frame[:-2]).to_bytes(2, "little") == frame[-2:]
    payload = SmlFrames().feed(frame)[0].payload
    assert payload is not None
    assert well_formed(payload)


def test_the_check_values_of_both_polynomials() -> None:
    assert crc16_x25(b"123456789") == 0x906E
    assert crc16_kermit(b"123456789") == 0x2189


def test_a_message_ends_in_its_own_check_sum_as_a_recorded_one_does() -> None:
    start = THREE_PHASES.index(bytes.fromhex("760400000162"))
    body = THREE_PHASES[start : THREE_PHASES.index(bytes.fromhex("63945b00"))]
    assert crc16_x25(body).to_bytes(2, "little") == bytes.fromhex("945b")


def test_a_recorded_meter_with_three_phases() -> None:
    decoder = SmlDecoder({})
    events = decoder.feed(THREE_PHASES, 3.0)
    assert events[0] == MeterIdentity("HLY", "0a01484c5902000424a0")
    block = block_of(events)
    assert block.power_w.tolist() == [137.0]
    assert block.voltage_v[0] == pytest.approx((234.4 + 234.5 + 233.8) / 3)
    assert counter_j(events) == pytest.approx(4_499_896.2 * 3600)
    fields_now = decoder.last_fields()
    assert fields_now["1-0:51.7.0_a"] == pytest.approx(0.78)
    assert fields_now["phase_2_current_a"] == pytest.approx(0.78)
    assert fields_now["voltage_assumed"] is False


def test_a_recorded_meter_without_volts_and_with_fine_steps() -> None:
    decoder = SmlDecoder({"voltage_v": 233})
    events = decoder.feed(FINE_STEPS, 3.0)
    assert isinstance(events[0], MeterIdentity)
    assert (events[0].model, events[0].calibration) == ("EBZ", {"assumed_voltage_v": 233.0})
    block = block_of(events)
    assert block.power_w[0] == pytest.approx(352.89)
    assert block.voltage_v.tolist() == [233.0]
    assert np.isnan(counter_j(events)), "this site has exported: its import counter is not the net energy"
    assert decoder.last_fields()["meter_s"] == 3064820
    assert decoder.last_fields()["1-0:1.8.0_wh"] == pytest.approx(450_091.89911)


def test_a_meter_without_its_pin_gives_no_sample_but_the_remedy() -> None:
    decoder = SmlDecoder({})
    events = decoder.feed(WITHOUT_PIN, 1.0)
    assert len(events) == 1
    assert isinstance(events[0], FrameError)
    assert events[0].kind == "protocol"
    assert "PIN" in events[0].detail
    assert "Inf" in events[0].detail
    assert decoder.last_fields()["imported_wh"] == pytest.approx(13_391_000.0)


@pytest.mark.parametrize(("wh_tenths", "shown"), [(12_345, True), (50_000, False), (0, False), (50_001, True)])
def test_a_counter_of_whole_kilowatt_hours_may_be_cut_off(wh_tenths: int, shown: bool) -> None:  # noqa: FBT001
    assert np.isfinite(counter_j(SmlDecoder({}).feed(sent(wh_tenths=wh_tenths), 1.0))) == shown


def test_a_site_that_has_fed_back_shows_no_counter() -> None:
    assert np.isnan(counter_j(SmlDecoder({}).feed(sent(fed_tenths=1), 1.0)))


def test_the_same_seconds_index_is_stale_and_an_earlier_one_a_reset() -> None:
    decoder = SmlDecoder({})
    first, second, third, fourth = (decoder.feed(sent(meter_s=at), float(i)) for i, at in enumerate((7, 7, 8, 0)))
    assert block_of(first).flags is None
    flags = block_of(second).flags
    assert flags is not None
    assert flags.tolist() == [SampleFlag.STALE]
    assert errors_of(third) == []
    assert errors_of(fourth) == [("reset", 1)]


def test_another_meters_counter_is_a_reset_once_confirmed() -> None:
    decoder = SmlDecoder({})
    decoder.feed(sent(wh_tenths=900_001), 0.0)
    assert np.isnan(counter_j(decoder.feed(sent(meter_s=101, wh_tenths=11), 1.0)))
    events = decoder.feed(sent(meter_s=102, wh_tenths=12), 2.0)
    assert errors_of(events) == [("reset", 1)]
    assert counter_j(events) == pytest.approx(1.2 * 3600)


def test_power_fed_back_is_negative() -> None:
    assert block_of(SmlDecoder({}).feed(sent(watts=-1234), 1.0)).power_w.tolist() == [-1234.0]


def test_a_meter_with_the_other_check_sum_needs_its_option() -> None:
    entries = [Entry(POWER, 42, 0, "W")]
    frame = wrap(get_list(1, b"meter", 1, entries), "kermit")
    assert errors_of(SmlDecoder({}).feed(frame, 1.0)) == [("checksum", 1)]
    assert block_of(SmlDecoder({"crc": "kermit"}).feed(frame, 1.0)).power_w.tolist() == [42.0]
    reader = SmlStreamReader(crc="kermit")
    reader.add(frame)
    assert reader.get_frame() is not None


def test_every_flipped_bit_is_seen() -> None:
    frame, decoder = sent(), SmlDecoder({})
    for bit in range(8 * len(frame)):
        data = bytearray(frame)
        data[bit // 8] ^= 1 << bit % 8
        events = decoder.feed(bytes(data) + sent(watts=600), 1.0)
        assert [event.power_w[0] for event in events if isinstance(event, SampleBlock)] == [600.0]
        assert errors_of(events)


@given(
    payload=st.lists(st.sampled_from([b"\x1b" * 4, b"\x1b", b"\x01", b"\x1a", b"\x00", b"abc"]), max_size=60).map(
        b"".join
    ),
    cuts=st.lists(st.integers(1, 30), max_size=20),
)
def test_what_is_wrapped_comes_out_again_whatever_is_in_it(payload: bytes, cuts: list[int]) -> None:
    payload += b"\x63\x00\x00\x00"  # messages end in zero, so never in an escape
    data = wrap(payload) * 2
    frames, found, at = SmlFrames(), [], 0
    for size in [*cuts, len(data)]:
        found += frames.feed(data[at : at + size])
        at += size
    assert [frame.payload for frame in found] == [payload, payload]
    assert frames.take_skipped_bytes() == 0


def test_a_start_in_a_transmission_begins_anew() -> None:
    frames = SmlFrames()
    found = frames.feed(sent()[:60] + sent())
    assert [frame.payload is not None for frame in found] == [True]
    assert frames.take_skipped_bytes() == 60


@pytest.mark.parametrize("tail", [b"\x1b", b"\x1b\x1b\x1b", b"\x1b" * 9, b"\x01" * 5, sent()[:8]])
def test_bytes_like_a_start_before_the_start_hide_nothing(tail: bytes) -> None:
    assert block_of(SmlDecoder({}).feed(b"noise" + tail + sent(), 1.0))


def test_a_transmission_that_never_ends_is_let_go() -> None:
    frames = SmlFrames()
    for _ in range(5):
        assert frames.feed(sent()[:-8] + bytes(LONGEST_BYTES)) == []
    assert frames.take_skipped_bytes() > 4 * LONGEST_BYTES
    assert len(frames.feed(sent())) == 1


@pytest.mark.parametrize(
    "payload",
    [
        bytes.fromhex("76ffffffff7f"),  # a list of 2**28 fields
        bytes.fromhex("7180008000"),  # a field of no length, at which a parser stands still
        b"\x71" * 300 + b"\x01",  # lists in lists in lists
        bytes.fromhex("760a00"),  # a string beyond the end
        bytes.fromhex("7601"),  # five fields short
        bytes.fromhex("30"),  # no such type
    ],
)
def test_hostile_lengths_with_a_good_check_sum_are_refused(payload: bytes) -> None:
    assert not well_formed(payload)
    events = SmlDecoder({}).feed(wrap(payload), 1.0)
    assert errors_of(events) == [("protocol", 1)]


@given(payload=st.binary(max_size=80))
def test_any_bytes_under_a_good_check_sum_never_raise(payload: bytes) -> None:
    decoder = SmlDecoder({})
    events = decoder.feed(wrap(payload + b"\0"), 1.0)
    assert not any(isinstance(event, SampleBlock) for event in events)


@given(at=st.integers(20, 250), byte=st.integers(0, 255))
def test_a_list_with_one_wrong_byte_under_a_good_check_sum_never_raises(at: int, byte: int) -> None:
    payload = bytearray(get_list(1, b"\x0a\x01EDJ", 100, [Entry(POWER, 500, 0, "W"), Entry(DRAWN, 12_345, -1, "Wh")]))
    payload[at % len(payload)] = byte
    for event in SmlDecoder({}).feed(wrap(bytes(payload)), 1.0):
        assert isinstance(event, FrameError | MeterIdentity | SampleBlock)


def parsed(frame: bytes) -> dict[str, Any]:
    reader = SmlStreamReader()
    reader.add(frame)
    found = reader.get_frame()
    assert found is not None
    opened, listed, closed = found.parse_frame()
    assert type(opened.message_body).__name__ == "SmlOpenResponse"
    assert type(closed.message_body).__name__ == "SmlCloseResponse"
    body: Any = listed.message_body
    return {entry.obis.obis_short: entry.get_value() for entry in body.val_list} | {"s": body.act_sensor_time}


@given(watts=st.integers(-9000, 9000), seed=st.integers(0, 2**40))
def test_smllib_reads_what_the_emulated_meter_sends(watts: int, seed: int) -> None:
    t_s = np.arange(1.0, 5.0)
    data = SmlEncoder({}, seed).emit(t_s, np.full(4, 231.5), np.full(4, watts / 231.5))
    frames = data.split(bytes.fromhex("1b1b1b1b01010101"))[1:]
    assert len(frames) == 3
    values = parsed(bytes.fromhex("1b1b1b1b01010101") + frames[-1])
    assert values["16.7.0"] == pytest.approx(watts, abs=0.06)
    assert values["32.7.0"] == pytest.approx(231.5)
    assert values["1.8.0"] == pytest.approx(1000 * (seed % 1000) + 0.5 + max(watts, 0) * 2 / 3600, abs=0.1)
    assert values["s"] == 4
    powers = [event.power_w[0] for event in SmlDecoder({}).feed(data, 1.0) if isinstance(event, SampleBlock)]
    assert powers == pytest.approx([watts] * 3, abs=0.06)


def test_long_strings_and_lists_have_a_length_of_two_bytes() -> None:
    long_string, long_list = octets(b"x" * 20), fields(*[unsigned(i, 1) for i in range(20)])
    assert long_string[:2] == bytes([0x81, 0x06])
    assert long_list[:2] == bytes([0xF1, 0x04])
    assert well_formed(long_string)
    assert well_formed(long_list)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smllib.sml_frame", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'edgejoule\[site\]'"):
        SmlDecoder({})
