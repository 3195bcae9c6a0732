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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.samples import F64

Packets = NDArray[np.uint16]
"""Frames as rows of nine packets, shape (n, 9), each a little-endian number: its first byte is the lower one."""

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
# The same for packets read as little-endian numbers.
_PATTERN = _FIRST.astype(np.uint16) | _SECOND.astype(np.uint16) << np.uint16(8)
_PATTERN_MASK = np.uint16(0xF0) | _SECOND_MASK.astype(np.uint16) << np.uint16(8)
_MARKER = np.uint16(0x4000)
_PIECE = 1024
_PATTERN_TILES, _MASK_TILES = np.tile(_PATTERN, _PIECE), np.tile(_PATTERN_MASK, _PIECE)

CURRENT_SENSORS_V_PER_A = {"MLX10": 0.120, "MLX20": 0.0625, "MLX50": 0.025, "MLX75": 0.01667}
"""Melexis MLX91221 by its type's name; the number is the module's rated current in amperes."""


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


def well_formed(packets: Packets) -> NDArray[np.bool_]:
    """Say of each frame whether all nine packets are in their places."""
    fits: NDArray[np.bool_] = ((packets & _PATTERN_MASK) == _PATTERN).all(axis=1)
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


def levels(packets: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the 10-bit numbers of packets, in the same shape."""
    numbers: NDArray[np.uint16] = packets & np.uint16(0x0F)
    numbers <<= np.uint16(6)
    numbers |= (packets >> np.uint16(8)) & np.uint16(0x3F)
    return numbers


def markers(packets: Packets) -> NDArray[np.bool_]:
    """Say of each frame whether the host has marked it."""
    marked: NDArray[np.bool_] = (packets[:, 1] & _MARKER) != 0
    return marked


def frames(stamps: NDArray[np.uint16], sensor_levels: NDArray[np.uint16], marked: NDArray[np.bool_]) -> bytes:
    """Return frames from time stamps (n,), levels (n, 8) and marks (n,)."""
    numbers = np.concatenate((stamps[:, np.newaxis] % STAMP_PERIOD, sensor_levels), axis=1).astype(np.uint16)
    rows = np.empty((len(stamps), FRAME_BYTES), dtype=np.uint8)
    rows[:, 0::2] = _FIRST | (numbers >> 6).astype(np.uint8)
    rows[:, 1::2] = _SECOND | (numbers & 0x3F).astype(np.uint8)
    rows[:, 3] |= np.where(marked, np.uint8(0x40), np.uint8(0))
    return rows.tobytes()


def sensor_values(level: NDArray[np.uint16], sensor: Sensor) -> F64:
    """Return amperes or volts."""
    values: F64 = level.astype(np.float64)
    values *= VOLTS_PER_LEVEL / sensor.sensitivity
    values -= sensor.vref_v / sensor.sensitivity
    return values


class Run(NamedTuple):
    """Adjacent frames, shape (n, 9), n >= 1, and how many bytes before them were no frame."""

    packets: Packets
    skipped_bytes: int


class FrameStream:
    """Cuts bytes into frames. Holds back at most 35 bytes between calls."""

    def __init__(self) -> None:
        self._buffer = b""
        self._aligned = False
        self._skipped_bytes = 0
        self._unreported_bytes = 0

    def feed(self, data: bytes) -> list[Run]:
        """Return the runs of adjacent frames that are certain now."""
        buffer = self._buffer + data
        starts: NDArray[np.int64] | None = None
        runs: list[Run] = []
        at = 0
        while True:
            if self._aligned:
                at += self._take(buffer, at, runs)
            if self._aligned or len(buffer) - at < 2 * FRAME_BYTES:
                break
            if starts is None:
                starts = frame_starts(np.frombuffer(buffer, dtype=np.uint8)[at:]) + at
            found = int(np.searchsorted(starts, at))
            self._aligned = found < len(starts)
            at = self._skip(at, int(starts[found]) if self._aligned else len(buffer) - 2 * FRAME_BYTES + 1)
            if not self._aligned:
                break
        self._buffer = buffer[at:]
        return runs

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were no frame since this was last asked."""
        count, self._unreported_bytes = self._unreported_bytes, 0
        return count

    def _take(self, buffer: bytes, at: int, runs: list[Run]) -> int:
        """Append the adjacent frames from here as one run; return their bytes."""
        total = (len(buffer) - at) // FRAME_BYTES
        if not total:
            return 0
        packets = np.frombuffer(buffer, dtype="<u2", count=total * (SENSORS + 1), offset=at).reshape(total, -1)
        count = _adjacent(packets)
        if count:
            runs.append(Run(packets[:count], self._skipped_bytes))
            self._skipped_bytes = 0
        used = count * FRAME_BYTES
        self._aligned = len(buffer) - at - used < FRAME_BYTES
        return used

    def _skip(self, at: int, to: int) -> int:
        self._skipped_bytes += to - at
        self._unreported_bytes += to - at
        return to


def _adjacent(packets: Packets) -> int:
    """Return how many frames follow each other; looks in pieces, so that a break costs little."""
    count = 0
    while count < len(packets):
        piece = packets[count : count + _PIECE]
        flat = piece.reshape(-1)
        if not ((flat & _MASK_TILES[: len(flat)]) == _PATTERN_TILES[: len(flat)]).all():
            return count + int(np.argmin(well_formed(piece)))
        count += len(piece)
    return count
