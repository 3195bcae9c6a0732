r"""DSMR P1: the user port of Dutch, Belgian, Luxembourgish and other smart meters, which sends a telegram by itself.

::

    /ISk5\2MT382-1000                    header: maker, model
                                         empty line
    1-3:0.2.8(50)                        version 5.0
    0-0:1.0.0(170102192002W)             meter's own time, W: winter, S: summer
    1-0:1.8.1(000004.426*kWh) .. 1.8.2   drawn in tariff 1, 2;  2.8.1, 2.8.2 fed back
    1-0:1.7.0(00.244*kW)                 power drawn now;       2.7.0 power fed back now
    1-0:32.7.0(0230.0*V)  31.7.0(000*A)  volts and amperes of L1; 52, 51 of L2; 72, 71 of L3
    !6EEE                                CRC-16 (0xA001, start 0) from / to !, in hex; none in versions 2 and 3

    version 2, 3: 9600 7E1, every 10 s     4: 115200 8N1, every 10 s     5: 115200 8N1, every second

The port (RJ11/RJ12, 5 V, open collector) sends inverted: the cable has to turn it back. It sends while its pin 2 (data
request) is high; most cables tie it to pin 1. Encrypted ports (Luxembourg, parts of Austria) are not read.

A sample: power is 1.7.0 less 2.7.0, as the meter sends it, in steps of 1 W (10 W in versions 2 and 3). Voltage is the
mean of the phases that are sent; meters of versions 2 to 4 send none: then option ``voltage_v`` stands in, and
``voltage_assumed`` in the fields and ``assumed_voltage_v`` in the identity say so. Current is power / voltage: the
amperes that are sent have steps of 1 A, they are in the fields. ``counter_j`` is 1.8.1 + 1.8.2, whose steps of 1 Wh
add up to 2 Wh; it is only shown where 2.8.1 + 2.8.2 is zero: power here is net, that counter is not.

It measures the whole site, so one board in it is a difference of two states. Whether a value is the mean since the
last telegram or an instant is not known: it is taken as an instant. A telegram with the time of the one before is
marked as stale. Telegrams that the meter's time shows to be missing are counted as lost, measured by the shortest
interval seen so far; a meter's clock that is set back loses nothing. A telegram's own time is in the fields, in UTC.

What a flipped bit can do unseen: with a CRC nothing. Telegrams of versions 2 and 3 have none, and Linux does not check
the parity of the characters: one bit turns a digit into another digit, which can move the power of that one telegram
by up to 40 kW. Broken lines, codes or units that change for one telegram and values beyond 55 kW are dropped there.

Telegrams and their numbers are read here; times, names and the M-Bus fields (gas, water) by dsmr-parser
(``pip install 'edgejoule[site]'``). Known from the documents and from recorded telegrams of others, not from a meter
in hand: Netbeheer Nederland, DSMR P1 companion standard 5.0.2; test telegrams of ndokter/dsmr_parser.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, Options, SerialSettings
from firmware_bridge.errors import NotInstalledError
from firmware_bridge.protocol.crc import crc16_arc
from firmware_bridge.protocol.events import desync
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.site.emulation import EmulatedSupply
from firmware_bridge.protocol.site.meter import (
    JOULES_PER_WH,
    LEAST_V,
    MOST_V,
    NOMINAL_V,
    VOLTAGE_OPTION,
    SiteListener,
    SiteSamples,
    fields_of,
    make_sheet,
    objection,
)
from firmware_bridge.protocol.site.obis import Electricity, FormWatch, electricity, quantities, read_sets
from firmware_bridge.protocol.site.p1_frames import P1Frames, Telegram
from firmware_bridge.samples import F64, U8, Event, FrameError, FrameErrorKind

VERSIONS = ("2", "3", "4", "5")
_OLD = frozenset(("2", "3"))
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_NO_POWER = "the telegram has no power (1-0:1.7.0); is this a P1 port?"

_OPTIONS = {
    "version": "of the telegrams: 2, 3, 4 or 5; it decides baud rate and check sum (default 5)",
    "voltage_v": VOLTAGE_OPTION,
}

_CHECKED = "CRC-16 over the telegram: a flipped bit is seen, the telegram dropped"
_UNCHECKED = (
    "no check sum: one flipped bit that turns a digit into another passes unseen and moves one telegram's power by up "
    "to 40 kW"
)


def sheet_for(options: Options) -> DataSheet:
    """Return the data sheet for the version of the telegrams."""
    version = OptionReader("dsmr_p1", options, _OPTIONS).choice("version", "5", VERSIONS)
    return make_sheet(
        model=f"DSMR {version} P1 smart meter",
        interval_s=(1.0, 5.0) if version == "5" else (10.0, 25.0),
        power_step_w=10.0 if version in _OLD else 1.0,
        counter_step_j=2.0 * JOULES_PER_WH,
        sync_facility="none: arrival of the telegram's end; the meter's own time has steps of 1 s",
        integrity=_UNCHECKED if version in _OLD else _CHECKED,
        source="Netbeheer Nederland, DSMR P1 companion standard 5.0.2 (format, resolution, interval)",
    )


def serial_settings(options: Options) -> SerialSettings:
    """Return the port's settings for the version of the telegrams."""
    version = OptionReader("dsmr_p1", options, _OPTIONS).choice("version", "5", VERSIONS)
    if version in _OLD:
        return SerialSettings(baud_hz=9600, bytesize=7, parity="E")
    return SerialSettings(baud_hz=115200)


def _make_parser(version: str) -> Any:
    """Return dsmr-parser's reader for a version. Raises NotInstalledError where it is not."""
    try:
        # An optional dependency, and without types.
        from dsmr_parser import telegram_specifications  # type: ignore[import-untyped]  # noqa: PLC0415
        from dsmr_parser.parsers import TelegramParser  # type: ignore[import-untyped]  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise NotInstalledError("dsmr-parser", "site") from error
    logging.getLogger("dsmr_parser").addHandler(logging.NullHandler())
    known = {"2": "V2_2", "3": "V3", "4": "V4", "5": "V5"}[version]
    return TelegramParser(getattr(telegram_specifications, known), apply_checksum_validation=False)


class DsmrP1Decoder(SiteListener):
    """Listens to telegrams; holds one at most."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("dsmr_p1", options, _OPTIONS)
        self._version = read.choice("version", "5", VERSIONS)
        self._voltage_v = read.number("voltage_v", NOMINAL_V, low=LEAST_V, high=MOST_V)
        self._parser = _make_parser(self._version)
        self._frames = P1Frames()
        self._samples = SiteSamples(2.0 * JOULES_PER_WH, self._voltage_v)
        self._form = FormWatch()
        self._meter_time: datetime | None = None
        self._interval: timedelta | None = None
        self._heard_s = 0.0
        self._fields: dict[str, FieldValue] = {}

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return one sample for each telegram."""
        telegrams = self._frames.feed(data)
        events: list[Event] = [*desync(self._frames.take_skipped_bytes(), t_host_s)]
        for telegram in telegrams:
            events += self._telegram(telegram, t_host_s)
        return events

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return every field of the last telegram by dsmr-parser's name with unit, and the sums made of them."""
        return self._fields

    def _telegram(self, telegram: Telegram, t_host_s: float) -> list[Event]:
        header, _, body = telegram.text.partition("\n")
        sets, bad_lines = read_sets(body)
        numbers = quantities(sets)
        now = electricity(numbers)
        whole = telegram.integrity != "unchecked" or self._form.believes(telegram.text, bad_lines, sets, numbers)
        refusal = self._refusal(telegram, now, whole=whole)
        if refusal is None:
            try:
                named, meter_time = _named(self._parser.parse(telegram.text + "!\r\n"))
            except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
                refusal = "protocol", f"dsmr-parser cannot read the telegram: {error}"
        if refusal is not None or now.power_w is None:
            kind, detail = refusal or ("protocol", _NO_POWER)
            return [FrameError(kind, 1, t_host_s, detail)]
        t_s = self._samples.stamp(t_host_s)
        stale = meter_time is not None and meter_time == self._meter_time
        lost = self._lost(meter_time, t_s)
        counter_j, said = self._samples.counter(now, t_s)
        self._fields = named | fields_of(now, self._voltage_v)
        model, serial_number = header.strip("/\r\n "), _text(sets.get("0-0:96.1.1", ""))
        firmware = f"DSMR {_version(sets.get('1-3:0.2.8', ''), self._version)}"
        block = self._samples.block(now, now.power_w.value, counter_j, t_s, stale=stale)
        lost_events = [FrameError("lost", lost, t_host_s, "telegrams that never came")] if lost else []
        return [*self._samples.introduce(model, serial_number, firmware, now), *lost_events, *said, block]

    def _refusal(self, telegram: Telegram, now: Electricity, *, whole: bool) -> tuple[FrameErrorKind, str] | None:
        """Return why a telegram cannot be taken, None where it can."""
        if telegram.integrity == "damaged":
            return "checksum", ""
        if telegram.integrity == "unchecked" and self._version not in _OLD:
            return "checksum", "a telegram without CRC; only versions 2 and 3 send such: set option version=3"
        if not whole:
            return "implausible", "a broken line in a telegram without check sum"
        if now.power_w is None:
            return "protocol", _NO_POWER
        complaint = objection(now, now.power_w.value)
        return ("implausible", complaint) if complaint else None

    def _lost(self, meter_time: datetime | None, t_s: float) -> int:
        """Return how many telegrams are missing between the last and this: by the meter's clock and by the host's."""
        last, heard_s = self._meter_time, self._heard_s
        self._meter_time, self._heard_s = meter_time, t_s
        if last is None or meter_time is None or meter_time <= last:
            return 0
        step = meter_time - last
        if self._interval is None or step < self._interval:
            self._interval = step
        by_meter, by_host = step / self._interval, (t_s - heard_s) / self._interval.total_seconds()
        return max(0, round(min(by_meter, by_host)) - 1)


def _named(parsed: Any) -> tuple[dict[str, FieldValue], datetime | None]:
    """Return dsmr-parser's objects by name with unit, and the meter's own time."""
    fields: dict[str, FieldValue] = {}
    times: dict[str, datetime] = {}
    items = [(name, item) for name, item in parsed if not isinstance(item, list)]
    for device in getattr(parsed, "MBUS_DEVICES", []):
        items += [(f"mbus_{device.channel_id}_{name.removeprefix('MBUS_')}", item) for name, item in device]
    for name, item in items:
        value, unit = getattr(item, "value", None), getattr(item, "unit", None)
        if isinstance(value, datetime):
            times[name] = value
            fields[f"{name.lower()}_utc"] = value.isoformat()
        elif not isinstance(value, list):
            fields[f"{name}_{unit}".lower() if unit else name.lower()] = _plain(value)
    return fields, times.get("P1_MESSAGE_TIMESTAMP")


def _plain(value: object) -> FieldValue:
    if value is None or isinstance(value, str | int):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)


def _text(values: str) -> str:
    """Return an equipment identifier: hex of ASCII, else as sent."""
    sent = values.strip("()")
    try:
        text = bytes.fromhex(sent).decode("ascii")
    except ValueError:
        return sent
    return text if text.isprintable() else sent


def _version(values: str, option: str) -> str:
    digits = values.strip("()")
    return f"{digits[0]}.{digits[1:]}" if len(digits) == 2 and digits.isdigit() else option


class DsmrP1Encoder:
    """A meter with one phase: every second (versions 2 to 4: ten) a telegram with the means since the last one."""

    def __init__(self, options: Options, seed: int) -> None:
        read = OptionReader("dsmr_p1", options, _OPTIONS)
        self._version = read.choice("version", "5", VERSIONS)
        self._interval_s = 1.0 if self._version == "5" else 10.0
        self._serial = f"E{seed % 10**16:016d}"
        self._supply = EmulatedSupply(self._interval_s, 1000.0 * (seed % 1000))

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 nobody asks this meter
        """Ignore all: the port has no way in."""
        return b""

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Measure; return the telegrams whose time is full."""
        return b"".join(map(self._telegram, self._supply.measure(t_device_s, voltage_v, current_a)))

    def _telegram(self, period: int) -> bytes:
        means = self._supply.take_means()
        if means is None:
            return b""
        return encode_telegram(
            self._version,
            _EPOCH + timedelta(seconds=period * self._interval_s),
            voltage_v=means[0],
            power_w=means[1],
            energy_wh=self._supply.energy_wh,
            serial_number=self._serial,
        )


def encode_telegram(
    version: str,
    meter_time: datetime,
    *,
    voltage_v: float,
    power_w: float,
    energy_wh: tuple[float, float],
    serial_number: str,
) -> bytes:
    """Return one telegram; ``energy_wh``: drawn and fed back. A negative power is fed back."""
    old = version in _OLD
    drawn_w, fed_w = max(power_w, 0.0), max(-power_w, 0.0)
    kw_format = "07.2f" if old else "06.3f"
    drawn_kwh, fed_kwh = (int(energy) / 1e3 for energy in energy_wh)
    width = 9 if old else 10
    lines = ["/EDG5EDGEJOULE", ""]
    if not old:
        lines += [f"1-3:0.2.8({version}{'2' if version == '4' else '0'})", f"0-0:1.0.0({meter_time:%y%m%d%H%M%S}W)"]
    lines += [
        f"0-0:96.1.1({serial_number.encode().hex().upper()})",
        f"1-0:1.8.1({drawn_kwh:0{width}.3f}*kWh)",
        f"1-0:1.8.2({0:0{width}.3f}*kWh)",
        f"1-0:2.8.1({fed_kwh:0{width}.3f}*kWh)",
        f"1-0:2.8.2({0:0{width}.3f}*kWh)",
        "0-0:96.14.0(0001)",
        f"1-0:1.7.0({drawn_w / 1e3:{kw_format}}*kW)",
        f"1-0:2.7.0({fed_w / 1e3:{kw_format}}*kW)",
    ]
    if version == "5":
        lines.append(f"1-0:32.7.0({voltage_v:05.1f}*V)")
    if not old:
        lines.append(f"1-0:31.7.0({round(abs(power_w) / voltage_v) if voltage_v else 0:03d}*A)")
    text = ("\r\n".join(lines) + "\r\n!").encode("ascii")
    return text + b"\r\n" if old else text + f"{crc16_arc(text):04X}\r\n".encode("ascii")


DRIVER = MeterDriver(
    name="dsmr_p1",
    title="DSMR P1 port of a smart meter, whole site, a telegram every 1 or 10 s",
    data_sheet=sheet_for({}),
    make_decoder=DsmrP1Decoder,
    make_encoder=DsmrP1Encoder,
    serial=SerialSettings(baud_hz=115200),
    options=_OPTIONS,
    serial_for=serial_settings,
    sheet_for=sheet_for,
)
