"""One decoder, whatever the recording is: a capture, raw bytes, hexadecimal text."""

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge.capture_file import CaptureFrame, CaptureHeader, CaptureWriter
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.recording import Recording, Source, open_recording, why_no_samples
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import SampleBlock
from firmware_bridge.tally import Summary, Tally
from tests.fakes import counter_meter
from tests.fakes.meter_talk import Conversation, Said, steady

COUNTER = counter_meter.DRIVER
TC66C = get_driver("tc66c")


def talk(driver: MeterDriver, seconds: float) -> tuple[Said, ...]:
    conversation = Conversation(driver)
    conversation.run_until_samples(steady(5.0, 0.4))
    conversation.run(seconds, steady(5.0, 0.4))
    return tuple(conversation.said)


def capture_of(driver: MeterDriver, said: tuple[Said, ...], options: Options | None = None) -> bytes:
    file = io.BytesIO()
    writer = CaptureWriter(file, CaptureHeader(driver.name, dict(options or {}), "/dev/x", 1, simulated=True))
    for one in said:
        writer.write(CaptureFrame(one.t_host_s, one.from_meter, one.data))
    return file.getvalue()


def raw_of(said: tuple[Said, ...]) -> bytes:
    return b"".join(one.data for one in said if one.from_meter)


def open_bytes(driver: MeterDriver, content: bytes, **settings: object) -> Recording:
    return open_recording(driver, Source(io.BytesIO(content), "x"), **settings)  # type: ignore[arg-type]


def summary_of(recording: Recording) -> Summary:
    tally = Tally(recording.driver)
    for t_host_s, events in recording.play():
        tally.take(events, t_host_s)
    return tally.summary(recording.last_fields())


def samples_of(recording: Recording) -> Iterator[tuple[float, float]]:
    for _, events in recording.play():
        for event in events:
            if isinstance(event, SampleBlock):
                yield from zip(event.t_device_s.tolist(), event.power_w.tolist(), strict=True)


@pytest.mark.parametrize("driver", [COUNTER, TC66C], ids=lambda driver: driver.name)
def test_a_capture_gives_the_samples_of_the_day_it_was_made(driver: MeterDriver) -> None:
    conversation = Conversation(driver)
    conversation.run_until_samples(steady(5.0, 0.4))
    decoded = conversation.run(2.0, steady(5.0, 0.6))
    recording = open_bytes(driver, capture_of(driver, tuple(conversation.said)))
    t_s, power_w = np.array(list(samples_of(recording))).T
    np.testing.assert_array_equal(t_s, decoded.column("t_device_s"))
    np.testing.assert_array_equal(power_w, decoded.column("power_w"))
    assert recording.time_basis == ("device" if driver is COUNTER else "arrival")
    assert recording.header is not None
    assert recording.header.simulated


def test_raw_bytes_of_a_meter_with_a_clock_keep_its_time() -> None:
    said = talk(COUNTER, 3.0)
    told, raw = summary_of(open_bytes(COUNTER, capture_of(COUNTER, said))), open_bytes(COUNTER, raw_of(said))
    summary = summary_of(raw)
    assert raw.time_basis == "device"
    assert raw.received_bytes == len(raw_of(said))
    for name in ("samples", "t_first_s", "t_last_s", "gap_s", "frame_errors", "last"):
        assert getattr(summary, name) == getattr(told, name), name
    assert summary.energy_j == pytest.approx(told.energy_j, rel=1e-12)


def test_a_hole_in_raw_bytes_is_a_gap_that_no_host_clock_disputes() -> None:
    """Thirty seconds are missing: the meter's counter says so, and nobody knows better."""
    encoder = counter_meter.CounterEncoder({}, 0)
    encoder.receive(b"G", 0.0)
    pieces = []
    for i in range(60):
        t_s = (1000 * i + np.arange(1, 1001, dtype=np.float64)) * counter_meter.INTERVAL_S
        pieces.append(encoder.emit(t_s, np.full(1000, 5.0), np.full(1000, 0.5)))
    content = b"".join(pieces[:20]) + b"".join(pieces[50:])
    for t_host_s, events in open_bytes(COUNTER, content).play():
        assert [t_host_s] == [float(one.t_device_s[-1]) for one in events if isinstance(one, SampleBlock)][-1:]
    summary = summary_of(open_bytes(COUNTER, content))
    assert summary.gap_s == pytest.approx(30.0)
    assert summary.energy_j == pytest.approx(75.0)
    assert summary.t_last_s == pytest.approx(60.0)


@pytest.mark.parametrize(("interval_s", "step_s"), [(None, TC66C.data_sheet.sample_interval_s), (0.25, 0.25)])
def test_readings_without_a_time_get_nominal_ones(interval_s: float | None, step_s: float) -> None:
    said = talk(TC66C, 3.0)
    recording = open_bytes(TC66C, raw_of(said), interval_s=interval_s)
    t_s = [t_s for t_s, _ in samples_of(recording)]
    assert recording.time_basis == "nominal"
    assert t_s == pytest.approx([i * step_s for i in range(len(t_s))])
    assert len(t_s) == summary_of(open_bytes(TC66C, capture_of(TC66C, said))).samples > 20


@pytest.mark.parametrize("driver", [COUNTER, TC66C], ids=lambda driver: driver.name)
def test_hex_text_is_the_same_as_its_bytes(driver: MeterDriver) -> None:
    raw = raw_of(talk(driver, 1.0))
    text = "# dump\n" + "\n".join(raw[at : at + 16].hex(" ") for at in range(0, len(raw), 16))
    assert summary_of(open_bytes(driver, text.encode(), as_hex=True)) == summary_of(open_bytes(driver, raw))


@given(content=st.binary(min_size=1, max_size=400))
@example(content=b"edgejoule-capture ")
def test_any_bytes_are_decoded_or_refused_in_one_line(content: bytes) -> None:
    for driver in (COUNTER, TC66C):
        if content.startswith(b"edgejoule-capture "):  # what says that it is one of our captures must be one
            with pytest.raises(ConfigurationError, match=r"\Ax: [^\n]*\Z"):
                open_bytes(driver, content)
            continue
        recording = open_bytes(driver, content)
        assert summary_of(recording).samples >= 0
        assert recording.received_bytes == len(content)


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (b"", {}, "x: empty"),
        (b"edgejoule-capture 7\n{}\n", {}, "another version"),
        (capture_of(TC66C, ()), {}, "recorded from a tc66c, not a counter; decode it as tc66c"),
        (capture_of(COUNTER, ()), {"as_hex": True}, "leave --hex and --interval-s out"),
        (capture_of(COUNTER, ()), {"interval_s": 1.0}, "leave --hex and --interval-s out"),
        (b"\xff\xfe", {"as_hex": True}, "no hexadecimal text"),
        (b"no", {"as_hex": True}, "line 1, column 1"),
        (b"\x01", {"interval_s": 1.0}, "keeps its own time"),
    ],
)
def test_what_cannot_be_is_one_line(content: bytes, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_bytes(COUNTER, content, **settings)
    assert "\n" not in str(caught.value)


def test_the_option_of_today_goes_over_the_one_of_the_recording() -> None:
    content = capture_of(TC66C, talk(TC66C, 0.5), {"timeout_s": 99.0})
    with pytest.raises(ConfigurationError, match="'timeout_s'"):
        open_bytes(TC66C, content)
    assert summary_of(open_bytes(TC66C, content, options={"timeout_s": "1.0"})).samples > 0


@pytest.mark.parametrize(
    ("content", "complaint", "message"),
    [
        (b"\x00" * 50, "", "no sample of a counter in 50 bytes (desync 39)"),
        (b"00 0a ff", "", "it looks like hexadecimal text: add --hex"),
        (b"\x00" * 50, "no coil", "no sample of a counter: no coil"),
        (b"PK\x03\x04", "", "give Nordic's .ppk2 by its path"),
        (capture_of(COUNTER, ()), "", "no byte of the meter is in it"),
    ],
)
def test_no_sample_has_a_reason(content: bytes, complaint: str, message: str) -> None:
    recording = open_bytes(COUNTER, content)
    summary = summary_of(recording)
    assert summary.samples == 0
    assert message in why_no_samples(recording, Source(io.BytesIO(content), "x"), complaint, summary.frame_errors)


def test_a_capture_of_another_driver_can_be_insisted_on() -> None:
    other = replace(COUNTER, name="other")
    content = capture_of(COUNTER, talk(COUNTER, 0.1))
    assert summary_of(open_bytes(other, content, any_driver=True)).samples > 50
