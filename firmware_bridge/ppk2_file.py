"""Sessions that Nordic's Power Profiler saved: ``.ppk2`` files, and the older ``.ppk`` ones.

``.ppk2`` is a ZIP archive: ``metadata.json`` with ``metadata.samplesPerSecond``, ``metadata.startSystemTime`` (Unix
milliseconds) and ``formatVersion`` 2; ``session.raw``, 6 bytes for each sample; a ``minimap.raw`` that is not needed::

    0               4            6
    | float32 LE uA | uint16 BE  |      two bits a channel, D0 lowest: 01 low, 10 high, 11 both, 00 unknown

``.ppk`` is one raw deflate stream: a BSON document (before version 1: two), then uint32 LE length and float32 LE
microamperes, then, not always, uint32 LE length and uint16 LE digital channels. The data is a ring: ``options.index``
is the last sample, and the oldest follows it.

NaN is a sample that the application never got: a gap. The session may be averaged (10,000 samples a second and fewer);
the data sheet of the session has its interval. Neither file holds the voltage, nor the range of each sample, so the
limits are those of the largest range. A channel that was both counts as high.

Known from the application's source (pc-nrfconnect-ppk: src/globals.ts, src/utils/saveFileHandler, loadFileHandler and
bitConversion), described anew; no file of a real session was at hand. Others document ``session.raw`` with the
channels in the other byte order: such a file shows D0 to D3 as D4 to D7.
"""

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import DataSheet
from firmware_bridge.drivers.ppk2 import DRIVER
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.bson import BsonValue, read_document
from firmware_bridge.samples import F64, U8, SampleBlock

BLOCK_SAMPLES: Final = 65_536
_FRAME: Final = np.dtype([("current_ua", "<f4"), ("bits", ">u2")])
_SESSION, _METADATA = "session.raw", "metadata.json"
_NEWEST_VERSION: Final = 2
_METADATA_LIMIT_BYTES: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 16
_FLOAT_BYTES, _BITS_BYTES = 4, 2
_U16 = NDArray[np.uint16]
_Frames = Iterator[tuple[F64, _U16 | None]]


@dataclass(frozen=True, slots=True)
class Ppk2Session:
    """One saved session. ``started_unix_ns`` is None where the file does not say; ``data_sheet`` has its interval."""

    path: Path
    sample_interval_s: float
    started_unix_ns: int | None
    voltage_v: float
    data_sheet: DataSheet
    _frames: Callable[[], _Frames]

    def blocks(self) -> Iterator[SampleBlock]:
        """Yield the samples in blocks of 65,536 at most, gaps left out; memory does not grow with the file.

        Raises ConfigurationError with one line where the file is damaged.
        """
        first = 1
        with _one_line(self.path):
            for current_a, bits in self._frames():
                numbers = np.arange(first, first + len(current_a), dtype=np.float64)
                first += len(current_a)
                there = np.isfinite(current_a)
                if there.any():
                    yield self._block(numbers[there], current_a[there], None if bits is None else bits[there])

    def _block(self, numbers: F64, current_a: F64, bits: _U16 | None) -> SampleBlock:
        voltage_v = np.full(len(numbers), self.voltage_v)
        logic = None if bits is None else _levels(bits)
        return SampleBlock(
            numbers * self.sample_interval_s, voltage_v, current_a, current_a * self.voltage_v, logic=logic
        )


def is_ppk2_file(path: Path) -> bool:
    """Say whether this looks like a saved session, new or old, by what is in it."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _SESSION in archive.namelist()
        with path.open("rb") as file:
            head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(_PIECE_BYTES), 8)
    except (OSError, zipfile.BadZipFile, zlib.error):
        return False
    return len(head) == 8 and 5 < int.from_bytes(head[:4], "little") <= _METADATA_LIMIT_BYTES and head[5:6].isalpha()


def open_ppk2_file(path: Path, *, voltage_v: float) -> Ppk2Session:
    """Read what the file says of itself; ``voltage_v`` is the supply of the device, which it does not say.

    Raises ConfigurationError with one line for a file that is none, is damaged or is of a later version.
    """
    if not (math.isfinite(voltage_v) and voltage_v > 0.0):
        raise ConfigurationError(f"{path}: the voltage of the supply is {voltage_v}; give it in volts, above zero")
    with _one_line(path):
        if zipfile.is_zipfile(path):
            return _open_new(path, voltage_v)
        return _open_old(path, voltage_v)


def read_ppk2_file(path: Path, *, voltage_v: float) -> Iterator[SampleBlock]:
    """Yield the samples of a saved session: see ``open_ppk2_file`` and ``Ppk2Session.blocks``."""
    yield from open_ppk2_file(path, voltage_v=voltage_v).blocks()


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError) as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise ConfigurationError(f"{path}: not a session of Nordic's Power Profiler, or damaged: {reason}") from error


def _session(
    path: Path, rate_hz: object, started_ms: object, voltage_v: float, frames: Callable[[], _Frames]
) -> Ppk2Session:
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float) or not 0.0 < rate_hz <= 1e6:
        raise ValueError(f"samplesPerSecond is {rate_hz!r}")
    started_unix_ns: int | None = None
    if isinstance(started_ms, int | float) and math.isfinite(started_ms) and started_ms > 0:
        started_unix_ns = round(started_ms * 1000) * 1000
    interval_s = 1.0 / rate_hz
    sheet = replace(DRIVER.data_sheet, sample_interval_s=interval_s, max_interval_s=1.5 * interval_s)
    return Ppk2Session(path, interval_s, started_unix_ns, voltage_v, sheet, frames)


def _open_new(path: Path, voltage_v: float) -> Ppk2Session:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(_SESSION).file_size % _FRAME.itemsize:
            raise ValueError(f"{_SESSION} ends within a sample")
        with archive.open(_METADATA) as file:
            document = json.loads(file.read(_METADATA_LIMIT_BYTES))
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise ValueError(f"{_METADATA} holds no metadata")  # noqa: TRY004 a damaged file, not a wrong argument
    version = document.get("formatVersion")
    if isinstance(version, int) and version > _NEWEST_VERSION:
        raise ValueError(f"format version {version} is not known here, only those up to {_NEWEST_VERSION}")
    about = document["metadata"]
    return _session(
        path, about.get("samplesPerSecond"), about.get("startSystemTime"), voltage_v, lambda: _new_frames(path)
    )


def _new_frames(path: Path) -> _Frames:
    with zipfile.ZipFile(path) as archive, archive.open(_SESSION) as file:
        while raw := file.read(BLOCK_SAMPLES * _FRAME.itemsize):
            frames = np.frombuffer(raw, dtype=_FRAME)
            yield frames["current_ua"].astype(np.float64) * 1e-6, frames["bits"].astype(np.uint16)


def _levels(bits: _U16) -> U8:
    """Return D0 to D7 as bits from two bits a channel: high, or both."""
    logic = np.zeros(len(bits), dtype=np.uint8)
    for channel in range(8):
        logic |= ((bits >> np.uint16(2 * channel + 1)) & np.uint16(1)).astype(np.uint8) << np.uint8(channel)
    return logic


class _Inflated:
    """Reads a raw deflate stream from its beginning, a piece at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._unread = b""

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end of the stream only."""
        pieces: list[bytes] = []
        while count > 0:
            if not self._unread:
                raw = self._inflate.unconsumed_tail or self._file.read(_PIECE_BYTES)
                self._unread = self._inflate.decompress(raw, _PIECE_BYTES)
                if not self._unread and not raw:
                    if not self._inflate.eof:
                        raise EOFError("it is cut off")
                    break
            piece, self._unread = self._unread[:count], self._unread[count:]
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def exactly(self, count: int) -> bytes:
        data = self.read(count)
        if len(data) < count:
            raise EOFError("it is cut off")
        return data

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self.exactly(min(count, _PIECE_BYTES)))

    def length(self) -> int | None:
        """Return the next length, None at the end."""
        raw = self.read(4)
        return struct.unpack("<I", raw)[0] if len(raw) == 4 else None


def _document(stream: _Inflated) -> tuple[dict[str, BsonValue], int]:
    """Read one BSON document; return it and how many bytes it took."""
    head = stream.exactly(4)
    length = int.from_bytes(head, "little")
    if not 5 <= length <= _METADATA_LIMIT_BYTES:
        raise ValueError("it does not begin with metadata")
    return read_document(head + stream.exactly(length - 4)), length


@dataclass(frozen=True, slots=True)
class _OldLayout:
    """Where an old file keeps what: bytes from the beginning of the inflated stream, and samples."""

    currents_at: int
    bits_at: int | None
    count: int
    oldest: int


def _open_old(path: Path, voltage_v: float) -> Ppk2Session:
    with path.open("rb") as file:
        stream = _Inflated(file)
        about, at = _document(stream)
        options = about.get("options")
        if about.get("version") is None:
            options, (_, more) = about, _document(stream)
            at += more
        if not isinstance(options, Mapping):
            raise ValueError("its metadata has no options")  # noqa: TRY004 a damaged file, not a wrong argument
        size = stream.length()
        if size is None or size % _FLOAT_BYTES:
            raise ValueError("it holds no currents")
        stream.skip(size)
        count = size // _FLOAT_BYTES
        bits_size = stream.length()
    if bits_size not in {None, count * _BITS_BYTES}:
        raise ValueError("currents and channels are not equally many")
    bits_at = None if bits_size is None else at + 8 + size
    index = options.get("index")
    oldest = (int(index) + 1) % count if isinstance(index, int | float) and count else 0
    layout = _OldLayout(at + 4, bits_at, count, oldest)
    rate_hz = options.get("samplesPerSecond")
    interval_us = options.get("samplingTime")
    if rate_hz is None and isinstance(interval_us, int | float) and interval_us > 0:
        rate_hz = 1e6 / interval_us
    return _session(path, rate_hz, None, voltage_v, lambda: _old_frames(path, layout))


def _old_frames(path: Path, layout: _OldLayout) -> _Frames:
    """Yield the ring from its oldest sample; what was never written (NaN in front) is left out."""
    began = False
    for first, last in ((layout.oldest, layout.count), (0, layout.oldest)):
        for current_a, bits in _stretch(path, layout, first, last):
            if not began:
                written = np.flatnonzero(np.isfinite(current_a))
                if not len(written):
                    continue
                began = True
                yield current_a[written[0] :], None if bits is None else bits[written[0] :]
            else:
                yield current_a, bits


def _stretch(path: Path, layout: _OldLayout, first: int, last: int) -> _Frames:
    """Yield samples ``first`` to ``last``; currents and channels lie apart, so the file is read in two places."""
    with path.open("rb") as file, path.open("rb") as other:
        currents, channels = _Inflated(file), _Inflated(other)
        currents.skip(layout.currents_at + first * _FLOAT_BYTES)
        if layout.bits_at is not None:
            channels.skip(layout.bits_at + first * _BITS_BYTES)
        for at in range(first, last, BLOCK_SAMPLES):
            count = min(BLOCK_SAMPLES, last - at)
            current_ua = np.frombuffer(currents.exactly(count * _FLOAT_BYTES), dtype="<f4")
            bits: _U16 | None = None
            if layout.bits_at is not None:
                bits = np.frombuffer(channels.exactly(count * _BITS_BYTES), dtype="<u2").astype(np.uint16)
            yield current_ua.astype(np.float64) * 1e-6, bits
