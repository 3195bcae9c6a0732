"""Frames of the open meter: a payload, its CRC-32 and COBS stuffing between two zero bytes.

A sample frame is built in place and sealed without allocating memory, so that no garbage collection falls between two
conversions. Viper code works on machine words, hence no number here ever becomes a heap object.

    sample frame, little-endian unless marked:
      0 type u8 = 1          4 first sample's number u32          16 die temperature i16 big-endian, as read
      1 profile u8 | 0x80    8 conversions at last sample u32     18 ENERGY u40 big-endian, as read
      2 boot u16            12 first sample's time in us u32      23 count u8
      then count times:      us since the sample before u16, VSHUNT u24 and VBUS u24 big-endian, as read
      the lowest bit of VBUS's last byte is the marker input; the chip leaves those four bits zero
    text frame: type u8 (2 identity, 3 fault, 4 reply), zero u8, boot u16, text
    each is followed by its CRC-32 (IEEE 802.3, as zlib computes it) u32
"""

from array import array

import micropython

SAMPLES = 1
IDENTITY = 2
FAULT = 3
REPLY = 4
ENERGY_VALID = 0x80

HEADER_BYTES = 24
SAMPLE_BYTES = 8
CRC_BYTES = 4
TEXT_HEADER_BYTES = 4


def crc_table():
    """Return the table of CRC-32 with the reflected polynomial EDB88320."""
    table = array("I", [0] * 256)
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ 0xEDB88320 if register & 1 else register >> 1
        table[byte] = register
    return table


@micropython.viper
def put_crc(data: ptr8, size: int, table: ptr32):
    """Write the CRC-32 of the first ``size`` bytes behind them."""
    ones = uint(0xFFFF) << 16 | uint(0xFFFF)
    register = ones
    for at in range(size):
        register = ((register & ones) >> 8) ^ (uint(table[(int(register) ^ data[at]) & 0xFF]) & ones)
    register = register ^ ones
    for at in range(size, size + 4):
        data[at] = int(register) & 0xFF
        register = (register & ones) >> 8


@micropython.viper
def stuff(data: ptr8, size: int, out: ptr8) -> int:
    """Write ``data`` as COBS between two zero bytes; return the length of all of it.

    Source: S. Cheshire, M. Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Trans. Networking 7 (1999) 159.
    """
    out[0] = 0
    code_at = 1
    put_at = 2
    run = 1
    for at in range(size):
        byte = data[at]
        if byte != 0:
            out[put_at] = byte
            put_at += 1
            run += 1
        if byte == 0 or (run == 255 and at + 1 < size):
            out[code_at] = run
            code_at = put_at
            put_at += 1
            run = 1
    out[code_at] = run
    out[put_at] = 0
    return put_at + 1


@micropython.viper
def add32(counters: ptr32, index: int, step: int):
    """Add to one of the 32-bit counters, which roll over."""
    counters[index] = counters[index] + step


@micropython.viper
def put32(data: ptr8, at: int, counters: ptr32, index: int):
    """Write a 32-bit counter, little-endian."""
    value = counters[index]
    for byte in range(4):
        data[at + byte] = value & 0xFF
        value = value >> 8


@micropython.viper
def put16(data: ptr8, at: int, value: int):
    """Write a 16-bit number, little-endian."""
    data[at] = value & 0xFF
    data[at + 1] = (value >> 8) & 0xFF


def text_frame(kind, boot, text, table):
    """Return a whole text frame. Allocates: not for use between conversions."""
    body = text.encode()
    payload = bytearray(TEXT_HEADER_BYTES + len(body) + CRC_BYTES)
    payload[0] = kind
    put16(payload, 2, boot)
    payload[TEXT_HEADER_BYTES:-CRC_BYTES] = body
    put_crc(payload, len(payload) - CRC_BYTES, table)
    out = bytearray(len(payload) + len(payload) // 254 + 3)
    size = stuff(payload, len(payload), out)
    return bytes(memoryview(out)[:size])


class SampleFrame:
    """One preallocated sample frame; the I2C driver writes straight into ``shunt[i]`` and ``bus[i]``."""

    def __init__(self, capacity, table):
        size = HEADER_BYTES + capacity * SAMPLE_BYTES
        if size + CRC_BYTES > 254:
            raise ValueError("a sample frame must stay one COBS block, so that its length never varies")
        self.payload = bytearray(size + CRC_BYTES)
        self.payload[0] = SAMPLES
        self._table = table
        self._capacity = capacity
        view = memoryview(self.payload)
        starts = [HEADER_BYTES + slot * SAMPLE_BYTES for slot in range(capacity)]
        self.shunt = [view[at + 2 : at + 5] for at in starts]
        self.bus = [view[at + 5 : at + 8] for at in starts]
        self.temperature = view[16:18]
        self.energy = view[18:23]
        self._out = bytearray(size + CRC_BYTES + 3)
        self._whole = memoryview(self._out)[:]

    def sample(self, slot, step_us, level):
        """Note a sample's time since the one before, and the marker's level; the registers are there already."""
        put16(self.payload, HEADER_BYTES + slot * SAMPLE_BYTES, step_us)
        self.payload[HEADER_BYTES + slot * SAMPLE_BYTES + 7] |= level

    def seal(self, count):
        """Return the frame's bytes with ``count`` samples; a full one without allocating."""
        self.payload[23] = count
        size = HEADER_BYTES + count * SAMPLE_BYTES
        put_crc(self.payload, size, self._table)
        length = stuff(self.payload, size + CRC_BYTES, self._out)
        return self._whole if count == self._capacity else self._whole[:length]
