"""The conversation with a meter, recorded into a capture file, and decoded from it again."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Final

from firmware_bridge.calibration import Calibration
from firmware_bridge.capture_file import Capture, CaptureFrame, CaptureWriter
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.energy import energy_between
from firmware_bridge.errors import MeterUnavailableError, RecordingEndedError
from firmware_bridge.port import Port
from firmware_bridge.reader import TellsWhenDue
from firmware_bridge.samples import EnergyDelta, Event, FrameError, MeterIdentity, SampleBlock
from firmware_bridge.stream import open_port
from firmware_bridge.timeline import Timeline

POLL_S: Final = 0.02
SHORTEST_WAIT_S: Final = 1e-3
GATHER_S: Final = 0.005
"""A stream is read this often: a Linux tty holds 4 kB, which is 10 ms of the fastest meter."""
FLUSH_S: Final = 0.25
"""What a recording can lose when its process is killed."""


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


@dataclass(slots=True)
class RecordProgress:
    """What a recording holds so far."""

    seconds: float = 0.0
    received_bytes: int = 0
    samples: int = 0
    frame_errors: Counter[str] = field(default_factory=Counter)
    identity: MeterIdentity | None = None


def record(
    driver: MeterDriver,
    url: str,
    options: Options,
    writer: CaptureWriter,
    *,
    seconds: float = math.inf,
    stop: threading.Event,
) -> int:
    """Record the conversation with a meter for ``seconds`` or until ``stop``; return the bytes received.

    Raises ConfigurationError or MeterUnavailableError.
    """
    with open_port(url, driver.serial_settings(options)) as port:
        return record_from(port, driver, options, writer, seconds=seconds, stop=stop).received_bytes


def record_from(
    port: Port,
    driver: MeterDriver,
    options: Options,
    writer: CaptureWriter,
    *,
    seconds: float = math.inf,
    stop: threading.Event,
    watch: Callable[[RecordProgress], None] | None = None,
) -> RecordProgress:
    """Record from an open port. ``watch`` is called a few times a second; the file is then good up to here.

    Raises MeterUnavailableError when the meter goes away, OSError where the file takes no more.
    """
    decoder = driver.make_decoder(options)
    is_stream = driver.data_sheet.clock != "host_arrival" and port.recorded is None
    due_s = decoder.next_due_s if isinstance(decoder, TellsWhenDue) else None
    progress = RecordProgress()
    begin_s = flushed_s = now_s = port.time_s()
    ending = "over"
    try:
        while now_s < begin_s + seconds and not stop.is_set():
            outgoing = decoder.bytes_to_send(now_s) if port.host_may_speak() else b""
            if outgoing:
                port.write(outgoing)
                writer.write(CaptureFrame(now_s, from_meter=False, data=outgoing))
            data = port.read(POLL_S if due_s is None else min(max(due_s() - now_s, SHORTEST_WAIT_S), POLL_S))
            if data and is_stream:
                port.pause(GATHER_S)
                data += port.read(0.0)
            now_s = port.time_s()
            if data:
                writer.write(CaptureFrame(now_s, from_meter=True, data=data))
                _take(decoder.feed(data, now_s), now_s, writer, progress)
            progress.received_bytes += len(data)
            progress.seconds = now_s - begin_s
            if now_s - flushed_s >= FLUSH_S:
                flushed_s = now_s
                writer.flush()
                if watch is not None:
                    watch(progress)
        port.write(decoder.stop_bytes())
    except RecordingEndedError as error:
        ending = str(error)
    except MeterUnavailableError as error:
        ending = str(error)
        raise
    finally:
        writer.note(port.time_s(), ended=ending, received_bytes=progress.received_bytes)
        writer.flush()
    return progress


def _take(events: list[Event], now_s: float, writer: CaptureWriter, progress: RecordProgress) -> None:
    for event in events:
        if isinstance(event, SampleBlock):
            progress.samples += len(event)
        elif isinstance(event, FrameError):
            progress.frame_errors[event.kind] += event.count
        else:
            progress.identity = event
            writer.note(now_s, identity=asdict(event))


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
    sheet = driver.for_options(capture.header.options).data_sheet
    timeline = Timeline(sheet, calibration)
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
