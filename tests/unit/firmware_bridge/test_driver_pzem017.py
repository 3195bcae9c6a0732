"""PZEM-017 and 003: recorded answers, and shunts that the meter may be wrong about."""

import pytest

from firmware_bridge.driver import Options
from firmware_bridge.drivers.pzem017 import DRIVER
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.modbus.encoder import framed
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.meter_talk import Conversation, steady

# Recorded from a PZEM-017 at 11.73 V without load: ptvoinfo/zigbee-configurable-firmware#78.
QUESTION = bytes.fromhex("010400000008F1CC")
RECORDED = bytes.fromhex("0104100495000000000000000200000000000021" + "40")
REFUSED = bytes.fromhex("018402C2C1")


def values(volts: int, amps: int, watts: int, wh: int, high: int = 0, low: int = 0) -> bytes:
    words = (volts, amps, watts & 0xFFFF, watts >> 16, wh & 0xFFFF, wh >> 16, high, low)
    return framed(b"\x01\x04\x10" + b"".join(word.to_bytes(2, "big") for word in words))


def settings(shunt_code: int) -> bytes:
    return framed(bytes.fromhex("01030875300 2bc0001".replace(" ", "")) + shunt_code.to_bytes(2, "big"))


def talk_to(options: Options, shunt_code: int) -> list[Event]:
    decoder = DRIVER.make_decoder(options)
    assert decoder.bytes_to_send(0.0) == framed(bytes.fromhex("010300000004"))
    events = decoder.feed(settings(shunt_code), 0.05)
    assert decoder.bytes_to_send(0.1) == QUESTION
    return events + decoder.feed(values(1200, 150, 180, 5), 0.15)


def test_a_recorded_answer_field_by_field() -> None:
    decoder = DRIVER.make_decoder({})
    identity, block = decoder.feed(RECORDED, 3.0)
    assert identity == MeterIdentity("PZEM-017")
    assert isinstance(block, SampleBlock)
    assert block.voltage_v[0] == pytest.approx(11.73)
    assert (block.current_a[0], block.power_w[0]) == (0.0, 0.0)
    assert block.counter_j is not None
    assert block.counter_j[0] == 2 * 3600.0
    assert block.range_index is None
    assert decoder.last_fields() == {
        "modbus_address": 1,
        "energy_wh": 2,
        "voltage_high_alarm": False,
        "voltage_low_alarm": False,
    }


def test_a_recorded_refusal() -> None:
    decoder = DRIVER.make_decoder({})
    decoder.bytes_to_send(0.0)
    decoder.feed(settings(0), 0.05)
    decoder.bytes_to_send(0.1)
    (error,) = decoder.feed(REFUSED, 0.15)
    assert isinstance(error, FrameError)
    assert error.kind == "protocol"
    assert "exception 2" in error.detail


@pytest.mark.parametrize(("code", "shunt_a", "index"), [(0, 100.0, 2), (1, 50.0, 1), (2, 200.0, 3), (3, 300.0, 4)])
def test_the_shunt_that_the_meter_is_set_to_is_its_range(code: int, shunt_a: float, index: int) -> None:
    identity, block = talk_to({}, code)
    assert identity == MeterIdentity("PZEM-017", calibration={"shunt_a": shunt_a})
    assert isinstance(block, SampleBlock)
    assert block.range_index is not None
    assert block.range_index.tolist() == [index]
    assert DRIVER.data_sheet.ranges[index].max_current_a == shunt_a


def test_a_shunt_that_is_not_the_one_mounted_gives_an_error_and_no_joules() -> None:
    events = talk_to({"shunt_a": 300}, 0)
    assert not any(isinstance(event, SampleBlock) for event in events)
    error = events[-1]
    assert isinstance(error, FrameError)
    assert error.kind == "protocol"
    assert (
        "set to a shunt of 100 A, but option 'shunt_a' says that 300 A is mounted; write 3 to register 3"
        in error.detail
    )


def test_the_shunt_that_is_mounted_agrees() -> None:
    block = talk_to({"shunt_a": "50"}, 1)[-1]
    assert isinstance(block, SampleBlock)
    assert (block.current_a[0], block.power_w[0]) == (1.5, 18.0)


def test_without_settings_the_option_names_the_range() -> None:
    block = DRIVER.make_decoder({"shunt_a": 200}).feed(values(1200, 150, 180, 5), 1.0)[-1]
    assert isinstance(block, SampleBlock)
    assert block.range_index is not None
    assert block.range_index.tolist() == [3]


def test_a_code_that_no_document_knows_names_no_range() -> None:
    identity, block = talk_to({}, 9)
    assert identity == MeterIdentity("PZEM-017")
    assert isinstance(block, SampleBlock)
    assert block.range_index is None


def test_the_pzem_003_has_its_own_shunt_whatever_its_code_says() -> None:
    identity, block = talk_to({"model": "pzem003", "shunt_a": 300}, 0)
    assert identity == MeterIdentity("PZEM-003", calibration={"shunt_a": 10.0})
    assert isinstance(block, SampleBlock)
    assert block.range_index is not None
    assert block.range_index.tolist() == [0]


def test_a_current_at_the_end_of_the_shunt_is_flagged() -> None:
    decoder = DRIVER.make_decoder({"shunt_a": 50})
    block = decoder.feed(values(1200, 5000, 6000, 0), 1.0)[-1]
    assert isinstance(block, SampleBlock)
    assert block.flags is not None
    assert block.flags[0] & SampleFlag.SATURATED


def test_the_alarms_are_fields() -> None:
    decoder = DRIVER.make_decoder({})
    decoder.feed(values(500, 0, 0, 0, low=0xFFFF), 1.0)
    assert decoder.last_fields()["voltage_low_alarm"] is True
    assert decoder.last_fields()["voltage_high_alarm"] is False


@pytest.mark.parametrize(("options", "stop_bits"), [({}, 2), ({"stop_bits": 1}, 1), ({"stop_bits": "2"}, 2)])
def test_stop_bits_are_as_the_manual_says_or_as_the_user_says(options: Options, stop_bits: int) -> None:
    assert DRIVER.serial_settings(options).stopbits == stop_bits
    assert DRIVER.serial_settings(options).baud_hz == 9600


@pytest.mark.parametrize("options", [{"shunt_a": 75}, {"stop_bits": 3}, {"model": "pzem016"}, {"power_factor": 1}])
def test_options_that_cannot_be_are_refused(options: Options) -> None:
    with pytest.raises(ConfigurationError):
        DRIVER.make_decoder(options)


def test_its_counter_follows_a_load_at_twelve_volts() -> None:
    talk = Conversation(DRIVER, options={"shunt_a": 50})
    talk.run(60.0, steady(12.0, 20.0))
    counters_j = talk.decoded.column("counter_j")
    assert counters_j[-1] == pytest.approx(60.0 * 240.0, abs=3600.0)
    assert talk.decoded.column("power_w")[-1] == pytest.approx(240.0)
    assert talk.decoder.last_fields()["shunt_a"] == 50
