"""Eastron SDM230-Modbus: a one-phase meter for the DIN rail, 100 A, asked over RS-485.

::

    host:  01 04 0046 0006 CRC         frequency and energy counters (Modbus RTU, 9600 8N1)
    meter: 01 04 0c | Hz f4 | import kWh f4 | export kWh f4 | CRC
    host:  01 04 0000 0020 CRC         0.1 s later: the values, 32 registers
    meter: 01 04 40 | V f4 at 00 | A f4 at 06 | W f4 at 0c | VA at 12 | var at 18 | PF at 1e | CRC

The registers are those of the SDM120, see ``sdm120``: float32, high word and high byte first.

What it carries: 176 to 276 V at 50 or 60 Hz, 0.5 to 100 A as the class is promised. Boundary: the wall, or a whole
site behind it. It starts at 40 mA, 9.2 W at 230 V: below that it may show nothing, and nothing is promised below
115 W. It is a meter for a rack or a room.

It is asked twice a second; the registers follow a step of the load within a second (manual), and an answer equal to
the one before, sooner than that, is flagged STALE. Power is signed; what flows backwards goes to the export counter,
while the import counter bounds the joules. A counter that steps back is reported as ``reset``.

Traps: sources differ on the rate that it is delivered with, 9600 or 2400: hold its button to see, and say
``baud_hz``. Some documents of the maker print wrong CRCs. The driver writes nothing to the meter.

Unseen damage: the CRC finds every single flipped bit and all bursts up to 16 bits; of other damage 1 in 65,536 passes.
Values that are no number (NaN) are rejected as implausible.
Known from a document only; of recordings only those of sister models.
Sources: Eastron, SDM230-Modbus protocol v1.2 and user manual; SDM630 V2 user manual (accuracy, response time).
"""

from firmware_bridge.protocol.modbus import eastron
from firmware_bridge.protocol.modbus.meter import Pace

_MODEL = eastron.SdmModel(
    driver="sdm230",
    name="SDM230",
    phases=1,
    baud_hz=9600,
    pace=Pace(poll_interval_s=0.5, timeout_s=1.0, pause_s=eastron.PAUSE_S),
    min_voltage_v=176.0,
    max_current_a=100.0,
    nominal_current_a=10.0,
    starting_power_w=9.2,
)
_SHEET = eastron.make_sheet(
    _MODEL, source="Eastron SDM230-Modbus protocol v1.2 and user manual (mirrored in nmakel/sdm_modbus, documents/)"
)

DRIVER = eastron.make_driver(
    _MODEL, _SHEET, "Eastron SDM230, one phase on the DIN rail, 276 V 100 A, a new reading each second"
)
