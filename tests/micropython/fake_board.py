"""A Raspberry Pi Pico with an INA228, simulated at register level inside MicroPython; the firmware cannot tell.

Runs in MicroPython only. ``install()`` puts fakes in the place of the modules ``machine`` and ``time``. Simulated time
moves when the firmware idles, sleeps or uses the bus; a conversion that ends pulls ALERT, which calls the firmware's
interrupt handler at once, also in the middle of a bus transfer. Register facts: SLYS021A, tables 7-3 to 7-21.
Everything that runs while the meter samples works without allocating memory, so that a test may lock the heap.
"""

import sys

TICKS_PERIOD = 1 << 30
CONVERSION_US = (50, 84, 150, 280, 540, 1052, 2074, 4120)
AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
SIZES = {4: 3, 5: 3, 6: 2, 7: 3, 8: 3, 9: 5, 10: 5}
ENERGY_DIVISOR = 262144000000
"""51.2 CURRENT_LSB over (VBUS step x CURRENT_LSB x 1 us): volts x amperes x microseconds in codes to ENERGY codes."""


class FakeIna228:
    """Registers, conversions and accumulation; ``load(k)`` gives the k-th conversion's two codes."""

    def __init__(self, board, load):
        self.board = board
        self.load = load
        self.oscillator_ppm = 0
        self.conversion = 0
        self.dies = False
        self.truth = []
        self.keeps_truth = True
        self.registers = [0] * 64
        self.energy_sum = 0
        self.ready_at_us = 0
        self.reset()

    def reset(self):
        for register in range(64):
            self.registers[register] = 0
        self.registers[0x01] = 0xFB68
        self.registers[0x02] = 0x1000
        self.registers[0x0B] = 0x0001
        self.registers[0x3E] = 0x5449
        self.registers[0x3F] = 0x2281
        self.energy_sum = 0
        self.begin()

    def nominal_us(self):
        config = self.registers[0x01]
        cycle_us = CONVERSION_US[config >> 9 & 7] + CONVERSION_US[config >> 6 & 7] + CONVERSION_US[config >> 3 & 7]
        return cycle_us * AVERAGES[config & 7]

    def begin(self):
        nominal_us = self.nominal_us()
        self.ready_at_us = self.board.now_us + nominal_us + nominal_us * self.oscillator_ppm // 1000000

    def convert(self):
        """End a conversion: results, accumulation, pulse on ALERT."""
        shunt, bus = self.load(self.conversion)
        self.registers[0x04] = (shunt & 0xFFFFF) << 4
        self.registers[0x05] = bus << 4
        self.registers[0x06] = 0x0C80  # 25 degrees
        self.energy_sum += abs(shunt) * bus * self.nominal_us()
        self.registers[0x09] = self.energy_sum // ENERGY_DIVISOR & 0xFFFFFFFFFF
        self.conversion += 1
        self.begin()
        if self.keeps_truth:
            level = self.board.marker.level
            self.truth.append((self.board.now_us, shunt, bus, level, self.registers[0x09]))
        if self.registers[0x0B] & 0x4000:
            self.board.alert.fire()

    def write(self, register, value):
        if register == 0x00 and value & 0x8000:
            self.reset()
            return
        self.registers[register] = value | 1 if register == 0x0B else value
        if register == 0x01:
            self.begin()


class FakePin:
    """A pin whose level a script sets; the handler runs as a hard interrupt would."""

    IN = 0
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(self, *_settings):
        self.level = 0
        self.handler = None

    def __call__(self):
        return self.level

    def irq(self, handler, trigger, hard=False):
        assert hard, "timing needs hard interrupts"
        self.handler = handler

    def fire(self):
        if self.handler is not None:
            self.handler(self)


class FakeI2C:
    """The bus: each byte takes nine bits; every transfer costs ``overhead_us`` more."""

    def __init__(self, board, freq):
        self.board = board
        self.bit_hz = freq
        self.overhead_us = 40

    def readfrom_mem_into(self, address, register, buffer):
        size = len(buffer)
        self._spend(3 + size)
        chip = self._chip(address)
        if chip.dies or SIZES.get(register, 2) != size:
            raise OSError(5)
        value = chip.registers[register]
        at = size - 1
        while at >= 0:
            buffer[at] = value & 0xFF
            value >>= 8
            at -= 1

    def writeto_mem(self, address, register, data):
        self._spend(2 + len(data))
        chip = self._chip(address)
        if chip.dies:
            raise OSError(5)
        chip.write(register, data[0] << 8 | data[1])

    def _spend(self, byte_count):
        self.board.pass_us(byte_count * 9 * 1000000 // self.bit_hz + self.overhead_us)

    def _chip(self, address):
        if address != 0x40:
            raise OSError(5)
        return self.board.chip


class Board:
    """Time and parts. ``begin_ticks``: what ticks_us shows at first, to try its roll-over."""

    def __init__(self, load, begin_ticks=1000):
        self.now_us = 0
        self.begin_ticks = begin_ticks
        self.alert = FakePin()
        self.marker = FakePin()
        self.marker_changes = []
        self.chip = FakeIna228(self, load)
        self.bus = None

    def pass_us(self, span_us):
        """Let time pass; conversions and marker edges within it happen at their moment."""
        end_us = self.now_us + span_us
        while True:
            next_us = self.chip.ready_at_us
            if self.marker_changes and self.marker_changes[0][0] <= min(next_us, end_us):
                at_us, level = self.marker_changes.pop(0)
                self.now_us = at_us
                rises = level and not self.marker.level
                self.marker.level = level
                if rises:
                    self.marker.fire()
                continue
            if next_us > end_us:
                break
            self.now_us = next_us
            self.chip.convert()
        self.now_us = end_us

    # --- what the firmware imports ---

    def I2C(self, _number, sda, scl, freq):
        assert sda is not None and scl is not None
        self.bus = FakeI2C(self, freq)
        return self.bus

    def Pin(self, number, *_settings):
        return {6: self.alert, 7: self.marker}.get(number, FakePin())

    def idle(self):
        self.pass_us(50)

    def disable_irq(self):
        return 0

    def enable_irq(self, _state):
        return None

    def unique_id(self):
        return b"\xe6\x60\x58\x38\x83\x72\x4a\x32"

    def ticks_us(self):
        return (self.begin_ticks + self.now_us) & (TICKS_PERIOD - 1)

    def ticks_diff(self, later, earlier):
        return ((later - earlier + TICKS_PERIOD // 2) & (TICKS_PERIOD - 1)) - TICKS_PERIOD // 2

    def sleep_ms(self, span_ms):
        self.pass_us(1000 * span_ms)


class _Module:
    """Stands for a module: attribute access goes to the board."""


def install(board, firmware):
    """Put the board in the place of ``machine`` and ``time``, and the firmware's folder on the path."""
    machine, time = _Module(), _Module()
    for name in ("I2C", "idle", "disable_irq", "enable_irq", "unique_id"):
        setattr(machine, name, getattr(board, name))
    machine.Pin = _pin_factory(board)
    for name in ("ticks_us", "ticks_diff", "sleep_ms"):
        setattr(time, name, getattr(board, name))
    sys.modules["machine"] = machine
    sys.modules["time"] = time
    sys.path.insert(0, firmware)


def _pin_factory(board):
    class Factory:
        IN = FakePin.IN
        PULL_UP = FakePin.PULL_UP
        PULL_DOWN = FakePin.PULL_DOWN

        def __call__(self, number, *settings):
            return board.Pin(number, *settings)

    return Factory()
