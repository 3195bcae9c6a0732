"""What an SML meter sends, made of bytes: SML_PublicOpen, SML_GetList and SML_PublicClose responses. Pure.

Source: BSI TR-03109-1, Anlage IV, Feinspezifikation Teil b (SML 1.04); units: IEC 62056-6-2, table of enumerations.
"""

from dataclasses import dataclass

from firmware_bridge.protocol.crc import crc16_x25

OPEN, GET_LIST, CLOSE = 0x0101, 0x0701, 0x0201
UNITS = {"W": 27, "Wh": 30, "A": 33, "V": 35}
_ABSENT = b"\x01"
_END_OF_MESSAGE = b"\x00"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a list: OBIS code as six bytes, value x 10**scaler in a unit; bytes have neither."""

    obis: bytes
    value: int | bytes
    scaler: int = 0
    unit: str = ""


def octets(data: bytes) -> bytes:
    """Return an octet string."""
    length = len(data) + 1
    if length <= 0x0F:
        return bytes([length]) + data
    length += 1
    return bytes([0x80 | length >> 4, length & 0x0F]) + data


def unsigned(value: int, size: int) -> bytes:
    """Return an unsigned number of ``size`` bytes."""
    return bytes([0x60 | size + 1]) + value.to_bytes(size, "big")


def signed(value: int, size: int) -> bytes:
    """Return a signed number of ``size`` bytes."""
    return bytes([0x50 | size + 1]) + value.to_bytes(size, "big", signed=True)


def fields(*parts: bytes) -> bytes:
    """Return a list of these fields."""
    count = len(parts)
    head = bytes([0x70 | count]) if count <= 0x0F else bytes([0xF0 | count >> 4, count & 0x0F])
    return head + b"".join(parts)


def message(number: int, kind: int, body: bytes) -> bytes:
    """Return one message with its own check sum."""
    start = bytes([0x76]) + octets(number.to_bytes(4, "big")) + unsigned(0, 1) + unsigned(0, 1)
    start += fields(unsigned(kind, 2), body)
    crc = int.from_bytes(crc16_x25(start).to_bytes(2, "little"), "big")
    return start + unsigned(crc, 2) + _END_OF_MESSAGE


def entry(one: Entry) -> bytes:
    """Return a list entry: obis, status, time, unit, scaler, value, signature."""
    if isinstance(one.value, bytes):
        return fields(octets(one.obis), _ABSENT, _ABSENT, _ABSENT, _ABSENT, octets(one.value), _ABSENT)
    value = unsigned(one.value, 8) if one.unit == "Wh" else signed(one.value, 4)
    return fields(
        octets(one.obis), _ABSENT, _ABSENT, unsigned(UNITS[one.unit], 1), signed(one.scaler, 1), value, _ABSENT
    )


def get_list(number: int, server_id: bytes, meter_s: int, entries: list[Entry]) -> bytes:
    """Return the three messages that a meter pushes. ``meter_s``: its seconds index; ``number``: counts messages."""
    opened = fields(_ABSENT, _ABSENT, octets(number.to_bytes(4, "big")), octets(server_id), _ABSENT, _ABSENT)
    now = fields(unsigned(1, 1), unsigned(meter_s, 4))
    values = fields(*(entry(one) for one in entries))
    listed = fields(_ABSENT, octets(server_id), octets(bytes.fromhex("0100620affff")), now, values, _ABSENT, _ABSENT)
    return (
        message(number, OPEN, opened)
        + message(number + 1, GET_LIST, listed)
        + message(number + 2, CLOSE, fields(_ABSENT))
    )
