"""Raw bytes of a meter with their times, in a file: recorded once, decoded again as often as needed. No ports here.

File: the line ``edgejoule-capture 1``, one line of JSON (CaptureHeader), then frames until the end, little-endian::

    float64 host time in seconds (CLOCK_BOOTTIME) | one letter | uint32 length | that many bytes
    R: from the meter    S: sent to the meter    N: a note, one JSON object (the meter's identity, how it ended)

A file that was cut off is good up to its last whole frame. Keys of the header and of notes that a reader does not
know are passed over, so that a later writer may add some.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn, TypeAlias

from firmware_bridge.driver import OptionValue
from firmware_bridge.errors import ConfigurationError

MAGIC: Final = b"edgejoule-capture 1\n"
FROM_METER: Final = b"R"
TO_METER: Final = b"S"
NOTE: Final = b"N"
_FRAME: Final = struct.Struct("<dcI")
_HEADER_LIMIT_BYTES: Final = 65_536
_FRAME_LIMIT_BYTES: Final = 16_777_216
"""Far above what one read returns: a larger length is damage, and is not read into memory."""

Note: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CaptureHeader:
    """Where a capture comes from.

    ``simulated``: the port was a pseudo-terminal, so that no real meter was behind it; None where nobody knows.
    ``version``: the version of edgejoule that recorded it. ``started_host_s``: the frames' clock at
    ``started_unix_ns``.
    """

    driver: str
    options: dict[str, OptionValue]
    port: str
    started_unix_ns: int
    simulated: bool | None = None
    version: str = ""
    started_host_s: float | None = None


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
    notes: tuple[Note, ...] = ()


class CaptureWriter:
    """Writes a capture file. Raises OSError where the file cannot take it."""

    def __init__(self, file: BinaryIO, header: CaptureHeader) -> None:
        self._file = file
        file.write(MAGIC + json.dumps(asdict(header)).encode() + b"\n")

    def write(self, frame: CaptureFrame) -> None:
        """Append one frame."""
        self._put(frame.t_host_s, FROM_METER if frame.from_meter else TO_METER, frame.data)

    def note(self, t_host_s: float, **note: object) -> None:
        """Append a note: values that JSON can hold."""
        self._put(t_host_s, NOTE, json.dumps(note).encode())

    def flush(self) -> None:
        """Hand all that was written to the operating system: it then survives the end of this process."""
        self._file.flush()

    def _put(self, t_host_s: float, letter: bytes, data: bytes) -> None:
        self._file.write(_FRAME.pack(t_host_s, letter, len(data)) + data)


class CaptureReader:
    """Reads a capture frame by frame, in bounded memory. Iterate once.

    ``notes`` and ``cut_bytes`` are complete once the iteration is over. Raises ConfigurationError, one line, from the
    constructor where the file is no capture, from the iteration where it is damaged.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._at = len(MAGIC)
        self.notes: list[Note] = []
        self.cut_bytes = 0
        self.header = self._read_header()

    def __iter__(self) -> Iterator[CaptureFrame]:
        while len(head := self._read(_FRAME.size)) == _FRAME.size:
            t_host_s, letter, length = _FRAME.unpack(head)
            if letter not in {FROM_METER, TO_METER, NOTE} or length > _FRAME_LIMIT_BYTES:
                self._refuse(f"this capture is damaged at byte {self._at}; record it again")
            data = self._read(length)
            if len(data) < length:
                self.cut_bytes = _FRAME.size + len(data)
                return
            self._at += _FRAME.size + length
            if letter == NOTE:
                self._take_note(data)
            else:
                yield CaptureFrame(t_host_s, letter == FROM_METER, data)
        self.cut_bytes = len(head)

    def _read_header(self) -> CaptureHeader:
        head = self._read(len(MAGIC))
        if is_capture(head) and head != MAGIC:
            self._refuse("this capture is of another version of edgejoule; update this one")
        if head != MAGIC:
            self._refuse("not a capture file; make one with 'edgejoule meter record'")
        line = self._file.readline(_HEADER_LIMIT_BYTES)
        if not line.endswith(b"\n"):
            self._refuse("not a capture file (its header is cut off); make one with 'edgejoule meter record'")
        self._at += len(line)
        try:
            return _header(json.loads(line))
        except (ValueError, TypeError) as error:
            self._refuse(f"the header of this capture is damaged ({error}); record it again")

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            raise ConfigurationError(f"{self._name}: cannot read it: {error.strerror}") from error

    def _take_note(self, data: bytes) -> None:
        try:
            note = json.loads(data)
        except ValueError:
            note = None
        if not isinstance(note, dict):
            self._refuse(f"this capture is damaged in the note before byte {self._at}; record it again")
        self.notes.append(note)

    def _refuse(self, why: str) -> NoReturn:
        raise ConfigurationError(f"{self._name}: {why}")


def is_capture(head: bytes) -> bool:
    """Tell whether a file that begins with ``head`` is a capture, be it of another version."""
    return head.startswith(MAGIC.split(b" ")[0] + b" ")


@contextmanager
def open_capture(path: Path) -> Iterator[CaptureReader]:
    """Open a capture file for reading frame by frame. Raises ConfigurationError with one line if it is none."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    with file:
        yield CaptureReader(file, str(path))


def read_capture(path: Path) -> Capture:
    """Read a whole capture file. Raises ConfigurationError with one line if it is none."""
    with open_capture(path) as reader:
        frames = tuple(reader)
    return Capture(reader.header, frames, reader.cut_bytes, tuple(reader.notes))


def _header(values: object) -> CaptureHeader:
    """Make the header of what JSON held. Raises TypeError or ValueError."""
    if not isinstance(values, dict):
        raise TypeError("it is no JSON object")
    known = {field.name for field in fields(CaptureHeader)}
    header = CaptureHeader(**{key: value for key, value in values.items() if key in known})
    wanted = {"driver": str, "options": dict, "port": str, "started_unix_ns": int, "version": str}
    for name, kind in wanted.items():
        if not isinstance(getattr(header, name), kind):
            raise TypeError(f"{name} is {getattr(header, name)!r}")
    if not all(isinstance(value, str | int | float) for value in header.options.values()):
        raise ValueError("an option is neither text nor number")
    return header
