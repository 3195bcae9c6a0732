"""The conversation with a meter, recorded into a capture file. ``recording`` decodes it again."""

import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from firmware_bridge.capture_file import CaptureFrame, CaptureWriter
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.errors import MeterUnavailableError, RecordingEndedError
from firmware_bridge.port import Port
from firmware_bridge.reader import DRAIN_S, POLL_S, SHORTEST_WAIT_S, TellsWhenDue
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock
from firmware_bridge.stream import open_port

FLUSH_S: Final = 0.25
"""What a recording can lose when its process is killed."""


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
                port.pause(DRAIN_S)
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
