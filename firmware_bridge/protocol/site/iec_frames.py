"""Cutting what an IEC 62056-21 meter sends into identifications and data blocks. Bounded, pure.

::

    /XXXZ model CR LF                              identification: maker, baud rate character, model
    STX data sets ! CR LF ETX BCC                  data, modes A to C; BCC: exclusive-or of all after STX up to ETX
    /XXXZ model CR LF CR LF data sets ! CR LF      identification and data, mode D: no STX, no check

Optical heads echo what the host sends: the request and the acknowledgement are passed over.
Source: IEC 62056-21:2002, 6.3 and 6.4.
"""

import re
from typing import Literal, NamedTuple

LONGEST_BYTES = 8192
STX, ETX = 0x02, 0x03
_IDENTIFICATION = re.compile(rb"/([A-Za-z]{3})([\x20-\x7e])([^\r\n!/]{0,60})\r?\n")
_LONGEST_IDENTIFICATION = 70
_ECHO = re.compile(rb"/\?[\x20-\x7e]{0,32}!\r?\n|\x06[\x20-\x7e]{3}\r?\n")
_ECHO_BEGIN = re.compile(rb"/(?:\?[\x20-\x7e]{0,33}\r?)?|\x06[\x20-\x7e]{0,3}\r?")
_SILENT = b"\r\n\0\x7f"

Integrity = Literal["checked", "unchecked", "damaged"]


class Identification(NamedTuple):
    """Who answers: three letters of the maker, the character of its baud rate, the model."""

    maker: str
    baud_character: str
    model: str


class DataBlock(NamedTuple):
    """Data sets as text. ``unchecked``: mode D has no check sum."""

    text: str
    integrity: Integrity


class IecFrames:
    """Finds identifications and data. Holds ``LONGEST_BYTES`` at most between calls."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped_bytes = 0
        self._identified = False

    def feed(self, data: bytes) -> list[Identification | DataBlock]:
        """Return what is complete now."""
        self._buffer += data
        found: list[Identification | DataBlock] = []
        while self._buffer:
            taken = self._next()
            if isinstance(taken, Identification | DataBlock):
                found.append(taken)
            elif not taken:
                if len(self._buffer) <= LONGEST_BYTES:
                    break
                self._drop(1)
        return found

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were nothing known since this was last asked; line ends do not count."""
        count, self._skipped_bytes = self._skipped_bytes, 0
        return count

    def forget(self) -> None:
        """Drop and count what is held: a new question is about to be asked."""
        self._drop(len(self._buffer))

    def _drop(self, count: int) -> None:
        self._skipped_bytes += len(bytes(self._buffer[:count]).translate(None, _SILENT))
        self._identified = False
        del self._buffer[:count]

    def _next(self) -> Identification | DataBlock | bool:
        """Return what stands at the buffer's begin; True where something was passed over, False to wait."""
        if self._identified:
            if self._buffer[0] in b"\r\n":
                return self._text_block()
            self._identified = False
        return self._block() if self._buffer[0] == STX else self._line()

    def _text_block(self) -> DataBlock | bool:
        """Return the data of mode D right behind an identification."""
        end = self._buffer.find(b"!")
        text = bytes(self._buffer if end < 0 else self._buffer[:end])
        if STX in text or b"/" in text or len(text) > LONGEST_BYTES:
            self._identified = False
            return True
        line_end = self._buffer.find(b"\n", end) if end >= 0 else -1
        if line_end < 0:
            return False
        del self._buffer[: line_end + 1]
        self._identified = False
        return DataBlock(text.decode("latin-1"), "unchecked")

    def _block(self) -> DataBlock | bool:
        """Return the data between STX and ETX."""
        end = self._buffer.find(ETX)
        last_start = self._buffer.rfind(STX, 0, end if end >= 0 else len(self._buffer))
        if last_start > 0:
            self._drop(last_start)
            return True
        if end < 0 or len(self._buffer) < end + 2:
            return False
        check = 0
        for byte in self._buffer[1 : end + 1]:
            check ^= byte
        good = check == self._buffer[end + 1]
        text = bytes(self._buffer[1:end]).decode("latin-1")
        del self._buffer[: end + 2]
        return DataBlock(text, "checked" if good else "damaged")

    def _line(self) -> Identification | bool:
        """Return the identification at the buffer's begin; pass over an echo, or a byte that is nothing known."""
        raw = bytes(self._buffer[:_LONGEST_IDENTIFICATION])
        echo = _ECHO.match(raw)
        if echo:
            del self._buffer[: echo.end()]
            return True
        identification = _IDENTIFICATION.match(raw)
        if identification:
            del self._buffer[: identification.end()]
            self._identified = True
            return Identification(*(part.decode("latin-1") for part in identification.groups()))
        waits = len(raw) < _LONGEST_IDENTIFICATION and (
            _ECHO_BEGIN.fullmatch(raw) or (raw[:1] == b"/" and b"\n" not in raw and b"/" not in raw[1:])
        )
        if waits:
            return False
        self._drop(1)
        return True
