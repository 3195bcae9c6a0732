"""Starts the meter when the Pico has power: builds the parts from pins.py and serves the USB port.

Ctrl-C ends it and gives the interpreter's prompt, which is how mpremote gets in; commands are text and hold no Ctrl-C.
"""

import binascii
import os
import select
import sys

import machine
import pins
from ina228 import Ina228
from meter import Meter

LINE_LIMIT = 400


class UsbPort:
    """Command lines in, frames out, over the interpreter's own USB serial port."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)
        self._one = bytearray(1)
        self._line = bytearray(LINE_LIMIT)
        self._size = 0

    def line(self):
        """Return a whole, checked command or None; never waits. A line too long or with a wrong check is dropped."""
        while self._readable():
            if not self._reader.readinto(self._one):
                return "quit"
            byte = self._one[0]
            if byte in (10, 13):
                line = bytes(self._line[: self._size])
                self._size = 0
                if line:
                    return _checked(line)
            elif self._size < LINE_LIMIT:
                self._line[self._size] = byte
                self._size += 1
        return None

    def write(self, data):
        """Send bytes as they are; waits while the host does not read."""
        self._writer.write(data)

    def _readable(self):
        for _event in self._poll.ipoll(0):
            return True
        return False


def _checked(line):
    """Return a command without its check ``*XXXXXXXX``, the CRC-32 of what stands before it in hexadecimal."""
    text, star, check = line.partition(b"*")
    if star and check.upper() == b"%08X" % (binascii.crc32(text) & 0xFFFFFFFF):
        return str(text, "utf-8")
    return None


def main():
    """Run until quit or Ctrl-C."""
    bus = machine.I2C(pins.I2C_BUS, sda=machine.Pin(pins.SDA), scl=machine.Pin(pins.SCL), freq=pins.I2C_HZ)
    ready = machine.Pin(pins.ALERT, machine.Pin.IN, machine.Pin.PULL_UP)
    marker = machine.Pin(pins.MARKER, machine.Pin.IN, machine.Pin.PULL_DOWN)
    random = os.urandom(2)
    meter = Meter(
        Ina228(bus, pins.ADDRESS),
        ready,
        marker,
        UsbPort(sys.stdin.buffer, sys.stdout.buffer),
        str(binascii.hexlify(machine.unique_id()), "ascii"),
        sys.implementation._machine.replace(";", ",").replace("=", ":")[:60],
        random[0] << 8 | random[1],
    )
    meter.run()


main()
