"""IEC 62056-21: check bytes and readouts of others, the talk of mode C, mode D, echoes, the counter as power."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.drivers.iec62056_21 import DRIVER, Iec6205621Decoder, Iec6205621Encoder, encode_block
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.site.iec_frames import LONGEST_BYTES, DataBlock, Identification, IecFrames
from firmware_bridge.protocol.site.obis import electricity, quantities, read_sets
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock
from firmware_bridge.timeline import Timeline
from tests.fakes.events import block_of, errors_of
from tests.fakes.meter_talk import Conversation, steady

# The form of an Iskra ME162's readout, as a public simulator of that meter has it: the counter and no power.
ISKRA = (
    b"C.1.0(12345678)\r\n0.0.0(47983850)\r\n1.8.0(0034204.753*kWh)\r\n1.8.1(0000000.000*kWh)\r\n"
    b"1.8.2(0034204.753*kWh)\r\n2.8.0(0000000.000*kWh)\r\nF.F(0000000)\r\n!\r\n"
)
# Recorded readouts of two EasyMeters in mode D (ndokter/dsmr_parser, test/example_telegrams.py); the second site feeds
# power back, and a gateway adds lines of its own.
EASYMETER = (
    b"/ESY5Q3DA1004 V3.04\r\n\r\n1-0:0.0.0*255(1336001560)\r\n1-0:1.8.0*255(00032549.5061662*kWh)\r\n"
    b"1-0:21.7.0*255(000557.29*W)\r\n1-0:41.7.0*255(000521.62*W)\r\n1-0:61.7.0*255(000609.30*W)\r\n"
    b"1-0:1.7.0*255(001688.21*W)\r\n1-0:96.5.5*255(80)\r\n0-0:96.1.255*255(1ESY1336001560)\r\n!\r\n"
)
EASYMETER_WITH_FEED = (
    b"/ESY5Q3DB1024 V3.04\r\n\r\n1-0:0.0.0*255(0272031312565)\r\n1-0:1.8.0*255(00052185.7825309*kWh)\r\n"
    b"1-0:2.8.0*255(00019949.3221493*kWh)\r\n1-0:21.7.0*255(000747.85*W)\r\n1-0:41.7.0*255(000737.28*W)\r\n"
    b"1-0:61.7.0*255(000639.73*W)\r\n1-0:1.7.0*255(002124.86*W)\r\n1-0:96.5.5*255(80)\r\n"
    b"0-0:96.1.255*255(1ESY1313002565)\r\n!\r\n  25803103\r\n"
)


def readout(watts: float | None = 500.0, kwh: float = 10.0, decimals: int = 3) -> bytes:
    power = "" if watts is None else f"16.7.0({watts / 1e3:08.3f}*kW)\r\n"
    return encode_block(f"0.0.0(4711)\r\n1.8.0({kwh:011.{decimals}f}*kWh)\r\n{power}!\r\n".encode())


@pytest.mark.parametrize(
    ("text", "check"),
    [(b"P0\x02(1234567)", 0x50), (bytes.fromhex("573202433030332839313033323430393232333929"), 0x1B)],
)
def test_check_bytes_of_known_messages(text: bytes, check: int) -> None:
    """From pwitab/iec62056-21, tests/test_bcc.py."""
    assert encode_block(text)[-1] == check


def test_the_talk_of_mode_c_stays_at_the_rate_of_the_request() -> None:
    decoder = Iec6205621Decoder({})
    assert decoder.bytes_to_send(0.0) == b"/?!\r\n"
    assert decoder.bytes_to_send(1.0) == b""
    assert decoder.feed(b"/ISK5ME162-0033\r\n", 1.5) == []
    assert decoder.bytes_to_send(1.6) == b"", "the meter needs 200 ms"
    assert decoder.bytes_to_send(1.8) == b"\x06000\r\n"
    assert decoder.bytes_to_send(1.9) == b""
    events = decoder.feed(readout(), 20.0)
    assert events[0] == MeterIdentity("ISK ME162-0033", "4711", "", {"assumed_voltage_v": 230.0})
    block = block_of(events)
    assert block.t_device_s.tolist() == [20.0]
    assert block.power_w[0] == pytest.approx(500.0)
    assert block.current_a[0] == pytest.approx(500.0 / 230.0)
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(10.0 * 3.6e6)
    assert decoder.last_fields()["16.7.0"] == "0000.500*kW"


@pytest.mark.parametrize(("baud_hz", "ack"), [(300, b"\x06000\r\n"), (2400, b"\x06030\r\n"), (9600, b"\x06050\r\n")])
def test_the_acknowledgement_names_the_rate_in_use(baud_hz: int, ack: bytes) -> None:
    options: dict[str, str | int] = {"baud_hz": baud_hz, "address": "17"}
    decoder = Iec6205621Decoder(options)
    assert decoder.bytes_to_send(0.0) == b"/?17!\r\n"
    decoder.feed(b"/ABC6X\r\n", 0.5)
    assert decoder.bytes_to_send(1.0) == ack
    settings = DRIVER.serial_settings(options)
    assert (settings.baud_hz, settings.bytesize, settings.parity) == (baud_hz, 7, "E")


def test_a_meter_of_mode_a_sends_its_data_at_once() -> None:
    decoder = Iec6205621Decoder({})
    decoder.bytes_to_send(0.0)
    assert block_of(decoder.feed(b"/ABC\\X\r\n" + readout(), 9.0))
    assert decoder.bytes_to_send(10.0) == b"", "no acknowledgement"


def test_a_meter_of_mode_b_is_said_to_be_unreadable() -> None:
    decoder = Iec6205621Decoder({})
    decoder.bytes_to_send(0.0)
    events = decoder.feed(b"/ABCDX\r\n", 1.0)
    assert errors_of(events) == [("protocol", 1)]
    assert isinstance(events[0], FrameError)
    assert "mode B" in events[0].detail


def test_the_echo_of_an_optical_head_is_passed_over() -> None:
    decoder = Iec6205621Decoder({})
    decoder.bytes_to_send(0.0)
    talk = b"/?!\r\n" + b"/ABC5X\r\n" + b"\x06000\r\n" + readout()
    events = [event for i in range(len(talk)) for event in decoder.feed(talk[i : i + 1], 1.0 + i)]
    assert errors_of(events) == []
    assert block_of(events)


def test_a_wrong_check_byte_is_a_checksum_error_and_the_next_readout_is_asked_for() -> None:
    decoder = Iec6205621Decoder({})
    decoder.bytes_to_send(0.0)
    data = bytearray(readout())
    data[10] ^= 1
    assert errors_of(decoder.feed(bytes(data), 5.0)) == [("checksum", 1)]
    asked = [t for t in range(6, 60) if decoder.bytes_to_send(float(t))]
    assert 24 <= asked[0] <= 37


def test_every_flipped_bit_of_a_readout_with_check_byte_is_seen() -> None:
    decoder, true = Iec6205621Decoder({}), readout()
    for bit in range(8 * len(true)):
        data = bytearray(true)
        data[bit // 8] ^= 1 << bit % 8
        events = decoder.feed(bytes(data) + b"\x03\x00" + readout(600.0), 1.0)
        assert [event.power_w[0] for event in events if isinstance(event, SampleBlock)] == pytest.approx([600.0])
        assert errors_of(events)


def test_slow_bytes_keep_the_question_open_and_silence_asks_again() -> None:
    decoder = Iec6205621Decoder({"timeout_s": 3})
    assert decoder.bytes_to_send(0.0)
    for i, byte in enumerate(readout()[:-1]):
        decoder.feed(bytes([byte]), 1.0 + i / 3)
        assert decoder.bytes_to_send(1.1 + i / 3) == b""
    silent_s = 1.0 + len(readout()) / 3
    assert decoder.bytes_to_send(silent_s + 4.0) == b"/?!\r\n"
    events = decoder.feed(readout(), silent_s + 5.0)
    assert errors_of(events)[0] == ("stale", 1)
    assert errors_of(events)[1][0] == "desync"
    assert block_of(events)


def test_a_line_that_never_falls_silent_is_asked_again_all_the_same() -> None:
    decoder = Iec6205621Decoder({})
    asked = 0
    for second in range(600):
        asked += bool(decoder.bytes_to_send(float(second)))
        decoder.feed(b"UUU", second + 0.5)
    assert asked == 4


def test_a_recorded_meter_of_mode_d() -> None:
    decoder = Iec6205621Decoder({"mode": "push"})
    assert decoder.bytes_to_send(0.0) == b""
    events = decoder.feed(EASYMETER, 3.0)
    assert events[0] == MeterIdentity("ESY Q3DA1004 V3.04", "1336001560", "", {"assumed_voltage_v": 230.0})
    block = block_of(events)
    assert block.power_w[0] == pytest.approx(1688.21)
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(32549.5061662 * 3.6e6)
    assert errors_of(events) == []
    settings = DRIVER.serial_settings({"mode": "push"})
    assert (settings.baud_hz, settings.bytesize, settings.parity) == (9600, 7, "E")


def test_a_recorded_meter_behind_a_gateway_that_adds_lines() -> None:
    decoder = Iec6205621Decoder({"mode": "push"})
    events = [event for _ in range(2) for event in decoder.feed(EASYMETER_WITH_FEED, 3.0)]
    blocks = [event for event in events if isinstance(event, SampleBlock)]
    assert [block.power_w[0] for block in blocks] == pytest.approx([2124.86] * 2)
    assert all(block.counter_j is not None and np.isnan(block.counter_j[0]) for block in blocks), "it has fed back"
    assert {kind for kind, _ in errors_of(events)} == {"desync"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"001688.21*W", b"\xb001688.21*W"),
        (b"1-0:1.7.0", b"1-0:1.7.8"),
        (b"(80)", b"(8\x10)"),
        (b"(80)", b"(80"),
        (b"*W", b"*V"),
    ],
)
def test_a_broken_line_without_check_sum_is_dropped(old: bytes, new: bytes) -> None:
    decoder = Iec6205621Decoder({"mode": "push"})
    assert block_of(decoder.feed(EASYMETER, 0.0))
    assert errors_of(decoder.feed(EASYMETER.replace(old, new, 1), 2.0)) == [("implausible", 1)]


def test_one_flipped_bit_in_mode_d_moves_power_no_further_than_the_page_says() -> None:
    for bit in range(8 * len(EASYMETER)):
        decoder = Iec6205621Decoder({"mode": "push"})
        decoder.feed(EASYMETER, 0.0)
        data = bytearray(EASYMETER)
        data[bit // 8] ^= 1 << bit % 8
        for event in decoder.feed(bytes(data), 2.0):
            if isinstance(event, SampleBlock):
                assert abs(event.power_w[0] - 1688.21) <= 40_000.0


def test_a_readout_without_power_names_the_option() -> None:
    decoder = Iec6205621Decoder({})
    events = decoder.feed(encode_block(ISKRA), 1.0)
    assert next(event.detail for event in events if isinstance(event, FrameError)).endswith("from the counter 1.8.0")
    assert not any(isinstance(event, SampleBlock) for event in events)
    assert decoder.last_fields()["imported_wh"] == pytest.approx(34_204_753.0)
    assert decoder.last_fields()["F.F"] == "0000000"


def test_power_from_the_counter_is_the_mean_since_the_last_readout() -> None:
    decoder = Iec6205621Decoder({"power_from": "counter"})
    timeline = Timeline(DRIVER.data_sheet)
    counts: Counter[str] = Counter()
    powers = []
    for i, kwh in enumerate([10.0, 10.01, 10.01, 10.03]):
        events = decoder.feed(readout(None, kwh), 30.0 * i)
        powers += [event.power_w[0] for event in events if isinstance(event, SampleBlock)]
        assert errors_of(events) == []
        timeline.take(events, 30.0 * i, counts)
    assert powers == pytest.approx([1200.0, 0.0, 2400.0])
    first = timeline.first()
    assert first is not None
    low_j, high_j = energy_limits_j(energy_between(first, timeline.latest()), DRIVER.data_sheet)
    assert low_j <= 20 * 3600 <= high_j


def test_a_counter_that_is_too_coarse_gives_no_power() -> None:
    decoder = Iec6205621Decoder({"power_from": "counter"})
    for i in range(3):
        events = decoder.feed(readout(None, 10.0 + i, decimals=0), 30.0 * i)
        assert errors_of(events) == [("protocol", 1)]


def test_a_counter_that_began_anew_gives_no_power_across_the_break() -> None:
    decoder = Iec6205621Decoder({"power_from": "counter"})
    events = [
        event
        for i, kwh in enumerate([50.0, 50.01, 0.0, 0.01, 0.02])
        for event in decoder.feed(readout(None, kwh), 30.0 * i)
    ]
    assert errors_of(events) == [("reset", 1)]
    assert [event.power_w[0] for event in events if isinstance(event, SampleBlock)] == pytest.approx([1200.0, 1200.0])


@pytest.mark.parametrize(("text", "index"), [("0.513*kW", 0), ("00.51*kW", 1), ("0.5*kW", 2), ("513.0*W", 0)])
def test_the_range_tells_the_step_of_power(text: str, index: int) -> None:
    block = block_of(Iec6205621Decoder({}).feed(encode_block(f"1.7.0({text})\r\n!\r\n".encode()), 1.0))
    assert block.range_index is not None
    assert block.range_index.tolist() == [index]


def test_power_in_steps_of_a_kilowatt_is_refused() -> None:
    assert errors_of(Iec6205621Decoder({}).feed(encode_block(b"1.7.0(1*kW)\r\n!\r\n"), 1.0)) == [("implausible", 1)]


@pytest.mark.parametrize(
    ("text", "watts"),
    [
        ("16.7.0(-0.700*kW)", -700.0),
        ("1-0:1.7.0*255(0.100*kW)\r\n1-0:2.7.0*255(0.900*kW)", -800.0),
        ("36.7.0(1.0*W)\r\n56.7.0(2.0*W)\r\n76.7.0(-4.0*W)", -1.0),
        ("21.7.0(100*W)\r\n22.7.0(0*W)\r\n41.7.0(0*W)\r\n42.7.0(30*W)", 70.0),
        ("1.7.0*01(5.000*kW)", None),
        ("0-1:1.7.0(5.000*kW)", None),
        ("1.7.0(5.000)", None),
    ],
)
def test_which_codes_are_power(text: str, watts: float | None) -> None:
    sets, bad = read_sets(text)
    assert bad == 0
    power = electricity(quantities(sets)).power_w
    assert (None if power is None else power.value) == (None if watts is None else pytest.approx(watts))


def test_counters_are_the_total_or_the_sum_of_the_tariffs() -> None:
    both = electricity(quantities(read_sets("1.8.0(5.5*kWh)\r\n1.8.1(1.0*kWh)\r\n2.8.1(1*Wh)\r\n2.8.2(2*Wh)")[0]))
    assert both.import_wh is not None
    assert both.export_wh is not None
    assert both.import_wh.value == pytest.approx(5500.0)
    assert both.import_wh.step == pytest.approx(100.0)
    assert (both.export_wh.value, both.export_wh.step) == (3.0, 2.0), "two counters, each cut to its step"


@pytest.mark.parametrize("address", ["no spaces", "x" * 33, "/?!"])
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="address"):
        Iec6205621Decoder({"address": address})


@given(junk=st.binary(max_size=80), cuts=st.lists(st.integers(1, 40), max_size=20))
def test_framing_does_not_depend_on_chunks(junk: bytes, cuts: list[int]) -> None:
    data = junk + b"/ABC5X\r\n" + readout() + EASYMETER + readout(600.0) + EASYMETER
    expected = IecFrames().feed(data)
    frames = IecFrames()
    found: list[Identification | DataBlock] = []
    at = 0
    for size in [*cuts, len(data)]:
        found += frames.feed(data[at : at + size])
        at += size
    assert found == expected
    assert [one.integrity for one in found if isinstance(one, DataBlock)][-2:] == ["checked", "unchecked"]


@pytest.mark.parametrize("start", [b"\x02", b"/ABC5X\r\n\r\n", b"/ABC5", b"\x06"])
def test_what_never_ends_is_let_go(start: bytes) -> None:
    frames = IecFrames()
    for _ in range(4):
        assert not [one for one in frames.feed(start + b"1" * (LONGEST_BYTES + 100)) if isinstance(one, DataBlock)]
    assert frames.take_skipped_bytes() > 2 * LONGEST_BYTES
    assert len(frames.feed(readout())) == 1


@pytest.mark.parametrize("mode", ["ask", "push"])
def test_the_emulated_meter_counts_what_it_shows(mode: str) -> None:
    talk = Conversation(DRIVER.for_options({"mode": mode}), options={"mode": mode})
    talk.run_until_samples(steady(231.0, 10.0))
    decoded = talk.run(600.0, steady(231.0, 10.0))
    assert decoded.errors() == {}
    assert decoded.column("power_w")[1:] == pytest.approx(2310.0, abs=0.6)
    t_s, counter_j = decoded.column("t_device_s"), decoded.column("counter_j")
    assert counter_j[-1] - counter_j[0] == pytest.approx(2310.0 * (t_s[-1] - t_s[0]), abs=3600 + 2 * 2310.0)


def test_the_emulated_meter_ignores_what_is_not_for_it() -> None:
    encoder = Iec6205621Encoder({"address": "7"}, 1)
    encoder.emit(np.array([1.0]), np.array([230.0]), np.array([1.0]))
    assert encoder.receive(b"/?8!\r\n", 0.0) == b""
    assert encoder.receive(b"/?7!", 0.0) == b""
    assert encoder.receive(b"\r\n", 0.0) == b"/EDJ5EDGEJOULE\r\n"
    assert encoder.receive(b"\x06050\r\n", 0.0) == b"", "another rate than the port's"
    assert encoder.receive(b"\x06000\r\n", 0.0)[:1] == b"\x02"
