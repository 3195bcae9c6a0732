r"""IEC 62056-21: the optical port of electricity meters that are asked for a readout of text, at 300 baud.

::

    host:  /?!\r\n                                       option address: /?ADDRESS!\r\n
    meter: /XXXZ model\r\n                               Z: 0..9 mode C, A..I mode B, else mode A
    host:  ACK 0 Z' 0 \r\n                               mode C only; Z' is the baud rate in use: it stays as it is
    meter: STX 1.8.0(000123.4*kWh)\r\n .. !\r\n ETX BCC  BCC: exclusive-or of all after STX up to ETX

    mode D (option mode=push): the meter sends /XXXZ model\r\n\r\n 1-0:1.8.0*255(..)\r\n .. !\r\n by itself

7E1 through an optical head, 300 baud or option ``baud_hz``. The baud rate is never changed on the way: a decoder can't
reopen its port, so the acknowledgement asks the meter to stay at the rate of the request. Mode C allows that. A meter
of mode B changes its rate unasked; its data is then unreadable here, and that is said. 30 characters a second make a
readout last 10 to 60 s. Meters of mode D send at a fixed rate every few seconds, EasyMeter at 9600 baud.

A sample: power is 16.7.0, else 1.7.0 less 2.7.0, else the sum of the phases; volts where they are sent, else option
``voltage_v``, and the identity and the fields say that it is assumed. Current is power / voltage. Steps of power are
often 10 W (0.01 kW); the range of a sample tells which. ``counter_j`` is 1.8.0, else the sum of its tariffs, where its
steps are 0.1 kWh or finer and nothing was fed back (2.8.0 is zero). Values of past months (``1.8.0*01``) are not read.

Many meters send the counter and no power. They give no samples then, and say so; with option ``power_from=counter`` a
sample's power is the mean since the last readout, from 1.8.0: its energy is right to one step of the counter, while
single samples jump by a step (0.1 kWh in 30 s is 12 kW). ``edgejoule``'s limits of the energy hold the step.

It measures the whole site, so one board in it is a difference of two states. A sample has the time of the readout's
last byte; the meter took the value when the readout began, or a little before. Nothing tells whether it has measured
since the last readout. Optical heads echo the request: that is passed over.

What a flipped bit can do unseen: with BCC nothing, any single bit shows; two in the same column of two bytes pass.
Mode D has no check sum, and Linux does not check the parity of the characters: one bit turns a digit into another, and
moves the power of that one sample by up to 40 kW. Broken lines, codes or units that change for one sample and values
beyond 55 kW are dropped there.

Known from documents and from recorded readouts of others, not from a meter in hand: IEC 62056-21:2002; the EasyMeter
readouts that ndokter/dsmr_parser is tested with; wiki.volkszaehler.org.
"""

import math
from collections.abc import Mapping

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, Options, SerialSettings
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.events import desync
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.question_timer import QuestionTimer
from firmware_bridge.protocol.site.emulation import EmulatedSupply
from firmware_bridge.protocol.site.iec_frames import DataBlock, Identification, IecFrames
from firmware_bridge.protocol.site.meter import (
    JOULES_PER_WH,
    LEAST_V,
    MOST_V,
    NOMINAL_V,
    VOLTAGE_OPTION,
    SiteSamples,
    fields_of,
    make_sheet,
    objection,
)
from firmware_bridge.protocol.site.obis import Electricity, FormWatch, electricity, quantities, read_sets
from firmware_bridge.samples import F64, U8, Event, FrameError

ACK = b"\x06"
STEP_WH = 100.0
_BAUD_CHARACTERS = {300: "0", 600: "1", 1200: "2", 2400: "3", 4800: "4", 9600: "5", 19200: "6"}
_REACTION_S = 0.25
"""The meter wants 200 ms between its last character and the host's next, and no more than 1.5 s (6.3.9)."""
_PUSH_S, _ASK_S = 2.0, 30.0
_LONGEST_READOUT_S = 180.0
_LONGEST_ADDRESS = 32
_NO_POWER = (
    "the readout has no power (16.7.0 or 1.7.0); set option power_from=counter to take the mean power between two "
    "readouts from the counter 1.8.0"
)
_NO_COUNTER = "the readout has no counter 1.8.0 in steps of 0.1 kWh or finer, on a site that feeds nothing back"

_OPTIONS = {
    "mode": "ask: the host asks for each readout; push: the meter sends by itself, mode D (default ask)",
    "baud_hz": "300, 600, 1200, 2400, 4800, 9600 or 19200 (default 300, for push 9600)",
    "address": "device address, for several meters on one line (default none)",
    "power_from": "meter, or counter: the mean power between two readouts (default meter)",
    "poll_interval_s": "mean seconds between two questions, 5 to 600 (default 30)",
    "timeout_s": "seconds of silence after which the host asks again, 2 to 60 (default 3)",
    "voltage_v": VOLTAGE_OPTION,
}


class _Settings:
    """The options, read and checked."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("iec62056_21", options, _OPTIONS)
        self.push = read.choice("mode", "ask", ("ask", "push")) == "push"
        bauds = tuple(str(baud) for baud in _BAUD_CHARACTERS)
        self.baud_hz = int(read.choice("baud_hz", "9600" if self.push else "300", bauds))
        self.address = str(options.get("address", ""))
        if len(self.address) > _LONGEST_ADDRESS or not (self.address.isalnum() or not self.address):
            raise ConfigurationError(f"option 'address' of iec62056_21 is {self.address!r}; give letters and digits")
        self.from_counter = read.choice("power_from", "meter", ("meter", "counter")) == "counter"
        self.interval_s = read.number("poll_interval_s", _ASK_S, low=5.0, high=600.0)
        self.timeout_s = read.number("timeout_s", 3.0, low=2.0, high=60.0)
        self.voltage_v = read.number("voltage_v", NOMINAL_V, low=LEAST_V, high=MOST_V)


def serial_settings(options: Options) -> SerialSettings:
    """Return the port's settings."""
    return SerialSettings(baud_hz=_Settings(options).baud_hz, bytesize=7, parity="E")


def sheet_for(options: Options) -> DataSheet:
    """Return the data sheet for the mode and the interval."""
    settings = _Settings(options)
    interval_s = _PUSH_S if settings.push else settings.interval_s
    return make_sheet(
        model="IEC 62056-21 meter",
        interval_s=(interval_s, 15.0 if settings.push else 3.0 * interval_s + 60.0),
        power_step_w=1.0,
        counter_step_j=STEP_WH * JOULES_PER_WH,
        sync_facility="none: arrival of the readout's end, up to a minute after the value was taken",
        integrity=(
            "mode D has no check sum: one flipped bit that turns a digit into another passes unseen and moves one "
            "sample's power by up to 40 kW"
            if settings.push
            else "BCC, the exclusive-or of all bytes: one flipped bit is seen; two in one column of bits pass unseen"
        ),
        source="IEC 62056-21:2002 (protocol); wiki.volkszaehler.org (rates and intervals of meters)",
    )


class Iec6205621Decoder:
    """Asks for readouts, or listens; holds one at most."""

    def __init__(self, options: Options) -> None:
        self._settings = _Settings(options)
        settings = self._settings
        self._voltage_v = settings.voltage_v
        self._timer = QuestionTimer(
            settings.interval_s, settings.timeout_s, spread_ratio=0.2, longest_s=_LONGEST_READOUT_S
        )
        self._frames = IecFrames()
        self._samples = SiteSamples(STEP_WH * JOULES_PER_WH, settings.voltage_v)
        self._acknowledge_s = math.inf
        self._identification: Identification | None = None
        self._form = FormWatch()
        self._counted: tuple[float, float] | None = None
        self._fields: dict[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the request or the acknowledgement when it is due; nothing for meters that push."""
        settings = self._settings
        if settings.push:
            return b""
        if t_host_s >= self._acknowledge_s:
            self._acknowledge_s = math.inf
            self._timer.heard(t_host_s)
            return ACK + f"0{_BAUD_CHARACTERS[settings.baud_hz]}0\r\n".encode("ascii")
        if not self._timer.ask(t_host_s):
            return b""
        self._frames.forget()
        self._acknowledge_s = math.inf
        return f"/?{settings.address}!\r\n".encode("ascii")

    def next_due_s(self) -> float:
        """Return when the next request or acknowledgement is due; never for meters that push."""
        return math.inf if self._settings.push else min(self._acknowledge_s, self._timer.next_due_s())

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return one sample for each readout."""
        events: list[Event] = []
        unanswered = self._timer.take_unanswered()
        if unanswered:
            events.append(FrameError("stale", unanswered, t_host_s, "no readout in time"))
        if data:
            self._timer.heard(t_host_s)
        found = self._frames.feed(data)
        events += desync(self._frames.take_skipped_bytes(), t_host_s)
        for one in found:
            events += self._identified(one, t_host_s) if isinstance(one, Identification) else self._data(one, t_host_s)
        return events

    def stop_bytes(self) -> bytes:
        """Nothing: a meter that is not asked is silent, one that pushes can't be stopped."""
        return b""

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return every data set of the last readout by its code, as sent, and the sums made of them."""
        return self._fields

    def _identified(self, one: Identification, t_host_s: float) -> list[Event]:
        self._identification = one
        if self._settings.push:
            return []
        if one.baud_character.isdigit():
            self._acknowledge_s = t_host_s + _REACTION_S
        elif "A" <= one.baud_character <= "I":
            detail = f"the meter changes its baud rate by itself (mode B, {one.baud_character}): it can't be read here"
            return [FrameError("protocol", 1, t_host_s, detail)]
        return []

    def _data(self, block: DataBlock, t_host_s: float) -> list[Event]:
        self._timer.answered()
        self._acknowledge_s = math.inf
        sets, bad_lines = read_sets(block.text.removesuffix("\n").removesuffix("\r").removesuffix("!"))
        numbers = quantities(sets)
        now = electricity(numbers)
        if block.integrity == "damaged":
            return [FrameError("checksum", 1, t_host_s)]
        if block.integrity == "unchecked" and not self._form.believes(block.text, bad_lines, sets, numbers):
            return [FrameError("implausible", 1, t_host_s, "a broken line in a readout without check sum")]
        self._fields = {**{code: values[1:-1] for code, values in sets.items()}, **fields_of(now, self._voltage_v)}
        t_s = self._samples.stamp(t_host_s)
        counter_j, said = self._samples.counter(now, t_s)
        events = [*self._introduce(sets, now), *said]
        if self._settings.from_counter:
            power_w = self._mean_power_w(counter_j, t_s, began_anew=any(one.kind == "reset" for one in said))
        else:
            power_w = None if now.power_w is None else now.power_w.value
        if power_w is None:
            return [*events, *self._no_sample(now, counter_j, t_host_s)]
        complaint = objection(now, power_w)
        if complaint:
            return [*events, FrameError("implausible", 1, t_host_s, complaint)]
        return [*events, self._samples.block(now, power_w, counter_j, t_s, stale=False)]

    def _no_sample(self, now: Electricity, counter_j: float, t_host_s: float) -> list[Event]:
        """Say why a readout gives no sample; the first one of ``power_from=counter`` has no other to differ from."""
        if not self._settings.from_counter:
            return [FrameError("protocol", 1, t_host_s, _NO_POWER)]
        if math.isnan(counter_j) and (now.import_wh is None or not self._samples.shows(now)):
            return [FrameError("protocol", 1, t_host_s, _NO_COUNTER)]
        return []

    def _mean_power_w(self, counter_j: float, t_s: float, *, began_anew: bool) -> float | None:
        """Return the power that moved the counter since the last readout, None where there is nothing to compare."""
        if math.isnan(counter_j):
            return None
        last, self._counted = self._counted, (counter_j, t_s)
        if last is None or began_anew or t_s <= last[1]:
            return None
        return (counter_j - last[0]) / (t_s - last[1])

    def _introduce(self, sets: Mapping[str, str], now: Electricity) -> list[Event]:
        one = self._identification
        model = f"{one.maker} {one.model}".strip() if one is not None else "IEC 62056-21 meter"
        serial_number = next((sets[code][1:-1] for code in _SERIAL_CODES if code in sets), "")
        return self._samples.introduce(model, serial_number, "", now)


_SERIAL_CODES = ("1-0:0.0.0*255", "0.0.0", "C.1.0", "1-0:96.1.0*255", "0-0:96.1.255*255")


class Iec6205621Encoder:
    """A meter of mode C with one phase, in push mode one of mode D: means since its last readout."""

    def __init__(self, options: Options, seed: int) -> None:
        self._settings = _Settings(options)
        self._serial = f"{seed % 10**8:08d}"
        self._supply = EmulatedSupply(_PUSH_S, 1000.0 * (seed % 1000))
        self._latest = 0.0, 0.0
        self._received = bytearray()

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Measure; in push mode return the readouts whose time is full."""
        sent = b""
        for _ in self._supply.measure(t_device_s, voltage_v, current_a):
            if self._settings.push:
                sent += self._identification() + b"\r\n" + self._readout()
        return sent

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 a meter without a clock
        """Answer a request with the identification, an acknowledgement with the data; ignore all else."""
        self._received += data
        *lines, rest = bytes(self._received).split(b"\r\n")
        self._received = bytearray(rest[-64:])
        answer = b""
        for line in () if self._settings.push else lines:
            if line.endswith((b"/?!", f"/?{self._settings.address}!".encode("ascii"))):
                answer += self._identification()
            elif line[-4:-3] == ACK and line[-2:-1] == _BAUD_CHARACTERS[self._settings.baud_hz].encode("ascii"):
                answer += encode_block(self._readout())
        return answer

    def _identification(self) -> bytes:
        return b"/EDJ5EDGEJOULE\r\n"

    def _readout(self) -> bytes:
        self._latest = mean_v, mean_w = self._supply.take_means() or self._latest
        prefix, suffix = ("1-0:", "*255") if self._settings.push else ("", "")
        sets = {
            "0.0.0": self._serial,
            "1.8.0": f"{int(self._supply.energy_wh[0]) / 1e3:011.3f}*kWh",
            "2.8.0": f"{0:011.3f}*kWh",
            "32.7.0": f"{mean_v:05.1f}*V",
            "16.7.0": f"{mean_w / 1e3:08.3f}*kW",
        }
        return (
            "".join(f"{prefix}{code}{suffix}({value})\r\n" for code, value in sets.items()).encode("ascii") + b"!\r\n"
        )


def encode_block(text: bytes) -> bytes:
    """Return data between STX and ETX with its BCC."""
    body = text + b"\x03"
    check = 0
    for byte in body:
        check ^= byte
    return b"\x02" + body + bytes([check])


DRIVER = MeterDriver(
    name="iec62056_21",
    title="IEC 62056-21 optical port of an electricity meter, whole site, a readout every 30 s",
    data_sheet=sheet_for({}),
    make_decoder=Iec6205621Decoder,
    make_encoder=Iec6205621Encoder,
    serial=SerialSettings(baud_hz=300, bytesize=7, parity="E"),
    options=_OPTIONS,
    serial_for=serial_settings,
    sheet_for=sheet_for,
)
