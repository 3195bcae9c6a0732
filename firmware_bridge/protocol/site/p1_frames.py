"""Cutting a byte stream into P1 telegrams: ``/`` header, lines, ``!``, CRC, line end. Bounded, pure."""

from typing import Literal, NamedTuple

from firmware_bridge.protocol.crc import crc16_arc

LONGEST_BYTES = 8192
_LONGEST_TAIL = 10
_HEX = frozenset(b"0123456789abcdefABCDEF")

Integrity = Literal["checked", "unchecked", "damaged"]


class Telegram(NamedTuple):
    """The text from ``/`` to before ``!``. ``unchecked``: it came without a CRC."""

    text: str
    integrity: Integrity


class P1Frames:
    """Finds telegrams. Neither ``/`` nor ``!`` occurs inside one, so another ``/`` begins anew."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped_bytes = 0

    def feed(self, data: bytes) -> list[Telegram]:
        """Return the telegrams that are complete now. Holds ``LONGEST_BYTES`` at most between calls."""
        self._buffer += data
        found: list[Telegram] = []
        while True:
            end = self._buffer.find(b"!")
            start = self._buffer.rfind(b"/", 0, end if end >= 0 else len(self._buffer))
            self._drop(start if start >= 0 else max(end + 1, 0) or len(self._buffer))
            if start < 0:
                if end < 0:
                    return found
                continue
            if end < 0:
                if len(self._buffer) > LONGEST_BYTES:
                    self._drop(len(self._buffer))
                return found
            end -= start
            line_end = self._buffer.find(b"\n", end, end + _LONGEST_TAIL)
            if line_end < 0:
                if len(self._buffer) < end + _LONGEST_TAIL:
                    return found
                self._drop(end + 1)
                continue
            found.append(self._telegram(end, line_end))
            del self._buffer[: line_end + 1]

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were no telegram since this was last asked; blank lines do not count."""
        count, self._skipped_bytes = self._skipped_bytes, 0
        return count

    def _drop(self, count: int) -> None:
        self._skipped_bytes += len(bytes(self._buffer[:count]).translate(None, b"\r\n\0"))
        del self._buffer[:count]

    def _telegram(self, end: int, line_end: int) -> Telegram:
        """Judge one. Some meters send a CRC without its leading zeros, some send a NUL behind it."""
        raw = bytes(self._buffer[: end + 1])
        crc = bytes(self._buffer[end + 1 : line_end]).strip(b"\r\0 ")
        integrity: Integrity = "damaged"
        if not crc:
            integrity = "unchecked"
        elif len(crc) <= 4 and _HEX.issuperset(crc) and int(crc, 16) == crc16_arc(raw):
            integrity = "checked"
        return Telegram(raw[:-1].decode("latin-1"), integrity)
