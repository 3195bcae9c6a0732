"""Reading BSON documents, as far as saved sessions of Nordic's application need it. Pure.

Source: bsonspec.org, version 1.1. Types that such files do not hold (code, decimal128) are refused by name.
"""

import struct
from collections.abc import Callable
from typing import TypeAlias

BsonValue: TypeAlias = "float | int | str | bool | bytes | dict[str, BsonValue] | None"
_LENGTH = struct.Struct("<i")
_NUMBERS: dict[int, struct.Struct] = {
    0x01: struct.Struct("<d"),
    0x09: struct.Struct("<q"),
    0x10: _LENGTH,
    0x11: struct.Struct("<Q"),
    0x12: struct.Struct("<q"),
}
_DEEPEST = 32


def read_document(data: bytes) -> dict[str, BsonValue]:
    """Return a whole document as a dictionary; arrays are dictionaries by their index. Raises ValueError."""
    document, end = _document(data, 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the end of a BSON document")
    return document


def _document(data: bytes, at: int, depth: int) -> tuple[dict[str, BsonValue], int]:
    length = _integer(data, at)
    end = at + length
    if depth > _DEEPEST or length < 5 or end > len(data) or data[end - 1] != 0:
        raise ValueError("a BSON document is cut off or too deep")
    values: dict[str, BsonValue] = {}
    at += _LENGTH.size
    while at < end - 1:
        kind = data[at]
        name, at = _text_to_zero(data, at + 1)
        values[name], at = _value(data, kind, at, depth)
    if at != end - 1:
        raise ValueError("a BSON value is longer than its document")
    return values, end


def _value(data: bytes, kind: int, at: int, depth: int) -> tuple[BsonValue, int]:
    if kind in _NUMBERS:
        number = _NUMBERS[kind]
        if at + number.size > len(data):
            raise ValueError("a BSON number is cut off")
        return number.unpack_from(data, at)[0], at + number.size
    if kind in {0x03, 0x04}:
        return _document(data, at, depth + 1)
    if kind in _OTHERS:
        return _OTHERS[kind](data, at)
    raise ValueError(f"BSON type {kind:#04x} is not known here")


def _integer(data: bytes, at: int) -> int:
    if at + _LENGTH.size > len(data):
        raise ValueError("a BSON length is cut off")
    value: int = _LENGTH.unpack_from(data, at)[0]
    return value


def _bytes(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    if length < 0 or at + length > len(data):
        raise ValueError("a BSON value is cut off")
    return data[at : at + length], at + length


def _text_to_zero(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise ValueError("a BSON name is cut off")
    return data[at:end].decode("utf-8", "replace"), end + 1


def _string(data: bytes, at: int) -> tuple[BsonValue, int]:
    raw, end = _bytes(data, at + _LENGTH.size, _integer(data, at))
    return raw.removesuffix(b"\0").decode("utf-8", "replace"), end


def _binary(data: bytes, at: int) -> tuple[BsonValue, int]:
    return _bytes(data, at + _LENGTH.size + 1, _integer(data, at))


def _flag(data: bytes, at: int) -> tuple[BsonValue, int]:
    raw, end = _bytes(data, at, 1)
    return raw == b"\1", end


_OTHERS: dict[int, Callable[[bytes, int], tuple[BsonValue, int]]] = {
    0x02: _string,
    0x05: _binary,
    0x06: lambda _, at: (None, at),
    0x07: lambda data, at: _bytes(data, at, 12),
    0x08: _flag,
    0x0A: lambda _, at: (None, at),
}
