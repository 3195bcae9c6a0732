"""The conversation with a meter, recorded into a capture file, and decoded from it again."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from firmware_bridge.calibration import Calibration
from firmware_bridge.capture_file import Capture, CaptureFrame, CaptureWriter
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.energy import energy_between
from firmware_bridge.samples import EnergyDelta, Event, MeterIdentity
from firmware_bridge.stream import host_time_s, open_port
from firmware_bridge.timeline import Timeline

POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class CaptureSummary:
    """What a capture holds once it is decoded. ``total`` is None where there was no sample."""

    driver: str
    frames: int
    received_bytes: int
    cut_bytes: int
    identity: MeterIdentity | None
    frame_errors: dict[str, int]
    sample_count: float
    lost_count: float
    total: EnergyDelta | None


def record(
    driver: MeterDriver, url: str, options: Options, writer: CaptureWriter, *, seconds: float, stop: threading.Event
) -> int:
    """Record the conversation with a meter for ``seconds`` or until ``stop``; return the bytes received.

    Raises ConfigurationError or MeterUnavailableError.
    """
    decoder = driver.make_decoder(options)
    received_bytes = 0
    with open_port(url, driver.serial) as port:
        end_s = host_time_s() + seconds
        while (now_s := host_time_s()) < end_s and not stop.is_set():
            outgoing = decoder.bytes_to_send(now_s)
            if outgoing:
                port.write(outgoing)
                writer.write(CaptureFrame(now_s, from_meter=False, data=outgoing))
            data = port.read(POLL_S)
            if data:
                now_s = host_time_s()
                decoder.feed(data, now_s)
                writer.write(CaptureFrame(now_s, from_meter=True, data=data))
                received_bytes += len(data)
        port.write(decoder.stop_bytes())
    return received_bytes


def decode(driver: MeterDriver, capture: Capture) -> Iterator[tuple[float, Event]]:
    """Decode a capture as if it happened now: yields (host time, event)."""
    decoder = driver.make_decoder(capture.header.options)
    for frame in capture.frames:
        if frame.from_meter:
            for event in decoder.feed(frame.data, frame.t_host_s):
                yield frame.t_host_s, event
        else:
            decoder.bytes_to_send(frame.t_host_s)


def summarise(driver: MeterDriver, capture: Capture, calibration: Calibration | None = None) -> CaptureSummary:
    """Decode and integrate a whole capture."""
    timeline = Timeline(driver.data_sheet, calibration)
    errors: Counter[str] = Counter()
    identity: MeterIdentity | None = None
    for t_host_s, event in decode(driver, capture):
        identity = timeline.take((event,), t_host_s, errors).identity or identity
    first, last = timeline.first(), timeline.latest()
    return CaptureSummary(
        driver=driver.name,
        frames=len(capture.frames),
        received_bytes=sum(len(frame.data) for frame in capture.frames if frame.from_meter),
        cut_bytes=capture.cut_bytes,
        identity=identity,
        frame_errors=dict(errors),
        sample_count=last.sample_count,
        lost_count=last.lost_count,
        total=None if first is None else energy_between(first, last),
    )
