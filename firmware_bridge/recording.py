"""A recorded meter, whatever it was recorded as: captures, raw bytes, hexadecimal text, Nordic's saved sessions.

A capture has times and both sides of the talk, and is decoded as if it happened now. Raw bytes have neither: the
decoder listens. A meter with a clock of its own keeps its time then; the readings of one without get nominal times,
one sample interval apart. A session of Nordic's Power Profiler holds samples, not bytes.
"""

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol

from firmware_bridge.capture_file import CaptureHeader, CaptureReader, is_capture
from firmware_bridge.driver import FieldValue, MeterDriver, Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.hex_text import looks_like_hex, parse_hex
from firmware_bridge.ppk2_file import is_ppk2_file, open_ppk2_file
from firmware_bridge.samples import Event, SampleBlock

TimeBasis = Literal["device", "arrival", "nominal"]
HEAD_BYTES: Final = 64
CHUNK_BYTES: Final = 16_384
SESSION_DRIVER: Final = "ppk2"
DEFAULT_SESSION_MV: Final = 5000
"""The default of the driver's option: the file does not hold the voltage."""
ZIP_HEAD: Final = b"PK\x03\x04"


class Recording(Protocol):
    """Something to decode once. ``received_bytes`` and ``cut_bytes`` are complete when ``play`` is over.

    ``driver``: with the data sheet that holds for the options.

    ``time_basis``: the meter's own clock, arrival at the host that recorded it, or nominal steps.
    ``header``: where it comes from, None where the file does not say.
    """

    driver: MeterDriver
    time_basis: TimeBasis
    header: CaptureHeader | None
    received_bytes: int
    cut_bytes: int

    def play(self) -> Iterator[tuple[float, list[Event]]]:
        """Yield (host time in seconds, what the bytes meant), piece by piece."""
        ...

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return the decoder's further fields of the last reading."""
        ...


class CaptureRecording:
    """A capture file: the options are those it was recorded with, ``options`` on top of them."""

    def __init__(self, driver: MeterDriver, reader: CaptureReader, options: Options) -> None:
        options = {**reader.header.options, **options}
        self.driver = driver = driver.for_options(options)
        self.header: CaptureHeader | None = reader.header
        self.time_basis: TimeBasis = "arrival" if driver.data_sheet.clock == "host_arrival" else "device"
        self.received_bytes = self.cut_bytes = 0
        self._reader = reader
        self._decoder = driver.make_decoder(options)

    def play(self) -> Iterator[tuple[float, list[Event]]]:
        """Yield what each read of the recording meant."""
        for frame in self._reader:
            if not frame.from_meter:
                self._decoder.bytes_to_send(frame.t_host_s)
                continue
            self.received_bytes += len(frame.data)
            yield frame.t_host_s, self._decoder.feed(frame.data, frame.t_host_s)
        self.cut_bytes = self._reader.cut_bytes

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return the decoder's further fields of the last reading."""
        return self._decoder.last_fields()


class RawRecording:
    """The bytes that a meter sent, without their times: the decoder listens."""

    def __init__(
        self, driver: MeterDriver, file: BinaryIO, name: str, options: Options, interval_s: float | None
    ) -> None:
        self.driver = driver = driver.for_options(options)
        self.header: CaptureHeader | None = None
        self.received_bytes = self.cut_bytes = 0
        self._own_clock = driver.data_sheet.clock != "host_arrival"
        self.time_basis: TimeBasis = "device" if self._own_clock else "nominal"
        if interval_s is not None and self._own_clock:
            raise ConfigurationError(f"a {driver.name} keeps its own time: leave the interval out")
        self._interval_s = interval_s or driver.data_sheet.sample_interval_s
        self._file = file
        self._name = name
        self._decoder = driver.make_decoder(options)

    def play(self) -> Iterator[tuple[float, list[Event]]]:
        """Yield what each piece meant."""
        return self._with_own_time() if self._own_clock else self._with_nominal_time()

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return the decoder's further fields of the last reading."""
        return self._decoder.last_fields()

    def _with_own_time(self) -> Iterator[tuple[float, list[Event]]]:
        """Let the host's clock follow the meter's, so that neither ever proves the other wrong."""
        t_s = 0.0
        for data in self._pieces():
            events = self._decoder.feed(data, t_s)
            t_s = max([t_s, *(float(one.t_device_s[-1]) for one in events if isinstance(one, SampleBlock))])
            yield t_s, events

    def _with_nominal_time(self) -> Iterator[tuple[float, list[Event]]]:
        """Feed byte by byte: each reading then has a time of its own."""
        count = 0
        for data in self._pieces():
            for at in range(len(data)):
                t_s = count * self._interval_s
                events = self._decoder.feed(data[at : at + 1], t_s)
                if events:
                    yield t_s, events
                    count += sum(len(one) for one in events if isinstance(one, SampleBlock))

    def _pieces(self) -> Iterator[bytes]:
        try:
            while data := self._file.read(CHUNK_BYTES):
                self.received_bytes += len(data)
                yield data
        except OSError as error:
            raise ConfigurationError(f"{self._name}: cannot read it: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Source:
    """An open file that can seek, what to call it, and where it lies (None: nowhere; Nordic's sessions need it)."""

    file: BinaryIO
    name: str
    path: Path | None = None

    def head(self) -> bytes:
        """Return the first bytes, and go back to the begin. Raises ConfigurationError."""
        try:
            self.file.seek(0)
            head = self.file.read(HEAD_BYTES)
            self.file.seek(0)
        except OSError as error:
            raise ConfigurationError(f"{self.name}: cannot read it: {error.strerror}") from error
        return head


class SessionRecording:
    """A session that Nordic's Power Profiler saved. The driver's option ``voltage_mv`` is the supply's voltage."""

    def __init__(self, driver: MeterDriver, path: Path, options: Options) -> None:
        driver.make_decoder(options)
        volts = float(options.get("voltage_mv", DEFAULT_SESSION_MV)) / 1e3
        self._session = open_ppk2_file(path, voltage_v=volts)
        self.driver = replace(driver, data_sheet=self._session.data_sheet)
        self.time_basis: TimeBasis = "device"
        self.header: CaptureHeader | None = None
        self.received_bytes = path.stat().st_size
        self.cut_bytes = 0

    def play(self) -> Iterator[tuple[float, list[Event]]]:
        """Yield the samples."""
        for block in self._session.blocks():
            yield float(block.t_device_s[-1]), [block]

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return what the file says beyond its samples."""
        return {"started_unix_ns": self._session.started_unix_ns}


def open_recording(
    driver: MeterDriver,
    source: Source,
    *,
    options: Options | None = None,
    as_hex: bool = False,
    interval_s: float | None = None,
    any_driver: bool = False,
) -> Recording:
    """Take a recording from an open file, whatever it is.

    ``interval_s``: nominal seconds between readings that have no time of their own (default: the data sheet's).
    ``any_driver``: decode a capture that was recorded with another driver. Raises ConfigurationError, one line.
    """
    file, name, path = source.file, source.name, source.path
    head = source.head()
    if not head:
        raise ConfigurationError(f"{name}: empty, there is nothing to decode; record with 'edgejoule meter record'")
    has_times = is_capture(head) or (path is not None and _is_session(path, head, driver))
    if has_times and (as_hex or interval_s is not None):
        raise ConfigurationError(f"{name}: it has its own bytes and times; leave --hex and --interval-s out")
    if is_capture(head):
        return _capture(driver, CaptureReader(file, name), name, options or {}, any_driver=any_driver)
    if path is not None and has_times:
        if driver.name != SESSION_DRIVER:
            raise ConfigurationError(f"{name}: a session of Nordic's Power Profiler; decode it as {SESSION_DRIVER}")
        return SessionRecording(driver, path, options or {})
    if as_hex:
        try:
            text = file.read().decode("utf-8")
        except ValueError as error:
            raise ConfigurationError(f"{name}: no hexadecimal text ({error}); leave --hex out for bytes") from error
        file = io.BytesIO(parse_hex(text, name))
    return RawRecording(driver, file, name, options or {}, interval_s)


def why_no_samples(recording: Recording, source: Source, complaint: str, frame_errors: Mapping[str, int]) -> str:
    """Return one line that says why nothing was decoded, and the remedy."""
    driver, name, head = recording.driver.name, source.name, source.head()
    if head.startswith(ZIP_HEAD):
        return f"{name}: a ZIP archive, but no session that can be read from here; give Nordic's .ppk2 by its path"
    if not recording.received_bytes:
        return f"{name}: no byte of the meter is in it; record again while the meter is on"
    if complaint:
        return f"{name}: no sample of a {driver}: {complaint}"
    if looks_like_hex(head):
        return f"{name}: no sample of a {driver}; it looks like hexadecimal text: add --hex"
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(frame_errors.items())) or "no whole frame"
    return (
        f"{name}: no sample of a {driver} in {recording.received_bytes} bytes ({counts}); is it another meter's, "
        "or does an option not fit?"
    )


def _is_session(path: Path, head: bytes, driver: MeterDriver) -> bool:
    """Tell a saved session by its ZIP head; the older kind has none, and only its own driver looks for it."""
    return (driver.name == SESSION_DRIVER or head.startswith(ZIP_HEAD)) and is_ppk2_file(path)


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file to decode, ``-`` for what comes on stdin. Raises ConfigurationError, one line."""
    if path == "-":
        yield Source(io.BytesIO(sys.stdin.buffer.read()), "stdin")
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115  its own errors only
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    with file:
        if file.seekable():
            yield Source(file, path, Path(path))
        else:
            yield Source(io.BytesIO(file.read()), path)


def _capture(
    driver: MeterDriver, reader: CaptureReader, name: str, options: Options, *, any_driver: bool
) -> CaptureRecording:
    recorded = reader.header.driver
    if recorded != driver.name and not any_driver:
        raise ConfigurationError(
            f"{name}: recorded from a {recorded}, not a {driver.name}; decode it as {recorded}, or add --any-driver"
        )
    return CaptureRecording(driver, reader, options)
