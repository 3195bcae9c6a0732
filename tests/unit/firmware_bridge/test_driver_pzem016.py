"""PZEM-016 and 014: the registers of the PZEM-004T in another box, on a line with others."""

import pytest

from firmware_bridge.drivers.pzem004t import DRIVER as SISTER
from firmware_bridge.drivers.pzem016 import DRIVER
from firmware_bridge.protocol.modbus.encoder import framed
from firmware_bridge.samples import MeterIdentity, SampleBlock
from tests.fakes.meter_talk import Conversation, steady

# A recorded answer of the sister model (arendst/Tasmota#11817).
RECORDED = bytes.fromhex("010414097C339B000074FA00001F22000001F4005D0000588A")


def test_it_reads_what_its_sister_reads() -> None:
    ours, theirs = (driver.make_decoder({}) for driver in (DRIVER, SISTER))
    identity, block = ours.feed(RECORDED, 1.0)
    _, other = theirs.feed(RECORDED, 1.0)
    assert identity == MeterIdentity("PZEM-014/016")
    assert isinstance(block, SampleBlock)
    assert isinstance(other, SampleBlock)
    assert (block.power_w[0], block.voltage_v[0]) == (other.power_w[0], other.voltage_v[0])
    assert ours.last_fields() == theirs.last_fields()


def test_neighbours_on_the_line_do_not_answer_for_each_other() -> None:
    near, far = (Conversation(DRIVER, options={"address": address}) for address in (1, 2))
    near.run(3.0, steady(230.0, 1.0))
    decoder = DRIVER.make_decoder({"address": 2})
    for one in near.said:
        if one.from_meter:
            assert not any(isinstance(event, SampleBlock) for event in decoder.feed(one.data, one.t_host_s))
    far.run(3.0, steady(230.0, 1.0))
    assert far.said[0].data[0] == 2
    assert far.decoded.column("power_w")[-1] == pytest.approx(230.0)


def test_it_is_opened_at_9600_baud_with_one_stop_bit() -> None:
    settings = DRIVER.serial_settings({"address": 3})
    assert (settings.baud_hz, settings.parity, settings.stopbits) == (9600, "N", 1)


def test_its_counter_in_watt_hours_follows_the_load() -> None:
    talk = Conversation(DRIVER)
    talk.run(40.0, steady(230.0, 20.0))
    counters_j = talk.decoded.column("counter_j")
    assert set(counters_j % 3600.0) == {0.0}
    assert counters_j[-1] - counters_j[0] == pytest.approx(40.0 * 4600.0, abs=2 * 4600.0 + 3600.0)
    assert talk.encoder.receive(framed(b"\x01\x06\x00\x02\x00\x05"), talk.t_s) == framed(b"\x01\x86\x01")
