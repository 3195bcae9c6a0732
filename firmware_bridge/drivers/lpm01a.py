r"""ST X-NUCLEO-LPM01A (PowerShield): a supply of 1.8 to 3.3 V that measures the current it gives, to 100 kHz.

::

    host                              meter
    "stop\n"                          (ends what an earlier host began; drained)
    "htc\n"  take control             "\r\nPowerShield > ack htc\r\n\r\n", or "err ..." / "error ..."
    "version\n"  "acqmode dyn\n"  "funcmode optim\n"  "output current\n"  "format bin_hexa\n"  "freq 100k\n"
    "acqtime inf\n"  "trigsrc sw\n"  "pwrend on\n"  "volt 3300m\n"  "volt get\n" -> "ack volt get 3300-03"
    "start\n"                         "ack start", then | stamp | 1000 samples | stamp | 1000 samples ...
    at the end "stop\n" "hrc\n"       end, a summary as text, "Acquisition completed"

It feeds microcontroller boards: 50 mA dynamic, 200 mA static. A Raspberry Pi or Jetson is out of its reach.
ST prints two dynamic limits, 10 mA (UM2269) and 50 mA (board page); the sheet holds the larger, since it bounds what
a gap may hide. Samples above it are marked as saturated. Users saw the board cut the supply at about 59 mA.
Voltage is not measured: power is current times the voltage that the meter says it has set (``volt get``, F7).
A time stamp in ms stands before each 1000 samples; it shows lost samples and lost bytes. Binary samples are handed
on when the stamp behind them has come (10 ms at 100 kHz, 50 ms at 20 kHz). ASCII goes to 5 kHz without end, 10 kHz
for 1 s and 20 kHz for 0.5 s by the manual, so it is offered to 5 kHz only.
``mode=stat`` measures a steady current (it may vary by 10 %): one value for each start, so this driver starts again
after each end and stamps the value with its arrival.
A flipped bit in a binary word or a digit passes unseen if it still is a current up to 1.25 of full scale. One in a
time stamp is found by its neighbours. Bytes lost and bytes added within one block that cancel each other pass too.
The board wants a new calibration after 5 degrees; setting the voltage makes it do one. The
first reading after power-on was seen to be several mA high by one user: discard it.
Known from documents and public projects only; no recording was at hand. Assumptions: the answer to "version", F8 in
degrees C, the accuracy of the dynamic mode. Linux sets 3,686,400 baud through termios2, which pyserial does.
Sources: ST UM2269 Rev 6 (commands, formats), UM2243 p. 23 (static 1 nA to 200 mA, 2 %); public readers
zissis-pap/x-nucleo-lpm01a-gui, lazicdanilo/LPM01A-lib, intel pm scripts of Zephyr (answers, metadata lengths).
"""

import re
from dataclasses import replace

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options, SerialSettings
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.events import later_s
from firmware_bridge.protocol.lpm01a.encoder import Lpm01aEncoder
from firmware_bridge.protocol.lpm01a.format import Mark, clean_text
from firmware_bridge.protocol.lpm01a.options import read_settings
from firmware_bridge.protocol.lpm01a.stream import AsciiStream, BinaryStream, Run, SampleStream
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleBlock, SampleFlag

_DEFAULT_HZ = 100_000
_ANSWER_LIMIT_BYTES = 1024
_LISTEN_LIMIT_BYTES = 4096
_ANY_STAMP = re.compile(rb"TimeStamp:|\xf0\xf3")
_STAMP_BEGIN_BYTES = 10
_VOLTS = re.compile(r"([0-9]{1,5})([+-][0-9]{1,2})\b")
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_CEILING_RATIO = 1.25
_VOLTAGE_LIMIT_RATIO = 0.05

_OPTIONS = {
    "voltage_v": "supply of the device, set at the meter, 1.8 to 3.3 (default 3.3)",
    "frequency_hz": "samples per second: 1, 2, 5 ... 50000, 100000 (default 100000)",
    "format": "bin_hexa or ascii_dec (to 5000 Hz), auto: ascii_dec to 5000 Hz (default auto)",
    "mode": "dyn, or stat for one value of a steady current after another (default dyn)",
}


def _resolution_range(exponent: int, max_current_a: float) -> MeterRange:
    """Return the range of one binary exponent: the step is what a word can show, not a switch in the meter."""
    return MeterRange(max_current_a, gain_limit_ratio=0.02, offset_limit_a=1e-7, resolution_a=16.0**-exponent)


_SHEET = DataSheet(
    manufacturer="STMicroelectronics",
    model="X-NUCLEO-LPM01A",
    min_voltage_v=1.8,
    max_voltage_v=3.3,
    ranges=(
        _resolution_range(7, 0xFFF / 16.0**7),
        _resolution_range(6, 0xFFF / 16.0**6),
        _resolution_range(5, 0xFFF / 16.0**5),
        _resolution_range(4, 0.050),
    ),
    voltage_gain_limit_ratio=0.01,
    voltage_offset_limit_v=0.0,
    voltage_resolution_v=1e-3,
    sample_interval_s=1.0 / _DEFAULT_HZ,
    max_interval_s=1.5 / _DEFAULT_HZ,
    sampling="mean",
    clock="sample_counter",
    boundaries=("rail",),
    sync_facility="pin D7 can start an acquisition; nothing is sampled with the current",
    usb_ids=((0x0483, 0x5740),),
    accuracy_basis=(
        "assumption for the dynamic mode: the 2 % that UM2243 gives as specification of the static mode, and 100 nA, "
        "the least current of the dynamic mode, as offset; voltage 1 % (assumption), it is set and not measured"
    ),
    integrity=(
        "time stamp before each 1000 samples: lost samples and slipped bytes are found; no checksum: a bit flipped in "
        "a sample passes if it still is a current up to 1.25 of full scale, for one sample"
    ),
    ranges_share_errors=True,
    source="ST UM2269 Rev 6 (formats, rates), UM2243 p. 23 (2 %, 200 mA static), board page (50 mA dynamic)",
)
_LIMITS_A = np.array([one.max_current_a for one in _SHEET.ranges[:-1]])


def sheet_for(options: Options) -> DataSheet:
    """Return the sheet of one frequency and mode."""
    settings = read_settings(options, _OPTIONS)
    if settings.mode == "stat":
        widest = replace(_SHEET.ranges[-1], max_current_a=0.2, resolution_a=16.0**-3)
        return replace(
            _SHEET,
            ranges=(*_SHEET.ranges[:-1], widest),
            sample_interval_s=1.0,
            max_interval_s=5.0,
            sampling="point",
            clock="host_arrival",
        )
    if settings.frequency_hz == _DEFAULT_HZ:
        return _SHEET
    interval_s = 1.0 / settings.frequency_hz
    return replace(_SHEET, sample_interval_s=interval_s, max_interval_s=1.5 * interval_s)


class Lpm01aDecoder:
    """Takes control, sets the meter up, and turns its stream into samples."""

    def __init__(self, options: Options) -> None:
        self._settings = read_settings(options, _OPTIONS)
        slow = self._settings.mode == "stat"
        self._full_scale_a = sheet_for(options).ranges[-1].max_current_a
        self._ceiling_a = _CEILING_RATIO * self._full_scale_a
        self._dialogue = Dialogue(b"stop\n", b"htc\n", answer_timeout_s=5.0, silence_s=20.0 if slow else 3.0)
        self._commands = self._settings.commands()
        self._waiting_for = 0
        self._refused_once = False
        self._answer = b""
        self._asked = False
        self._skipped_bytes = 0
        self._stream: SampleStream | None = None
        self._stream_restarts = -1
        self._last_s = -np.inf if slow else 0.0
        self._base_s = 0.0
        self._voltage_v: float | None = None
        self._other_voltage_v: float | None = None
        self._firmware = ""
        self._fields: dict[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next command; after seconds of silence the handshake begins again."""
        self._asked = True
        outgoing = self._dialogue.to_send(t_host_s)
        if outgoing == b"htc\n":
            self._answer, self._waiting_for = b"", 0
        return outgoing

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. What comes before control is taken belongs to an older stream."""
        if not data:
            return []
        if not self._asked:
            return self._listen(data, t_host_s)
        self._dialogue.heard(t_host_s)
        if self._dialogue.phase == "asking":
            return self._read_answers(data, t_host_s)
        if self._dialogue.phase != "streaming":
            return []
        events: list[Event] = []
        if self._stream is None or self._stream_restarts != self._dialogue.restarts:
            events += self._new_stream(t_host_s)
        assert self._stream is not None
        return events + self._take(self._stream.feed(data, t_host_s), t_host_s)

    def stop_bytes(self) -> bytes:
        """Stop the acquisition and give control back to the board's own buttons."""
        return b"stop\nhrc\n"

    def last_fields(self) -> dict[str, FieldValue]:
        """Return the last time stamp, the fill of the meter's buffer, and what metadata said."""
        return dict(self._fields)

    def _read_answers(self, data: bytes, t_host_s: float) -> list[Event]:
        *lines, rest = (self._answer + data).split(b"\n")
        self._answer = rest[-_ANSWER_LIMIT_BYTES:]
        for line in lines:
            words = clean_text(line).removeprefix("PowerShield >").strip()
            if words.lower().startswith("err"):
                return self._refused(words, t_host_s)
            command = self._commands[self._waiting_for]
            if not words.startswith(f"ack {command}"):
                continue
            self._note_answer(command, words)
            self._waiting_for += 1
            if self._waiting_for == len(self._commands):
                if not self._is_near(self._settings.voltage_v):
                    self._waiting_for -= 1
                    return self._refused(f"{words}, where {self._settings.voltage_v:g} V was set", t_host_s)
                self._dialogue.begin_stream(b"start\n")
                return [self._identity()]
            self._dialogue.say(f"{self._commands[self._waiting_for]}\n".encode())
        return []

    def _refused(self, words: str, t_host_s: float) -> list[Event]:
        """Begin again. The first command is often refused once, for bytes that were left from before."""
        command = self._commands[self._waiting_for]
        first_time, self._refused_once = not self._refused_once, True
        self._dialogue.restart()
        if self._waiting_for == 0 and first_time:
            return []
        return [FrameError("protocol", 1, t_host_s, f"the meter refuses {command!r}: {words}")]

    def _note_answer(self, command: str, words: str) -> None:
        if command == "version":
            version = _VERSION.search(words)
            self._firmware = version.group() if version else ""
        elif command == "volt get":
            shown = _VOLTS.search(words.removeprefix("ack volt get"))
            self._voltage_v = None if shown is None else float(f"{shown[1]}e{shown[2]}")

    def _identity(self) -> MeterIdentity:
        calibration: dict[str, float | str] = {
            "supply_voltage_v": self._voltage_v or self._settings.voltage_v,
            "frequency_hz": float(self._settings.frequency_hz),
            "format": self._settings.format,
            "mode": self._settings.mode,
        }
        return MeterIdentity("X-NUCLEO-LPM01A", firmware=self._firmware, calibration=calibration)

    def _new_stream(self, t_host_s: float) -> list[Event]:
        is_first = self._stream is None
        self._stream = self._make_stream(self._settings.format, is_agreed=True)
        self._stream_restarts = self._dialogue.restarts
        self._base_s = self._last_s
        if is_first or self._settings.mode == "stat":
            return []
        return [FrameError("reset", 1, t_host_s, "the acquisition began anew")]

    def _make_stream(self, data_format: str, *, is_agreed: bool) -> SampleStream:
        if data_format == "bin_hexa":
            return BinaryStream(self._settings.frequency_hz, self._ceiling_a)
        is_agreed = is_agreed or self._settings.mode == "stat"
        return AsciiStream(self._settings.frequency_hz, self._ceiling_a, is_agreed=is_agreed)

    def _listen(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take a raw file: the format shows itself at the first time stamp, the voltage has to be given."""
        events: list[Event] = []
        if self._stream is None:
            self._answer += data
            stamp = _ANY_STAMP.search(self._answer)
            before = len(self._answer) - _STAMP_BEGIN_BYTES if stamp is None else stamp.start()
            if self._skipped_bytes + before > _LISTEN_LIMIT_BYTES:
                self._skipped_bytes += before
                events = [FrameError("desync", before, t_host_s, "no time stamp in either format")]
                self._answer = self._answer[before:]
            if stamp is None:
                return events
            is_text = not stamp.group().startswith(b"\xf0")
            self._stream = self._make_stream("ascii_dec" if is_text else "bin_hexa", is_agreed=False)
            data, self._answer = self._answer, b""
        if self._voltage_v is None:
            self._voltage_v = self._settings.given_voltage_v
        return events + self._take(self._stream.feed(data, t_host_s), t_host_s)

    def _take(self, found: list[Run | Mark | FrameError], t_host_s: float) -> list[Event]:
        events: list[Event] = []
        for one in found:
            if isinstance(one, Run):
                events += self._samples(one, t_host_s)
            elif isinstance(one, Mark):
                events += self._note_mark(one, t_host_s)
            else:
                events.append(one)
                if self._asked and one.kind == "protocol":
                    self._dialogue.restart()
        return events

    def _note_mark(self, mark: Mark, t_host_s: float) -> list[Event]:
        if mark.kind == "stamp":
            self._fields["time_stamp_s"] = mark.value / 1000.0
            self._fields["meter_buffer_percent"] = mark.buffer_percent
            self._fields["time_stamp_overflowed"] = mark.overflowed
        elif mark.kind == "voltage":
            return self._note_voltage(mark.value / 1000.0, t_host_s)
        elif mark.kind == "temperature":
            self._fields["temperature_c"] = mark.value
        elif mark.kind == "power":
            self._fields["power_state"] = mark.value
        elif mark.kind == "end":
            return self._ended(t_host_s)
        else:
            self._fields[f"last_{mark.kind}"] = mark.text or mark.kind
            if mark.kind != "info":
                detail = mark.text or "the device has lost its supply"
                return [FrameError("protocol", 1, t_host_s, f"the meter says: {detail}")]
        return []

    def _is_near(self, voltage_v: float) -> bool:
        known_v = self._voltage_v
        return known_v is not None and abs(known_v - voltage_v) <= _VOLTAGE_LIMIT_RATIO * voltage_v

    def _note_voltage(self, voltage_v: float, t_host_s: float) -> list[Event]:
        """Take a voltage from the stream. It has no check sum, so one that differs much has to come twice."""
        is_possible = 0.9 * _SHEET.min_voltage_v <= voltage_v <= 1.1 * _SHEET.max_voltage_v
        known = self._voltage_v is None or self._is_near(voltage_v) or self._other_voltage_v == voltage_v
        self._other_voltage_v = voltage_v
        if not (is_possible and known):
            return [FrameError("implausible", 1, t_host_s, f"a supply of {voltage_v:g} V")]
        self._voltage_v = self._fields["supply_voltage_v"] = voltage_v
        return []

    def _ended(self, t_host_s: float) -> list[Event]:
        """Start again: in mode stat each value ends an acquisition, else something ended it (too much current)."""
        if not self._asked:
            return []
        if self._settings.mode == "stat":
            self._dialogue.say(b"start\n")
            return []
        self._dialogue.restart()
        return [FrameError("protocol", 1, t_host_s, "the meter ended the acquisition: was the current too high?")]

    def _samples(self, run: Run, t_host_s: float) -> list[Event]:
        known = ~np.isnan(run.current_a)
        current_a = run.current_a[known]
        if not len(current_a):
            return []
        if self._voltage_v is None:
            detail = "the meter did not say its voltage; give the option voltage_v"
            return [FrameError("protocol", len(current_a), t_host_s, detail)]
        if self._settings.mode == "stat":
            t_device_s = np.array([later_s(t_host_s, self._last_s)])
            current_a = current_a[-1:]
        else:
            t_device_s = self._base_s + (run.first + np.flatnonzero(known)) / self._settings.frequency_hz
        self._last_s = float(t_device_s[-1])
        return [self._block(t_device_s, np.full(len(current_a), self._voltage_v), current_a)]

    def _block(self, t_device_s: F64, voltage_v: F64, current_a: F64) -> SampleBlock:
        range_index = np.searchsorted(_LIMITS_A, current_a).astype(np.int8)
        saturated = current_a > self._full_scale_a
        flags: U8 | None = (saturated * np.uint8(SampleFlag.SATURATED)).astype(np.uint8) if saturated.any() else None
        return SampleBlock(t_device_s, voltage_v, current_a, voltage_v * current_a, range_index, flags=flags)


def _make_encoder(options: Options, seed: int) -> Lpm01aEncoder:  # noqa: ARG001 nothing in it is drawn
    return Lpm01aEncoder(read_settings(options, _OPTIONS))


DRIVER = MeterDriver(
    name="lpm01a",
    title="ST X-NUCLEO-LPM01A, supply of 1.8 to 3.3 V, 50 mA, 100,000 samples/s",
    data_sheet=_SHEET,
    make_decoder=Lpm01aDecoder,
    make_encoder=_make_encoder,
    serial=SerialSettings(baud_hz=3_686_400),
    options=_OPTIONS,
    sheet_for=sheet_for,
)
