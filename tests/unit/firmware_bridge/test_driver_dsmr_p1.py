r"""DSMR P1: published telegrams, framing, stale and missing telegrams, counters, what the emulator says.

The telegrams are those that dsmr-parser is tested with (ndokter/dsmr_parser, test/example_telegrams.py), with their
own check sums.
"""

import sys

import numpy as np
import pytest
from dsmr_parser import telegram_specifications  # type: ignore[import-untyped]
from dsmr_parser.parsers import TelegramParser  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.drivers.dsmr_p1 import DRIVER, DsmrP1Decoder, DsmrP1Encoder
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.crc import crc16_arc
from firmware_bridge.protocol.site.p1_frames import LONGEST_BYTES, P1Frames
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import block_of, errors_of

V5 = rb"""/ISk5\2MT382-1000

1-3:0.2.8(50)
0-0:1.0.0(170102192002W)
0-0:96.1.1(4B384547303034303436333935353037)
1-0:1.8.1(000004.426*kWh)
1-0:1.8.2(000002.399*kWh)
1-0:2.8.1(000002.444*kWh)
1-0:2.8.2(000000.000*kWh)
0-0:96.14.0(0002)
1-0:1.7.0(00.244*kW)
1-0:2.7.0(00.000*kW)
0-0:96.7.21(00013)
0-0:96.7.9(00000)
1-0:99.97.0(0)(0-0:96.7.19)
1-0:32.32.0(00000)
1-0:52.32.0(00000)
1-0:72.32.0(00000)
1-0:32.36.0(00000)
1-0:52.36.0(00000)
1-0:72.36.0(00000)
0-0:96.13.0()
1-0:32.7.0(0230.0*V)
1-0:52.7.0(0230.0*V)
1-0:72.7.0(0229.0*V)
1-0:31.7.0(0.48*A)
1-0:51.7.0(0.44*A)
1-0:71.7.0(0.86*A)
1-0:21.7.0(00.070*kW)
1-0:41.7.0(00.032*kW)
1-0:61.7.0(00.142*kW)
1-0:22.7.0(00.000*kW)
1-0:42.7.0(00.000*kW)
1-0:62.7.0(00.000*kW)
0-1:24.1.0(003)
0-1:96.1.0(3232323241424344313233343536373839)
0-1:24.2.1(170102161005W)(00000.107*m3)
0-2:24.1.0(003)
0-2:96.1.0()
!6EEE
""".replace(b"\n", b"\r\n")

V4_2 = b"""/KFM5KAIFA-METER

1-3:0.2.8(42)
0-0:1.0.0(161113205757W)
0-0:96.1.1(3960221976967177082151037881335713)
1-0:1.8.1(001581.123*kWh)
1-0:1.8.2(001435.706*kWh)
1-0:2.8.1(000000.000*kWh)
1-0:2.8.2(000000.000*kWh)
0-0:96.14.0(0002)
1-0:1.7.0(02.027*kW)
1-0:2.7.0(00.000*kW)
0-0:96.7.21(00015)
0-0:96.7.9(00007)
1-0:99.97.0(3)(0-0:96.7.19)(000104180320W)(0000237126*s)(000101000001W)(2147583646*s)(000102000003W)(2317482647*s)
1-0:32.32.0(00000)
1-0:52.32.0(00000)
1-0:72.32.0(00000)
1-0:32.36.0(00000)
1-0:52.36.0(00000)
1-0:72.36.0(00000)
0-0:96.13.1()
0-0:96.13.0()
1-0:31.7.0(000*A)
1-0:51.7.0(006*A)
1-0:71.7.0(002*A)
1-0:21.7.0(00.170*kW)
1-0:22.7.0(00.000*kW)
1-0:41.7.0(01.247*kW)
1-0:42.7.0(00.000*kW)
1-0:61.7.0(00.209*kW)
1-0:62.7.0(00.000*kW)
0-1:24.1.0(003)
0-1:96.1.0(4819243993373755377509728609491464)
0-1:24.2.1(161129200000W)(00981.443*m3)
!6796
""".replace(b"\n", b"\r\n")

V2_2 = rb"""/ISk5\2MT382-1004

0-0:96.1.1(00000000000000)
1-0:1.8.1(00001.001*kWh)
1-0:1.8.2(00001.001*kWh)
1-0:2.8.1(00000.000*kWh)
1-0:2.8.2(00000.000*kWh)
0-0:96.14.0(0001)
1-0:1.7.0(0001.01*kW)
1-0:2.7.0(0000.00*kW)
0-0:17.0.0(0999.00*kW)
0-0:96.3.10(1)
0-0:96.13.1()
0-0:96.13.0()
0-1:24.1.0(3)
0-1:96.1.0(000000000000)
0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)
(00001.001)
0-1:24.4.0(1)
!
""".replace(b"\n", b"\r\n")


def with_crc(text: bytes) -> bytes:
    body = text[: text.index(b"!") + 1]
    return body + f"{crc16_arc(body):04X}\r\n".encode()


def at(second: int, *, watts: int = 500, wh: int = 1000) -> bytes:
    text = V4_2.replace(b"161113205757W", f"1611132057{second:02d}W".encode())
    text = text.replace(b"02.027", f"{watts / 1000:06.3f}".encode()).replace(
        b"001581.123", f"{wh / 1000:010.3f}".encode()
    )
    return with_crc(text)


@pytest.mark.parametrize("telegram", [V5, V4_2], ids=["version 5", "version 4.2"])
def test_the_published_check_sums_hold(telegram: bytes) -> None:
    body = telegram[: telegram.index(b"!") + 1]
    assert f"{crc16_arc(body):04X}\r\n".encode() == telegram[len(body) :]
    assert [one.integrity for one in P1Frames().feed(telegram)] == ["checked"]


def test_a_published_telegram_of_version_5() -> None:
    decoder = DsmrP1Decoder({})
    events = decoder.feed(V5, 10.0)
    assert events[0] == MeterIdentity(r"ISk5\2MT382-1000", "K8EG004046395507", "DSMR 5.0")
    block = block_of(events)
    assert block.power_w.tolist() == [244.0]
    assert block.voltage_v[0] == pytest.approx(689.0 / 3)
    assert block.current_a[0] == pytest.approx(244.0 / (689.0 / 3))
    assert block.counter_j is not None
    assert np.isnan(block.counter_j[0]), "this site has exported: its import counter is not the net energy"
    fields = decoder.last_fields()
    assert fields["p1_message_timestamp_utc"] == "2017-01-02T18:20:02+00:00"
    assert fields["electricity_used_tariff_1_kwh"] == pytest.approx(4.426)
    assert fields["imported_wh"] == pytest.approx(6825.0)
    assert fields["exported_wh"] == pytest.approx(2444.0)
    assert fields["phase_3_current_a"] == pytest.approx(0.86)
    assert fields["instantaneous_active_power_l3_positive_kw"] == pytest.approx(0.142)
    assert fields["mbus_1_meter_reading_m3"] == pytest.approx(0.107)
    assert fields["voltage_assumed"] is False


def test_a_published_telegram_of_version_4_2_has_no_volts() -> None:
    decoder = DsmrP1Decoder({"version": "4", "voltage_v": 235})
    events = decoder.feed(V4_2, 10.0)
    assert isinstance(events[0], MeterIdentity)
    assert events[0].calibration == {"assumed_voltage_v": 235.0}
    block = block_of(events)
    assert block.power_w[0] == pytest.approx(2027.0)
    assert block.voltage_v.tolist() == [235.0]
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx((1581.123 + 1435.706) * 3.6e6)
    assert decoder.last_fields()["voltage_assumed"] is True
    assert decoder.last_fields()["phase_2_current_a"] == 6.0


@pytest.mark.parametrize("version", ["2", "3"])
def test_a_published_telegram_of_version_2_2_has_no_check_sum(version: str) -> None:
    decoder = DsmrP1Decoder({"version": version})
    block = block_of(decoder.feed(V2_2, 10.0))
    assert block.power_w.tolist() == [1010.0]
    assert block.range_index is not None
    assert block.range_index.tolist() == [1], "steps of 10 W"
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(2002.0 * 3600)
    assert decoder.last_fields()["mbus_1_gas_meter_reading_m3"] == pytest.approx(1.001)
    assert errors_of(DsmrP1Decoder({}).feed(V2_2, 10.0)) == [("checksum", 1)]


def test_watt_hours_and_totals_without_tariffs_are_read_too() -> None:
    """As Sagemcom T210-D-R meters in Austria send them."""
    text = (
        b"/EST5\\253710000_A\r\n\r\n1-0:1.8.0(006545766*Wh)\r\n1-0:1.7.0(000000286*W)\r\n1-0:2.7.0(000000000*W)\r\n!"
    )
    block = block_of(DsmrP1Decoder({}).feed(with_crc(text), 1.0))
    assert block.power_w.tolist() == [286.0]
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(6545766 * 3600.0)


def test_power_fed_back_is_negative() -> None:
    text = with_crc(V5.replace(b"1.7.0(00.244", b"1.7.0(00.000").replace(b"2.7.0(00.000", b"2.7.0(03.210"))
    assert block_of(DsmrP1Decoder({}).feed(text, 1.0)).power_w.tolist() == [-3210.0]


@pytest.mark.parametrize(("crc", "good"), [(b"6EEE", True), (b"6eee", True), (b"6EEE\0", True), (b"6EEF", False)])
def test_forms_of_the_check_sum(crc: bytes, good: bool) -> None:  # noqa: FBT001
    events = DsmrP1Decoder({}).feed(V5.replace(b"6EEE", crc), 1.0)
    assert errors_of(events) == ([] if good else [("checksum", 1)])


def test_a_check_sum_without_its_leading_zeros_is_taken() -> None:
    for watts in range(100, 1000):
        telegram = at(1, watts=watts)
        crc = telegram[telegram.index(b"!") + 1 :].strip()
        if crc.startswith(b"0"):
            short = telegram.replace(b"!" + crc, b"!" + crc.lstrip(b"0"))
            assert block_of(DsmrP1Decoder({}).feed(short, 1.0)).power_w.tolist() == [float(watts)]
            return
    raise AssertionError("no such check sum in 900 telegrams")


def test_every_flipped_bit_is_seen() -> None:
    telegram, good, decoder = at(7), at(7, watts=600), DsmrP1Decoder({})
    for bit in range(8 * len(telegram)):
        data = bytearray(telegram)
        data[bit // 8] ^= 1 << bit % 8
        events = decoder.feed(bytes(data) + b"\r\n" + good, 1.0)
        assert [event.power_w[0] for event in events if isinstance(event, SampleBlock)] in ([600.0], [500.0, 600.0])
        blocks = sum(isinstance(event, SampleBlock) for event in events)
        assert bool(errors_of(events)) == (blocks == 1)


def test_a_broken_telegram_without_check_sum_moves_power_no_further_than_the_page_says() -> None:
    decoder = DsmrP1Decoder({"version": "3"})
    decoder.feed(V2_2, 0.0)
    for bit in range(8 * len(V2_2)):
        data = bytearray(V2_2)
        data[bit // 8] ^= 1 << bit % 8
        for event in decoder.feed(bytes(data), 1.0 + bit):
            if isinstance(event, SampleBlock):
                assert abs(event.power_w[0] - 1010.0) <= 40_000.0
        decoder.feed(V2_2, 1.5 + bit)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"1-0:2.7.0", b"1-0:2.7.1"), (b"0000.00*kW", b"0000.00*kV"), (b"0001.01*kW", b"8001.01*kW"), (b"()", b"(\x01)")],
)
def test_what_a_telegram_without_check_sum_must_not_hold(old: bytes, new: bytes) -> None:
    decoder = DsmrP1Decoder({"version": "3"})
    assert block_of(decoder.feed(V2_2, 0.0))
    events = decoder.feed(V2_2.replace(old, new, 1), 10.0)
    assert [kind for kind, _ in errors_of(events)] in (["implausible"], ["protocol"])
    assert not any(isinstance(event, SampleBlock) for event in events)


def test_the_same_time_twice_is_stale() -> None:
    decoder = DsmrP1Decoder({"version": "4"})
    first, second, third = (block_of(decoder.feed(at(second), t)) for second, t in ((5, 1.0), (5, 2.0), (15, 11.0)))
    assert first.flags is None
    assert second.flags is not None
    assert second.flags.tolist() == [SampleFlag.STALE]
    assert third.flags is None


def test_missing_telegrams_are_counted_by_both_clocks() -> None:
    decoder = DsmrP1Decoder({"version": "4"})
    said = [errors_of(decoder.feed(at(second), t)) for second, t in ((0, 0.0), (10, 10.0), (40, 40.0), (50, 50.0))]
    assert said == [[], [], [("lost", 2)], []]


def test_a_clock_that_is_set_forward_loses_nothing() -> None:
    decoder = DsmrP1Decoder({"version": "4"})
    said = [errors_of(decoder.feed(at(second), t)) for second, t in ((0, 0.0), (10, 10.0), (50, 20.0))]
    assert said == [[], [], []]


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    decoder = DsmrP1Decoder({"version": "4"})
    said = [errors_of(decoder.feed(at(second), t)) for second, t in ((40, 0.0), (50, 10.0), (0, 20.0), (10, 30.0))]
    assert said == [[], [], [], []]


def test_another_meter_introduces_itself_and_its_counter_is_a_reset_once_confirmed() -> None:
    decoder = DsmrP1Decoder({"version": "4"})
    other = [with_crc(at(second, wh=7).replace(b"0-0:96.1.1(3960", b"0-0:96.1.1(4141")) for second in (10, 20)]
    decoder.feed(at(0, wh=9_000_000), 0.0)
    events = decoder.feed(other[0], 10.0)
    assert [event.serial_number for event in events if isinstance(event, MeterIdentity)] != []
    counter_j = block_of(events).counter_j
    assert counter_j is not None
    assert np.isnan(counter_j[0])
    assert errors_of(decoder.feed(other[1], 20.0)) == [("reset", 1)]


def test_a_telegram_without_power_says_so() -> None:
    events = DsmrP1Decoder({}).feed(
        with_crc(V5.replace(b"1-0:1.7.0", b"1-0:9.7.0").replace(b":21.7.0", b":25.7.0")), 1.0
    )
    assert errors_of(events) in ([("protocol", 1)], [])
    text = b"/ABC5X\r\n\r\n1-0:1.8.0(006545766*Wh)\r\n!"
    error = DsmrP1Decoder({}).feed(with_crc(text), 1.0)[-1]
    assert isinstance(error, FrameError)
    assert (error.kind, "no power" in error.detail) == ("protocol", True)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dsmr_parser", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'edgejoule\[site\]'"):
        DsmrP1Decoder({})


@pytest.mark.parametrize(
    ("version", "baud_hz", "frame"),
    [("2", 9600, "7E1"), ("3", 9600, "7E1"), ("4", 115200, "8N1"), ("5", 115200, "8N1")],
)
def test_the_version_decides_how_the_port_is_opened(version: str, baud_hz: int, frame: str) -> None:
    settings = DRIVER.serial_settings({"version": version})
    assert (settings.baud_hz, f"{settings.bytesize}{settings.parity}{settings.stopbits}") == (baud_hz, frame)
    sheet = DRIVER.for_options({"version": version}).data_sheet
    assert sheet.sample_interval_s == (1.0 if version == "5" else 10.0)
    assert sheet.power_resolution_w == (10.0 if version in "23" else 1.0)


@pytest.mark.parametrize("version", ["2", "3", "4", "5"])
@given(watts=st.integers(-9000, 9000), seed=st.integers(0, 999))
def test_dsmr_parser_reads_what_the_emulated_meter_sends(version: str, watts: int, seed: int) -> None:
    encoder = DsmrP1Encoder({"version": version}, seed)
    t_s = np.arange(1.0, 22.0)
    sent = encoder.emit(t_s, np.full(21, 231.0), np.full(21, watts / 231.0))
    telegrams = sent.decode().split("/")[1:]
    assert len(telegrams) == (20 if version == "5" else 2)
    specification = {"2": "V2_2", "3": "V3", "4": "V4", "5": "V5"}[version]
    parsed = TelegramParser(getattr(telegram_specifications, specification)).parse("/" + telegrams[-1])
    step_w = 5.0 if version in "23" else 0.5
    drawn_w = float(parsed.CURRENT_ELECTRICITY_USAGE.value) * 1e3
    fed_w = float(parsed.CURRENT_ELECTRICITY_DELIVERY.value) * 1e3
    assert drawn_w - fed_w == pytest.approx(watts, abs=step_w + 1e-6)
    assert float(parsed.ELECTRICITY_USED_TARIFF_1.value) == pytest.approx(seed, abs=0.06)
    decoder = DsmrP1Decoder({"version": version})
    power_w = [e.power_w[0] for e in decoder.feed(sent, 1.0) if isinstance(e, SampleBlock)]
    assert power_w == pytest.approx([watts] * len(telegrams), abs=step_w + 1e-6)


@given(pieces=st.lists(st.integers(1, 400), max_size=12), junk=st.binary(max_size=60))
def test_framing_does_not_depend_on_chunks(pieces: list[int], junk: bytes) -> None:
    data = junk.replace(b"!", b"") + b"\r\n" + V5 + V5[40:] + V4_2
    expected = P1Frames().feed(data)
    frames, found = P1Frames(), []
    start = 0
    for size in [*pieces, len(data)]:
        found += frames.feed(data[start : start + size])
        start += size
    assert found == expected
    assert [one.integrity for one in expected].count("checked") == 2


def test_a_telegram_that_never_ends_is_let_go() -> None:
    frames = P1Frames()
    for _ in range(20):
        assert frames.feed(b"/" + b"x" * 1000) == []
        assert frames.feed(b"y" * LONGEST_BYTES) == []
    assert frames.take_skipped_bytes() > 19 * LONGEST_BYTES
    for _ in range(20):
        frames.feed(b"/" + b"x" * (LONGEST_BYTES // 2))
        frames.feed(b"y" * (LONGEST_BYTES // 2))
        assert frames.take_skipped_bytes() == LONGEST_BYTES // 2 * 2 + 1
    assert len(frames.feed(V5)) == 1
