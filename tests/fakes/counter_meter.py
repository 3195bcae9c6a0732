"""A small made-up meter that streams 1000 samples a second: its protocol fits on one page, so tests can break it.

Frame, 12 bytes: A5, checksum (sum of the other bytes), uint16 counter, float32 volts, float32 amperes, little-endian.
The host starts the stream with G and ends it with X. Option ``mute``: never answers.
"""

import struct
from dataclasses import replace

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleBlock

FRAME = struct.Struct("<BBHff")
INTERVAL_S = 1e-3

SHEET = DataSheet(
    manufacturer="nobody",
    model="counter",
    min_voltage_v=0.0,
    max_voltage_v=20.0,
    ranges=(MeterRange(max_current_a=5.0, gain_limit_ratio=0.01, offset_limit_a=1e-3, resolution_a=1e-6),),
    voltage_gain_limit_ratio=0.002,
    voltage_offset_limit_v=0.001,
    voltage_resolution_v=1e-6,
    sample_interval_s=INTERVAL_S,
    max_interval_s=1.5 * INTERVAL_S,
    sampling="mean",
    clock="sample_counter",
    boundaries=("dc_input",),
    sync_facility="none",
    usb_ids=(),
    accuracy_basis="made up",
    integrity="none",
    source="tests",
)


def sheet_like(**changes: object) -> DataSheet:
    """Return the sheet with some fields changed."""
    return replace(SHEET, **changes)  # type: ignore[arg-type]  # field names come from the tests


class CounterDecoder:
    def __init__(self, options: Options) -> None:
        del options
        self._buffer = b""
        self._to_send = b"G"
        self._count = 0
        self._last: int | None = None

    def bytes_to_send(self, t_host_s: float) -> bytes:
        del t_host_s
        outgoing, self._to_send = self._to_send, b""
        return outgoing

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        self._buffer += data
        events: list[Event] = []
        rows: list[tuple[float, float, float]] = []
        skipped = 0
        while len(self._buffer) >= FRAME.size:
            start, checksum, counter, volts, amperes = FRAME.unpack_from(self._buffer)
            if start != 0xA5 or checksum != _checksum(self._buffer[: FRAME.size]):
                self._buffer = self._buffer[1:]
                skipped += 1
                continue
            self._buffer = self._buffer[FRAME.size :]
            if self._last is None:
                events.append(MeterIdentity("counter", "1"))
            step = 1 if self._last is None else (counter - self._last) % 65_536
            if step > 1:
                events.append(FrameError("lost", step - 1, t_host_s))
            self._last = counter
            self._count += step
            rows.append((self._count * INTERVAL_S, volts, amperes))
        if skipped:
            events.append(FrameError("desync", skipped, t_host_s))
        if rows:
            t_s, volts_v, amperes_a = np.array(rows).T
            events.append(SampleBlock(t_s, volts_v, amperes_a, volts_v * amperes_a))
        return events

    def last_fields(self) -> dict[str, FieldValue]:
        return {}

    def stop_bytes(self) -> bytes:
        return b"X"


class CounterEncoder:
    def __init__(self, options: Options, seed: int) -> None:
        del seed
        self._mute = bool(options.get("mute"))
        self._running = False
        self._counter = 0

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        del t_device_s
        for byte in data:
            self._running = byte == ord("G") if byte in b"GX" else self._running
        return b""

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:
        del t_device_s, logic
        if not self._running or self._mute:
            return b""
        frames = bytearray()
        for volts, amperes in zip(voltage_v.tolist(), current_a.tolist(), strict=True):
            self._counter = (self._counter + 1) % 65_536
            frame = FRAME.pack(0xA5, 0, self._counter, volts, amperes)
            frames += frame[:1] + bytes([_checksum(frame)]) + frame[2:]
        return bytes(frames)


def _checksum(frame: bytes) -> int:
    return (frame[0] + sum(frame[2:])) & 0xFF


DRIVER = MeterDriver(
    name="counter",
    title="a made-up meter",
    data_sheet=SHEET,
    make_decoder=CounterDecoder,
    make_encoder=CounterEncoder,
)
