"""PowerSensor3: which pairs count, listening, the FF 3F trap, markers, repeats, resets, truncation, bounded memory."""

from collections import Counter

import numpy as np
import pytest

from firmware_bridge.driver import Options, OptionValue
from firmware_bridge.drivers.powersensor3 import DRIVER, PowerSensor3Decoder
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.powersensor3.encoder import PowerSensor3Encoder
from firmware_bridge.protocol.powersensor3.format import FRAME_BYTES, Sensor, frames
from firmware_bridge.samples import Event, FrameError, MeterIdentity
from tests.fakes.events import blocks_of, errors_of
from tests.fakes.meter_talk import Conversation, steady
from tests.fakes.streams import growth_bytes, timeline_of

OFF = Sensor("NA", "NA", 0.0, 0.0, in_use=False)
CURRENT = Sensor("MLX10", "12V", 1.65, 0.12, in_use=True)
VOLTAGE = Sensor("voltage", "12V", 0.0, 0.1, in_use=True)
THREE = (CURRENT, VOLTAGE, CURRENT, VOLTAGE, CURRENT, VOLTAGE, OFF, OFF)
LEVELS = (600, 400, 650, 300, 700, 200, 0, 0)


def config(*sensors: Sensor) -> bytes:
    return b"".join(sensor.pack() for sensor in [*sensors, *[OFF] * 8][:8]) + b"D"


def streaming(sensors: tuple[Sensor, ...], options: Options | None = None) -> tuple[PowerSensor3Decoder, list[Event]]:
    decoder = PowerSensor3Decoder(options or {})
    assert decoder.bytes_to_send(0.0) == b"T"
    assert decoder.bytes_to_send(0.2) == b"V"
    events = decoder.feed(b"F411-1.6.1\r\n" + config(*sensors), 0.21)
    decoder.bytes_to_send(0.22)
    return decoder, events


def stream(count: int, levels: tuple[int, ...] = LEVELS, first: int = 0) -> bytes:
    rows = np.tile(np.array([levels], dtype=np.uint16), (count, 1))
    stamps = (50 * (first + np.arange(count)) % 1024).astype(np.uint16)
    return frames(stamps, rows, np.zeros(count, dtype=np.bool_))


def power_w(pair: int) -> float:
    return (3.3 * LEVELS[2 * pair] / 1023 - 1.65) / 0.12 * 3.3 * LEVELS[2 * pair + 1] / 1023 / 0.1


@pytest.mark.parametrize(
    ("pairs", "summed", "range_index"),
    [("all", (0, 1, 2), 2), ("1", (1,), 0), ("0,2", (0, 2), 2), ("2, 0", (0, 2), 2)],
)
def test_the_chosen_pairs_are_summed_and_all_are_told(pairs: str, summed: tuple[int, ...], range_index: int) -> None:
    decoder, (identity,) = streaming(THREE, {"pairs": pairs})
    assert isinstance(identity, MeterIdentity)
    assert identity.calibration["summed_pairs"] == ",".join(map(str, summed))
    (block,) = blocks_of(decoder.feed(stream(10), 1.0))
    assert block.power_w[0] == pytest.approx(sum(map(power_w, summed)), rel=1e-6)
    assert block.range_index is not None
    assert set(block.range_index.tolist()) == {range_index}
    fields = decoder.last_fields()
    assert [fields[f"pair{pair}_power_w"] for pair in range(3)] == pytest.approx(
        [power_w(p) for p in range(3)], rel=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "sensitivity"), [("MLX10", 0.12), ("MLX20", 0.0625), ("MLX50", 0.025), ("MLX75", 0.01667)]
)
def test_the_limits_are_those_of_the_module(kind: str, sensitivity: float) -> None:
    sensor = Sensor(kind, "", 1.65, -sensitivity, in_use=True)
    (block,) = blocks_of(streaming((sensor, VOLTAGE))[0].feed(stream(2), 1.0))
    assert block.range_index is not None
    assert DRIVER.data_sheet.ranges[block.range_index[0]].max_current_a == float(kind[3:])
    assert block.current_a[0] == pytest.approx(-(3.3 * 600 / 1023 - 1.65) / sensitivity, rel=1e-6)


def test_a_pair_that_is_off_cannot_be_chosen() -> None:
    _, (error,) = streaming(THREE, {"pairs": "3"})
    assert isinstance(error, FrameError)
    assert "pair 3 is not switched on (these are: 0, 1, 2)" in error.detail


def test_a_sensor_set_to_another_types_sensitivity_is_named() -> None:
    wrong = Sensor("MLX20", "12V", 1.65, 0.12, in_use=True)
    _, (_, doubt) = streaming((wrong, VOLTAGE))
    assert isinstance(doubt, FrameError)
    assert doubt.detail == "sensor 0 is an MLX20 (62.5 mV/A) that is set to 120 mV/A: check it with psconfig"


@pytest.mark.parametrize(
    ("name", "value"),
    [("pairs", "4"), ("pairs", "x"), ("pair0", "MLX10"), ("pair1", "MLX99,0.1"), ("pair2", "MLX10,0")],
)
def test_options_that_make_no_sense_are_refused(name: str, value: OptionValue) -> None:
    with pytest.raises(ConfigurationError, match=f"option '{name}' of meter driver powersensor3 is '{value}'; give"):
        PowerSensor3Decoder({name: value})


@pytest.mark.parametrize("front", [b"", b"F411-1.6.1\r\n", stream(50) + b"F401-1.5.0-DEMO\r\n"])
@pytest.mark.parametrize("cut", [1, 17, 100_000])
def test_listening_takes_the_configuration_first_and_then_frames(front: bytes, cut: int) -> None:
    (expected,) = blocks_of(streaming(THREE)[0].feed(stream(100), 1.0))
    raw = front + config(*THREE) + stream(100)
    decoder = PowerSensor3Decoder({})
    events = [event for at in range(0, len(raw), cut) for event in decoder.feed(raw[at : at + cut], 0.0)]
    assert isinstance(events[0], MeterIdentity)
    np.testing.assert_array_equal(np.concatenate([one.power_w for one in blocks_of(events)]), expected.power_w)
    assert errors_of(events) == []


def test_listening_takes_the_configuration_from_options() -> None:
    (expected,) = blocks_of(streaming(THREE, {"pairs": "0,2"})[0].feed(stream(100), 1.0))
    decoder = PowerSensor3Decoder({"pair0": "MLX10,0.1", "pair2": "0.12, 0.1, 1.65, 0"})
    events = decoder.feed(stream(100), 0.0)
    (block,) = blocks_of(events)
    np.testing.assert_array_equal(block.power_w, expected.power_w)


def test_listening_without_configuration_says_so_once_and_makes_nothing_up() -> None:
    decoder = PowerSensor3Decoder({})
    events = [event for _ in range(5) for event in decoder.feed(stream(1000), 0.0)]
    assert blocks_of(events) == []
    counts = Counter(kind for kind, _ in errors_of(events))
    assert counts["protocol"] == 1
    assert sum(count for kind, count in errors_of(events) if kind == "desync") == 5000 * FRAME_BYTES - 8192


@pytest.mark.parametrize("sensor_7_in_use", [False, True])
def test_a_saturated_voltage_channel_does_not_end_the_stream(*, sensor_7_in_use: bool) -> None:
    """FF 3F ends the maker's reading thread: it is sensor 7 at full scale, a thousand times over."""
    sensors = (CURRENT, VOLTAGE, OFF, OFF, OFF, OFF, *((CURRENT, VOLTAGE) if sensor_7_in_use else (OFF, OFF)))
    data = stream(1000, (600, 400, 0, 0, 0, 0, 600, 1023)) + stream(1000, (600, 400, 0, 0, 0, 0, 600, 400), 1000)
    assert data.count(b"\xff\x3f") == 1000
    events = streaming(sensors)[0].feed(data, 1.0)
    assert errors_of(events) == ([("overrange", 1000)] if sensor_7_in_use else [])
    assert sum(map(len, blocks_of(events))) == 2000


@pytest.mark.parametrize("level", [0, 1, 512, 1022, 1023])
def test_every_sensor_at_any_level_is_a_frame(level: int) -> None:
    data = stream(300, (level,) * 8)
    decoder, _ = streaming(THREE)
    events = [event for at in range(0, len(data), 100) for event in decoder.feed(data[at : at + 100], 1.0)]
    assert sum(map(len, blocks_of(events))) == 300
    assert dict(errors_of(events)).get("desync") is None


def test_a_marker_asked_for_comes_back_in_its_frame() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(12.0, 1.0))
    decoder = talk.decoder
    assert isinstance(decoder, PowerSensor3Decoder)
    assert talk.run(0.1, steady(12.0, 1.0)).column("logic").sum() == 0
    assert decoder.mark_bytes() == b"M"
    assert talk.encoder.receive(decoder.mark_bytes(), talk.t_s) == b""
    marked = talk.run(0.1, steady(12.0, 1.0)).column("logic")
    assert marked.sum() == 1
    assert PowerSensor3Decoder({}).mark_bytes() == b""


def test_the_encoders_logic_bit_marks_its_frame() -> None:
    encoder = PowerSensor3Encoder({}, 1)
    encoder.receive(b"S", 0.0)
    logic = np.array([0, 1, 0, 3, 2], dtype=np.uint8)
    t_s = np.arange(1, 6, dtype=np.float64) * 5e-5
    decoder = PowerSensor3Decoder({"pair0": "MLX10,0.0877"})
    (block,) = blocks_of(decoder.feed(encoder.emit(t_s, np.full(5, 20.0), np.ones(5), logic), 0.0))
    assert block.logic is not None
    assert block.logic.tolist() == [0, 1, 0, 1, 0]


def test_a_frame_that_comes_twice_counts_once() -> None:
    data = stream(100)
    decoder, _ = streaming(THREE)
    events = decoder.feed(data[: 50 * FRAME_BYTES] + data[49 * FRAME_BYTES :], 1.0)
    events += decoder.feed(data[-FRAME_BYTES:], 1.1)
    assert errors_of(events) == [("desync", FRAME_BYTES), ("desync", FRAME_BYTES)]
    times_us = np.rint(np.concatenate([one.t_device_s for one in blocks_of(events)]) * 1e6)
    assert times_us.tolist() == [50.0 * i for i in range(1, 101)]


def test_another_frame_with_the_same_stamp_is_a_period_later() -> None:
    decoder, _ = streaming(THREE)
    events = decoder.feed(stream(10) + stream(10, (601, *LEVELS[1:]), first=9), 1.0)
    assert errors_of(events) == [("lost", 19)]
    times_us = np.rint(np.concatenate([one.t_device_s for one in blocks_of(events)]) * 1e6)
    assert times_us[9:11].tolist() == [500.0, 1524.0]


@pytest.mark.parametrize("repeated", [2, 5, 19, 22])
def test_a_stretch_that_comes_twice_is_never_time_going_back(repeated: int) -> None:
    data = stream(100)
    decoder, _ = streaming(THREE)
    events = decoder.feed(data + data[-repeated * FRAME_BYTES :], 1.0)
    assert [kind for kind, _ in errors_of(events)] == ["lost"]
    times_s = np.concatenate([one.t_device_s for one in blocks_of(events)])
    assert (np.diff(times_s) > 0).all()
    assert times_s[-1] == pytest.approx(100 * 50e-6 + (1 + (repeated > 20)) * 1024e-6)


def test_a_reset_goes_on_in_time_and_the_outage_is_gap() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(12.0, 1.0))
    talk.run(1.0, steady(12.0, 1.0))
    talk.encoder.receive(b"Z", talk.t_s)
    talk.run(4.0, steady(12.0, 1.0))
    assert talk.decoded.errors() == {"reset": 1}
    assert len(talk.decoded.identities()) == 2
    talk.decoded.check_blocks()
    last = timeline_of(DRIVER, talk.said).latest()
    assert last.gap_s == pytest.approx(2.2, abs=0.2)
    assert last.energy_j == pytest.approx(12.0 * last.covered_s, rel=0.01)


def test_a_host_that_stops_asking_for_records_finds_the_meter_reset() -> None:
    encoder = PowerSensor3Encoder({}, 1)
    assert len(encoder.receive(b"R", 0.0)) == 41
    assert len(encoder.receive(b"n", 1.9)) == 41
    assert encoder.receive(b"V", 4.0) == b"F411-1.6.1\r\n"


def test_a_typed_in_vref_leaves_the_truncation_in() -> None:
    """Five twelfths of a level too little: 11 mA for an MLX10; the emulated psconfig has taken it out."""
    talk = Conversation(DRIVER, {"noise_levels": 2.0})
    talk.run_until_samples(steady(12.0, 1.0))
    talk.run(1.0, steady(12.0, 1.0))
    raw = b"".join(one.data for one in talk.said[-40:] if one.from_meter)
    typed = blocks_of(PowerSensor3Decoder({"pair0": "MLX10,0.0877"}).feed(raw, 0.0))
    found = np.concatenate([one.current_a for one in blocks_of(talk.decoded.events)]).mean()
    assert found == pytest.approx(1.0, abs=0.001)
    assert np.concatenate([one.current_a for one in typed]).mean() == pytest.approx(1.0 - 0.0112, abs=0.001)


def test_five_minutes_of_stream_hold_no_more_memory_than_one() -> None:
    count = 20_480  # a thousand periods of the stamp: the next piece goes on where this one ends
    piece, piece_s = stream(count), count * 50e-6
    decoder, _ = streaming(THREE)
    assert growth_bytes(DRIVER, decoder, piece, piece_s) < 200_000
