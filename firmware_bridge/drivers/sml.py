"""SML: the optical port of German electricity meters (mME, eHZ), which pushes a list of values every few seconds.

::

    1B1B1B1B 01010101 | open response | get-list response | close response | pad | 1B1B1B1B 1A pad CRC-16/X-25

    an entry of the list:  obis 0100100700FF  status  time  unit 27 (W)  scaler -1  value i32  signature

    1-0:1.8.0 Wh drawn      1-0:2.8.0 Wh fed back      1-0:16.7.0 W drawn less fed back
    1-0:36.7.0, 56.7.0, 76.7.0 W of L1, L2, L3         1-0:32.7.0 .. V     1-0:31.7.0 .. A

9600 8N1 through an optical head (volkszaehler.org describes one). The meter can't be asked.

Without its PIN a meter sends the counter only, in whole kWh, and no power. It then gives no samples: a counter that
moves once an hour says nothing of power, and none is made up. The remedy is in the complaint: get the PIN from the
grid operator, enter it with a torch at the optical button, and set "Inf" (InF) to on.

A sample: power is 16.7.0, else 1.7.0 less 2.7.0, else the sum of the phases. Voltage is the mean of the phases where
they are sent (many meters send none: option ``voltage_v``, and the identity and the fields say that it is assumed).
Current is power / voltage. ``counter_j`` is 1.8.0, only where 2.8.0 is zero (power is net, the counter is not), where
its step is 1 Wh or finer, and not at readings of whole kWh, which may be cut off.

It measures the whole site, so one board in it is a difference of two states. Values are taken as instants; that the
meter averages over its second is likely and not known. A list with the seconds index of the one before is marked as
stale; an index that goes back is a meter that restarted, a reset. Known from others' reports: meters of DZG have sent
negative power in a wrong sign or width (smllib reads what is sent); Holley DTZ541 has shipped with another check sum,
which option ``crc=kermit`` reads.

What a flipped bit can do unseen: nothing, the CRC covers the whole transmission. Lengths inside are checked before
they are used. Values are read by smllib (``pip install 'edgejoule[site]'``). Known from documents and from recorded
transmissions of others, not from a meter in hand: BSI TR-03109-1 Anlage IV (SML 1.04); tests of
spacemanspiff2007/SmlLib.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from firmware_bridge.driver import FieldValue, MeterDriver, Options, SerialSettings
from firmware_bridge.errors import NotInstalledError
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
from firmware_bridge.protocol.site.obis import Electricity, Quantity, electricity
from firmware_bridge.protocol.site.sml_messages import UNITS, Entry, get_list
from firmware_bridge.protocol.site.sml_transport import CRCS, SmlFrames, well_formed, wrap
from firmware_bridge.samples import F64, U8, Event, FrameError

_WH_PER_KWH = 1000.0
_MOST_SCALER = 9
_MAKERS = ("010060320101", "8181c78203ff")
_NO_POWER = (
    "the meter sends no power (1-0:16.7.0), as it does without its PIN: get the PIN from the grid operator, enter it "
    "at the meter's optical button and set Inf to on"
)

_OPTIONS = {
    "voltage_v": VOLTAGE_OPTION,
    "crc": "check sum of the transmissions: x25, or kermit for some Holley meters (default x25)",
}

_SHEET = make_sheet(
    model="SML smart meter",
    interval_s=(1.0, 10.0),
    power_step_w=1.0,
    counter_step_j=JOULES_PER_WH,
    sync_facility="none: arrival of the transmission's end; the meter's seconds index has steps of 1 s",
    integrity="CRC-16 over the transmission: a flipped bit is seen, the transmission dropped",
    source="BSI TR-03109-1 Anlage IV, SML 1.04 (format); sellers' descriptions of mME meters (1 to 4 s between lists)",
)


def _make_reader() -> Callable[[bytes], list[Any]]:
    """Return smllib's reader of messages. Raises NotInstalledError where it is not."""
    try:
        from smllib.builder.default_context import create_context  # noqa: PLC0415  an optional dependency
        from smllib.errors import SmlLibException  # noqa: PLC0415  the same
        from smllib.sml_frame import SmlFrame  # noqa: PLC0415  the same
    except ModuleNotFoundError as error:
        raise NotInstalledError("smllib", "site") from error
    builders = create_context()  # else smllib makes them for each transmission, half of all its time

    def read(payload: bytes) -> list[Any]:
        """Return the messages' bodies. Raises ValueError for what smllib cannot read."""
        try:
            return [message.message_body for message in SmlFrame(payload, builders).parse_frame()]
        except (SmlLibException, ArithmeticError, LookupError, OSError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__} {error}".strip()) from error

    return read


class SmlDecoder(SiteListener):
    """Listens to transmissions; holds one at most."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("sml", options, _OPTIONS)
        self._voltage_v = read.number("voltage_v", NOMINAL_V, low=LEAST_V, high=MOST_V)
        self._frames = SmlFrames(read.choice("crc", "x25", tuple(CRCS)))
        self._read = _make_reader()
        self._samples = SiteSamples(JOULES_PER_WH, self._voltage_v)
        self._meter_s: int | None = None
        self._fields: dict[str, FieldValue] = {}

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return one sample for each transmission."""
        frames = self._frames.feed(data)
        events: list[Event] = [*desync(self._frames.take_skipped_bytes(), t_host_s)]
        for frame in frames:
            events += self._frame(frame.payload, t_host_s)
        return events

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return every value of the last list by OBIS code with unit, and the sums made of them."""
        return self._fields

    def _frame(self, payload: bytes | None, t_host_s: float) -> list[Event]:
        if payload is None:
            return [FrameError("checksum", 1, t_host_s)]
        if not well_formed(payload):
            return [FrameError("protocol", 1, t_host_s, "the lengths of the fields do not fit the transmission")]
        try:
            bodies = self._read(payload)
        except ValueError as error:
            return [FrameError("protocol", 1, t_host_s, f"smllib cannot read the transmission: {error}")]
        lists = [body for body in bodies if hasattr(body, "val_list")]
        entries = [entry for body in lists for entry in body.val_list]
        now = electricity(_quantities(entries))
        self._fields = _named(entries) | fields_of(now, self._voltage_v)
        if now.power_w is None:
            return [FrameError("protocol", 1, t_host_s, _NO_POWER)]
        complaint = objection(now, now.power_w.value)
        if complaint:
            return [FrameError("implausible", 1, t_host_s, complaint)]
        meter_s = next((body.act_sensor_time for body in lists if isinstance(body.act_sensor_time, int)), None)
        return self._sample(now, now.power_w, meter_s, [*self._introduce(entries, lists, now)], t_host_s)

    def _sample(
        self, now: Electricity, power: Quantity, meter_s: int | None, events: list[Event], t_host_s: float
    ) -> list[Event]:
        last_s, self._meter_s = self._meter_s, meter_s
        known = meter_s is not None and last_s is not None
        if known and meter_s < last_s:  # type: ignore[operator]
            events.append(FrameError("reset", 1, t_host_s, "the meter's seconds index began anew"))
        if meter_s is not None:
            self._fields["meter_s"] = meter_s
        t_s = self._samples.stamp(t_host_s)
        counter_j, said = self._samples.counter(_without_cut_counter(now), t_s)
        block = self._samples.block(now, power.value, counter_j, t_s, stale=known and meter_s == last_s)
        return [*events, *said, block]

    def _introduce(self, entries: Iterable[Any], lists: Iterable[Any], now: Electricity) -> list[Event]:
        makers = [_text(entry.value) for entry in entries if str(entry.obis) in _MAKERS and entry.value]
        serial_number = next((str(body.server_id) for body in lists if body.server_id), "")
        return self._samples.introduce(makers[0] if makers else "SML meter", serial_number, "", now)


def _quantities(entries: Iterable[Any]) -> dict[str, Quantity]:
    """Return the numbers of electricity as they stand now by C.D.E."""
    units = {number: name for name, number in UNITS.items()}
    found: dict[str, Quantity] = {}
    for entry in entries:
        obis, value, scaler = str(entry.obis), entry.value, entry.scaler or 0
        if obis[:2] != "01" or obis[10:] != "ff" or entry.unit not in units or abs(scaler) > _MOST_SCALER:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            step = 10.0**scaler
            found.setdefault(entry.obis.obis_short, Quantity(value * step, step, units[entry.unit]))
    return found


def _named(entries: Iterable[Any]) -> dict[str, FieldValue]:
    units = {number: name.lower() for name, number in UNITS.items()}
    fields: dict[str, FieldValue] = {}
    for entry in entries:
        code = entry.obis.obis_code.removesuffix("*255")
        value = entry.value
        if isinstance(value, int) and not isinstance(value, bool) and abs(entry.scaler or 0) <= _MOST_SCALER:
            unit = units.get(entry.unit, "")
            fields[f"{code}_{unit}" if unit else code] = value * 10.0 ** (entry.scaler or 0)
        elif value is None or isinstance(value, str | bool):
            fields[code] = value
    return fields


def _without_cut_counter(now: Electricity) -> Electricity:
    """Leave out a counter that shows whole kWh: it may be cut off there, as it is without the PIN."""
    counter = now.import_wh
    if counter is None or abs(counter.value - _WH_PER_KWH * round(counter.value / _WH_PER_KWH)) >= 0.5 * counter.step:
        return now
    return Electricity(now.power_w, now.voltages_v, now.currents_a, None, now.export_wh)


def _text(value: object) -> str:
    """Return smllib's hex of an octet string as text where it is text."""
    try:
        text = bytes.fromhex(str(value)).decode("ascii")
    except ValueError:
        return str(value)
    return text if text.isprintable() else str(value)


class SmlEncoder:
    """A meter with its PIN entered and one phase: a list every second, with the means since the last one."""

    def __init__(self, options: Options, seed: int) -> None:
        self._crc = OptionReader("sml", options, _OPTIONS).choice("crc", "x25", tuple(CRCS))
        self._server_id = bytes.fromhex("0a0145444a00") + (seed % 2**32).to_bytes(4, "big")
        self._supply = EmulatedSupply(1.0, 1000.0 * (seed % 1000) + 0.5)
        self._number = 0

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 nobody asks this meter
        """Ignore all: the port only sends."""
        return b""

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Measure; return the transmissions whose second is full."""
        return b"".join(map(self._transmission, self._supply.measure(t_device_s, voltage_v, current_a)))

    def _transmission(self, second: int) -> bytes:
        means = self._supply.take_means()
        if means is None:
            return b""
        mean_v, mean_w = means
        self._number += 3
        entries = [
            Entry(bytes.fromhex("010060320101"), b"EDJ"),
            Entry(bytes.fromhex("0100600100ff"), self._server_id),
            Entry(bytes.fromhex("0100010800ff"), int(self._supply.energy_wh[0] * 10), -1, "Wh"),
            Entry(bytes.fromhex("0100100700ff"), round(mean_w * 10), -1, "W"),
            Entry(bytes.fromhex("0100200700ff"), round(mean_v * 10), -1, "V"),
        ]
        return wrap(get_list(self._number % 2**32, self._server_id, second % 2**32, entries), self._crc)


DRIVER = MeterDriver(
    name="sml",
    title="SML port of a German smart meter, whole site, a list every 1 to 4 s",
    data_sheet=_SHEET,
    make_decoder=SmlDecoder,
    make_encoder=SmlEncoder,
    serial=SerialSettings(baud_hz=9600),
    options=_OPTIONS,
)
