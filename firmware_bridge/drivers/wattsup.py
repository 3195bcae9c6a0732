r"""Watts Up? PRO, ES and .net: a plug-in wall meter that pushes one record a second.

::

    host:  "#L,R,0;" stop    "#V,R,0;" version    "#H,R,0;" names of the fields
    meter: "#v,-,8,model,memory,hw,hw,fw,fw,date,sum;"    "#h,-,18,W,V,A,WH,...;"
    host:  "#L,W,3,E,,1;" log to the host each second
    meter: "#d,-,18,W,V,A,WH,Cost,WH/Mo,Cost/Mo,Wmax,Vmax,Amax,Wmin,Vmin,Amin,PF,DC,PC,Hz,VA;\r\n" once a second
           W 0.1 W   V 0.1 V   A 0.001 A   WH 0.1 Wh   Hz 0.1   VA 0.1 VA   WH/Mo 1 Wh   PF, DC percent   "_" absent

It carries what a wall socket does, 15 A for long, AC only; it stands before the power supply, whose losses it sees.
It has no clock: a record is stamped with its arrival and stands for the second before it. Current and power factor
are poor below 60 W by the maker's own words; power is given to 0.5 W.
The meter also holds records in memory. ``#n,-,3,_,interval,count;`` begins a dump of them: those records, and any that
come faster than once a second, are not live and count as stale. So does a record that came twice. After a stall of
the host several seconds come at once; they cannot be placed in time, so one counts and the rest is a gap.
The count of power-ons (PC) shows that the meter had lost its supply: a reset, as its watt-hours may begin anew. So is
a silence after which the log had to be started again: the meter tells no serial number, it may be another one.
There is no check sum: a flipped digit passes if the record still has 18 fields within the limits of the protocol and
not more watts than volts times amperes allow. The meter's own watt-hours then contradict it within hours.
Known from documents and public projects only: examples of records, no recording of a whole talk. The meter is
discontinued.
Sources: the maker's "Serial data format" 1.8 (CommunicationsProtocol090824) as public projects transcribe it (units,
limits, "#V,R,0;"); kjordahl/Watts-Up--logger, lab11/watts-up (commands, records); maker's leaflet (accuracy).
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options, SerialSettings
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.events import MIN_STEP_S, desync, later_s, one_sample
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity

STOP, VERSION, HEADER, START = b"#L,R,0;", b"#V,R,0;", b"#H,R,0;", b"#L,W,3,E,,1;"
NAMES = ("W V A WH Cost WH/Mo Cost/Mo Wmax Vmax Amax Wmin Vmin Amin PF DC PC Hz VA").split()  # noqa: SIM905 one line
J_PER_COUNT = 360.0
PACKET_LIMIT_BYTES = 300
_MODELS = {"0": "Watts Up?", "1": "Watts Up? PRO", "2": "Watts Up? ES", "3": "Watts Up? .net", "4": "Watts Up? module"}
_FIELDS = {
    "W": ("power_w", 0.1),
    "V": ("voltage_v", 0.1),
    "A": ("current_a", 0.001),
    "WH": ("energy_wh", 0.1),
    "Cost": ("cost_mils", 1.0),
    "WH/Mo": ("energy_per_month_wh", 1.0),
    "Cost/Mo": ("cost_per_month_mils", 1.0),
    "Wmax": ("power_max_w", 0.1),
    "Vmax": ("voltage_max_v", 0.1),
    "Amax": ("current_max_a", 0.001),
    "Wmin": ("power_min_w", 0.1),
    "Vmin": ("voltage_min_v", 0.1),
    "Amin": ("current_min_a", 0.001),
    "PF": ("power_factor_percent", 1.0),
    "DC": ("duty_cycle_percent", 1.0),
    "PC": ("power_cycles", 1.0),
    "Hz": ("frequency_hz", 0.1),
    "VA": ("apparent_power_va", 0.1),
}
_COUNT = re.compile(rb"[0-9]{1,10}")
_OUTSIDE = b"\r\n\0 "
_LEAST_APART_S = 0.5
_MAX_POWER_W = 5000.0
_MAX_CURRENT_A = 20.0
_VOLTAGES_V = (90.0, 280.0)
_APPARENT_GAIN_RATIO = 1.05
_APPARENT_OFFSET_W = 2.0

_OPTIONS: dict[str, str] = {}

_SHEET = DataSheet(
    manufacturer="Electronic Educational Devices",
    model="Watts Up? PRO",
    min_voltage_v=_VOLTAGES_V[0],
    max_voltage_v=_VOLTAGES_V[1],
    ranges=(
        MeterRange(
            max_current_a=_MAX_CURRENT_A,
            gain_limit_ratio=0.015,
            offset_limit_a=0.003,
            resolution_a=0.001,
            power_offset_limit_w=0.3,
        ),
    ),
    voltage_gain_limit_ratio=0.015,
    voltage_offset_limit_v=0.3,
    voltage_resolution_v=0.1,
    sample_interval_s=1.0,
    max_interval_s=1.5,
    sampling="mean",
    clock="host_arrival",
    boundaries=("ac_wall",),
    sync_facility="none: arrival of the record",
    usb_ids=((0x0403, 0x6001),),
    accuracy_basis=(
        "the maker's leaflet, specification: +-1.5 % + 3 counts of the display (100 W: 1.8 W); taken for current and "
        "voltage too; below 60 W current is worse than that"
    ),
    integrity=(
        "number of fields and limits of the protocol, and no more watts than volts times amperes; no checksum: a "
        "flipped bit in a digit passes within these, and can add at most that for one second"
    ),
    source="maker's leaflet (studylib 18064692); CommunicationsProtocol090824 as transcribed by public projects",
    power_gain_limit_ratio=0.015,
    power_resolution_w=0.1,
    starting_power_w=0.5,
    refresh_interval_s=1.0,
    counter_step_j=J_PER_COUNT,
)


@dataclass(frozen=True, slots=True)
class Packet:
    """What stood between "#" and ";": command, sub-command and arguments, all as sent."""

    command: bytes
    arguments: tuple[bytes, ...]


def parse_packet(body: bytes) -> Packet | None:
    """Return the packet of the bytes between "#" and ";", None unless its count of arguments is right."""
    command, *rest = body.split(b",")
    if len(rest) < 2 or not _COUNT.fullmatch(rest[1]) or int(rest[1]) != len(rest) - 2:
        return None
    return Packet(command, tuple(rest[2:]))


class WattsUpDecoder:
    """Asks who the meter is, starts its log, and reads records as they come."""

    def __init__(self, options: Options) -> None:
        OptionReader("wattsup", options, _OPTIONS)
        self._dialogue = Dialogue(STOP, VERSION, answer_timeout_s=3.0, silence_s=4.0)
        self._asked = False
        self._buffer = bytearray()
        self._names = list(NAMES)
        self._from_memory = 0
        self._heard_record_s = -math.inf
        self._last_s = -math.inf
        self._power_cycles: float | None = None
        self._restarts: int | None = None
        self._fields: dict[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake; after four seconds of silence it begins again."""
        self._asked = True
        return self._dialogue.to_send(t_host_s)

    def next_due_s(self) -> float:
        """Return when the next step is due."""
        return self._dialogue.next_due_s()

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return records. Holds at most one packet."""
        if not data:
            return []
        self._dialogue.heard(t_host_s)
        self._buffer += data
        events: list[Event] = []
        at = 0
        while (end := self._buffer.find(b";", at)) >= 0:
            begin = self._buffer.rfind(b"#", at, end)
            if begin < 0:
                events += _outside(self._buffer[at : end + 1], t_host_s)
            else:
                events += _outside(self._buffer[at:begin], t_host_s)
                events += self._take(bytes(self._buffer[begin + 1 : end]), t_host_s)
            at = end + 1
        begin = self._buffer.rfind(b"#", at)
        keep = len(self._buffer) if begin < 0 or len(self._buffer) - begin > PACKET_LIMIT_BYTES else begin
        events += _outside(self._buffer[at:keep], t_host_s)
        del self._buffer[:keep]
        return events

    def stop_bytes(self) -> bytes:
        """Stop the log."""
        return STOP

    def last_fields(self) -> dict[str, FieldValue]:
        """Return every field of the last record that the meter filled, and the cost in mils of its currency."""
        return dict(self._fields)

    def _take(self, body: bytes, t_host_s: float) -> list[Event]:
        packet = parse_packet(body)
        if packet is None:
            return [FrameError("desync", len(body) + 2, t_host_s, "a packet with a wrong count of fields")]
        if packet.command == b"d":
            return self._take_record(packet, t_host_s)
        if packet.command == b"n" and len(packet.arguments) == 3 and _COUNT.fullmatch(packet.arguments[2]):
            self._from_memory = int(packet.arguments[2])
        elif packet.command == b"l":
            self._from_memory = 0
        elif packet.command == b"v" and len(packet.arguments) == 8 and self._is_wanted():
            self._dialogue.say(HEADER)
            return [_identity(packet)]
        elif packet.command == b"h" and self._is_wanted():
            return self._take_names(packet, t_host_s)
        return []

    def _is_wanted(self) -> bool:
        """Is this the time for an answer: when it was asked for, or at any time in a raw file?"""
        return not self._asked or self._dialogue.phase == "asking"

    def _take_names(self, packet: Packet, t_host_s: float) -> list[Event]:
        names = [argument.decode("ascii", "replace").strip() for argument in packet.arguments]
        if not {"W", "V", "A"} <= set(names):
            self._dialogue.restart()
            return [
                FrameError("protocol", 1, t_host_s, "its records hold no watts, volts or amperes: set them with #C")
            ]
        self._names = names
        if self._asked:
            self._dialogue.begin_stream(START)
        return []

    def _take_record(self, packet: Packet, t_host_s: float) -> list[Event]:
        if self._asked and self._dialogue.phase != "streaming":
            return []
        if self._is_stored(t_host_s):
            return [FrameError("stale", 1, t_host_s, "a record from the meter's memory, or one that came twice")]
        if len(packet.arguments) != len(self._names):
            return [FrameError("desync", 1, t_host_s, "a record with a wrong number of fields")]
        values = self._values(packet)
        if values is None or not _is_possible(values):
            return [FrameError("implausible", 1, t_host_s, "a record outside the limits of the protocol")]
        self._fields = {_FIELDS[name][0]: round(value, 3) for name, value in values.items()}
        self._last_s = later_s(t_host_s, self._last_s)
        block = one_sample(
            self._last_s,
            voltage_v=values["V"],
            current_a=values["A"],
            power_w=values["W"],
            counter_j=values.get("WH", math.nan) * 10.0 * J_PER_COUNT,
        )
        return [*self._began_anew(values.get("PC"), t_host_s), block]

    def _is_stored(self, t_host_s: float) -> bool:
        """Tell a record of the memory from a live one: announced, or closer to the last than records can be.

        A raw file has no times; there only the announcement counts.
        """
        too_soon = self._asked and 0.0 <= t_host_s - self._heard_record_s < _LEAST_APART_S
        self._heard_record_s = t_host_s
        if self._from_memory and (too_soon or not self._asked):
            self._from_memory -= 1
            return True
        if not too_soon:
            self._from_memory = max(self._from_memory - 1, 0) if not math.isfinite(self._last_s) else 0
        return too_soon

    def _values(self, packet: Packet) -> dict[str, float] | None:
        """Return the filled fields in their units, None where one is no number."""
        values: dict[str, float] = {}
        for name, raw in zip(self._names, packet.arguments, strict=True):
            if raw == b"_" or name not in _FIELDS:
                continue
            if not _COUNT.fullmatch(raw):
                return None
            values[name] = int(raw) * _FIELDS[name][1]
        return values

    def _began_anew(self, power_cycles: float | None, t_host_s: float) -> list[Event]:
        """Say that the watt-hours before this record may be another meter's: it does not tell its serial number."""
        before, self._power_cycles = self._power_cycles, power_cycles
        restarts, self._restarts = self._restarts, self._dialogue.restarts
        if restarts is not None and restarts != self._restarts:
            return [FrameError("reset", 1, t_host_s, "the meter was silent and its log began anew")]
        if before is None or power_cycles is None or power_cycles == before:
            return []
        return [FrameError("reset", 1, t_host_s, "the meter has been without power")]


def _is_possible(values: dict[str, float]) -> bool:
    """Are the three measured values there, within the protocol's limits, and can they belong together?"""
    if not {"W", "V", "A"} <= set(values):
        return False
    power_w, voltage_v, current_a = values["W"], values["V"], values["A"]
    within = power_w <= _MAX_POWER_W and current_a <= _MAX_CURRENT_A and _VOLTAGES_V[0] <= voltage_v <= _VOLTAGES_V[1]
    return within and power_w <= _APPARENT_GAIN_RATIO * voltage_v * current_a + _APPARENT_OFFSET_W


def _outside(piece: bytearray, t_host_s: float) -> list[FrameError]:
    """Count what stands outside of packets; line ends and NULs are no error."""
    return desync(len(piece) - sum(piece.count(byte) for byte in _OUTSIDE), t_host_s)


def _identity(packet: Packet) -> MeterIdentity:
    model, memory, *rest = (argument.decode("ascii", "replace") for argument in packet.arguments)
    hardware, firmware = ".".join(rest[:2]), ".".join(rest[2:4])
    return MeterIdentity(
        _MODELS.get(model, f"Watts Up? model {model}"),
        firmware=firmware,
        calibration={"hardware": hardware, "memory_bytes": memory, "built": rest[4]},
    )


class WattsUpEncoder:
    """A Watts Up? PRO: one record for each full second after the log was started."""

    def __init__(self, options: Options, seed: int) -> None:
        OptionReader("wattsup", options, _OPTIONS)
        self._received = b""
        self._next_s: float | None = None
        self._sums = np.zeros(4)
        self._energy_j = 360.0 * (seed % 100)
        self._last_sample_s: float | None = None

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        """Carry out complete packets."""
        *packets, rest = (self._received + data).split(b";")
        self._received = rest[-PACKET_LIMIT_BYTES:]
        return b"".join(self._answer(one.rpartition(b"#")[2] + b";", t_device_s) for one in packets)

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Measure; return the records of the seconds that these samples complete, while the log runs."""
        records = b""
        before_s = t_device_s[0] - 1e-3 if self._last_sample_s is None else self._last_sample_s
        steps_s = np.diff(t_device_s, prepend=before_s)
        columns = np.stack((np.ones(len(t_device_s)), voltage_v, current_a, voltage_v * current_a))
        at = 0
        while self._next_s is not None and t_device_s[-1] >= self._next_s - MIN_STEP_S:
            cut = int(np.searchsorted(t_device_s, self._next_s - MIN_STEP_S)) + 1
            self._measure(columns[:, at:cut], steps_s[at:cut])
            records += self._record()
            self._next_s += 1.0
            at = cut
        self._measure(columns[:, at:], steps_s[at:])
        self._last_sample_s = float(t_device_s[-1])
        return records

    def _measure(self, columns: F64, steps_s: F64) -> None:
        self._sums += columns.sum(axis=1)
        self._energy_j += float(columns[3] @ steps_s)

    def _record(self) -> bytes:
        count, volts, amperes, watts = self._sums
        self._sums[:] = 0.0
        if not count:
            return b""
        volts, amperes, watts = volts / count, amperes / count, watts / count
        apparent_va = volts * amperes
        factor = round(100.0 * watts / apparent_va) if apparent_va > 0.0 else 0
        shown = {
            "W": round(watts * 10.0),
            "V": round(volts * 10.0),
            "A": round(amperes * 1000.0),
            "WH": math.floor(self._energy_j / J_PER_COUNT),
            "PF": min(factor, 100),
            "PC": 0,
            "Hz": 500,
            "VA": round(apparent_va * 10.0),
        }
        fields = ",".join(str(shown[name]) if name in shown else "_" for name in NAMES)
        return f"#d,-,{len(NAMES)},{fields};\r\n".encode()

    def _answer(self, packet: bytes, t_device_s: float) -> bytes:
        if packet == VERSION[1:]:
            return b"#v,-,8,1,1048576,5,2,1,8,20090824120000,0;\r\n"
        if packet == HEADER[1:]:
            return f"#h,-,{len(NAMES)},{','.join(NAMES)};\r\n".encode()
        if packet == START[1:]:
            self._next_s = t_device_s + 1.0
            self._sums[:] = 0.0
        elif packet == STOP[1:]:
            self._next_s = None
        return b""


DRIVER = MeterDriver(
    name="wattsup",
    title="Watts Up? PRO wall meter, 15 A, one record a second",
    data_sheet=_SHEET,
    make_decoder=WattsUpDecoder,
    make_encoder=WattsUpEncoder,
    serial=SerialSettings(baud_hz=115200),
    options=_OPTIONS,
)
