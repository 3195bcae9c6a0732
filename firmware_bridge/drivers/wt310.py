r"""Yokogawa WT310 and WT310E: the reference meter of SPEC's PTDaemon and MLPerf, over RS-232 or a USB serial adapter.

::

    host:  ":COMM:REM ON\n"  "*IDN?\n"                       meter: "YOKOGAWA,WT310E,C2PH13047V,F1.03\r\n"
    host:  ":COMM:HEAD OFF;:COMM:VERB OFF;:NUM:FORM ASC;:NUM:NORM:NUM 8;:NUM:NORM:ITEM1 U,1; ... ITEM8 WH,1\n"
           ":RATE 250MS;:STAT:FILT1 FALL\n"
           ":NUM:NORM:NUM?;:RATE?;:INP:MODE?;:INP:CFAC?\n"   meter: "8;250.0E-03;RMS;3\r\n"
    host:  one question for each update, see protocol/wt310/format; the answer is one line

The meter averages power over each update interval (0.1, 0.25 or 0.5 s here) and gives the last one. Bit 0 of the
event register says if there was an update since the last question: without one the sample is marked stale. INF is
over-range, beyond 140 % of the range: no sample. NAN is no data: no sample. The measuring ranges are the user's:
this driver asks for them with every reading and changes none; with auto range they follow the load.
Limits (12 months, power factor 1): AC 45 to 66 Hz 0.1 % of reading + 0.05 % of range, DC 0.1 % + 0.2 % of range; the
range of power is voltage range times current range. The sheet lists each current range ten times, once for each
product of a voltage range with its per cent, so a sample's range_index names both. ``coupling`` says which holds.
Not in the limits: other frequencies (0.3 % + 0.2 %), low power factor (0.1 % of the apparent power on top), the drift
of a DC current zero (5 uA, or 500 uA in ranges from 1 A, per degree since the last zero).
Boundary: where its terminals are; its own supply is separate. In ranges below 1 A too much current makes it switch
to 1 A by itself.
There is no check sum. The values are redundant (S = U x I, P and Q make S, the factor makes P): a wrong digit that
moves one by more than about 2 % contradicts the others, a smaller one passes. A wrong digit in a range is seen
unless it makes another range that exists.
The integrator counts when the user runs it, or with ``integrator=true``: then its watt-hours are the counter.
Where the RS-232 port is set to another rate than 9600, name it with ``baud_hz``.
Known from documents and public projects only. Unverified: a compound question with five parts (one with four is seen
in PTDaemon's log, "1.000E+00;1;300.0E+00;1"), that crest factor 6 doubles the part of the range, ":INTEG:STAR" while
it runs being ignored, the rates beyond 9600 baud. WT310EH and WT310HC have other ranges and are refused,
as is crest factor 6A, with which the over-range is another. A raw file without the handshake is read as of crest
factor 3.
Sources: IM WT310E-17EN (commands, status), IM WT310E-01EN p. 2-7 (ranges), IM WT310E-02EN p. 1-12 (over-range),
WT300E specifications p. 120 (accuracy); intel yoko-tool, mlcommons/power-dev (answers of real meters).
"""

import math
from dataclasses import replace

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options, SerialSettings
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.events import MIN_STEP_S, later_s, one_sample, unanswered
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.question_timer import QuestionTimer
from firmware_bridge.protocol.wt310.encoder import Wt310Encoder
from firmware_bridge.protocol.wt310.format import (
    AC_RANGE_RATIO,
    CURRENT_RANGES_A,
    DC_RANGE_RATIO,
    ITEMS,
    OFFSETS_W_PER_A,
    OVER_RANGE_RATIO,
    PEAK_OVER_BITS,
    POLL,
    Reading,
    contradiction,
    parse_number,
    parse_reading,
    range_index,
)
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleFlag

REMOTE, WHO = b":COMM:REM ON\n", b"*IDN?\n"
CHECK = b":NUM:NORM:NUM?;:RATE?;:INP:MODE?;:INP:CFAC?\n"
BAUDS_HZ = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
UPDATES_S = {0.1: "100MS", 0.25: "250MS", 0.5: "500MS"}
_LINE_LIMIT_BYTES = 256
_TIMEOUT_S = 1.0
_COUNTER_LIMIT_WH = 10_000.0
_COUNTER_STEP_J = 36.0
_CREST_FACTORS = {"3": 3, "6": 6}
_UNCOVERED_FACTORS = ("6A", "A6")
_REFUSED = ("WT310EH", "WT310HC")
_FIELDS = {
    "S": "apparent_power_va",
    "Q": "reactive_power_var",
    "LAMBda": "power_factor",
    "FU": "frequency_hz",
    "WH": "energy_wh",
}

_OPTIONS = {
    "update_s": "the meter's update interval: 0.1, 0.25 or 0.5 (default 0.25)",
    "poll_interval_s": "seconds between two questions, 0.05 to update_s (default update_s)",
    "coupling": "ac (45 to 66 Hz) or dc: which of the maker's limits hold (default ac)",
    "integrator": "start the integrator and take its watt-hours as counter (default false)",
    "baud_hz": "rate of the meter's RS-232 port, 1200 to 115200 (default 9600)",
}


def _ranges() -> tuple[MeterRange, ...]:
    return tuple(
        MeterRange(
            max_current_a=OVER_RANGE_RATIO * amperes,
            gain_limit_ratio=0.001,
            offset_limit_a=0.0005 * amperes,
            resolution_a=1e-4 * amperes,
            power_offset_limit_w=offset_w_per_a * amperes,
        )
        for amperes in CURRENT_RANGES_A
        for offset_w_per_a in OFFSETS_W_PER_A
    )


_SHEET = DataSheet(
    manufacturer="Yokogawa",
    model="WT310E",
    min_voltage_v=0.1,
    max_voltage_v=600.0,
    ranges=_ranges(),
    voltage_gain_limit_ratio=0.001,
    voltage_offset_limit_v=0.15,
    voltage_resolution_v=0.01,
    sample_interval_s=0.25,
    max_interval_s=1.0,
    sampling="mean",
    clock="host_arrival",
    boundaries=("ac_wall", "dc_input"),
    sync_facility="none: arrival of the answer, within one update interval",
    usb_ids=(),
    accuracy_basis=(
        "the maker's specification of power for 12 months at power factor 1: 0.1 % of reading + 0.05 % of range at 45 "
        "to 66 Hz, + 0.2 % of range at DC; current and voltage by assumption alike, with the offset of the 300 V range"
    ),
    integrity=(
        "redundant values (S = U x I, P and Q make S, power factor), ranges that exist; no checksum: a flipped bit in "
        "a digit passes if it moves a value by less than about 2 %, for one reading"
    ),
    source="Yokogawa IM WT310E-17EN, IM WT310E-01EN p. 2-7, WT300E specifications (manualshive WT300E p. 120)",
    power_gain_limit_ratio=0.001,
    refresh_interval_s=0.25,
)


def sheet_for(options: Options) -> DataSheet:
    """Return the sheet for the coupling (wall or DC), the update and poll intervals and the use of the integrator."""
    settings = _Settings(options)
    return replace(
        _SHEET,
        boundaries=("ac_wall",) if settings.range_ratio == AC_RANGE_RATIO else ("dc_input",),
        sample_interval_s=settings.poll_interval_s,
        max_interval_s=4.0 * max(settings.poll_interval_s, settings.update_s),
        refresh_interval_s=settings.update_s,
        counter_step_j=_COUNTER_STEP_J if settings.integrator else None,
    )


def serial_for(options: Options) -> SerialSettings:
    """Return how to open the port at the rate that is set at the meter."""
    return SerialSettings(baud_hz=_Settings(options).baud_hz)


class _Settings:
    """The options, checked. Raises ConfigurationError."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("wt310", options, _OPTIONS)
        self.update_s = read.number("update_s", 0.25, low=0.1, high=0.5)
        if self.update_s not in UPDATES_S:
            allowed = ", ".join(f"{one:g}" for one in UPDATES_S)
            raise ConfigurationError(
                f"option 'update_s' of meter driver wt310 is {self.update_s:g}; give one of {allowed}"
            )
        self.poll_interval_s = read.number("poll_interval_s", self.update_s, low=0.05, high=self.update_s)
        self.range_ratio = AC_RANGE_RATIO if read.choice("coupling", "ac", ("ac", "dc")) == "ac" else DC_RANGE_RATIO
        self.integrator = read.flag("integrator", default=False)
        self.baud_hz = round(read.number("baud_hz", 9600, low=1200, high=115_200))
        if self.baud_hz not in BAUDS_HZ:
            allowed = ", ".join(str(one) for one in BAUDS_HZ)
            raise ConfigurationError(
                f"option 'baud_hz' of meter driver wt310 is {self.baud_hz}; give one of {allowed}"
            )

    def setup(self) -> bytes:
        """Return the commands that set the output up; they get no answer."""
        items = "".join(f";:NUM:NORM:ITEM{number} {name},1" for number, name in enumerate(ITEMS, 1))
        lines = f":COMM:HEAD OFF;:COMM:VERB OFF;:NUM:FORM ASC;:NUM:NORM:NUM {len(ITEMS)}{items}\n"
        lines += f":RATE {UPDATES_S[self.update_s]};:STAT:FILT1 FALL\n"
        return (lines + (":INTEG:STAR\n" if self.integrator else "")).encode()


class Wt310Decoder:
    """Sets the output up, asks once for each update, and reads the answers."""

    def __init__(self, options: Options) -> None:
        self._settings = _Settings(options)
        self._dialogue = Dialogue(REMOTE, WHO, silence_s=4.0)
        self._asked = False
        self._buffer = bytearray()
        self._identity: MeterIdentity | None = None
        self._crest_factor = 3
        self._timer = QuestionTimer(self._settings.poll_interval_s, _TIMEOUT_S, spread_ratio=0.0)
        self._last_s = -math.inf
        self._fields: dict[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake, then a question at each poll interval."""
        self._asked = True
        outgoing = self._dialogue.to_send(t_host_s)
        if outgoing or self._dialogue.phase != "streaming":
            self._timer.begin_anew()
            if outgoing == WHO:
                self._buffer.clear()
            if outgoing != POLL:
                return outgoing
        return POLL if self._timer.ask(t_host_s) else b""

    def next_due_s(self) -> float:
        """Return when the next step or question is due."""
        due_s = self._dialogue.next_due_s()
        return min(due_s, self._timer.next_due_s()) if self._dialogue.phase == "streaming" else due_s

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return readings. Holds at most one line."""
        if not data:
            return []
        events: list[Event] = [*unanswered(self._timer.take_unanswered(), t_host_s)]
        *lines, rest = (bytes(self._buffer) + data).split(b"\n")
        for line in lines:
            events += self._take_line(line, t_host_s)
        if len(rest) > _LINE_LIMIT_BYTES:
            events.append(FrameError("desync", len(rest), t_host_s, "a line without an end"))
            rest = b""
        self._buffer = bytearray(rest)
        return events

    def stop_bytes(self) -> bytes:
        """Give the front panel back."""
        return b":COMM:REM OFF\n"

    def last_fields(self) -> dict[str, FieldValue]:
        """Return the other values of the last reading, its ranges, and the state of the integrator."""
        return dict(self._fields)

    def _take_line(self, raw: bytes, t_host_s: float) -> list[Event]:
        line = raw.decode("ascii", "replace").strip("\r\0 ")
        if not line:
            return []
        phase = self._dialogue.phase if self._asked else "streaming"
        if phase == "asking":
            self._dialogue.heard(t_host_s)
            return self._take_answer(line, t_host_s)
        if phase != "streaming":
            return []
        reading = parse_reading(line)
        if reading is None:
            known = not self._asked and self._is_of_the_handshake(line)
            return [] if known else [FrameError("desync", len(raw) + 1, t_host_s, "not an answer")]
        self._dialogue.heard(t_host_s)
        if self._asked and not self._timer.waiting:
            return [FrameError("stale", 1, t_host_s, "an answer that nobody asked for")]
        self._timer.answered()
        return self._take_reading(reading, t_host_s)

    def _is_of_the_handshake(self, line: str) -> bool:
        """Take the crest factor from a raw file that holds the handshake; without it 3 is assumed."""
        units = line.split(";")
        if len(units) == 4 and units[3] in _CREST_FACTORS:
            self._crest_factor = _CREST_FACTORS[units[3]]
        return len(units) == 4 or line.startswith("YOKOGAWA,")

    def _take_answer(self, line: str, t_host_s: float) -> list[Event]:
        if line.upper().startswith("YOKOGAWA,"):
            return self._take_identity(line, t_host_s)
        units = line.split(";")
        if len(units) == 4 and units[3] in _UNCOVERED_FACTORS:
            self._dialogue.restart()
            detail = f"crest factor {units[3]} is not covered; set it to 3 or 6 at the meter"
            return [FrameError("protocol", 1, t_host_s, detail)]
        if len(units) != 4 or units[3] not in _CREST_FACTORS:
            return [FrameError("desync", len(line) + 1, t_host_s, "not an answer")]
        update_s = parse_number(units[1])
        if units[0] != str(len(ITEMS)) or update_s is None or abs(update_s - self._settings.update_s) > MIN_STEP_S:
            self._dialogue.restart()
            detail = f"the meter did not take its settings: it says {line!r}"
            return [FrameError("protocol", 1, t_host_s, detail)]
        self._crest_factor = _CREST_FACTORS[units[3]]
        self._fields |= {"measuring_mode": units[2], "crest_factor": units[3]}
        self._dialogue.begin_stream(POLL)
        return []

    def _take_identity(self, line: str, t_host_s: float) -> list[Event]:
        maker, model, serial_number, firmware = [*line.split(","), "", "", ""][:4]
        if not model.startswith("WT310") or model.startswith(_REFUSED):
            self._dialogue.restart()
            return [
                FrameError("protocol", 1, t_host_s, f"a {maker} {model} has other ranges than the WT310 and WT310E")
            ]
        self._dialogue.say(self._settings.setup() + CHECK)
        calibration: dict[str, float | str] = {"update_s": self._settings.update_s}
        identity = MeterIdentity(model, serial_number, firmware, calibration)
        if identity == self._identity:
            return []
        self._identity = identity
        return [identity]

    def _take_reading(self, reading: Reading, t_host_s: float) -> list[Event]:
        main = [reading.values[name] for name in ("U", "I", "P")]
        if any(math.isinf(value) for value in main):
            return [FrameError("overrange", 1, t_host_s, "beyond 140 % of the range")]
        if any(math.isnan(value) for value in main):
            return [FrameError("stale", 1, t_host_s, "the meter has no data yet")]
        place = range_index(reading, self._crest_factor, self._settings.range_ratio)
        if place is None:
            shown = f"{reading.voltage_range_v:g} V, {reading.current_range_a:g} A"
            return [FrameError("implausible", 1, t_host_s, f"no ranges of this meter: {shown}")]
        wrong = contradiction(reading)
        if wrong:
            return [FrameError("implausible", 1, t_host_s, wrong)]
        self._note(reading)
        self._last_s = later_s(t_host_s, self._last_s)
        flags = 0 if reading.is_updated else int(SampleFlag.STALE)
        flags |= int(SampleFlag.SATURATED) if reading.events & PEAK_OVER_BITS else 0
        counted_wh = self._counted_wh(reading)
        block = one_sample(
            self._last_s,
            voltage_v=main[0],
            current_a=main[1],
            power_w=main[2],
            range_index=place,
            flags=flags,
            counter_j=None if counted_wh is None else counted_wh * 3600.0,
        )
        return [block]

    @staticmethod
    def _counted_wh(reading: Reading) -> float | None:
        """Return the watt-hours while the integrator runs, and its digits are finer than the sheet's step."""
        energy_wh = reading.values["WH"]
        runs = reading.integrator.startswith("STAR") and abs(energy_wh) < _COUNTER_LIMIT_WH
        return energy_wh if runs else None

    def _note(self, reading: Reading) -> None:
        for name, field in _FIELDS.items():
            value = reading.values[name]
            self._fields[field] = value if math.isfinite(value) else None
        self._fields["voltage_range_v"] = reading.voltage_range_v
        self._fields["current_range_a"] = reading.current_range_a
        self._fields["integrator"] = reading.integrator


def _make_encoder(options: Options, seed: int) -> Wt310Encoder:
    _Settings(options)
    return Wt310Encoder(seed)


DRIVER = MeterDriver(
    name="wt310",
    title="Yokogawa WT310/WT310E reference meter, 600 V 20 A, 4 readings/s",
    data_sheet=_SHEET,
    make_decoder=Wt310Decoder,
    make_encoder=_make_encoder,
    serial=SerialSettings(baud_hz=9600),
    options=_OPTIONS,
    serial_for=serial_for,
    sheet_for=sheet_for,
)
