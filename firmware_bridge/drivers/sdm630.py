"""Eastron SDM630-Modbus: a three-phase meter for the DIN rail, 3 x 100 A, asked over RS-485.

::

    host:  01 04 0046 0006 CRC         frequency and energy counters (Modbus RTU, 9600 8N1)
    meter: 01 04 0c | Hz f4 | import kWh f4 | export kWh f4 | CRC
    host:  01 04 0000 0036 CRC         0.1 s later: the values, 54 registers
    meter: 01 04 6c | V L1 L2 L3 at 00 02 04 | A at 06 08 0a | W at 0c 0e 10 | VA at 12 | var at 18 | PF at 1e
                    | sum of A at 30 | total W at 34 | CRC

Numbers are float32, high word and high byte first: 43 67 af 55 is 231.68 V (recorded).

A sample's power is the meter's total, its current the sum of the three, its voltage the mean of the phases that are
connected; the phases one by one are further fields. So V x I is close to the apparent power of an even load only.
For one phase alone, wire L1.

What it carries: 100 to 276 V to neutral, 0.5 to 100 A on each phase as the class is promised, on four wires or on one
phase. Boundary: the wall, or a whole site behind it. Each phase starts at 40 mA, 9.2 W at 230 V: below that it may
show nothing, and nothing is promised below 115 W a phase. It is a meter for a room or a house.

It is asked twice a second; the registers follow a step of the load within a second (manual), and an answer equal to
the one before, sooner than that, is flagged STALE. Power is signed; what flows backwards goes to the export counter,
while the import counter bounds the joules. A counter that steps back is reported as ``reset``.

Traps: units set to count MWh need ``energy_unit=mwh``, else the counter contradicts the samples a thousandfold. With
external transformers (the CT versions) a wrong ratio in the meter makes all figures wrong and no byte shows it; the
limits here are those of the directly connected one. Without neutral (3p3w) the registers hold line voltages: not
supported. Some documents of the maker print wrong CRCs. The driver writes nothing to the meter.

Unseen damage: the CRC finds every single flipped bit and all bursts up to 16 bits; of other damage 1 in 65,536 passes.
Values that are no number (NaN) are rejected as implausible.
Known from recordings: questions and answers for single numbers (volkszaehler/mbmd#63). From documents: the rest.
Sources: Eastron, SDM630-Modbus protocol v2.0 and user manual v1.5 (accuracy, response time).
"""

from firmware_bridge.protocol.modbus import eastron
from firmware_bridge.protocol.modbus.meter import Pace

_MODEL = eastron.SdmModel(
    driver="sdm630",
    name="SDM630",
    phases=3,
    baud_hz=9600,
    pace=Pace(poll_interval_s=0.5, timeout_s=1.0, pause_s=eastron.PAUSE_S),
    min_voltage_v=100.0,
    max_current_a=100.0,
    nominal_current_a=10.0,
    starting_power_w=9.2,
    counts_mwh=True,
)
_SHEET = eastron.make_sheet(
    _MODEL, source="Eastron SDM630-Modbus protocol v2.0 and user manual v1.5; recorded answers in volkszaehler/mbmd#63"
)

DRIVER = eastron.make_driver(
    _MODEL, _SHEET, "Eastron SDM630, three phases on the DIN rail, 276 V 3 x 100 A, a new reading each second"
)
