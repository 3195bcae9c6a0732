"""The transport layer of SML (version 1) and the shape of what it carries. Bounded, pure.

::

    1B1B1B1B 01010101  | messages; 1B1B1B1B in them is doubled | 0..3 zeros | 1B1B1B1B 1A pad CRC CRC

    a field: type and length in one byte or more, then the value; 0x7n begins a list of n fields

Source: BSI TR-03109-1, Anlage IV, Feinspezifikation drahtgebundene LMN-Schnittstelle, Teil b (SML 1.04).
"""

from collections.abc import Callable
from typing import NamedTuple

from firmware_bridge.protocol.crc import crc16_kermit, crc16_x25

LONGEST_BYTES = 4096
MOST_LEVELS = 12
_ESCAPE = b"\x1b" * 4
_START = _ESCAPE + b"\x01" * 4
_END = 0x1A
_MOST_PADDING = 7
"""Three are enough; meters that put four are recorded."""
_MORE, _KIND, _LENGTH = 0x80, 0x70, 0x0F
_LIST = 0x70
_KINDS = frozenset((0x00, 0x40, 0x50, 0x60, _LIST))


def _low_first(data: bytes) -> bytes:
    return crc16_x25(data).to_bytes(2, "little")


def _high_first(data: bytes) -> bytes:
    return crc16_kermit(data).to_bytes(2, "big")


CRCS: dict[str, Callable[[bytes], bytes]] = {"x25": _low_first, "kermit": _high_first}


class Frame(NamedTuple):
    """One transmission: its messages without escapes and padding, None where the check sum fails."""

    payload: bytes | None


class SmlFrames:
    """Finds transmissions in a byte stream. Holds ``LONGEST_BYTES`` at most between calls."""

    def __init__(self, crc: str = "x25") -> None:
        self._crc = CRCS[crc]
        self._buffer = bytearray()
        self._skipped_bytes = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Return the transmissions that are complete now."""
        self._buffer += data
        found: list[Frame] = []
        while True:
            start = self._buffer.find(_START)
            if start < 0:
                self._drop(max(0, len(self._buffer) - len(_START) + 1))
                return found
            self._drop(start)
            end = self._end()
            if end is None and len(self._buffer) <= LONGEST_BYTES:
                return found
            if end is None or end < 0:
                self._drop(len(_START))
            else:
                found.append(self._frame(end))
                del self._buffer[:end]

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were no transmission since this was last asked."""
        count, self._skipped_bytes = self._skipped_bytes, 0
        return count

    def _drop(self, count: int) -> None:
        self._skipped_bytes += count
        del self._buffer[:count]

    def _end(self) -> int | None:
        """Return where the transmission at the buffer's begin ends, None while it has not, -1 where it can't."""
        at = len(_START)
        while True:
            at = self._buffer.find(_ESCAPE, at)
            if at < 0 or len(self._buffer) < at + 8:
                return None
            after = self._buffer[at + 4 : at + 8]
            if after[0] == _END:
                return at + 8
            if after != _ESCAPE:
                return -1
            at += 8

    def _frame(self, end: int) -> Frame:
        raw = bytes(self._buffer[:end])
        padding = raw[-3]
        if raw[-2:] != self._crc(raw[:-2]) or padding > _MOST_PADDING:
            return Frame(None)
        return Frame(raw[len(_START) : end - 8 - padding].replace(_ESCAPE * 2, _ESCAPE))


def wrap(payload: bytes, crc: str = "x25") -> bytes:
    """Return a transmission of these messages."""
    padding = -len(payload) % 4
    body = _START + payload.replace(_ESCAPE, _ESCAPE * 2) + bytes(padding) + _ESCAPE + bytes([_END, padding])
    return body + CRCS[crc](body)


def well_formed(payload: bytes) -> bool:
    """Tell whether the fields end where the bytes end: no length beyond them, no deep nest.

    Ask before a parser that trusts lengths sees the bytes.
    """
    at = 0
    left: list[int] = []
    while at < len(payload):
        size, kind, length = _head(payload, at)
        if kind not in _KINDS or (kind != _LIST and length < size and payload[at]):
            return False
        if left:
            left[-1] -= 1
        if kind == _LIST and length:
            left.append(length)
        at += size if kind == _LIST else max(length, size)
        if len(left) > MOST_LEVELS or sum(left) > len(payload) - at:
            return False
        while left and not left[-1]:
            left.pop()
    return at == len(payload) and not left


def _head(payload: bytes, at: int) -> tuple[int, int, int]:
    """Return the bytes of a field's type and length, the type, and the length (of a list: its fields)."""
    first = payload[at]
    size, length = 1, first & _LENGTH
    more = first & _MORE
    while more and at + size < len(payload) and size < 4:
        more = payload[at + size] & _MORE
        length = length << 4 | payload[at + size] & _LENGTH
        size += 1
    return size, (first & _KIND) if not more else -1, length
