"""The frames of the open meter in firmware/: what firmware/frame.py writes, read and written in CPython.

The layout is drawn in that file. Chip facts: TI data sheet SLYS021A, tables 7-3 to 7-21 and equations 2 to 6.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.protocol import cobs

SAMPLES: Final = 1
IDENTITY: Final = 2
FAULT: Final = 3
REPLY: Final = 4
ENERGY_VALID: Final = 0x80
SAMPLES_PER_FRAME: Final = 20
IDENTITY_EVERY_FRAMES: Final = 50

HEADER: Final = struct.Struct("<BBHIII2s5sB")
TEXT_HEADER: Final = struct.Struct("<BBH")
CRC: Final = struct.Struct("<I")
SAMPLE_BYTES: Final = 8
LONGEST_PAYLOAD_BYTES: Final = 512

INTERVAL_US: Final = (870, 610, 872)
"""Time between conversions by profile: 50 + 280 + 540, 50 + 280 + 280, and 4 x (50 + 84 + 84) microseconds."""

SHUNT_STEP_V: Final = {0: 312.5e-9, 1: 78.125e-9}
"""Step of VSHUNT by ADCRANGE."""
BUS_STEP_V: Final = 195.3125e-6
TEMPERATURE_STEP_C: Final = 7.8125e-3
ENERGY_STEPS: Final = 16 * 3.2
"""ENERGY counts in 16 x 3.2 CURRENT_LSB joules; with SHUNT_CAL 4096 that is the shunt's step over its resistance."""
ENERGY_PERIOD: Final = 1 << 40
SHUNT_FULL_SCALE: Final = 1 << 19
BUS_FULL_SCALE: Final = 435_200
"""85 V, the input's limit."""

FrameState = Literal["good", "checksum", "no frame"]


@dataclass(frozen=True, slots=True)
class SampleFrame:
    """One frame of samples as it came. ``body``: ``count`` times eight bytes."""

    profile: int
    boot: int
    seq: int
    conversion: int
    t_us: int
    temperature: int
    energy: int | None
    count: int
    body: bytes


@dataclass(frozen=True, slots=True)
class TextFrame:
    """Identity, fault or reply."""

    kind: int
    boot: int
    text: str


def state_of(payload: bytes) -> FrameState:
    """Say whether a payload is a frame: of a known kind and of its length, and with the right check."""
    if len(payload) < TEXT_HEADER.size + CRC.size:
        return "no frame"
    if payload[0] == SAMPLES:
        rest = len(payload) - HEADER.size - CRC.size
        if rest <= 0 or rest != SAMPLE_BYTES * payload[HEADER.size - 1] or payload[1] & 0x7F >= len(INTERVAL_US):
            return "no frame"
    elif payload[0] not in {IDENTITY, FAULT, REPLY} or payload[1]:
        return "no frame"
    return "good" if zlib.crc32(payload[: -CRC.size]) == CRC.unpack(payload[-CRC.size :])[0] else "checksum"


def parse(payload: bytes) -> SampleFrame | TextFrame:
    """Return what a payload says whose state is good."""
    if payload[0] != SAMPLES:
        kind, _, boot = TEXT_HEADER.unpack_from(payload)
        return TextFrame(kind, boot, payload[TEXT_HEADER.size : -CRC.size].decode("utf-8", "replace"))
    _, profile, boot, seq, conversion, t_us, temperature, energy, count = HEADER.unpack_from(payload)
    return SampleFrame(
        profile & 0x7F,
        boot,
        seq,
        conversion,
        t_us,
        int.from_bytes(temperature, "big", signed=True),
        int.from_bytes(energy, "big") if profile & ENERGY_VALID else None,
        count,
        payload[HEADER.size : -CRC.size],
    )


def text_fields(text: str) -> dict[str, str]:
    """Return the fields of an identity: ``key=value`` between semicolons."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {key: value for key, _, value in pairs}


def wrap(payload: bytes) -> bytes:
    """Return a payload with its check, stuffed, between two zero bytes."""
    return b"\0" + cobs.encode(payload + CRC.pack(zlib.crc32(payload))) + b"\0"


def text_frame(kind: int, boot: int, text: str) -> bytes:
    """Return the bytes of an identity, a fault or a reply."""
    return wrap(TEXT_HEADER.pack(kind, 0, boot) + text.encode())


def sample_frame(frame: SampleFrame) -> bytes:
    """Return the bytes of a frame of samples."""
    flags = frame.profile | (0 if frame.energy is None else ENERGY_VALID)
    temperature = frame.temperature.to_bytes(2, "big", signed=True)
    energy = (frame.energy or 0).to_bytes(5, "big")
    header = HEADER.pack(
        SAMPLES, flags, frame.boot, frame.seq, frame.conversion, frame.t_us, temperature, energy, frame.count
    )
    return wrap(header + frame.body)


def command(text: str) -> bytes:
    """Return a command line as the firmware takes it: the text, ``*``, and its CRC-32 in hexadecimal."""
    data = text.encode("ascii")
    return b"%s*%08X\n" % (data, zlib.crc32(data))


def columns(body: bytes) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
    """Return steps in us, shunt codes (signed, 20 bits), bus codes and marker bits, each of shape ``(n,)``."""
    rows = np.frombuffer(body, dtype=np.uint8).reshape(-1, SAMPLE_BYTES)
    wide = rows.astype(np.int32)
    steps_us = (wide[:, 0] | wide[:, 1] << 8).astype(np.int64)
    shunt = (wide[:, 2] << 24 | wide[:, 3] << 16 | wide[:, 4] << 8) >> 12
    bus = (wide[:, 5] << 16 | wide[:, 6] << 8 | wide[:, 7]) >> 4
    return steps_us, shunt, bus, rows[:, 7] & np.uint8(1)


def pack_body(
    steps_us: NDArray[np.int64], shunt: NDArray[np.int64], bus: NDArray[np.int64], marker: NDArray[np.uint8]
) -> bytes:
    """Return the samples of a frame from the same four columns."""
    rows = np.empty((len(steps_us), SAMPLE_BYTES), dtype=np.uint8)
    rows[:, 0], rows[:, 1] = steps_us & 0xFF, steps_us >> 8 & 0xFF
    for at, values in ((2, (shunt & 0xFFFFF) << 4), (5, bus << 4 | marker)):
        rows[:, at], rows[:, at + 1], rows[:, at + 2] = values >> 16 & 0xFF, values >> 8 & 0xFF, values & 0xFF
    return rows.tobytes()
