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

_NAME = "sdm630"
_BAUD_HZ = 9600
_PACE = Pace(poll_interval_s=0.5, timeout_s=1.0, pause_s=eastron.PAUSE_S)
_OPTIONS = eastron.sdm_options(_PACE, _BAUD_HZ) | {
    "energy_unit": "kwh or mwh, as the meter is set to count (default kwh)",
}
_RANGE = MeterRange(
    max_current_a=300.0,
    gain_limit_ratio=0.0,
    offset_limit_a=0.15,
    resolution_a=0.001,
    power_offset_limit_w=27.6,
)
_SHEET = DataSheet(
    manufacturer="Eastron",
    model="SDM630-Modbus",
    min_voltage_v=100.0,
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
        "specification: 0.5 % of the largest voltage and of the nominal current (10 A a phase), active energy class "
        "1 (IEC 62053-21); assumption: power keeps to that class too (the manual's own +-1 % of the largest power "
        "would be 690 W), and its offset is at most the starting power, 40 mA at 230 V on each of three phases; steps "
        "are an assumption"
    ),
    integrity="CRC-16 over each answer: a flipped bit is always seen, of other damage 1 in 65,536 passes",
    source="Eastron SDM630-Modbus protocol v2.0 and user manual v1.5; recorded answers in volkszaehler/mbmd#63",
    power_gain_limit_ratio=0.01,
    power_resolution_w=0.1,
    starting_power_w=9.2,
    refresh_interval_s=eastron.REFRESH_S,
    counter_step_j=eastron.COUNTER_STEP_J,
)


def _read(options: Options) -> OptionReader:
    return OptionReader(_NAME, options, _OPTIONS)


def _counter_unit_j(options: Options) -> float:
    is_mwh = _read(options).choice("energy_unit", "kwh", ("kwh", "mwh")) == "mwh"
    return eastron.JOULES_PER_KWH * (1000.0 if is_mwh else 1.0)


def _decoder(options: Options) -> MeterDecoder:
    registers = eastron.SdmMap("SDM630", phases=3, counter_unit_j=_counter_unit_j(options))
    return eastron.sdm_decoder(_SHEET, registers, _read(options), _PACE, _BAUD_HZ)


def _encoder(options: Options, seed: int) -> MeterEncoder:
    return eastron.sdm_encoder(_SHEET, _read(options), seed, phases=3, counter_unit_j=_counter_unit_j(options))


def _serial(options: Options) -> SerialSettings:
    return eastron.serial_settings(_read(options), _BAUD_HZ)


DRIVER = MeterDriver(
    name=_NAME,
    title="Eastron SDM630, three phases on the DIN rail, 276 V 3 x 100 A, a new reading each second",
    data_sheet=_SHEET,
    make_decoder=_decoder,
    make_encoder=_encoder,
    serial=SerialSettings(baud_hz=_BAUD_HZ),
    options=_OPTIONS,
    serial_for=_serial,
)
