"""Peacefair PZEM-016 and PZEM-014: boxed meters for mains with an isolated RS-485 line, up to 247 on one pair.

::

    host:  01 04 0000 000a 700d        read ten registers from 0 (Modbus RTU, 9600 8N1)
    meter: 01 04 14 | V 0.1 | A 0.001 lo hi | W 0.1 lo hi | Wh lo hi | Hz 0.1 | PF 0.01 | alarm | CRC

The registers are those of the PZEM-004T v3, see ``pzem004t``: low word first, a new reading each second, a counter in
steps of 1 Wh that any program on the line can reset (function 42). The supply of the electronics is taken from the
mains that is measured, so it works without a second supply, and is silent when the mains is away.

What it carries: 80 to 260 V at 45 to 65 Hz, 100 A through a transformer (016) or 10 A through a built-in shunt (014);
which one it is, the registers do not say. Boundary: the wall, with the losses of the load's own power supply.
Below 0.4 W, or 20 mA (014: 10 mA), it may show nothing. One Wh is 20 minutes of a 3 W board: joules are integrated
from power, the counter bounds them.

Traps: RS-485 adapters without their own direction control give the host its own question back; that echo is skipped.
A long line wants a resistor of 120 ohm at each end. Every meter leaves the factory with address 1: give each its own
with the maker's program before they share a line. Power has no sign: what flows back is not told apart.

Unseen damage: the CRC finds every single flipped bit and all bursts up to 16 bits; of other damage 1 in 65,536 passes.
Known from a document only; the sister model 004T with the same registers is known from recordings. The limit of 0.4 W
on the offset of power is an assumption, as for the 004T.
Source: Peacefair, PZEM-014/016 user manual, 1.1 to 1.8, 2.1 to 2.7 (sellers' copies).
"""

from firmware_bridge.protocol.modbus import pzem

_SHEET = pzem.ac_sheet("PZEM-014/016", source="Peacefair PZEM-014/016 user manual (sellers' copies)")

DRIVER = pzem.ac_driver(
    "pzem016", _SHEET, "Peacefair PZEM-016 and 014, mains over RS-485, 260 V 100 A, a new reading each second"
)
