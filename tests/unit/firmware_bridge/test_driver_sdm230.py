"""SDM230: the registers of the SDM120 at another rate and scale."""

import pytest

from firmware_bridge.driver import Options
from firmware_bridge.drivers.sdm120 import DRIVER as SISTER
from firmware_bridge.drivers.sdm230 import DRIVER
from firmware_bridge.samples import MeterIdentity, SampleBlock
from tests.fakes.meter_talk import Conversation, decode_again, steady


def test_it_reads_what_its_sister_says() -> None:
    talk = Conversation(SISTER)
    talk.run(5.0, steady(230.0, 8.0))
    ours = decode_again(DRIVER, [one for one in talk.said if one.from_meter])
    assert ours.column("power_w").tolist() == talk.decoded.column("power_w").tolist()
    assert ours.column("counter_j").tolist() == talk.decoded.column("counter_j").tolist()
    assert ours.identities() == [MeterIdentity("SDM230", "20000001")]


@pytest.mark.parametrize(("options", "baud_hz"), [({}, 9600), ({"baud_hz": 2400}, 2400)])
def test_the_rate_is_9600_unless_said_otherwise(options: Options, baud_hz: int) -> None:
    assert DRIVER.serial_settings(options).baud_hz == baud_hz


def test_it_is_asked_twice_a_second_and_half_of_it_is_stale() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(230.0, 8.0))
    talk.run(20.0, steady(230.0, 8.0))
    blocks = talk.decoded.blocks()
    stale = sum(block.flags is not None for block in blocks)
    assert len(blocks) == pytest.approx(41, abs=1)
    assert stale == pytest.approx(20, abs=2)


def test_a_current_of_80_a_is_within_its_scale() -> None:
    talk = Conversation(DRIVER)
    talk.run(3.0, steady(230.0, 80.0))
    last = talk.decoded.blocks()[-1]
    assert isinstance(last, SampleBlock)
    assert last.power_w[0] == pytest.approx(18_400.0)
