"""Eastron SDM120-Modbus: a one-phase meter for the DIN rail, 45 A, asked over RS-485.

::

    host:  01 04 0046 0006 CRC         frequency and energy counters (Modbus RTU, 2400 8N1 as delivered)
    meter: 01 04 0c | Hz f4 | import kWh f4 | export kWh f4 | CRC
    host:  01 04 0000 0020 CRC         0.1 s later: the values, 32 registers
    meter: 01 04 40 | V f4 at 00 | A f4 at 06 | W f4 at 0c | VA at 12 | var at 18 | PF at 1e | CRC

Numbers are float32, high word and high byte first: 43 66 33 33 is 230.2 V. What lies between them reads as zero.

What it carries: 176 to 276 V at 50 or 60 Hz, 0.25 to 45 A as the class is promised. Boundary: the wall, with the
losses of the load's own power supply. It starts at 20 mA, 4.6 W at 230 V: below that it may show nothing, and nothing
is promised below 58 W. One Raspberry Pi is too little for it; a shelf of ten is not.

At 2400 baud the two answers take 0.5 s with the pauses, so a sample each second is what the line carries; set 9600 at
the meter and give ``baud_hz=9600 poll_interval_s=0.5`` for two. The registers follow a step of the load within a
second (manual); an answer equal to the one before, sooner than that, is flagged STALE.

Power is signed: negative says that it flows backwards, or that the meter is fed from the other side; energy then goes
to the export counter, and the import counter, which is the one that bounds the joules, stands still.
A counter that steps back is reported as ``reset``; the meter has no such command, another unit in its place has.

Traps: some documents of the maker print wrong CRCs in their examples. Other programs may have set another rate,
parity or address: the display shows them when its button is held. The driver writes nothing to the meter. It reads an
SDM630 too, but then sees its first phase only: take ``sdm630`` for that.

Unseen damage: the CRC finds every single flipped bit and all bursts up to 16 bits; of other damage 1 in 65,536 passes.
Values that are no number (NaN) are rejected as implausible.
Known from a document: registers, ranges, limits. From recordings of sister models: the layout of one number.
Sources: Eastron, SDM120-Modbus protocol v2.5 and user manual; SDM630 V2 user manual (accuracy, response time).
"""

from firmware_bridge.protocol.modbus import eastron
from firmware_bridge.protocol.modbus.meter import Pace

_MODEL = eastron.SdmModel(
    driver="sdm120",
    name="SDM120",
    phases=1,
    baud_hz=2400,
    pace=Pace(poll_interval_s=1.0, timeout_s=1.0, pause_s=eastron.PAUSE_S),
    min_voltage_v=176.0,
    max_current_a=45.0,
    nominal_current_a=5.0,
    starting_power_w=4.6,
)
_SHEET = eastron.make_sheet(
    _MODEL, source="Eastron SDM120-Modbus protocol v2.5 and user manual (mirrored in nmakel/sdm_modbus, documents/)"
)

DRIVER = eastron.make_driver(
    _MODEL, _SHEET, "Eastron SDM120, one phase on the DIN rail, 276 V 45 A, about a reading each second"
)
