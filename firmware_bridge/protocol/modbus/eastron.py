"""Eastron's SDM registers: IEEE 754 numbers of 32 bits, high word and high byte first, at even addresses.

::

    function 4        one phase                  three phases
    values            00 V  06 A  0C W           00 02 04 V    06 08 0A A    0C 0E 10 W    12 14 16 VA
                      12 VA  18 var  1E PF       18 1A 1C var  1E 20 22 PF   30 sum of A   34 sum of W
    counters          46 Hz  48 import kWh  4A export kWh
    function 3        FC00 serial number, 32-bit whole number (older units have none)

One question reads at most 30 values (older firmware) or 40. Between two questions the line rests 0.1 s: units lose
questions that come sooner, and one sister model restarts. Nothing is ever written. The total at 0156 is not used: a
setting decides whether it is import, import plus export or their difference.
Sources: Eastron, SDM120/SDM230/SDM630 Modbus protocol documents (mirrored in nmakel/sdm_modbus, documents/);
openWB/core#2184 and reaper7/SDM_Energy_Meter#50 (pause).
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options, SerialSettings
from firmware_bridge.protocol.modbus.encoder import ModbusMeterEncoder, RegisterTable, Shown
from firmware_bridge.protocol.modbus.meter import INTEGRITY, SYNC_FACILITY, Known, ModbusMeterDecoder, Pace, Reading
from firmware_bridge.protocol.modbus.poller import Block, Registers, read_address
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import MeterIdentity

REFRESH_S: Final = 1.0
PAUSE_S: Final = 0.1
JOULES_PER_KWH: Final = 3.6e6
COUNTER_STEP_J: Final = 36e3
"""0.01 kWh, the step of the display. Registers of recorded units step by 1 Wh, but float32 itself steps by 8 Wh above
65,536 kWh: the coarser one holds for all."""
LIVE_V: Final = 20.0
"""A phase below it is not connected; what it shows is picked up from its neighbours."""

_SERIAL_NUMBER = Block("serial number", 3, 0xFC00, 2, optional=True)
_COUNTERS = Block("counters", 4, 0x46, 6)
_ONE_PHASE = Block("values", 4, 0x00, 0x20)
_THREE_PHASES = Block("values", 4, 0x00, 0x36)
_INPUTS = 0x60
"""Registers below it that no document names read as zero."""
_PARITIES: Final[dict[str, Literal["N", "E", "O"]]] = {"none": "N", "even": "E", "odd": "O"}


def number(registers: Registers, at: int) -> float:
    """Return the float32 that begins at register ``at`` of a block."""
    value: float = struct.unpack(">f", struct.pack(">HH", *registers[at : at + 2]))[0]
    return value


def known_number(registers: Registers, at: int) -> float | None:
    """Return the float32 at ``at``, None where the meter shows that it is no number."""
    value = number(registers, at)
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class SdmModel:
    """What differs between models. Currents and ``starting_power_w`` (at 230 V) are those of one phase.

    ``baud_hz``: the rate that it is delivered with. ``counts_mwh``: it can be set to count MWh.
    """

    driver: str
    name: str
    phases: Literal[1, 3]
    baud_hz: int
    pace: Pace
    min_voltage_v: float
    max_current_a: float
    nominal_current_a: float
    starting_power_w: float
    counts_mwh: bool = False


class SdmMap:
    """The registers of one model. ``counter_unit_j``: what one unit of the energy counters is."""

    first = (_SERIAL_NUMBER,)

    def __init__(self, model: str, *, phases: Literal[1, 3], counter_unit_j: float = JOULES_PER_KWH) -> None:
        self._model = model
        self._phases = phases
        self._counter_unit_j = counter_unit_j
        self.cycle = (_COUNTERS, _THREE_PHASES if phases == 3 else _ONE_PHASE)

    def identity(self, known: Known) -> MeterIdentity:
        """Return the model as the user named it, and the serial number where the meter has told it."""
        words = known.get("serial number")
        return MeterIdentity(self._model, str(words[0] << 16 | words[1]) if words else "")

    def objection(self, known: Known) -> str:
        """Return nothing: there is no setting that makes the readings wrong."""
        del known
        return ""

    def reading(self, known: Known) -> Reading:
        """Return what the values say, with the counters that were read just before."""
        values = known["values"]
        counter_j, fields = self._counters(known.get("counters"))
        if self._phases == 3:
            return self._three_phases(values, counter_j, fields)
        names = (("apparent_power_va", 0x12), ("reactive_power_var", 0x18), ("power_factor_ratio", 0x1E))
        return Reading(
            voltage_v=number(values, 0x00),
            current_a=number(values, 0x06),
            power_w=number(values, 0x0C),
            counter_j=counter_j,
            fields={name: known_number(values, at) for name, at in names} | fields,
        )

    def _three_phases(self, values: Registers, counter_j: float, fields: dict[str, FieldValue]) -> Reading:
        """Power and current are the sums; voltage is the mean of the phases that are connected."""
        volts = [number(values, at) for at in (0x00, 0x02, 0x04)]
        live_v = [volt for volt in volts if not volt < LIVE_V]
        names = (
            ("voltage_{}_v", 0x00),
            ("current_{}_a", 0x06),
            ("power_{}_w", 0x0C),
            ("apparent_power_{}_va", 0x12),
            ("reactive_power_{}_var", 0x18),
            ("power_factor_{}_ratio", 0x1E),
        )
        phases: dict[str, FieldValue] = {
            name.format(f"l{phase + 1}"): known_number(values, at + 2 * phase)
            for name, at in names
            for phase in range(3)
        }
        return Reading(
            voltage_v=sum(live_v) / len(live_v) if live_v else 0.0,
            current_a=number(values, 0x30),
            power_w=number(values, 0x34),
            counter_j=counter_j,
            fields=phases | fields,
        )

    def _counters(self, registers: Registers | None) -> tuple[float, dict[str, FieldValue]]:
        """Return the import counter in joules, infinite where it is no number, and the fields of its block."""
        if registers is None:
            return math.nan, {}
        imported = known_number(registers, 2)
        kwh = self._counter_unit_j / JOULES_PER_KWH
        exported = known_number(registers, 4)
        fields: dict[str, FieldValue] = {
            "frequency_hz": known_number(registers, 0),
            "import_kwh": None if imported is None else imported * kwh,
            "export_kwh": None if exported is None else exported * kwh,
        }
        return math.inf if imported is None else imported * self._counter_unit_j, fields


def make_sheet(model: SdmModel, source: str) -> DataSheet:
    """Return a model's data sheet: what the maker says of voltage and current, and the class for power."""
    three = model.phases == 3
    largest_power_w = model.phases * 230.0 * model.max_current_a
    return DataSheet(
        manufacturer="Eastron",
        model=f"{model.name}-Modbus",
        min_voltage_v=model.min_voltage_v,
        max_voltage_v=276.0,
        ranges=(
            MeterRange(
                max_current_a=model.phases * model.max_current_a,
                gain_limit_ratio=0.0,
                offset_limit_a=model.phases * 0.005 * model.nominal_current_a,
                resolution_a=0.001,
                power_offset_limit_w=round(model.phases * model.starting_power_w, 3),
            ),
        ),
        voltage_gain_limit_ratio=0.0,
        voltage_offset_limit_v=1.4,
        voltage_resolution_v=0.01,
        sample_interval_s=model.pace.poll_interval_s,
        max_interval_s=3.0,
        sampling="mean",
        clock="host_arrival",
        boundaries=("ac_wall", "site"),
        sync_facility=SYNC_FACILITY,
        usb_ids=(),
        accuracy_basis=(
            "specification: 0.5 % of the largest voltage, 0.5 % of the nominal current "
            f"({model.nominal_current_a:g} A{' a phase' if three else ''}), active energy class 1 (IEC 62053-21); "
            "assumption: power keeps to that class too (the manual's own +-1 % of the largest power would be "
            f"{0.01 * largest_power_w:.0f} W), and its offset is at most the starting power, "
            f"{1000.0 * model.starting_power_w / 230.0:.0f} mA at 230 V{' on each of three phases' if three else ''}; "
            "steps are an assumption"
        ),
        integrity=INTEGRITY,
        source=source,
        power_gain_limit_ratio=0.01,
        power_resolution_w=0.1,
        starting_power_w=model.starting_power_w,
        refresh_interval_s=REFRESH_S,
        counter_step_j=COUNTER_STEP_J,
    )


def make_driver(model: SdmModel, sheet: DataSheet, title: str) -> MeterDriver:
    """Return the driver of one model."""
    options = _options(model)

    def read(given: Options) -> OptionReader:
        return OptionReader(model.driver, given, options)

    return MeterDriver(
        name=model.driver,
        title=title,
        data_sheet=sheet,
        make_decoder=lambda given: _decoder(model, sheet, read(given)),
        make_encoder=lambda given, seed: _encoder(model, sheet, read(given), seed),
        serial=SerialSettings(baud_hz=model.baud_hz),
        options=options,
        serial_for=lambda given: _serial_settings(model, read(given)),
    )


def _options(model: SdmModel) -> dict[str, str]:
    rate = f"the rate that is set at the meter: 1200, 2400, 4800, 9600, 19200 or 38400 (default {model.baud_hz})"
    options = model.pace.options() | {
        "baud_hz": rate,
        "parity": "none, even or odd, as set at the meter (default none)",
        "stop_bits": "1 or 2, as set at the meter (default 1)",
        "power_factor": "of the emulated load, 0.05 to 1 (default 1); says nothing to a real meter",
    }
    if model.counts_mwh:
        options["energy_unit"] = "kwh or mwh, as the meter is set to count (default kwh)"
    return options


def _serial_settings(model: SdmModel, read: OptionReader) -> SerialSettings:
    """Return how to open the port of a meter whose rate, parity and stop bits its user has set."""
    rate = read.choice("baud_hz", str(model.baud_hz), ("1200", "2400", "4800", "9600", "19200", "38400"))
    parity = read.choice("parity", "none", tuple(_PARITIES))
    two = read.choice("stop_bits", "1", ("1", "2")) == "2"
    return SerialSettings(baud_hz=int(rate), parity=_PARITIES[parity], stopbits=2 if two else 1)


def _counter_unit_j(read: OptionReader) -> float:
    return JOULES_PER_KWH * (1000.0 if read.choice("energy_unit", "kwh", ("kwh", "mwh")) == "mwh" else 1.0)


def _decoder(model: SdmModel, sheet: DataSheet, read: OptionReader) -> ModbusMeterDecoder:
    _serial_settings(model, read)
    read.number("power_factor", 1.0, low=0.05, high=1.0)
    registers = SdmMap(model.name, phases=model.phases, counter_unit_j=_counter_unit_j(read))
    return ModbusMeterDecoder(sheet, registers, read, model.pace)


def _encoder(model: SdmModel, sheet: DataSheet, read: OptionReader, seed: int) -> ModbusMeterEncoder:
    """Return an emulated meter at 50 Hz; the load of a three-phase one is spread evenly."""
    phases, counter_unit_j = model.phases, _counter_unit_j(read)
    power_factor = read.number("power_factor", 1.0, low=0.05, high=1.0)
    serial_number = 20_000_000 + seed % 1_000_000

    def layout(shown: Shown) -> dict[int, RegisterTable]:
        apparent_va = shown.voltage_v * shown.current_a
        reactive_var = math.sqrt(max(apparent_va**2 - shown.power_w**2, 0.0))
        factor = shown.power_w / apparent_va if apparent_va else 0.0
        each = (shown.current_a, shown.power_w, apparent_va, reactive_var)
        by_address: dict[int, float] = {
            **_spread(0x00, [shown.voltage_v] * phases),
            **{
                at: part
                for i, one in enumerate(each)
                for at, part in _spread(6 + 6 * i, [one / phases] * phases).items()
            },
            **_spread(0x1E, [factor] * phases),
            0x46: 50.0,
            0x48: math.floor(shown.import_j / 3600.0) * 3600.0 / counter_unit_j,
            0x4A: math.floor(shown.export_j / 3600.0) * 3600.0 / counter_unit_j,
        }
        if phases == 3:
            by_address |= {
                0x2A: shown.voltage_v,
                0x2E: shown.current_a / 3,
                0x30: shown.current_a,
                0x34: shown.power_w,
            }
        holding = {0xFC00: serial_number >> 16, 0xFC01: serial_number & 0xFFFF}
        return {3: holding, 4: dict.fromkeys(range(_INPUTS), 0) | float_registers(by_address)}

    return ModbusMeterEncoder(
        layout,
        address=read_address(read),
        refresh_s=sheet.refresh_interval_s or REFRESH_S,
        starting_power_w=sheet.starting_power_w,
        power_factor=power_factor,
    )


def float_registers(by_address: Mapping[int, float]) -> dict[int, int]:
    """Return numbers as pairs of registers, high word first."""
    registers: dict[int, int] = {}
    for address, value in by_address.items():
        registers[address], registers[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return registers


def _spread(first: int, values: Sequence[float]) -> dict[int, float]:
    return {first + 2 * i: value for i, value in enumerate(values)}
