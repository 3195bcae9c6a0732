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

from firmware_bridge.driver import (
    DataSheet,
    MeterDecoder,
    MeterDriver,
    MeterEncoder,
    MeterRange,
    Options,
    SerialSettings,
)
from firmware_bridge.protocol.modbus import pzem

_NAME = "pzem016"
_RANGE = MeterRange(
    max_current_a=100.0,
    gain_limit_ratio=0.005,
    offset_limit_a=0.002,
    resolution_a=0.001,
    power_offset_limit_w=0.4,
)
_SHEET = DataSheet(
    manufacturer="Peacefair (Ningbo)",
    model="PZEM-014/016",
    min_voltage_v=80.0,
    max_voltage_v=260.0,
    ranges=(_RANGE,),
    voltage_gain_limit_ratio=0.005,
    voltage_offset_limit_v=0.1,
    voltage_resolution_v=0.1,
    sample_interval_s=pzem.PACE.poll_interval_s,
    max_interval_s=3.0,
    sampling="mean",
    clock="host_arrival",
    boundaries=("ac_wall",),
    sync_facility="none: arrival time of the answer, which is up to a second older than it",
    usb_ids=(),
    accuracy_basis=(
        "specification: 0.5 % of voltage, current and power (user manual 1.1 to 1.3); assumption: the offset of power "
        "is at most the starting power, 0.4 W, as no limit is given for small loads"
    ),
    integrity="CRC-16 over each answer: a flipped bit is always seen, of other damage 1 in 65,536 passes",
    source="Peacefair PZEM-014/016 user manual (sellers' copies)",
    power_gain_limit_ratio=0.005,
    power_resolution_w=0.1,
    starting_power_w=0.4,
    refresh_interval_s=pzem.REFRESH_S,
    counter_step_j=pzem.JOULES_PER_WH,
)


def _decoder(options: Options) -> MeterDecoder:
    return pzem.ac_decoder(_NAME, _SHEET, options)


def _encoder(options: Options, seed: int) -> MeterEncoder:
    del seed
    return pzem.ac_encoder(_NAME, _SHEET, options)


DRIVER = MeterDriver(
    name=_NAME,
    title="Peacefair PZEM-016 and 014, mains over RS-485, 260 V 100 A, a new reading each second",
    data_sheet=_SHEET,
    make_decoder=_decoder,
    make_encoder=_encoder,
    serial=SerialSettings(baud_hz=9600),
    options=pzem.AC_OPTIONS,
)
