"""PowerSensor3's bytes: the sensor records and the stream frame.

Sensor record, 41 bytes, one for each of 8 sensors (even: current, odd: voltage; two neighbours are a pair)::

    0         16            32        36               40
    | type    | pair name   | vref f4 | sensitivity f4 | in use |      little-endian, value = (U - vref) / sensitivity

Stream frame, 18 bytes: nine packets of two, time stamp first, then sensors 0..7::

    1 iii aaaa   0 m bbbbbb      iii: sensor, m: marker, level = aaaa bbbbbb (10 bits)
    1 111 aaaa   0 1 bbbbbb      sensor 7 with m set: microseconds modulo 1024

Source: nlesc-recruit/PowerSensor3 (Apache-2.0), device/PowerSensor/PowerSensor.ino and host/src, described anew.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.samples import F64

SENSORS = 8
RECORD = struct.Struct("<16s16sff?")
FRAME_BYTES = 18
STAMP_PERIOD = 1024
MAX_LEVEL = 1023
VOLTS_PER_LEVEL = 3.3 / MAX_LEVEL
_LONGEST_STEP_US = 200

# First bytes of the nine packets without their level bits; second bytes without level bits, and the mask for them:
# only sensor 0 may carry a marker.
_FIRST = np.array([0xF0, *(0x80 | sensor << 4 for sensor in range(SENSORS))], dtype=np.uint8)
_SECOND = np.array([0x40, *([0x00] * SENSORS)], dtype=np.uint8)
_SECOND_MASK = np.array([0xC0, 0x80, *([0xC0] * (SENSORS - 1))], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Sensor:
    """One configured sensor. ``sensitivity``: volts per ampere, or volts per volt; its sign is the polarity."""

    kind: str
    pair_name: str
    vref_v: float
    sensitivity: float
    in_use: bool

    def pack(self) -> bytes:
        """Return the record."""
        return RECORD.pack(self.kind.encode(), self.pair_name.encode(), self.vref_v, self.sensitivity, self.in_use)


def parse_sensor(record: bytes) -> Sensor:
    """Read one record. A sensor that is in use without usable numbers raises ValueError."""
    kind, pair_name, vref_v, sensitivity, _ = RECORD.unpack(record)
    in_use = record[-1] == 1
    if in_use and not (math.isfinite(vref_v) and math.isfinite(sensitivity) and sensitivity != 0.0):
        raise ValueError(f"in use with vref {vref_v} V and sensitivity {sensitivity}: configure it with psconfig")
    return Sensor(_text(kind), _text(pair_name), vref_v, sensitivity, in_use)


def _text(raw: bytes) -> str:
    return "".join(chr(byte) for byte in raw.split(b"\0")[0] if 0x20 <= byte < 0x7F)


def well_formed(rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say of each row, shape (n, 18), whether all nine packets are in their places."""
    first_fits = ((rows[:, 0::2] & np.uint8(0xF0)) == _FIRST).all(axis=1)
    second_fits = ((rows[:, 1::2] & _SECOND_MASK) == _SECOND).all(axis=1)
    fits: NDArray[np.bool_] = first_fits & second_fits
    return fits


def frame_starts(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return every byte offset at which two frames follow each other with time stamps that do so too, ascending.

    One frame is no proof: behind a cut, ``f0`` of one frame and ``01bbbbbb`` of another make a time stamp.
    """
    count = len(data) - FRAME_BYTES + 1
    if count <= FRAME_BYTES:
        return np.empty(0, dtype=np.int64)
    together = np.ones(count, dtype=np.bool_)
    for packet in range(SENSORS + 1):
        first = data[2 * packet : 2 * packet + count]
        second = data[2 * packet + 1 : 2 * packet + 1 + count]
        together &= (first & np.uint8(0xF0)) == _FIRST[packet]
        together &= (second & _SECOND_MASK[packet]) == _SECOND[packet]
    stamps = (data[:count].astype(np.int64) & 0x0F) << 6 | (data[1 : 1 + count] & np.uint8(0x3F))
    steps = (stamps[FRAME_BYTES:] - stamps[:-FRAME_BYTES]) % STAMP_PERIOD
    follow = (steps > 0) & (steps <= _LONGEST_STEP_US)
    return np.flatnonzero(together[:-FRAME_BYTES] & together[FRAME_BYTES:] & follow)


def levels(rows: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the 10-bit numbers of the nine packets, shape (n, 9): the time stamp, then the sensors."""
    wide = rows.astype(np.uint16)
    numbers: NDArray[np.uint16] = ((wide[:, 0::2] & np.uint16(0x0F)) << np.uint16(6)) | (
        wide[:, 1::2] & np.uint16(0x3F)
    )
    return numbers


def frames(stamps: NDArray[np.uint16], sensor_levels: NDArray[np.uint16], markers: NDArray[np.bool_]) -> bytes:
    """Return frames from time stamps (n,), levels (n, 8) and markers (n,)."""
    numbers = np.concatenate((stamps[:, np.newaxis] % STAMP_PERIOD, sensor_levels), axis=1).astype(np.uint16)
    rows = np.empty((len(stamps), FRAME_BYTES), dtype=np.uint8)
    rows[:, 0::2] = _FIRST | (numbers >> 6).astype(np.uint8)
    rows[:, 1::2] = _SECOND | (numbers & 0x3F).astype(np.uint8)
    rows[:, 3] |= np.where(markers, np.uint8(0x40), np.uint8(0))
    return rows.tobytes()


def sensor_values(level: NDArray[np.uint16], sensor: Sensor) -> F64:
    """Return amperes or volts."""
    values: F64 = (level.astype(np.float64) * VOLTS_PER_LEVEL - sensor.vref_v) / sensor.sensitivity
    return values


class FrameStream:
    """Cuts bytes into frames. Holds back at most 35 bytes between calls."""

    def __init__(self) -> None:
        self._buffer = b""
        self._aligned = False
        self._skipped_bytes = 0
        self._unreported_bytes = 0

    def feed(self, data: bytes) -> list[tuple[NDArray[np.uint8], int]]:
        """Return runs of adjacent frames, each shape (n, 18), with the bytes skipped before each."""
        buffer = self._buffer + data
        view = np.frombuffer(buffer, dtype=np.uint8)
        starts: NDArray[np.int64] | None = None
        runs: list[tuple[NDArray[np.uint8], int]] = []
        at = 0
        while True:
            if self._aligned:
                at += self._take(view, at, runs)
            if self._aligned or len(buffer) - at < 2 * FRAME_BYTES:
                break
            if starts is None:
                starts = frame_starts(view[at:]) + at
            found = int(np.searchsorted(starts, at))
            self._aligned = found < len(starts)
            at = self._skip(at, int(starts[found]) if self._aligned else len(buffer) - 2 * FRAME_BYTES + 1)
            if not self._aligned:
                break
        self._buffer = buffer[at:]
        return runs

    def _take(self, view: NDArray[np.uint8], at: int, runs: list[tuple[NDArray[np.uint8], int]]) -> int:
        """Append the adjacent frames from here as one run; return their bytes."""
        rows = self._adjacent(view, at)
        if len(rows):
            runs.append((rows, self._skipped_bytes))
            self._skipped_bytes = 0
        used = len(rows) * FRAME_BYTES
        self._aligned = len(view) - at - used < FRAME_BYTES
        return used

    def _skip(self, at: int, to: int) -> int:
        self._skipped_bytes += to - at
        self._unreported_bytes += to - at
        return to

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were no frame since this was last asked."""
        count, self._unreported_bytes = self._unreported_bytes, 0
        return count

    @staticmethod
    def _adjacent(view: NDArray[np.uint8], at: int) -> NDArray[np.uint8]:
        """Return the frames that follow each other from here; looks in growing pieces, so a break costs little."""
        total = (len(view) - at) // FRAME_BYTES
        rows = view[at : at + total * FRAME_BYTES].reshape(total, FRAME_BYTES)
        count, size = 0, 256
        while count < total:
            fits = well_formed(rows[count : count + size])
            if not fits.all():
                count += int(np.argmin(fits))
                break
            count, size = count + len(fits), size * 2
        return rows[:count]
