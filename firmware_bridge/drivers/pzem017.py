"""Peacefair PZEM-017 and PZEM-003: direct current to 300 V, over RS-485, with a 75 mV shunt or 10 A built in.

::

    host:  01 04 0000 0008 f1cc        read eight registers from 0 (Modbus RTU, 9600 8N2)
    meter: 01 04 10 0495 0000 00000000 00020000 0000 0000 2140
                    |    |    |        |        |    + ffff: below the lower alarm
                    |    |    |        |        + ffff: above the upper alarm
                    |    |    |        + 2 Wh, low word first
                    |    |    + 0.0 W, low word first
                    |    + 0.00 A
                    + 11.73 V

What it carries: 0.05 to 300 V; 50, 100, 200 or 300 A through the shunt that is mounted (017), 10 A through its own
(003). Boundary: the direct-current input of a board, a battery, a solar panel. The step is 0.01 A and 0.1 W: a Pi on
5 V draws 60 to 250 steps of current, so look for the PZEM-003 only where nothing finer is at hand.

It measures about once a second (assumption: as its sister for mains does) and is asked twice, repeats are flagged
STALE. Its counter steps by 1 Wh and can be reset by any program on the line (function 42); a step back is reported as
``reset``. Current has no sign: a battery that is charged through it counts like one that is used, or not at all.

Traps: the manual asks for two stop bits, and units differ; option ``stop_bits`` says which. Below 7 V it cannot feed
itself: give it 5 V at its USB socket, from an isolated supply, never from the host's own port, since the negative
terminals are joined inside. The meter reckons with the shunt that its register 3 names, whatever is mounted: with
the wrong code every ampere is wrong by a whole factor, and no byte shows it. The code is read and is part of the
identity; say by option ``shunt_a`` what is mounted, and a contradiction is an error instead of wrong joules. Asked for
a register too many it refuses the whole question (recorded).

Unseen damage: the CRC finds every single flipped bit and all bursts up to 16 bits; of other damage 1 in 65,536 passes.
Known from recordings: one answer without load and two refusals (ptvoinfo/zigbee-configurable-firmware#78). From the
manual: registers, ranges, 1 % of reading. The offset of 20 mA is an assumption: the current at which it starts.
Source: Peacefair, PZEM-003/017 user manual, 1.1 to 1.6, 2.1 to 2.7.
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
from firmware_bridge.protocol.modbus.meter import INTEGRITY, SYNC_FACILITY, ModbusMeterDecoder
from firmware_bridge.protocol.modbus.poller import read_address
from firmware_bridge.protocol.options import OptionReader

_NAME = "pzem017"
_BUILT_IN_A = 10
_RANGE_A = (10.0, 50.0, 100.0, 200.0, 300.0)
_UNSAID = "as the meter says"
_OPTIONS = pzem.PACE.options() | {
    "address": "the meter's Modbus address, 1 to 247, or 248 for the only meter on the line (default 1)",
    "model": "pzem017 or pzem003 (default pzem017); the registers do not say",
    "shunt_a": f"the shunt that is mounted at a PZEM-017: 50, 100, 200 or 300 A (default: {_UNSAID}); it is checked",
    "stop_bits": "1 or 2 (default 2, as the manual says)",
}
_SHEET = DataSheet(
    manufacturer="Peacefair (Ningbo)",
    model="PZEM-003/017",
    min_voltage_v=0.05,
    max_voltage_v=300.0,
    ranges=tuple(
        MeterRange(most_a, gain_limit_ratio=0.01, offset_limit_a=0.02, resolution_a=0.01) for most_a in _RANGE_A
    ),
    voltage_gain_limit_ratio=0.01,
    voltage_offset_limit_v=0.01,
    voltage_resolution_v=0.01,
    sample_interval_s=pzem.PACE.poll_interval_s,
    max_interval_s=3.0,
    sampling="mean",
    clock="host_arrival",
    boundaries=("dc_input",),
    sync_facility=SYNC_FACILITY,
    usb_ids=(),
    accuracy_basis=(
        "specification: 1 % of voltage and current (user manual 1.1, 1.2); assumption: the offset of current is at "
        "most the current at which it starts, 20 mA, as no limit is given for small loads; the shunt's own error is "
        "not in it"
    ),
    integrity=INTEGRITY,
    source="Peacefair PZEM-003/017 user manual; recorded answers in ptvoinfo/zigbee-configurable-firmware#78",
    power_resolution_w=0.1,
    starting_power_w=0.2,
    refresh_interval_s=pzem.REFRESH_S,
    counter_step_j=pzem.JOULES_PER_WH,
)


def _mounted_a(read: OptionReader) -> int | None:
    said = read.choice("shunt_a", _UNSAID, (_UNSAID, *(str(shunt_a) for shunt_a in sorted(pzem.SHUNTS_A))))
    return None if said == _UNSAID else int(said)


def _is_003(read: OptionReader) -> bool:
    return read.choice("model", "pzem017", ("pzem017", "pzem003")) == "pzem003"


def _decoder(options: Options) -> MeterDecoder:
    read = OptionReader(_NAME, options, _OPTIONS)
    is_003, mounted_a = _is_003(read), _mounted_a(read)
    _serial(options)
    registers = pzem.DcMap(
        "PZEM-003" if is_003 else "PZEM-017",
        _RANGE_A,
        mounted_a=mounted_a,
        built_in_a=_BUILT_IN_A if is_003 else None,
    )
    return ModbusMeterDecoder(_SHEET, registers, read, pzem.PACE, any_address=True)


def _encoder(options: Options, seed: int) -> MeterEncoder:
    del seed
    read = OptionReader(_NAME, options, _OPTIONS)
    address = read_address(read, any_address=True)
    code = pzem.SHUNTS_A.index(_mounted_a(read) or pzem.SHUNTS_A[0])
    return pzem.encoder(pzem.dc_layout(address, code), _SHEET, address)


def _serial(options: Options) -> SerialSettings:
    two = OptionReader(_NAME, options, _OPTIONS).choice("stop_bits", "2", ("1", "2")) == "2"
    return SerialSettings(baud_hz=9600, stopbits=2 if two else 1)


DRIVER = MeterDriver(
    name=_NAME,
    title="Peacefair PZEM-017 and 003, direct current over RS-485, 300 V 10 to 300 A, a new reading each second",
    data_sheet=_SHEET,
    make_decoder=_decoder,
    make_encoder=_encoder,
    serial=SerialSettings(baud_hz=9600, stopbits=2),
    options=_OPTIONS,
    serial_for=_serial,
)
