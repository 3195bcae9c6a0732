"""The fields that MQTT packets are made of: numbers, strings, properties. Sections are those of MQTT 5.0 (OASIS)."""

import struct
from typing import Final

MAX_REMAINING_BYTES: Final = 268_435_455
"""Section 1.5.5: four bytes of seven bits."""
_MAX_STRING_BYTES: Final = 65_535
U16: Final = struct.Struct(">H")
_FIXED_PROPERTY_BYTES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
"""Section 2.2.2.2: properties that are numbers of one, two or four bytes."""
_TEXT_PROPERTIES: Final = frozenset({0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})
_USER_PROPERTY: Final = 0x26
_SUBSCRIPTION_ID: Final = 0x0B


class ProtocolError(ValueError):
    """The other side sent what is no MQTT, or not the MQTT that was agreed on: the connection cannot go on."""


def read_u16(body: bytes) -> int:
    """Return the number in the first two bytes. Raises IndexError where there are fewer."""
    return body[0] << 8 | body[1]


def encode_varint(number: int) -> bytes:
    """Return a length (section 1.5.5). Raises ValueError for one that MQTT cannot say."""
    if number < 128:
        return bytes((number,))
    if number > MAX_REMAINING_BYTES:
        raise ValueError(f"an MQTT packet of {number} bytes: the standard ends at {MAX_REMAINING_BYTES}")
    digits = bytearray()
    while number > 127:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def encode_text(text: str) -> bytes:
    """Return a UTF-8 string with its length (section 1.5.4). Raises ValueError for one that is too long."""
    return encode_binary(text.encode())


def encode_binary(data: bytes) -> bytes:
    """Return bytes with their length (section 1.5.6). Raises ValueError for too many."""
    if len(data) > _MAX_STRING_BYTES:
        raise ValueError(f"{len(data)} bytes where MQTT allows {_MAX_STRING_BYTES}: {data[:40]!r}...")
    return U16.pack(len(data)) + data


def read_varint(buffer: bytes, at: int) -> tuple[int, int]:
    """Return the number at ``at`` (section 1.5.5) and where it ends. Raises IndexError where the buffer ends first."""
    number = 0
    for digit in range(4):
        byte = buffer[at + digit]
        number |= (byte & 0x7F) << 7 * digit
        if byte < 128:
            return number, at + digit + 1
    raise ProtocolError("the broker sent a length of more than four bytes: is it MQTT?")


def skip_properties(body: bytes, at: int) -> int:
    """Return where the properties at ``at`` end."""
    length, start = read_varint(body, at)
    if start + length > len(body):
        raise ProtocolError("the broker sent a packet whose properties are longer than the packet")
    return start + length


def read_properties(body: bytes, at: int) -> dict[int, int | bytes]:
    """Return the properties at ``at`` by their identifier (section 2.2.2.2); those of users are stepped over."""
    end = skip_properties(body, at)
    _, at = read_varint(body, at)
    found: dict[int, int | bytes] = {}
    while at < end:
        name = body[at]
        at += 1
        if name in _FIXED_PROPERTY_BYTES:
            size = _FIXED_PROPERTY_BYTES[name]
            found[name] = int.from_bytes(body[at : at + size], "big")
            at += size
        elif name in _TEXT_PROPERTIES:
            size = read_u16(body[at : at + 2])
            found[name] = body[at + 2 : at + 2 + size]
            at += 2 + size
        elif name == _USER_PROPERTY:
            at += 2 + read_u16(body[at : at + 2])
            at += 2 + read_u16(body[at : at + 2])
        elif name == _SUBSCRIPTION_ID:
            found[name], at = read_varint(body, at)
        else:
            raise ProtocolError(f"the broker sent a property {name:#04x} that MQTT 5 does not know")
    if at != end:
        raise ProtocolError("the broker sent a property that is longer than its place")
    return found
