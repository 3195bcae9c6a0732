"""ACME 1, made up: ten readings a second, each the mean since the last one.

A5 | count | millivolts | milliamperes | CRC-16/Modbus of the first six     1 + 1 + 2 + 2 + 2 bytes, big-endian

This is a whole driver, to copy to ``firmware_bridge/drivers/NAME.py``: what stands here is the meter's page.

What it can carry: 4 to 20 V, 5 A. What a flipped bit can do unseen: nothing, but for one frame in 65,536. Known from
a recording: nothing, the meter does not exist.
"""

import struct
from typing import Final

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.protocol.crc import crc16_modbus
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleBlock

HEAD: Final = struct.Struct(">BBHH")
FRAME_BYTES: Final = 8
START: Final = 0xA5
COUNTS: Final = 256
FULL_SCALE: Final = 0xFFFF
INTERVAL_S: Final = 0.1


class AcmeDecoder:
    """Bytes to samples. A number that jumps is a loss, one that stands is a frame that came twice."""

    def __init__(self, options: Options) -> None:
        """Take no options: each one is refused by name."""
        OptionReader("acme1", options, {})
        self._bytes = bytearray()
        self._count: int | None = None
        self._number = 0

    def bytes_to_send(self, t_host_s: float) -> bytes:  # noqa: ARG002  the protocol's arguments
        """Return nothing: this meter streams by itself. A polled one is asked here."""
        return b""

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Return what the bytes meant; what is no frame is counted, and the next frame found behind it."""
        self._bytes += data
        events: list[Event] = []
        readings: list[tuple[float, float, float]] = []
        skipped = 0
        while len(self._bytes) >= FRAME_BYTES:
            frame = bytes(self._bytes[:FRAME_BYTES])
            if frame[0] != START or crc16_modbus(frame[: HEAD.size]) != int.from_bytes(frame[HEAD.size :], "big"):
                del self._bytes[0]
                skipped += 1
                continue
            del self._bytes[:FRAME_BYTES]
            _, count, millivolts, milliamperes = HEAD.unpack_from(frame)
            steps = self._steps_to(count, events, t_host_s)
            if steps:
                self._number += steps
                readings.append((self._number * INTERVAL_S, millivolts / 1e3, milliamperes / 1e3))
        if readings:
            t_s, voltage_v, current_a = np.array(readings).T
            events.append(SampleBlock(t_s, voltage_v, current_a, power_w=voltage_v * current_a))
        if skipped:
            events.append(FrameError("desync", skipped, t_host_s))
        return events

    def _steps_to(self, count: int, events: list[Event], t_host_s: float) -> int:
        if self._count is None:
            events.append(MeterIdentity(model="ACME 1"))
            steps = 1
        else:
            steps = (count - self._count) % COUNTS
        if steps > 1:
            events.append(FrameError("lost", steps - 1, t_host_s, "the count jumps"))
        self._count = count
        return steps

    def stop_bytes(self) -> bytes:
        """Return nothing: it cannot be stopped."""
        return b""

    def last_fields(self) -> dict[str, FieldValue]:
        """Return what the last reading held besides the sample."""
        return {"count": self._count}


class AcmeEncoder:
    """The meter's side, for the emulator and the tests."""

    def __init__(self, options: Options, seed: int) -> None:  # noqa: ARG002  the protocol's arguments
        """Begin to count at 0."""
        OptionReader("acme1", options, {})
        self._count = 0

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002  the protocol's arguments
        """Return nothing: it does not listen."""
        return b""

    def emit(
        self,
        t_device_s: F64,  # noqa: ARG002  the protocol's arguments
        voltage_v: F64,
        current_a: F64,
        logic: U8 | None = None,  # noqa: ARG002  the protocol's arguments
    ) -> bytes:
        """Return one frame for each sample."""
        return b"".join(self._frame(volts, amperes) for volts, amperes in zip(voltage_v, current_a, strict=True))

    def _frame(self, voltage_v: float, current_a: float) -> bytes:
        head = HEAD.pack(START, self._count, _thousandths(voltage_v), _thousandths(current_a))
        self._count = (self._count + 1) % COUNTS
        return head + crc16_modbus(head).to_bytes(2, "big")


def _thousandths(value: float) -> int:
    """Return what the meter shows, whatever its load: from 0 to what two bytes hold."""
    return min(max(round(value * 1e3), 0), FULL_SCALE)


DRIVER = MeterDriver(
    name="acme1",
    title="ACME 1, made up, 20 V 5 A, 10 readings/s",
    data_sheet=DataSheet(
        manufacturer="ACME",
        model="1",
        min_voltage_v=4.0,
        max_voltage_v=20.0,
        ranges=(MeterRange(max_current_a=5.0, gain_limit_ratio=0.005, offset_limit_a=0.002, resolution_a=0.001),),
        voltage_gain_limit_ratio=0.002,
        voltage_offset_limit_v=0.005,
        voltage_resolution_v=0.001,
        sample_interval_s=INTERVAL_S,
        max_interval_s=1.5 * INTERVAL_S,
        sampling="mean",
        clock="sample_counter",
        boundaries=("usb_dc",),
        sync_facility="none",
        usb_ids=(),
        accuracy_basis="assumption: the meter is made up",
        integrity="CRC-16 over each reading: a flipped bit is seen, the reading is dropped and counted",
        source="made up",
    ),
    make_decoder=AcmeDecoder,
    make_encoder=AcmeEncoder,
)
