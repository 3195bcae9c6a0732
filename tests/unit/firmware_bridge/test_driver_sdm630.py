"""SDM630: three phases in one sample, each of them a field."""

import math
import struct

import pytest

from firmware_bridge.driver import Options
from firmware_bridge.drivers.sdm630 import DRIVER
from firmware_bridge.protocol.modbus.encoder import framed
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock
from tests.fakes.meter_talk import Conversation, steady

PHASES = {
    0x00: 231.68,
    0x02: 229.5,
    0x04: 230.0,
    0x06: 1.0,
    0x08: 2.0,
    0x0A: 3.0,
    0x0C: 200.0,
    0x0E: 400.0,
    0x10: 600.5,
}
TOTALS = {0x30: 6.0, 0x34: 1200.5}


def block_of(count: int, numbers: dict[int, float]) -> bytes:
    body = b"".join(struct.pack(">f", numbers.get(2 * i, 0.0)) for i in range(count))
    return framed(bytes((1, 4, len(body))) + body)


def decoded(
    numbers: dict[int, float], counters: dict[int, float], options: Options
) -> tuple[SampleBlock, dict[str, object]]:
    decoder = DRIVER.make_decoder(options)
    *_, block = decoder.feed(block_of(3, counters) + block_of(27, numbers), 1.0)
    assert isinstance(block, SampleBlock)
    return block, dict(decoder.last_fields())


def test_a_sample_is_the_sum_and_the_phases_are_fields() -> None:
    block, fields = decoded(PHASES | TOTALS, {0: 50.02, 2: 1234.5, 4: 0.5}, {})
    assert (block.power_w[0], block.current_a[0]) == (1200.5, 6.0)
    assert block.voltage_v[0] == pytest.approx((231.68 + 229.5 + 230.0) / 3)
    assert block.counter_j is not None
    assert block.counter_j[0] == 1234.5 * 3.6e6
    assert fields["voltage_l1_v"] == pytest.approx(231.68)
    assert (fields["current_l2_a"], fields["power_l3_w"]) == (2.0, 600.5)
    assert fields["power_factor_l3_ratio"] == 0.0
    assert (fields["frequency_hz"], fields["export_kwh"]) == (pytest.approx(50.02), 0.5)
    assert len(fields) == 1 + 18 + 3


def test_voltage_is_that_of_the_phases_that_are_connected() -> None:
    one_phase = {0x00: 230.0, 0x02: 3.5, 0x04: 2.0, 0x06: 1.0, 0x0C: 230.0, 0x30: 1.0, 0x34: 230.0}
    block, _ = decoded(one_phase, {}, {})
    assert block.voltage_v[0] == 230.0


def test_a_unit_that_counts_megawatt_hours() -> None:
    block, fields = decoded(PHASES | TOTALS, {2: 1.5}, {"energy_unit": "MWh"})
    assert block.counter_j is not None
    assert block.counter_j[0] == 1.5 * 3.6e9
    assert fields["import_kwh"] == pytest.approx(1500.0)


@pytest.mark.parametrize("at", [0x00, 0x30, 0x34])
def test_a_total_or_a_voltage_that_is_no_number_is_no_sample(at: int) -> None:
    events = DRIVER.make_decoder({}).feed(block_of(27, PHASES | TOTALS | {at: math.nan}), 1.0)
    assert isinstance(events[-1], FrameError)
    assert events[-1].kind == "implausible"


def test_it_asks_for_54_registers_at_once() -> None:
    """27 numbers: older firmware refuses more than 30."""
    talk = Conversation(DRIVER, options={"address": 2})
    talk.run(2.0, steady(230.0, 12.0))
    asked = [one.data.hex() for one in talk.said if not one.from_meter]
    assert [one[:12] for one in asked[:3]] == ["0203fc000002", "020400460006", "020400000036"]
    assert talk.decoded.identities() == [MeterIdentity("SDM630", "20000001")]


def test_the_emulated_load_is_spread_over_the_phases() -> None:
    talk = Conversation(DRIVER, options={"power_factor": 0.8})
    talk.run(2.5, steady(230.0, 12.0))
    fields = talk.decoder.last_fields()
    assert talk.decoded.column("power_w")[-1] == pytest.approx(2760.0)
    assert fields["power_l2_w"] == pytest.approx(920.0)
    assert fields["current_l3_a"] == pytest.approx(5.0)
    assert fields["power_factor_l1_ratio"] == pytest.approx(0.8)


@pytest.mark.parametrize("unit", ["kwh", "mwh"])
def test_the_counter_is_in_joules_whatever_its_unit(unit: str) -> None:
    talk = Conversation(DRIVER, options={"energy_unit": unit})
    talk.run(30.0, steady(230.0, 120.0))
    assert talk.decoded.column("counter_j")[-1] == pytest.approx(30.0 * 27_600.0, rel=0.08)
