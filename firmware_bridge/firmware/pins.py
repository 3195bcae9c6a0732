"""Which pin does what; see README.md for the wiring. Change it here, nothing else names a pin."""

I2C_BUS = 0
SDA = 4
SCL = 5
I2C_HZ = 400000  # the INA228's limit outside its high-speed mode (SLYS021A, 6.6)
ALERT = 6
MARKER = 7
ADDRESS = 0x40  # A0 and A1 to GND
