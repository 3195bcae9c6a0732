"""LPM01A as a partner: the handshake, both modes, refusals, ends, options, the odd baud rate."""

import os
import termios
from itertools import pairwise

import numpy as np
import pytest

from firmware_bridge.drivers.lpm01a import DRIVER, Lpm01aDecoder, sheet_for
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.lpm01a.format import (
    pack_mark,
    pack_stamp,
)
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleFlag
from firmware_bridge.stream import open_port
from tests.fakes.events import blocks_of, errors_of
from tests.fakes.lpm01a_streams import HZ, listen, words
from tests.fakes.meter_talk import Conversation, steady


@pytest.mark.parametrize(
    "options", [{}, {"frequency_hz": 5000}, {"frequency_hz": 20_000}, {"frequency_hz": 200, "voltage_v": 1.8}]
)
def test_the_meter_is_set_up_and_measures(options: dict[str, float]) -> None:
    talk = Conversation(DRIVER, options)
    load = steady(options.get("voltage_v", 3.3), 0.0225)
    talk.run_until_samples(load)
    decoded = talk.run(0.5, load)
    sent = b"".join(said.data for said in talk.said if not said.from_meter).decode()
    commands = sent.split("\n")
    assert commands.index("htc") < commands.index("acqtime inf") < commands.index("start")
    hertz = int(options.get("frequency_hz", HZ))
    assert f"freq {hertz // 1000}k" in commands or f"freq {hertz}" in commands
    assert f"format {'ascii_dec' if hertz <= 5000 else 'bin_hexa'}" in commands
    assert decoded.errors() == {}
    assert decoded.column("current_a").mean() == pytest.approx(0.0225, rel=0.002)
    assert decoded.column("voltage_v").tolist() == [options.get("voltage_v", 3.3)] * len(decoded.column("voltage_v"))
    steps_s = np.diff(decoded.column("t_device_s"))
    np.testing.assert_allclose(steps_s, sheet_for(options).sample_interval_s, rtol=1e-6)
    identity = decoded.identities()[0]
    assert (identity.model, identity.firmware) == ("X-NUCLEO-LPM01A", "1.0.6")


def test_steady_currents_come_one_by_one_with_their_arrival() -> None:
    talk = Conversation(DRIVER, {"mode": "stat"})
    talk.run_until_samples(steady(3.3, 0.12))
    decoded = talk.run(3.0, steady(3.3, 0.12))
    assert 3 <= len(decoded.column("t_device_s")) <= 5
    assert decoded.column("t_device_s")[0] > 1000.0
    assert decoded.column("current_a") == pytest.approx([0.12] * len(decoded.column("current_a")), rel=1e-3)
    assert decoded.errors() == {}


def answered(decoder: Lpm01aDecoder, t_s: float, refuse: dict[str, bytes]) -> tuple[list[str], list[Event]]:
    """Answer what the decoder asks until it asks nothing more; ``refuse`` holds other answers by command."""
    asked: list[str] = []
    events: list[Event] = []
    while "start" not in asked and t_s < 8.0:
        t_s += 0.2
        for line in decoder.bytes_to_send(t_s).decode().splitlines():
            asked.append(line)
            shown = b"ack volt get 3300-03" if line == "volt get" else b"ack " + line.encode()
            answer = refuse.pop(line, shown)
            if line != "stop":
                events += decoder.feed(b"\r\nPowerShield > " + answer + b"\r\n\r\n", t_s)
    return asked, events


def test_the_first_command_may_be_refused_once() -> None:
    asked, events = answered(Lpm01aDecoder({}), 0.0, {"htc": b"error: Command unknown"})
    assert asked.count("htc") == 2
    assert errors_of(events) == []
    assert any(isinstance(event, MeterIdentity) for event in events)


def test_a_refused_command_is_named() -> None:
    _, events = answered(Lpm01aDecoder({}), 0.0, {"freq 100k": b"err freq 100k"})
    details = [event.detail for event in events if isinstance(event, FrameError)]
    assert details == ["the meter refuses 'freq 100k': err freq 100k"]


def test_a_voltage_that_the_meter_did_not_take_is_an_error() -> None:
    _, events = answered(Lpm01aDecoder({}), 0.0, {"volt get": b"ack volt get 2300-03"})
    details = [event.detail for event in events if isinstance(event, FrameError)]
    assert details == ["the meter refuses 'volt get': ack volt get 2300-03, where 3.3 V was set"]


def test_the_end_of_an_acquisition_begins_a_new_one_on_a_new_clock() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(3.3, 0.02))
    talk.decoded.events += talk.decoder.feed(
        pack_mark(0xF1, b"Overcurrent") + pack_mark(0xF4), talk.began_s + talk.t_s
    )
    decoded = talk.run(2.0, steady(3.3, 0.02))
    assert decoded.errors()["reset"] == 1
    assert (np.diff(decoded.column("t_device_s")) > 0).all()


def test_a_current_above_the_dynamic_range_is_marked() -> None:
    events = listen(pack_stamp(0) + words(np.full(1000, 0.055)) + pack_stamp(10))
    flags = blocks_of(events)[0].flags
    assert flags is not None
    assert (flags == SampleFlag.SATURATED).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frequency_hz": 3000}, "give one of 1, 2, 5"),
        ({"format": "ascii_dec"}, "up to 5000 Hz"),
        ({"mode": "stat", "format": "bin_hexa"}, "wants ascii_dec"),
        ({"voltage_v": 5.0}, "from 1.8 to 3.3"),
    ],
)
def test_options_that_the_meter_cannot_do(options: dict[str, float | str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Lpm01aDecoder(options)


def test_a_port_opens_at_a_rate_that_posix_does_not_know() -> None:
    assert not any(name == "B3686400" for name in dir(termios))
    master, slave = os.openpty()
    try:
        with open_port(os.ttyname(slave), DRIVER.serial) as port:
            speed = termios.tcgetattr(slave)[4]
            assert speed in {0o010000, DRIVER.serial.baud_hz}  # BOTHER, or the rate itself
            os.write(master, b"6409-07\r\n")
            assert port.read(1.0) == b"6409-07\r\n"
            port.write(b"htc\n")
            assert os.read(master, 16) == b"htc\n"
    finally:
        os.close(slave)
        os.close(master)


def test_sheets_follow_the_options() -> None:
    assert DRIVER.for_options({}).data_sheet == DRIVER.data_sheet
    assert DRIVER.for_options({"frequency_hz": 20_000}).data_sheet.max_interval_s == pytest.approx(7.5e-5)
    assert sheet_for({"frequency_hz": 1000}).sample_interval_s == 1e-3
    assert sheet_for({"mode": "stat"}).ranges[-1].max_current_a == 0.2
    limits = [one.max_current_a for one in DRIVER.data_sheet.ranges]
    assert all(a < b for a, b in pairwise(limits))
