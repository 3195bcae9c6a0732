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

from firmware_bridge.driver import (
    DataSheet,
    MeterDecoder,
    MeterDriver,
    MeterEncoder,
    MeterRange,
    Options,
    SerialSettings,
)
from firmware_bridge.protocol.modbus import eastron
from firmware_bridge.protocol.modbus.meter import Pace
from firmware_bridge.protocol.options import OptionReader

_NAME = "sdm230"
_BAUD_HZ = 9600
_PACE = Pace(poll_interval_s=0.5, timeout_s=1.0, pause_s=eastron.PAUSE_S)
_OPTIONS = eastron.sdm_options(_PACE, _BAUD_HZ)
_RANGE = MeterRange(
    max_current_a=100.0,
    gain_limit_ratio=0.0,
    offset_limit_a=0.05,
    resolution_a=0.001,
    power_offset_limit_w=9.2,
)
_SHEET = DataSheet(
    manufacturer="Eastron",
    model="SDM230-Modbus",
    min_voltage_v=176.0,
    max_voltage_v=276.0,
    ranges=(_RANGE,),
    voltage_gain_limit_ratio=0.0,
    voltage_offset_limit_v=1.4,
    voltage_resolution_v=0.01,
    sample_interval_s=_PACE.poll_interval_s,
    max_interval_s=3.0,
    sampling="mean",
    clock="host_arrival",
    boundaries=("ac_wall", "site"),
    sync_facility="none: arrival time of the answer, which is up to a second older than it",
    usb_ids=(),
    accuracy_basis=(
        "specification: 0.5 % of the largest voltage, 0.5 % of the nominal current (10 A), active energy class 1 (IEC "
        "62053-21); assumption: power keeps to that class too (the manual's own +-1 % of the largest power would be "
        "230 W), and its offset is at most the starting power, 40 mA at 230 V; steps are an assumption"
    ),
    integrity="CRC-16 over each answer: a flipped bit is always seen, of other damage 1 in 65,536 passes",
    source="Eastron SDM230-Modbus protocol v1.2 and user manual (mirrored in nmakel/sdm_modbus, documents/)",
    power_gain_limit_ratio=0.01,
    power_resolution_w=0.1,
    starting_power_w=9.2,
    refresh_interval_s=eastron.REFRESH_S,
    counter_step_j=eastron.COUNTER_STEP_J,
)


def _read(options: Options) -> OptionReader:
    return OptionReader(_NAME, options, _OPTIONS)


def _decoder(options: Options) -> MeterDecoder:
    return eastron.sdm_decoder(_SHEET, eastron.SdmMap("SDM230", phases=1), _read(options), _PACE, _BAUD_HZ)


def _encoder(options: Options, seed: int) -> MeterEncoder:
    return eastron.sdm_encoder(_SHEET, _read(options), seed, phases=1)


def _serial(options: Options) -> SerialSettings:
    return eastron.serial_settings(_read(options), _BAUD_HZ)


DRIVER = MeterDriver(
    name=_NAME,
    title="Eastron SDM230, one phase on the DIN rail, 276 V 100 A, a new reading each second",
    data_sheet=_SHEET,
    make_decoder=_decoder,
    make_encoder=_encoder,
    serial=SerialSettings(baud_hz=_BAUD_HZ),
    options=_OPTIONS,
    serial_for=_serial,
)
