"""Raw bytes of a meter with their times, in a file: recorded once, decoded again as often as needed.

File: the line ``edgejoule-capture 1``, one line of JSON (CaptureHeader), then frames until the end:
little-endian float64 host time in seconds (CLOCK_BOOTTIME), one letter (R from the meter, S to it), uint32 length,
that many bytes. A file that was cut off is good up to its last whole frame.
"""

import json
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import MeterDriver, Options, OptionValue
from firmware_bridge.energy import energy_between
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.samples import EnergyDelta, Event, MeterIdentity
from firmware_bridge.stream import host_time_s, open_port
from firmware_bridge.timeline import Timeline

MAGIC: Final = b"edgejoule-capture 1\n"
_FRAME: Final = struct.Struct("<dcI")
FROM_METER: Final = b"R"
TO_METER: Final = b"S"
POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class CaptureHeader:
    """Where a capture comes from."""

    driver: str
    options: dict[str, OptionValue]
    port: str
    started_unix_ns: int


@dataclass(frozen=True, slots=True)
class CaptureFrame:
    """Bytes that one read or write moved, and when."""

    t_host_s: float
    from_meter: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole file in memory. ``cut_bytes``: what is left of a last frame that was cut off."""

    header: CaptureHeader
    frames: tuple[CaptureFrame, ...]
    cut_bytes: int


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


class CaptureWriter:
    """Writes a capture file."""

    def __init__(self, file: BinaryIO, header: CaptureHeader) -> None:
        self._file = file
        file.write(MAGIC + json.dumps(asdict(header)).encode() + b"\n")

    def write(self, frame: CaptureFrame) -> None:
        """Append one frame."""
        kind = FROM_METER if frame.from_meter else TO_METER
        self._file.write(_FRAME.pack(frame.t_host_s, kind, len(frame.data)) + frame.data)


def read_capture(path: Path) -> Capture:
    """Read a capture file. Raises ConfigurationError with one line if it is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    end = content.find(b"\n", len(MAGIC))
    if not content.startswith(MAGIC) or end < 0:
        raise ConfigurationError(f"{path}: not a capture file; make one with 'edgejoule meter record'")
    try:
        header = CaptureHeader(**json.loads(content[len(MAGIC) : end]))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path}: the header of this capture is damaged ({error})") from error
    return _read_frames(path, header, content, end + 1)


def _read_frames(path: Path, header: CaptureHeader, content: bytes, at: int) -> Capture:
    frames: list[CaptureFrame] = []
    while at + _FRAME.size <= len(content):
        t_host_s, kind, length = _FRAME.unpack_from(content, at)
        if kind not in {FROM_METER, TO_METER}:
            raise ConfigurationError(f"{path}: this capture is damaged at byte {at}; record it again")
        begin = at + _FRAME.size
        if begin + length > len(content):
            break
        frames.append(CaptureFrame(t_host_s, kind == FROM_METER, content[begin : begin + length]))
        at = begin + length
    return Capture(header, tuple(frames), len(content) - at)


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
