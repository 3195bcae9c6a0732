"""Tables of a FlatBuffer, read from its bytes without trusting them.

A table begins with the signed distance back to its vtable; the vtable holds its own size, the table's size, and for
each field the distance from the table's start, 0 for a field that is left out. A vector begins with its length, a
string is a vector of UTF-8; all is little-endian. Source: the FlatBuffers documentation, "Internals".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DAMAGED: Final = "the file is cut short or damaged"


@dataclass(frozen=True, slots=True)
class Table:
    """The table that begins at byte ``at``. Every method raises ValueError where a distance leads out of the data."""

    data: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Return where the field's value is, None for one that is left out."""
        vtable = self.at - read("<i", self.data, self.at)
        entry = 4 + 2 * number
        if entry >= read("<H", self.data, vtable):
            return None
        distance = read("<H", self.data, vtable + entry)
        return self.at + distance if distance else None

    def number(self, field: int, layout: str, default: int = 0) -> int:
        """Return the field as a number of ``struct``'s layout, ``default`` where it is left out."""
        at = self.field(field)
        return default if at is None else read(layout, self.data, at)

    def vector(self, number: int, item_bytes: int) -> range:
        """Return where the items of the field's vector are; it ends inside the file."""
        at = self.field(number)
        if at is None:
            return range(0)
        start = at + read("<I", self.data, at)
        end = start + 4 + item_bytes * read("<I", self.data, start)
        if end > len(self.data):
            raise ValueError(DAMAGED)
        return range(start + 4, end, item_bytes)

    def text(self, number: int) -> str:
        """Return the field's string, "" for one that is left out; what is no UTF-8 is replaced."""
        items = self.vector(number, 1)
        return self.data[items.start : items.stop].decode("utf-8", errors="replace")

    def table(self, number: int) -> "Table | None":
        """Return the table in the field, None for one that is left out."""
        at = self.field(number)
        return None if at is None else Table(self.data, at + read("<I", self.data, at))

    def tables(self, number: int) -> Iterator["Table"]:
        """Return the tables in the field's vector."""
        for entry in self.vector(number, 4):
            yield Table(self.data, entry + read("<I", self.data, entry))


def stored_bytes(buffer: Table) -> range:
    """Return where the values of one of a .tflite file's buffers are: in its table, or behind all tables.

    Field 0 holds the values; else fields 1 and 2 say from which byte of the file on, and how many there are. Raises
    ValueError where they lead out of it.
    """
    inside = buffer.vector(0, 1)
    start, count = buffer.number(1, "<Q"), buffer.number(2, "<Q")
    if inside or start <= 1:  # 0 and 1 stand for none
        return inside
    if start + count > len(buffer.data):
        raise ValueError(DAMAGED)
    return range(start, start + count)


def read(layout: str, data: bytes, at: int) -> int:
    """Return the number at ``at``. Raises ValueError where the data does not hold it."""
    if at < 0:
        raise ValueError(DAMAGED)
    try:
        value: int = struct.unpack_from(layout, data, at)[0]
    except struct.error as error:
        raise ValueError(DAMAGED) from error
    return value
