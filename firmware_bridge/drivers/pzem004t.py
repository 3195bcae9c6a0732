"""Peacefair PZEM-004T v3: a board of a few euros for mains, with a current transformer, asked over TTL serial.

::

    host:  01 04 0000 000a 700d        read ten registers from 0 (Modbus RTU, 9600 8N1)
    meter: 01 04 14 097c 339b0000 74fa0000 1f220000 01f4 005d 0000 588a
                    |    |        |        |        |    |    + power alarm, ffff when over it
                    |    |        |        |        |    + power factor 0.93
                    |    |        |        |        + 50.0 Hz
                    |    |        |        + 7970 Wh, low word first
                    |    |        + 2994.6 W, low word first
                    |    + 13.211 A, low word first
                    + 242.8 V

What it carries: 80 to 260 V at 45 to 65 Hz; 100 A with the split or closed transformer. The version with a built-in
shunt ends at 10 A, which the registers do not say. Boundary: the wall, with the losses of the load's own power supply.
Below 0.4 W, or 20 mA, it may show nothing (0.4 W and 10 mA with the shunt).

It measures about once a second and repeats itself until then: it is asked twice a second, repeats are flagged STALE.
One step of its counter is 1 Wh, 20 minutes of a 3 W board: joules are integrated from power, the counter bounds them.
Any program on the line can reset the counter (function 42); that is seen as a step back and reported as ``reset``.
This driver writes nothing to the meter.

Traps: the side of the serial line is opto-coupled and needs 5 V of its own (3.3 V boards: change the resistor of the
opto-coupler); without mains at its terminals the meter does not answer. Power has no sign: what flows back counts
like what flows in, if at all. A phase between current and voltage of a tiny load is the transformer's own error.
The general address 248 is answered by every meter on the line: use it with one only. Which address such an answer
carries is not documented; any is taken.

Unseen damage: the CRC finds every single flipped bit and all bursts up to 16 bits; of other damage 1 in 65,536 passes.
Known from recordings: the answers of one unit, once a second (arendst/Tasmota#11817), a refusal
(xoseperez/espurna#2283). From documents: ranges, limits, settings. The limit of 0.4 W on the offset of power is an
assumption: the manual gives no limit for small loads, but a meter that may show nothing below 0.4 W can be that wrong.
Sources: Peacefair, PZEM-004T V3.0 user manual, 1.1 to 1.8, 2.1 to 2.7; vortigont/pzem-edl, src/pzem_modbus.hpp.
"""

from firmware_bridge.protocol.modbus import pzem

_SHEET = pzem.ac_sheet(
    "PZEM-004T v3", source="Peacefair PZEM-004T V3.0 user manual; recorded answers in arendst/Tasmota#11817"
)

DRIVER = pzem.ac_driver("pzem004t", _SHEET, "Peacefair PZEM-004T v3, mains, 260 V 100 A, a new reading each second")
