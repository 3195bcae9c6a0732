"""PPK2: modes and power, listening to a raw stream, what the filter leaves apart, repeats, resets, bounded memory."""

from collections import Counter

import numpy as np
import pytest

from firmware_bridge.driver import Options, OptionValue
from firmware_bridge.drivers.ppk2 import DRIVER, Ppk2Decoder
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.ppk2.encoder import Ppk2Encoder
from firmware_bridge.protocol.ppk2.format import parse_metadata
from firmware_bridge.samples import FrameError, MeterIdentity, SampleBlock, SampleFlag
from tests.fakes.events import blocks_of, errors_of
from tests.fakes.meter_talk import Conversation, steady
from tests.fakes.streams import growth_bytes, timeline_of

METADATA = Ppk2Encoder({}, 1).metadata()
SAMPLES = 2000


def handshake(options: Options) -> tuple[Ppk2Decoder, bytes]:
    """Return a decoder that has its constants, and what it sent to start the stream."""
    decoder = Ppk2Decoder(options)
    assert decoder.bytes_to_send(0.0) == b"\x07"
    assert decoder.bytes_to_send(0.2) == b"\x19"
    decoder.feed(METADATA, 0.21)
    return decoder, decoder.bytes_to_send(0.22)


def stream(current_a: np.ndarray[tuple[int], np.dtype[np.float64]] | float, count: int = SAMPLES) -> bytes:
    encoder = Ppk2Encoder({"noise_ratio": 0.0}, 1)
    encoder.receive(b"\x0c\x01\x06", 0.0)
    return encoder.emit(np.arange(count, dtype=np.float64), np.full(count, 5.0), np.full(count, current_a))


@pytest.mark.parametrize(
    ("options", "start", "stop"),
    [
        ({}, "1101 0d1388 0c01 06", "07"),
        ({"mode": "ampere", "voltage_mv": 3300}, "1101 0d0ce4 0c01 06", "07"),
        ({"mode": "source", "voltage_mv": 800, "dut_power": "until_stop"}, "1102 0d0320 0c01 06", "07 0c00"),
        ({"mode": "source", "voltage_mv": "5000", "dut_power": "off"}, "1102 0d1388 0c00 06", "07"),
    ],
)
def test_mode_voltage_and_power_go_out_as_bytes(options: dict[str, OptionValue], start: str, stop: str) -> None:
    decoder, sent = handshake(options)
    assert sent == bytes.fromhex(start)
    assert decoder.stop_bytes() == bytes.fromhex(stop)


def test_power_is_current_times_the_declared_voltage() -> None:
    decoder, _ = handshake({"mode": "ampere", "voltage_mv": 3300, "spike_filter": False})
    (block,) = blocks_of(decoder.feed(stream(0.2), 0.3))
    assert block.voltage_v.tolist() == [3.3] * SAMPLES
    np.testing.assert_allclose(block.power_w, 3.3 * block.current_a, rtol=1e-15)


def test_a_device_without_power_draws_nothing() -> None:
    talk = Conversation(DRIVER, {"dut_power": "off"})
    talk.run_until_samples(steady(5.0, 0.3))
    assert talk.run(0.2, steady(5.0, 0.3)).column("current_a").max() < 1e-4


def test_the_energy_is_that_of_the_filtered_samples_and_the_raw_ones_are_told_apart() -> None:
    current_a = np.where(np.arange(SAMPLES) // 500 % 2 == 0, 0.2, 2e-3)
    (raw,) = blocks_of(handshake({"spike_filter": False})[0].feed(stream(current_a), 0.3))
    decoder, _ = handshake({})
    (block,) = blocks_of(decoder.feed(stream(current_a), 0.3))
    assert raw.flags is None
    assert block.flags is not None
    at = [500 + i for i in range(3)] + [1000 + i for i in range(3)] + [1500 + i for i in range(3)]
    assert np.flatnonzero(block.flags & SampleFlag.FILTERED).tolist() == at
    np.testing.assert_allclose(block.power_w, 5.0 * block.current_a, rtol=1e-15)
    change_j = float((block.power_w - raw.power_w).sum()) * 1e-5
    assert abs(change_j) > 1e-6
    fields = decoder.last_fields()
    assert fields["filtered_samples"] == 9
    assert fields["filter_change_j"] == pytest.approx(change_j, rel=1e-9)
    assert fields["raw_current_a"] == raw.current_a[-1]
    assert fields["range"] == 2


def test_settling_leaves_out_the_first_samples_of_a_start() -> None:
    decoder, _ = handshake({"settle_s": 0.015})
    first = decoder.feed(stream(0.2)[:4000], 0.3)
    second = decoder.feed(stream(0.2)[4000:], 0.3)
    assert first == []
    (block,) = blocks_of(second)
    assert block.t_device_s[0] == pytest.approx(0.01501)
    assert len(block) == 500


@pytest.mark.parametrize("cut", [1, 7, 600, 100_000])
def test_listening_takes_the_text_first_and_then_words(cut: int) -> None:
    (expected,) = blocks_of(handshake({})[0].feed(stream(0.2), 0.3))
    raw = METADATA + stream(0.2)
    decoder = Ppk2Decoder({})
    events = [event for at in range(0, len(raw), cut) for event in decoder.feed(raw[at : at + cut], 0.0)]
    assert isinstance(events[0], MeterIdentity)
    np.testing.assert_array_equal(np.concatenate([one.current_a for one in blocks_of(events)]), expected.current_a)
    assert errors_of(events) == []


@pytest.mark.parametrize("separator", [b"\n", b"; "])
def test_listening_takes_the_constants_from_the_option(separator: bytes) -> None:
    (expected,) = blocks_of(handshake({})[0].feed(stream(0.2), 0.3))
    decoder = Ppk2Decoder({"metadata": METADATA.replace(b"\n", separator).decode()})
    identity, block = decoder.feed(stream(0.2), 0.0)
    assert isinstance(identity, MeterIdentity)
    assert isinstance(block, SampleBlock)
    np.testing.assert_array_equal(block.current_a, expected.current_a)


def test_listening_without_constants_says_so_once_and_makes_nothing_up() -> None:
    decoder = Ppk2Decoder({})
    events = [event for _ in range(5) for event in decoder.feed(stream(0.2), 0.0)]
    assert blocks_of(events) == []
    counts = Counter(kind for kind, _ in errors_of(events))
    assert counts["protocol"] == 1
    assert sum(count for kind, count in errors_of(events) if kind == "desync") == 5 * 4 * SAMPLES - 8192
    (complaint,) = (event for event in events if isinstance(event, FrameError) and event.kind == "protocol")
    assert "option metadata=" in complaint.detail


def test_an_option_with_half_the_constants_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'metadata' of meter driver ppk2: metadata lacks GI0"):
        Ppk2Decoder({"metadata": "R0: 1000.0; R1: 100"})


def test_constants_come_in_any_order_and_calibrated_0_is_only_shown() -> None:
    lines = METADATA.decode().replace("Calibrated: 1", "Calibrated: 0").split("\n")[:-2]
    backwards = parse_metadata("\r\n".join(reversed(lines)))
    assert backwards["Calibrated"] == "0"
    assert {**backwards, "Calibrated": "1"} == parse_metadata(METADATA.decode())


def test_a_user_gain_scales_its_range() -> None:
    encoder = Ppk2Encoder({}, 1)
    encoder.receive(b"\x25\x04\x00\x00\x00\x40", 0.0)
    decoder = Ppk2Decoder({})
    identity, block = decoder.feed(encoder.metadata() + stream(0.2), 0.0)
    assert isinstance(identity, MeterIdentity)
    assert identity.calibration["UG4"] == 2.0
    assert isinstance(block, SampleBlock)
    assert block.current_a[-1] == pytest.approx(0.4, rel=0.003)


def test_a_flipped_counter_bit_costs_its_sample_and_moves_no_other() -> None:
    data = bytearray(stream(0.2))
    for number in (500, 501, 900):
        data[4 * number + 2] ^= 0x10
    decoder, _ = handshake({})
    events = decoder.feed(bytes(data), 0.3)
    assert sorted(errors_of(events)) == [("desync", 12), ("lost", 1), ("lost", 2)]
    numbers = np.rint(np.concatenate([one.t_device_s for one in blocks_of(events)]) * 1e5).astype(int)
    assert sorted(set(range(1, SAMPLES + 1)) - set(numbers.tolist())) == [501, 502, 901]


def test_a_counter_that_goes_on_elsewhere_is_believed_after_six_words() -> None:
    data = stream(0.2)
    decoder, _ = handshake({})
    assert len(blocks_of(decoder.feed(data[:400], 0.3))[0]) == 100
    assert decoder.feed(data[4 * 130 : 4 * 135], 0.3) == []
    events = decoder.feed(data[4 * 135 : 4 * 136], 0.3)
    assert errors_of(events) == [("lost", 30)]
    assert [len(one) for one in blocks_of(events)] == [6]


@pytest.mark.parametrize("words", [1, 10, 63])
def test_words_that_come_twice_look_like_a_loss_of_the_rest_of_64(words: int) -> None:
    data = stream(0.2)
    decoder, _ = handshake({})
    events = decoder.feed(data[:4000] + data[4000 - 4 * words :], 0.3)
    assert errors_of(events) == [("lost", 64 - words)]
    t_device_s = np.concatenate([one.t_device_s for one in blocks_of(events)])
    assert (np.diff(t_device_s) > 0).all()
    assert t_device_s[-1] == pytest.approx((SAMPLES + 64) * 1e-5)


def test_a_stream_that_runs_ahead_of_the_host_is_reported() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(5.0, 0.2))
    talk.run(3.0, steady(5.0, 0.2))
    talk.lossy = lambda data: data + data
    talk.run(0.04, steady(5.0, 0.2))
    talk.lossy = bytes
    found = talk.run(1.0, steady(5.0, 0.2)).errors()
    assert found["implausible"] == pytest.approx(4000, abs=130)


def test_a_reset_goes_on_in_time_and_the_outage_is_gap() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(5.0, 0.2))
    talk.run(1.0, steady(5.0, 0.2))
    talk.encoder.receive(b"\x20", talk.t_s)
    talk.run(4.0, steady(5.0, 0.2))
    assert talk.decoded.errors() == {"reset": 1}
    assert len(talk.decoded.identities()) == 2
    talk.decoded.check_blocks()
    timeline = timeline_of(DRIVER, talk.said)
    first, last = timeline.first(), timeline.latest()
    assert first is not None
    assert last.gap_s == pytest.approx(2.2, abs=0.2)
    assert last.energy_j == pytest.approx(last.covered_s, rel=0.005)
    assert last.t_device_s - first.t_device_s == pytest.approx(5.0, abs=0.1)


def test_five_minutes_of_stream_hold_no_more_memory_than_one() -> None:
    decoder, _ = handshake({})
    assert growth_bytes(DRIVER, decoder, stream(0.2, 100_032), 1.00032) < 200_000
