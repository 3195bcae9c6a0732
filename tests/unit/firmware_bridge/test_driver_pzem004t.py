"""PZEM-004T v3: recorded answers, low word first, stale seconds, and a counter that anyone may reset."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.calibration import power_step_w, power_u_w
from firmware_bridge.driver import Options
from firmware_bridge.drivers.pzem004t import DRIVER
from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.modbus.encoder import framed
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import blocks_of, kinds_of
from tests.fakes.meter_talk import Conversation, steady

# Answers of one unit, one a second: arendst/Tasmota#11817, 20 April, 17:11:20 to 17:11:30.
RECORDED = [
    bytes.fromhex(line)
    for line in (
        "010414097C339B000074FA00001F22000001F4005D0000588A",
        "010414097D33A50000750200001F23000001F4005D000047F2",
        "010414097B33B60000752100001F24000001F4005D00006EDC",
        "010414097C34170000761F00001F25000001F4005D00001A82",
        "010414097C34170000761F00001F26000001F4005D00000E72",
        "010414097C33CC0000757700001F27000001F4005D000005B7",
        "010414097B342B0000763D00001F28000001F4005D00005E48",
        "010414097C34DC0000781400001F28000001F4005E00008059",
        "010414097C34980000779C00001F29000001F4005E0000115A",
        "010414097C34980000779C00001F2A000001F4005E000005AA",
        "010414097C34740000771400001F2B000001F4005E00006446",
    )
]


def answer(  # one answer made by hand
    volts: float = 230.0, amps: float = 1.0, watts: float = 230.0, wh: int = 0, hz: float = 50.0, alarm: int = 0
) -> bytes:
    i, p = round(amps * 1000), round(watts * 10)
    words = (
        round(volts * 10),
        i & 0xFFFF,
        i >> 16,
        p & 0xFFFF,
        p >> 16,
        wh & 0xFFFF,
        wh >> 16,
        round(hz * 10),
        100,
        alarm,
    )
    return framed(b"\x01\x04\x14" + b"".join(word.to_bytes(2, "big") for word in words))


def test_a_recorded_answer_field_by_field() -> None:
    decoder = DRIVER.make_decoder({})
    events = decoder.feed(RECORDED[0], 7.0)
    assert events[0] == MeterIdentity("PZEM-004T v3")
    (block,) = blocks_of(events)
    assert block.t_device_s.tolist() == [7.0]
    assert block.voltage_v[0] == pytest.approx(242.8)
    assert block.current_a[0] == pytest.approx(13.211)
    assert block.power_w[0] == pytest.approx(2994.6)
    assert block.counter_j is not None
    assert block.counter_j[0] == 7970 * 3600.0
    assert block.flags is None
    assert decoder.last_fields() == {
        "modbus_address": 1,
        "energy_wh": 7970,
        "frequency_hz": 50.0,
        "power_factor_ratio": 0.93,
        "power_alarm": False,
    }


def test_a_recorded_stretch_agrees_with_its_own_counter() -> None:
    """Joules from power, and the meter's own watt-hours: neither knows of the other."""
    decoder, register = DRIVER.make_decoder({}), EnergyRegister(DRIVER.data_sheet)
    for second, data in enumerate(RECORDED):
        events = decoder.feed(data, 100.0 + second)
        assert kinds_of(events) == []
        for block in blocks_of(events):
            register.add(block, power_u_w(DRIVER.data_sheet, block), power_step_w(DRIVER.data_sheet, block))
        if second == 0:
            first = register.latest()
    delta = energy_between(first, register.latest())
    assert delta.counter_j == pytest.approx(9 * 3600.0)
    assert delta.energy_j == pytest.approx(30_280, rel=0.01)
    low_j, high_j = energy_limits_j(delta, DRIVER.data_sheet)
    assert low_j <= delta.energy_j <= high_j
    assert delta.sample_count == len(RECORDED) - 1


def test_the_high_words_count() -> None:
    (block,) = blocks_of(DRIVER.make_decoder({}).feed(answer(amps=70.0, watts=16_100.0, wh=9_999_990), 1.0))
    assert block.current_a[0] == pytest.approx(70.0)
    assert block.power_w[0] == pytest.approx(16_100.0)
    assert block.counter_j is not None
    assert block.counter_j[0] == 9_999_990 * 3600.0


def test_the_settings_are_asked_first_and_told_as_fields() -> None:
    decoder = DRIVER.make_decoder({})
    assert decoder.bytes_to_send(0.0) == bytes.fromhex("01030001000295cb")
    events = decoder.feed(framed(bytes.fromhex("01030459d80001")), 0.05)
    assert events == [MeterIdentity("PZEM-004T v3")]
    assert decoder.bytes_to_send(0.06) == bytes.fromhex("01040000000a700d")
    decoder.feed(answer(alarm=0xFFFF), 0.1)
    assert decoder.last_fields()["power_alarm_above_w"] == 23_000
    assert decoder.last_fields()["power_alarm"] is True


def test_the_same_answer_within_a_second_is_stale_and_after_it_is_not() -> None:
    decoder = DRIVER.make_decoder({})
    times_s = (0.0, 0.5, 1.0, 1.4, 1.6, 2.2, 2.7)
    watts = (100, 100, 100, 100, 200, 200, 200)
    flags = [
        blocks_of(decoder.feed(answer(watts=watt), 50.0 + t_s))[0].flags
        for t_s, watt in zip(times_s, watts, strict=True)
    ]
    stale = [one is not None and bool(one[0] & SampleFlag.STALE) for one in flags]
    assert stale == [False, True, False, True, False, True, False]


def test_an_answer_that_comes_twice_is_stale_and_later() -> None:
    blocks = blocks_of(DRIVER.make_decoder({}).feed(answer() * 2, 5.0))
    assert [block.flags is not None for block in blocks] == [False, True]
    assert blocks[1].t_device_s[0] > blocks[0].t_device_s[0]


def test_time_that_goes_back_keeps_samples_in_order() -> None:
    decoder = DRIVER.make_decoder({})
    times_s = [
        blocks_of(decoder.feed(answer(watts=watt), t_s))[0].t_device_s[0]
        for watt, t_s in ((1, 9.0), (2, 3.0), (3, 10.0))
    ]
    assert times_s[0] == 9.0
    assert times_s[0] < times_s[1] < times_s[2] == 10.0


def test_a_reset_of_the_counter_is_told_and_its_energy_is_not_lost() -> None:
    talk = Conversation(DRIVER)
    register = EnergyRegister(DRIVER.data_sheet)

    def drain() -> None:
        for block in talk.decoded.blocks():
            register.add(block, power_u_w(DRIVER.data_sheet, block), power_step_w(DRIVER.data_sheet, block))
        talk.decoded.events.clear()

    talk.run(30.0, steady(230.0, 10.0))
    assert talk.decoded.errors() == {}
    drain()
    before = register.latest()
    talk.encoder.receive(framed(b"\x01\x42"), talk.t_s)
    talk.run(30.0, steady(230.0, 10.0))
    resets = [event for event in talk.decoded.events if isinstance(event, FrameError)]
    assert [event.kind for event in resets] == ["reset"]
    assert "to 0 Wh" in resets[0].detail
    drain()
    delta = energy_between(before, register.latest())
    assert delta.counter_resets == 1.0
    assert delta.counter_j == pytest.approx(30.0 * 2300.0, abs=2 * 3600.0)
    assert delta.energy_j == pytest.approx(30.0 * 2300.0, rel=0.03)
    low_j, high_j = energy_limits_j(delta, DRIVER.data_sheet)
    assert low_j <= delta.energy_j <= high_j


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"volts": 600.0}, "voltage 600 V, the meter ends at 260 V"),
        ({"amps": 400.0}, "the meter ends at 100 A"),
        ({"watts": 200_000.0}, "the meter ends at 100 A"),
    ],
)
def test_what_no_such_meter_can_read_is_no_sample(fields: dict[str, float], says: str) -> None:
    events = DRIVER.make_decoder({}).feed(answer(**fields), 1.0)  # type: ignore[arg-type]
    assert blocks_of(events) == []
    error = events[-1]
    assert isinstance(error, FrameError)
    assert (error.kind, error.count) == ("implausible", 1)
    assert says in error.detail


def test_a_current_at_the_end_of_the_scale_is_flagged() -> None:
    (block,) = blocks_of(DRIVER.make_decoder({}).feed(answer(amps=100.0, watts=23_000.0), 1.0))
    assert block.flags is not None
    assert block.flags[0] & SampleFlag.SATURATED


@pytest.mark.parametrize("options", [{"address": 5}, {"address": 248}, {"address": "7"}])
def test_meter_and_host_agree_on_an_address(options: Options) -> None:
    talk = Conversation(DRIVER, options=options)
    talk.run_until_samples(steady(230.0, 1.0))
    assert talk.said[0].data[0] == int(options["address"])
    assert talk.decoded.errors() == {}


def test_a_power_factor_adds_current_not_power() -> None:
    talk = Conversation(DRIVER, options={"power_factor": 0.5})
    talk.run(2.5, steady(230.0, 2.0))
    block = talk.decoded.blocks()[-1]
    assert block.power_w[0] == pytest.approx(460.0, abs=0.1)
    assert block.current_a[0] == pytest.approx(4.0, abs=0.001)
    assert talk.decoder.last_fields()["power_factor_ratio"] == 0.5


def test_below_its_starting_power_it_shows_nothing() -> None:
    talk = Conversation(DRIVER)
    talk.run(2.5, steady(230.0, 0.0015))
    assert talk.decoded.column("power_w").max() == 0.0


@pytest.mark.parametrize(
    "options",
    [{"poll_interval_s": 1.1}, {"timeout_s": 0.0}, {"address": 249}, {"power_factor": 2.0}, {"baud_hz": 9600}],
)
def test_options_that_cannot_be_are_refused(options: Options) -> None:
    with pytest.raises(ConfigurationError):
        DRIVER.make_decoder(options)


@given(volts=st.floats(80, 260), amps=st.floats(0.02, 100), watts=st.floats(0.4, 23_000), wh=st.integers(0, 9_999_990))
def test_fields_round_to_the_resolution(volts: float, amps: float, watts: float, wh: int) -> None:
    (block,) = blocks_of(DRIVER.make_decoder({}).feed(answer(volts, amps, watts, wh), 1.0))
    assert block.voltage_v[0] == pytest.approx(volts, abs=0.051)
    assert block.current_a[0] == pytest.approx(amps, abs=0.00051)
    assert block.power_w[0] == pytest.approx(watts, abs=0.051)
    assert block.counter_j is not None
    assert block.counter_j[0] == wh * 3600.0


def test_the_uncertainty_of_a_small_load_is_that_of_the_starting_power() -> None:
    block = SampleBlock(np.array([1.0]), np.array([230.0]), np.array([0.03]), np.array([3.0]))
    assert power_u_w(DRIVER.data_sheet, block)[0] == pytest.approx(0.4 / 3**0.5, rel=0.01)
    assert power_step_w(DRIVER.data_sheet, block)[0] == 0.1
