"""Peacefair's PZEM registers: 32-bit values have their low word first, unlike most Modbus meters.

::

    AC (004T v3, 014, 016), function 4 from 0           DC (003, 017), function 4 from 0
    0  0.1 V            5, 6  1 Wh, low word first      0  0.01 V        4, 5  1 Wh, low word first
    1, 2  1 mA, low     7  0.1 Hz                       1  0.01 A        6  ffff: voltage too high
    3, 4  0.1 W, low    8  power factor, 0.01           2, 3  0.1 W, low 7  ffff: voltage too low
                        9  ffff: over the power alarm
    function 3 from 1:  1  alarm W   2  address         function 3 from 0:  0, 1  alarms 0.01 V   2  address
                                                                            3  shunt: 0 100 A, 1 50 A, 2 200 A, 3 300 A

Asked for one register too many, a PZEM refuses the whole question with exception 2 (recorded from a PZEM-017).
Sources: Peacefair, PZEM-004T V3.0 and PZEM-003/017 user manuals, sections 2.3 to 2.7; vortigont/pzem-edl,
src/pzem_modbus.hpp (refresh of 1 s).
"""

from typing import Final

from firmware_bridge.driver import (
    DataSheet,
    FieldValue,
    MeterDriver,
    MeterEncoder,
    MeterRange,
    Options,
    SerialSettings,
)
from firmware_bridge.protocol.modbus.encoder import Layout, ModbusMeterEncoder, RegisterTable, Shown
from firmware_bridge.protocol.modbus.meter import INTEGRITY, SYNC_FACILITY, Known, ModbusMeterDecoder, Pace, Reading
from firmware_bridge.protocol.modbus.poller import Block, Registers, read_address
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import MeterIdentity

REFRESH_S: Final = 1.0
JOULES_PER_WH: Final = 3600.0
PACE: Final = Pace(poll_interval_s=0.5, timeout_s=0.5, pause_s=0.005)
"""Twice in each refresh. The pause is the silence of 3.5 characters at 9600 baud."""
ALARM: Final = 0xFFFF
SHUNTS_A: Final = (100, 50, 200, 300)
"""By the meter's own code, 0 to 3."""

_AC_SETTINGS = Block("settings", 3, 0x0001, 2, optional=True)
_AC_VALUES = Block("values", 4, 0x0000, 10)
_DC_SETTINGS = Block("settings", 3, 0x0000, 4, optional=True)
_DC_VALUES = Block("values", 4, 0x0000, 8)

AC_OPTIONS: Final = PACE.options() | {
    "address": "the meter's Modbus address, 1 to 247, or 248 for the only meter on the line (default 1)",
    "power_factor": "of the emulated load, 0.05 to 1 (default 1); says nothing to a real meter",
}


def low_first(low: int, high: int) -> int:
    """Return the 32-bit number of two registers."""
    return high << 16 | low


def split(number: float) -> tuple[int, int]:
    """Return a number as two registers, low word first; what does not fit is the largest there is."""
    whole = min(max(round(number), 0), 0xFFFF_FFFF)
    return whole & 0xFFFF, whole >> 16


def word(number: float) -> int:
    """Return a number as one register; what does not fit is the largest there is."""
    return min(max(round(number), 0), 0xFFFF)


class AcMap:
    """The registers of the meters for mains."""

    first = (_AC_SETTINGS,)
    cycle = (_AC_VALUES,)

    def __init__(self, model: str) -> None:
        self._model = model

    def identity(self, known: Known) -> MeterIdentity:
        """Return the model: the meter tells neither its serial number nor its firmware."""
        del known
        return MeterIdentity(self._model)

    def objection(self, known: Known) -> str:
        """Return nothing: there is no setting that makes the readings wrong."""
        del known
        return ""

    def reading(self, known: Known) -> Reading:
        """Return what the ten registers say."""
        volts, amps_low, amps_high, watts_low, watts_high, wh_low, wh_high, hertz, factor, alarm = known["values"]
        energy_wh = low_first(wh_low, wh_high)
        fields: dict[str, FieldValue] = {
            "energy_wh": energy_wh,
            "frequency_hz": hertz / 10.0,
            "power_factor_ratio": factor / 100.0,
            "power_alarm": alarm == ALARM,
        }
        if "settings" in known:
            fields["power_alarm_above_w"] = known["settings"][0]
        return Reading(
            voltage_v=volts / 10.0,
            current_a=low_first(amps_low, amps_high) / 1000.0,
            power_w=low_first(watts_low, watts_high) / 10.0,
            counter_j=energy_wh * JOULES_PER_WH,
            fields=fields,
        )


class DcMap:
    """The registers of the meters for direct current.

    ``range_a``: the ranges of the data sheet, ascending. ``mounted_a``: the shunt that the user says is mounted, None
    where nothing was said. ``built_in_a``: the range of a meter whose shunt is built in: its code says nothing then.
    """

    first = (_DC_SETTINGS,)
    cycle = (_DC_VALUES,)

    def __init__(
        self, model: str, range_a: tuple[float, ...], *, mounted_a: int | None = None, built_in_a: int | None = None
    ) -> None:
        self._model = model
        self._range_a = range_a
        self._mounted_a = mounted_a
        self._built_in_a = built_in_a

    def identity(self, known: Known) -> MeterIdentity:
        """Return the model, and the shunt that the meter is set to."""
        shunt_a = self._set_to_a(known)
        return MeterIdentity(self._model, calibration={} if shunt_a is None else {"shunt_a": float(shunt_a)})

    def objection(self, known: Known) -> str:
        """Say where the meter reckons with another shunt than the one that is mounted: all its amperes are wrong."""
        set_to_a = self._set_to_a(known)
        if self._mounted_a is None or self._built_in_a is not None or set_to_a in {None, self._mounted_a}:
            return ""
        code = SHUNTS_A.index(self._mounted_a)
        return (
            f"the meter is set to a shunt of {set_to_a} A, but option 'shunt_a' says that {self._mounted_a} A is "
            f"mounted; write {code} to register 3 with the maker's program, or correct the option"
        )

    def reading(self, known: Known) -> Reading:
        """Return what the eight registers say."""
        volts, amps, watts_low, watts_high, wh_low, wh_high, high, low = known["values"]
        energy_wh = low_first(wh_low, wh_high)
        fields: dict[str, FieldValue] = {
            "energy_wh": energy_wh,
            "voltage_high_alarm": high == ALARM,
            "voltage_low_alarm": low == ALARM,
        }
        settings = known.get("settings")
        if settings:
            fields |= {"alarm_above_v": settings[0] / 100.0, "alarm_below_v": settings[1] / 100.0}
            fields["shunt_a"] = self._set_to_a(known)
        range_a = self._built_in_a or self._mounted_a or self._set_to_a(known)
        return Reading(
            voltage_v=volts / 100.0,
            current_a=amps / 100.0,
            power_w=low_first(watts_low, watts_high) / 10.0,
            counter_j=energy_wh * JOULES_PER_WH,
            range_index=self._range_a.index(range_a) if range_a in self._range_a else None,
            fields=fields,
        )

    def _set_to_a(self, known: Known) -> int | None:
        """Return the shunt that the meter reckons with, None where it did not say or says what no document knows."""
        settings = known.get("settings")
        if self._built_in_a is not None or settings is None or settings[3] >= len(SHUNTS_A):
            return self._built_in_a
        return SHUNTS_A[settings[3]]


def ac_sheet(model: str, source: str) -> DataSheet:
    """Return the data sheet of a meter for mains: all have the same limits, by transformer or by shunt."""
    return DataSheet(
        manufacturer="Peacefair (Ningbo)",
        model=model,
        min_voltage_v=80.0,
        max_voltage_v=260.0,
        ranges=(
            MeterRange(
                max_current_a=100.0,
                gain_limit_ratio=0.005,
                offset_limit_a=0.002,
                resolution_a=0.001,
                power_offset_limit_w=0.4,
            ),
        ),
        voltage_gain_limit_ratio=0.005,
        voltage_offset_limit_v=0.1,
        voltage_resolution_v=0.1,
        sample_interval_s=PACE.poll_interval_s,
        max_interval_s=3.0,
        sampling="mean",
        clock="host_arrival",
        boundaries=("ac_wall",),
        sync_facility=SYNC_FACILITY,
        usb_ids=(),
        accuracy_basis=(
            "specification: 0.5 % of voltage, current and power (user manual 1.1 to 1.3); assumption: the offset of "
            "power is at most the starting power, 0.4 W, as no limit is given for small loads"
        ),
        integrity=INTEGRITY,
        source=source,
        power_gain_limit_ratio=0.005,
        power_resolution_w=0.1,
        starting_power_w=0.4,
        refresh_interval_s=REFRESH_S,
        counter_step_j=JOULES_PER_WH,
    )


def ac_driver(name: str, sheet: DataSheet, title: str) -> MeterDriver:
    """Return the driver of a meter for mains."""
    return MeterDriver(
        name=name,
        title=title,
        data_sheet=sheet,
        make_decoder=lambda options: _ac_decoder(name, sheet, options),
        make_encoder=lambda options, _: _ac_encoder(name, sheet, options),
        serial=SerialSettings(baud_hz=9600),
        options=AC_OPTIONS,
    )


def _ac_decoder(driver: str, sheet: DataSheet, options: Options) -> ModbusMeterDecoder:
    """Return the decoder of a meter for mains."""
    read = OptionReader(driver, options, AC_OPTIONS)
    read.number("power_factor", 1.0, low=0.05, high=1.0)
    return ModbusMeterDecoder(sheet, AcMap(sheet.model), read, PACE, any_address=True)


def _ac_encoder(driver: str, sheet: DataSheet, options: Options) -> MeterEncoder:
    """Return an emulated meter for mains, 50 Hz, with the alarm where the maker sets it."""
    read = OptionReader(driver, options, AC_OPTIONS)
    address = read_address(read, any_address=True)
    power_factor = read.number("power_factor", 1.0, low=0.05, high=1.0)
    alarm_w = word(sheet.ranges[-1].max_current_a * 230.0)

    def layout(shown: Shown) -> dict[int, RegisterTable]:
        apparent_va = shown.voltage_v * shown.current_a
        factor = min(shown.power_w / apparent_va, 1.0) if apparent_va > 0.0 else 0.0
        values: Registers = (
            word(shown.voltage_v * 10.0),
            *split(shown.current_a * 1000.0),
            *split(shown.power_w * 10.0),
            *split(shown.import_j // JOULES_PER_WH),
            500,
            word(factor * 100.0),
            ALARM if shown.power_w > alarm_w else 0,
        )
        return {3: {1: alarm_w, 2: address}, 4: dict(enumerate(values))}

    return encoder(layout, sheet, address, power_factor)


def dc_layout(address: int, shunt_code: int) -> Layout:
    """Return the registers of an emulated meter for direct current, its alarms where the maker sets them."""

    def layout(shown: Shown) -> dict[int, RegisterTable]:
        values: Registers = (
            word(shown.voltage_v * 100.0),
            word(shown.current_a * 100.0),
            *split(shown.power_w * 10.0),
            *split(shown.import_j // JOULES_PER_WH),
            ALARM if shown.voltage_v > 300.0 else 0,
            ALARM if shown.voltage_v < 7.0 else 0,
        )
        return {3: {0: 30_000, 1: 700, 2: address, 3: shunt_code}, 4: dict(enumerate(values))}

    return layout


def encoder(layout: Layout, sheet: DataSheet, address: int, power_factor: float = 1.0) -> MeterEncoder:
    """Return an emulated PZEM."""
    return ModbusMeterEncoder(
        layout,
        address=address,
        refresh_s=REFRESH_S,
        starting_power_w=sheet.starting_power_w,
        power_factor=power_factor,
        peacefair=True,
    )
