"""TI INA228 at register level, over machine.I2C. Facts: data sheet SLYS021A (May 2022), tables 7-3 to 7-21.

SHUNT_CAL stays at 4096. SHUNT_CAL = 13107.2e6 x CURRENT_LSB x R (x 4 where ADCRANGE is 1), so with 4096 the step of
CURRENT is the step of VSHUNT over R, exactly: nothing is rounded, and ENERGY counts in 51.2 of those steps.
"""

from time import sleep_ms

CONFIG = 0x00
ADC_CONFIG = 0x01
SHUNT_CAL = 0x02
VSHUNT = 0x04
VBUS = 0x05
DIETEMP = 0x06
ENERGY = 0x09
DIAG_ALRT = 0x0B
MANUFACTURER_ID = 0x3E
DEVICE_ID = 0x3F

RESET = 1 << 15
ADCRANGE_BIT = 4
UNITY_CAL = 4096
CONVERSION_READY_ON_ALERT = 1 << 14
MEMORY_OK = 1 << 0
MATH_OVERFLOW = 1 << 9
TI = 0x5449
INA228 = 0x228

# Continuous temperature, bus and shunt; conversion times as codes: 0 50 us, 1 84 us, 3 280 us, 4 540 us.
PROFILES = (
    (0xF << 12 | 3 << 9 | 4 << 6 | 0 << 3 | 0, 870),  # 50 + 280 + 540 us
    (0xF << 12 | 3 << 9 | 3 << 6 | 0 << 3 | 0, 610),  # 50 + 280 + 280 us
    (0xF << 12 | 1 << 9 | 1 << 6 | 0 << 3 | 1, 872),  # 4 x (50 + 84 + 84 us), averaged by the chip
)


class NotThere(Exception):
    """The chip does not answer as an INA228; the argument says what is wrong."""


class Ina228:
    """One chip. Every method may raise OSError when the bus does not acknowledge."""

    def __init__(self, i2c, address):
        self._i2c = i2c
        self._address = address
        self._word = bytearray(2)
        self._expected = ()
        self._next_check = 0

    def read_into(self, register, view):
        """Read a register's bytes, most significant first, into a preallocated view."""
        self._i2c.readfrom_mem_into(self._address, register, view)

    def read16(self, register):
        """Return a 16-bit register."""
        self._i2c.readfrom_mem_into(self._address, register, self._word)
        return self._word[0] << 8 | self._word[1]

    def write16(self, register, value):
        """Write a 16-bit register."""
        self._i2c.writeto_mem(self._address, register, bytes((value >> 8, value & 0xFF)))

    def identify(self):
        """Raise NotThere unless the chip says that it is an INA228."""
        try:
            maker, device = self.read16(MANUFACTURER_ID), self.read16(DEVICE_ID)
        except OSError:
            raise NotThere("no chip answers at I2C address 0x%02x" % self._address)
        if maker != TI or device >> 4 != INA228:
            raise NotThere("the chip says 0x%04x 0x%04x, an INA228 says 0x5449 0x2281" % (maker, device))

    def configure(self, adc_range, profile):
        """Reset the chip, which clears ENERGY, and let it convert with a pulse on ALERT after each conversion."""
        adc_config = PROFILES[profile][0]
        self.write16(CONFIG, RESET)
        sleep_ms(2)
        self._expected = (
            (CONFIG, adc_range << ADCRANGE_BIT),
            (SHUNT_CAL, UNITY_CAL),
            (ADC_CONFIG, adc_config),
        )
        for register, value in self._expected:
            self.write16(register, value)
        self.write16(DIAG_ALRT, CONVERSION_READY_ON_ALERT)
        for register, value in self._expected:
            if self.read16(register) != value:
                raise NotThere("register 0x%02x does not keep what is written to it" % register)

    def still_configured(self):
        """Read one of the settings, the next at each call; False says that the chip lost them."""
        register, value = self._expected[self._next_check]
        self._next_check = (self._next_check + 1) % len(self._expected)
        return self.read16(register) == value
