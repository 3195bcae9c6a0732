"""SDM120: numbers of four bytes, two blocks a cycle, and counters that need not be numbers."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.calibration import power_step_w, power_u_w
from firmware_bridge.driver import Options
from firmware_bridge.drivers.sdm120 import DRIVER
from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.modbus import eastron
from firmware_bridge.protocol.modbus.encoder import framed
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import blocks_of
from tests.fakes.meter_talk import Conversation, steady


def block_of(count: int, numbers: dict[int, float]) -> bytes:
    """An answer of ``count`` numbers, made by hand."""
    body = b"".join(struct.pack(">f", numbers.get(2 * i, 0.0)) for i in range(count))
    return framed(bytes((1, 4, len(body))) + body)


def values(volts: float = 230.0, amps: float = 1.0, watts: float = 200.0, factor: float = 0.9) -> bytes:
    return block_of(16, {0x00: volts, 0x06: amps, 0x0C: watts, 0x12: 222.0, 0x18: -96.5, 0x1E: factor})


def counters(kwh: float, export_kwh: float = 0.0, hz: float = 50.0) -> bytes:
    return block_of(3, {0: hz, 2: kwh, 4: export_kwh})


def counter_j(block: SampleBlock) -> float:
    assert block.counter_j is not None
    return float(block.counter_j[0])


@pytest.mark.parametrize(
    ("frame", "number"),
    [
        ("01040443663334 1b38", 230.2),  # example of the maker's manuals (SDM320Y V1.0, 4.3)
        ("01030442c80000 6fb5", 100.0),  # the same
        ("0104044367af55 e210", 231.68),  # recorded, volkszaehler/mbmd#63
        ("0104044088fa31 ed1a", 4.2806),  # the same
    ],
)
def test_numbers_of_documents_and_recordings(frame: str, number: float) -> None:
    raw = bytes.fromhex(frame)
    assert raw == framed(raw[:-2])
    assert eastron.number(struct.unpack(">HH", raw[3:7]), 0) == pytest.approx(number, rel=1e-4)


def test_it_asks_for_serial_number_counters_and_values() -> None:
    decoder = DRIVER.make_decoder({})
    assert decoder.bytes_to_send(0.0) == framed(bytes.fromhex("0103fc000002"))
    assert decoder.feed(framed(bytes.fromhex("010304") + (20_123_456).to_bytes(4, "big")), 0.1) == [
        MeterIdentity("SDM120", "20123456")
    ]
    assert decoder.bytes_to_send(0.19) == b""
    assert decoder.bytes_to_send(0.2) == framed(bytes.fromhex("010400460006"))
    assert decoder.feed(counters(355.601, 0.25, 49.98), 0.3) == []
    assert decoder.bytes_to_send(0.4) == framed(bytes.fromhex("010400000020"))
    (block,) = blocks_of(decoder.feed(values(230.2, 1.25, -250.5), 0.6))
    assert (block.voltage_v[0], block.current_a[0], block.power_w[0]) == (pytest.approx(230.2), 1.25, -250.5)
    assert counter_j(block) == pytest.approx(355.601 * 3.6e6, rel=1e-6)
    assert decoder.last_fields() == {
        "modbus_address": 1,
        "apparent_power_va": 222.0,
        "reactive_power_var": -96.5,
        "power_factor_ratio": pytest.approx(0.9),
        "frequency_hz": pytest.approx(49.98),
        "import_kwh": pytest.approx(355.601),
        "export_kwh": 0.25,
    }
    assert decoder.bytes_to_send(1.19) == b""
    assert decoder.bytes_to_send(1.2) == framed(bytes.fromhex("010400460006"))


def test_a_sample_without_its_counter_has_none() -> None:
    decoder = DRIVER.make_decoder({})
    decoder.feed(counters(10.0), 1.0)
    first, second = blocks_of(decoder.feed(values(watts=100.0) + values(watts=101.0), 1.1))
    assert counter_j(first) == 3.6e7
    assert math.isnan(counter_j(second))
    assert "import_kwh" not in decoder.last_fields()


@pytest.mark.parametrize("name", ["volts", "amps", "watts"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_no_sample(name: str, number: float) -> None:
    events = DRIVER.make_decoder({}).feed(values(**{name: number}), 1.0)
    assert blocks_of(events) == []
    error = events[-1]
    assert isinstance(error, FrameError)
    assert error.kind == "implausible"


def test_a_counter_that_is_no_number_makes_its_sample_implausible() -> None:
    events = DRIVER.make_decoder({}).feed(counters(math.nan) + values(), 1.0)
    assert blocks_of(events) == []
    assert isinstance(events[-1], FrameError)


def test_a_further_field_that_is_no_number_is_unknown() -> None:
    decoder = DRIVER.make_decoder({})
    assert len(blocks_of(decoder.feed(counters(1.0, math.nan) + values(factor=math.nan), 1.0))) == 1
    assert decoder.last_fields()["power_factor_ratio"] is None
    assert decoder.last_fields()["export_kwh"] is None


def test_a_counter_of_another_unit_is_a_reset() -> None:
    decoder = DRIVER.make_decoder({})
    decoder.feed(counters(1234.5) + values(), 1.0)
    kinds = [event.kind for event in decoder.feed(counters(2.0) + values(), 2.0) if isinstance(event, FrameError)]
    assert kinds == ["reset"]


def test_the_same_values_within_a_second_are_stale() -> None:
    decoder = DRIVER.make_decoder({})
    flags = [blocks_of(decoder.feed(counters(1.0 + t_s) + values(), t_s))[0].flags for t_s in (1.0, 1.5, 2.0, 2.5)]
    assert [one is not None and bool(one[0] & SampleFlag.STALE) for one in flags] == [False, True, False, True]


def test_a_unit_without_a_serial_number_is_known_before_its_first_sample() -> None:
    decoder = DRIVER.make_decoder({})
    decoder.bytes_to_send(0.0)
    assert decoder.feed(framed(bytes.fromhex("018302")), 0.1) == [MeterIdentity("SDM120")]
    assert decoder.bytes_to_send(0.2) == framed(bytes.fromhex("010400460006"))


def test_its_counter_bounds_what_a_gap_hides() -> None:
    """Ten minutes without an answer: the gap is bounded by full scale, the meter's own counter knows better."""
    sheet, talk, register = DRIVER.data_sheet, Conversation(DRIVER), EnergyRegister(DRIVER.data_sheet)
    talk.run(5.0, steady(230.0, 10.0))
    t_lost = len(talk.decoded.events)
    talk.lossy = lambda _data: b""
    decoder_of_talk = talk.decoder
    talk.decoder = DRIVER.make_decoder({})
    for _ in range(60):
        talk.run(10.0, steady(230.0, 10.0))
        del talk.decoded.events[t_lost:]
    talk.decoder = decoder_of_talk
    talk.run(5.0, steady(230.0, 10.0))
    for block in talk.decoded.blocks():
        register.add(block, power_u_w(sheet, block), power_step_w(sheet, block))
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    true_j = delta.duration_s * 2300.0
    assert delta.gap_s == pytest.approx(600.0, abs=3.0)
    assert delta.gap_bound_j > 4 * true_j
    low_j, high_j = energy_limits_j(delta, sheet)
    assert true_j - 80e3 < low_j <= true_j <= high_j < true_j + 80e3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (2400, "N", 1)),
        ({"baud_hz": 9600, "parity": "even"}, (9600, "E", 1)),
        ({"baud_hz": "1200", "stop_bits": 2}, (1200, "N", 2)),
    ],
)
def test_the_port_is_opened_as_the_meter_is_set(options: Options, expected: tuple[int, str, int]) -> None:
    settings = DRIVER.serial_settings(options)
    assert (settings.baud_hz, settings.parity, settings.stopbits) == expected


@pytest.mark.parametrize(
    "options", [{"baud_hz": 115200}, {"parity": "mark"}, {"stop_bits": 3}, {"address": 248}, {"poll_interval_s": 1.1}]
)
def test_options_that_cannot_be_are_refused(options: Options) -> None:
    with pytest.raises(ConfigurationError):
        DRIVER.make_decoder(options)


@given(volts=st.floats(0, 400, width=32), amps=st.floats(-80, 80, width=32), watts=st.floats(-20e3, 20e3, width=32))
def test_numbers_arrive_as_they_are(volts: float, amps: float, watts: float) -> None:
    (block,) = blocks_of(DRIVER.make_decoder({}).feed(values(volts, amps, watts), 1.0))
    assert (block.voltage_v[0], block.current_a[0], block.power_w[0]) == (volts, amps, watts)


def test_what_flows_backwards_is_negative_and_goes_to_the_other_counter() -> None:
    talk = Conversation(DRIVER)
    talk.run(60.0, steady(230.0, -10.0))
    assert talk.decoded.column("power_w")[-1] == pytest.approx(-2300.0)
    assert talk.decoded.column("counter_j")[-1] == 0.0
    exported_kwh = talk.decoder.last_fields()["export_kwh"]
    assert isinstance(exported_kwh, float)
    assert exported_kwh == pytest.approx(60.0 * 2300.0 / 3.6e6, abs=0.002)
