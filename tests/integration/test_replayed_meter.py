"""A recording is played through the same Meter: the joules that decoding the file gives, at any speed, and an end."""

import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.capture_file import MAGIC, CaptureFrame, CaptureHeader, CaptureWriter
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError
from firmware_bridge.meter import Meter
from firmware_bridge.reader import Connected, Disconnected, Heard, Message, Reader
from firmware_bridge.registry import driver_names, get_driver
from firmware_bridge.replay_port import is_capture_path, parse_capture_url
from firmware_bridge.samples import SampleBlock
from firmware_bridge.stream import host_time_s
from tests.fakes import counter_meter
from tests.fakes.captured import summarise
from tests.fakes.meter_talk import Conversation, Said, levels_a, steady

HEADER = CaptureHeader("counter", {}, "/dev/ttyACM0", 0)


def record(path: Path, driver: MeterDriver, seconds: float, options: Options | None = None) -> Path:
    """Write a capture of a conversation in simulated time: a real one takes as long as it lasts."""
    talk = Conversation(driver, options or {})
    sheet = driver.data_sheet
    load = steady(sheet.nominal_voltage_v, levels_a(sheet)[1])
    talk.run_until_samples(load)
    talk.run(seconds, load)
    return write(path, driver, talk, options or {})


def write(path: Path, driver: MeterDriver, talk: Conversation, options: Options) -> Path:
    with path.open("wb") as file:
        writer = CaptureWriter(file, CaptureHeader(driver.name, dict(options), "/dev/ttyACM0", 0))
        for said in talk.said:
            writer.write(CaptureFrame(said.t_host_s, said.from_meter, said.data))
    return path


def speed_for(driver: MeterDriver, seconds: float) -> float:
    return max(20.0, 30.0 * seconds)


@pytest.mark.parametrize("name", driver_names())
def test_the_joules_of_a_replay_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    """The same bytes at the same times to the same decoder, but for what moving the times rounds away."""
    driver = get_driver(name)
    seconds = max(0.4, 10.0 * driver.data_sheet.sample_interval_s)
    path = record(tmp_path / "a.ejcap", driver, seconds)
    expected, recording = summarise(driver, path)
    with Meter(driver, f"capture://{path}?speed={speed_for(driver, seconds)}") as meter:
        assert meter.wait_until_ended(20.0)
        health, reading = meter.health(), meter.snapshot()
        assert meter.is_simulated
    assert expected.total is not None
    assert reading.sample_count == expected.samples - expected.stale_samples
    assert reading.energy_j == pytest.approx(expected.total.energy_j, rel=1e-6)
    assert reading.gap_s == pytest.approx(expected.total.gap_s, abs=1e-6)
    assert health.frame_errors == expected.frame_errors
    assert health.received_bytes == recording.received_bytes
    assert health.identity == expected.identity
    assert (health.ended, health.connected, health.reconnects) == (True, False, 0)


def test_at_its_own_pace_a_recording_takes_as_long_as_it_took(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 1.0)
    began_s = host_time_s()
    with Meter(counter_meter.DRIVER, str(path)) as meter:
        assert meter.wait_until_ended(5.0)
        took_s = host_time_s() - began_s
        reading = meter.snapshot()
        assert meter.reading_at(meter.now_s() - 0.5) is not None
    assert took_s == pytest.approx(1.0, abs=0.2)
    assert reading.covered_s == pytest.approx(1.0, abs=0.1)


def test_a_fast_replay_keeps_its_own_time(tmp_path: Path) -> None:
    """Thirty seconds in one: host time runs thirty times as fast there, and no clock is found to have jumped."""
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 30.0)
    with Meter(counter_meter.DRIVER, f"capture://{path}?speed=30") as meter:
        begin_s = meter.now_s()
        time.sleep(0.3)
        assert meter.now_s() - begin_s == pytest.approx(9.0, rel=0.5)
        assert meter.wait_until_ended(10.0)
        clock, health = meter.clock(), meter.health()
    assert clock is not None
    assert abs(clock.drift_ratio) < 5e-5
    assert health.clock_steps == 0
    assert health.lost_count == 0.0


def test_closing_early_is_no_end_and_leaves_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 60.0)
    began_s = time.monotonic()
    with Meter(counter_meter.DRIVER, f"capture://{path}") as meter:
        pass
    assert time.monotonic() - began_s < 2.0
    assert not meter.health().ended


def test_the_options_of_the_recording_hold_unless_others_are_given(tmp_path: Path) -> None:
    driver = get_driver("ppk2")
    path = record(tmp_path / "a.ejcap", driver, 0.2, {"voltage_mv": 3300})
    volts = []
    for options in ({}, {"voltage_mv": 1800}):
        with Meter(driver, str(path), options=options) as meter:
            block = meter.latest_block()
            assert block is not None
            volts.append(float(block.voltage_v[0]))
    assert volts == [3.3, 1.8]


def test_a_file_that_was_cut_off_ends_there(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 0.5)
    path.write_bytes(path.read_bytes()[:-5])
    with Meter(counter_meter.DRIVER, f"capture://{path}?speed=10") as meter:
        assert meter.wait_until_ended(5.0)
        assert meter.health().last_error == ""


def test_a_damaged_file_ends_with_the_place_of_the_damage(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 0.5)
    with path.open("ab") as file:
        file.write(bytes(8) + b"?" + bytes(4))
    with Meter(counter_meter.DRIVER, f"capture://{path}?speed=10") as meter:
        assert meter.wait_until_ended(5.0)
        assert "damaged at byte" in meter.health().last_error
        assert meter.health().reconnects == 0


def test_a_recording_without_a_sample_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.ejcap"
    with path.open("wb") as file:
        CaptureWriter(file, HEADER).write(CaptureFrame(1.0, from_meter=True, data=b"noise"))
    began_s = time.monotonic()
    with pytest.raises(MeterUnavailableError, match="the recording is over, and it holds no sample of a counter"):
        Meter(counter_meter.DRIVER, str(path)).open()
    assert time.monotonic() - began_s < 2.0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("capture:///no/such/file", "cannot read it"),
        ("capture://", r"capture:///PATH\?speed=X"),
        ("capture:///a?speed=0", r"capture:///PATH\?speed=X"),
        ("capture:///a?speed=fast", r"capture:///PATH\?speed=X"),
        ("capture:///a?loop=1", r"capture:///PATH\?speed=X"),
        ("capture:///etc/hostname", "not a capture file"),
    ],
)
def test_what_cannot_be_played_is_a_configuration_error(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Meter(counter_meter.DRIVER, url).open()


def test_a_recording_of_another_meter_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 0.1)
    with pytest.raises(ConfigurationError, match="recorded from a counter, not from a tc66c"):
        Meter(get_driver("tc66c"), str(path)).open()


def test_paths_are_told_from_captures(tmp_path: Path) -> None:
    assert is_capture_path(str(record(tmp_path / "a b.ejcap", counter_meter.DRIVER, 0.1)))
    assert not is_capture_path("/dev/null")
    assert not is_capture_path("/no/such/file")
    assert parse_capture_url(f"capture://{tmp_path}/a%20b.ejcap?speed=2.5") == (tmp_path / "a b.ejcap", 2.5)
    assert MAGIC.startswith(b"edgejoule-capture")


def test_a_reader_tells_in_messages_that_another_process_could_send(tmp_path: Path) -> None:
    """The seam for a reader process: nothing but these goes from reader to meter, and all of it can be pickled."""
    path = record(tmp_path / "a.ejcap", counter_meter.DRIVER, 0.3)
    told: list[Message] = []
    reader = Reader(counter_meter.DRIVER, f"capture://{path}?speed=20", {}, told.append)
    reader.open()
    reader.run()
    reader.close()
    sent: list[Message] = pickle.loads(pickle.dumps(told))
    assert isinstance(sent[0], Connected)
    assert sent[0].simulated
    assert isinstance(sent[-1], Disconnected)
    assert sent[-1].is_final
    heard = [message for message in sent if isinstance(message, Heard)]
    assert len(heard) == len(sent) - 2
    assert energies_j(sent) == energies_j(told) != []


def energies_j(messages: list[Message]) -> list[float]:
    events = [event for message in messages if isinstance(message, Heard) for event in message.events]
    return [float(event.power_w.sum()) for event in events if isinstance(event, SampleBlock)]


def test_an_unreadable_option_is_refused_as_ever(tmp_path: Path) -> None:
    path = record(tmp_path / "a.ejcap", get_driver("tc66c"), 0.3)
    with pytest.raises(FirmwareBridgeError, match="no option 'colour'"):
        Meter(get_driver("tc66c"), str(path), options={"colour": "red"}).open()


def test_marks_of_the_host_and_edges_of_the_meter_meet(tmp_path: Path) -> None:
    """A PPK2 whose input 2 was driven ten times: edges are shown, and the host's marks for them align the clocks."""
    driver = get_driver("ppk2")
    sheet = driver.data_sheet
    talk = Conversation(driver)
    load = steady(sheet.nominal_voltage_v, levels_a(sheet)[1])
    talk.run_until_samples(load)
    toggles_s = talk.t_s + np.cumsum([0.11, 0.17, 0.09, 0.23, 0.13, 0.19, 0.08, 0.21, 0.12, 0.16])
    while talk.t_s < toggles_s[-1] + 0.1:
        talk.t_s += 0.02
        last = round(talk.t_s / sheet.sample_interval_s)
        t_s = np.arange(talk.samples + 1.0, last + 1) * sheet.sample_interval_s
        talk.samples = last
        logic = (np.searchsorted(toggles_s, t_s) % 2 * 4).astype(np.uint8)
        data = talk.encoder.emit(t_s, *load(t_s), logic)
        talk.said.append(Said(talk.began_s + talk.t_s, from_meter=True, data=data))
    path = write(tmp_path / "a.ejcap", driver, talk, {})
    with Meter(driver, str(path)) as meter:
        assert meter.wait_until_ended(10.0)
        edges, clock = meter.markers(), meter.clock()
        assert [(edge.bit, edge.rising) for edge in edges] == [(2, i % 2 == 0) for i in range(10)]
        assert clock is not None
        assert meter.sync().method == "arrival_fit"
        for edge in edges:
            host_s = edge.t_device_s + clock.offset_s
            meter.mark(edge.rising, host_s - 0.0005, host_s + 0.0005, bit=2)
        assert meter.sync().method == "gpio_marker"
        assert meter.sync().residual_s < 0.0006
        assert meter.now_s() > host_s
