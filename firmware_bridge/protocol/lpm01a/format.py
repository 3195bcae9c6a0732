r"""How the LPM01A writes currents and what it says between them: bytes in, values out.

::

    bin_hexa   | e3..e0 v11..v8 | v7..v0 |   big-endian word, current = v / 16^e ampere; e = 15 is no current
    metadata   F0 F1 text FF FF   error            F0 F6 FF FF            target without power
               F0 F2 text FF FF   information      F0 F7 mV:u16 FF FF     supply voltage
               F0 F3 ms:u32 %:u8 FF FF  stamp      F0 F8 degC:s16 FF FF   temperature
               F0 F4 FF FF        end              F0 F9 state:u8 FF FF   power state
               F0 F5 FF FF        reserved in one table of the manual, overcurrent in public readers: taken as an end
    ascii_dec  "6409-07\r\n"      6409e-7 A        "TimeStamp: 001s 234ms, buff 05%\r\n"  "end\r\n"  "error ..."

No sample begins with F, so "F0 F1..F9" cannot stand between samples, whatever the place in the word.
Source: ST UM2269 Rev 6; zissis-pap/x-nucleo-lpm01a-gui (core/data_parser.py) for lengths. The unit of the
temperature is an assumption.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.samples import F64

WORD_BYTES: Final = 2
STAMP_SAMPLES: Final = 1000
"""A time stamp stands before each so many samples."""
STAMP_BITS: Final = 0x7FFF_FFFF
"""The milliseconds of a stamp; the bit above them says that they have overflowed."""
RESERVED_EXPONENT: Final = 15
TEXT_LIMIT_BYTES: Final = 200

MarkKind = Literal["error", "info", "stamp", "end", "power_down", "voltage", "temperature", "power"]

HEADER: Final = re.compile(rb"\xf0[\xf1-\xf9]")
_END: Final = b"\xff\xff"
_KINDS: Final[dict[int, tuple[MarkKind, int]]] = {
    0xF3: ("stamp", 5),
    0xF4: ("end", 0),
    0xF5: ("end", 0),
    0xF6: ("power_down", 0),
    0xF7: ("voltage", 2),
    0xF8: ("temperature", 2),
    0xF9: ("power", 1),
}
_STAMP_LINE: Final = re.compile(rb"\x00*TimeStamp: *(\d+)s *(\d+)ms, *buff *(\d+)%")


@dataclass(frozen=True, slots=True)
class Mark:
    """What stood between the samples. ``value``: ms, mV, degrees C or the power state; ``end``: the byte after it."""

    kind: MarkKind
    end: int = 0
    value: int = 0
    buffer_percent: int = 0
    overflowed: bool = False
    text: str = ""


@cache
def word_table_a(ceiling_a: float) -> F64:
    """Return the current of every word in amperes, shape ``(65536,)``; NaN for what is none, or above the ceiling."""
    words = np.arange(0x10000, dtype=np.int64)
    exponent = words >> 12
    current_a: F64 = (words & 0xFFF) / np.power(16.0, exponent)
    current_a[(exponent == RESERVED_EXPONENT) | (current_a > ceiling_a)] = np.nan
    return current_a


def words_of(current_a: F64) -> NDArray[np.uint16]:
    """Return the nearest word with the largest exponent that fits, shape as given; what is below zero is zero."""
    wanted_a = np.clip(current_a, 0.0, 0xFFF)
    exponent = np.zeros(len(wanted_a), dtype=np.int64)
    for one in range(1, RESERVED_EXPONENT):
        exponent[np.rint(wanted_a * 16.0**one) <= 0xFFF] = one
    exponent[wanted_a == 0.0] = 0
    mantissa = np.rint(wanted_a * np.power(16.0, exponent)).astype(np.int64)
    return ((exponent << 12) | mantissa).astype(np.uint16)


def mark_at(buffer: bytearray, at: int) -> Mark | Literal["incomplete", "no mark"]:
    """Return the metadata that begins at ``at``, where HEADER was found."""
    code, body = buffer[at + 1], at + 2
    if code in {0xF1, 0xF2}:
        return _text_at(buffer, body, "error" if code == 0xF1 else "info")
    kind, length = _KINDS[code]
    if len(buffer) < body + length + len(_END):
        return "incomplete"
    if buffer[body + length : body + length + len(_END)] != _END:
        return "no mark"
    end = body + length + len(_END)
    if kind == "stamp":
        count = int.from_bytes(buffer[body : body + 4], "big")
        return Mark(kind, end, count & STAMP_BITS, buffer[body + 4], overflowed=count > STAMP_BITS)
    return Mark(kind, end, int.from_bytes(buffer[body : body + length], "big", signed=kind == "temperature"))


def _text_at(buffer: bytearray, body: int, kind: MarkKind) -> Mark | Literal["incomplete", "no mark"]:
    end = body
    while end < len(buffer) and (0x20 <= buffer[end] < 0x7F or buffer[end] in b"\r\n\t\0"):
        end += 1
        if end - body > TEXT_LIMIT_BYTES:
            return "no mark"
    if end + len(_END) > len(buffer):
        return "incomplete" if _END.startswith(buffer[end:]) else "no mark"
    if buffer[end : end + len(_END)] != _END:
        return "no mark"
    return Mark(kind, end + len(_END), text=clean_text(bytes(buffer[body:end])))


def pack_mark(code: int, body: bytes = b"") -> bytes:
    """Return metadata as the meter writes it; ``code`` is F1 to F9."""
    return bytes((0xF0, code)) + body + _END


def pack_stamp(milliseconds: int, buffer_percent: int = 0) -> bytes:
    """Return a binary time stamp; beyond 31 bits the milliseconds begin anew and the overflow bit is set."""
    overflow = 0x8000_0000 if milliseconds > STAMP_BITS else 0
    return pack_mark(0xF3, ((milliseconds & STAMP_BITS) | overflow).to_bytes(4, "big") + bytes((buffer_percent,)))


def decimals_a(rows: NDArray[np.uint8]) -> F64:
    """Return the currents of lines like "6409-07" with their ends, given as bytes, shape ``(n, 9)``, in amperes."""
    digits = rows.astype(np.int64) - ord("0")
    mantissa = digits[:, :4] @ np.array([1000, 100, 10, 1])
    exponent = digits[:, 5:7] @ np.array([10, 1])
    exponent[rows[:, 4] == ord("-")] *= -1
    current_a: F64 = mantissa * np.power(10.0, exponent)
    return current_a


def decimal_lines(current_a: F64) -> list[bytes]:
    """Return each current as a line with four digits; what is below 1e-13 A is zero."""
    lines = []
    for value in np.clip(current_a, 0.0, None).tolist():
        if value < 1e-13:
            lines.append(b"0000-10\r\n")
            continue
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        power = int(exponent) - 3
        lines.append(f"{mantissa.replace('.', '')}{'-' if power < 0 else '+'}{abs(power):02d}\r\n".encode())
    return lines


def stamp_of_line(line: bytes) -> Mark | None:
    """Return the time stamp that a line of text is, None where it is none."""
    match = _STAMP_LINE.match(line)
    if match is None:
        return None
    seconds, milliseconds, percent = (int(group[:12]) for group in match.groups())
    return Mark("stamp", value=(seconds * 1000 + milliseconds) & STAMP_BITS, buffer_percent=percent)


def stamp_line(milliseconds: int, buffer_percent: int = 0) -> bytes:
    """Return a time stamp as text; a NUL follows it, as the meter lets one stand before the next sample."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"TimeStamp: {seconds:03d}s {rest:03d}ms, buff {buffer_percent:02d}%\r\n\0".encode()


def clean_text(raw: bytes) -> str:
    """Return what can be printed of some text, spaces in a row as one."""
    return " ".join("".join(chr(byte) if 0x20 <= byte < 0x7F else " " for byte in raw).split())
