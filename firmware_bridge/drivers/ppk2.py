r"""Nordic Power Profiler Kit II: current at 100 kHz, up to 1 A, at a voltage that it sets but does not measure.

::

    host                                  meter
    07                       stop         (may still send up to 17 kB: drained)
    19                       metadata     "KEY: VALUE\n" ... "END"
    11 01|02                 ampere | source meter
    0D hh ll                 millivolts, big-endian, 800 to 5000
    0C 00|01                 power to the device under test off | on
    06                       start        100,000 words of 4 bytes a second, little-endian:

    31      24 23         18 17  16  14 13           0
    | logic   | counter     | 0 | range | ADC code    |      x = (4 code - O) 1.8 / 163840 / R, then
    | D7..D0  | 0..63       |   | 0..4  | 16383: full |      I = UG (x (GS x + GI) + S V + I), constants of the range

**What it carries.** Up to 1 A at 0.8 to 5 V: a Pi Zero, a microcontroller. Not a Pi 4, a Pi 5 or a Jetson.

**Boundary.** All that hangs on VOUT. Source mode: this meter is the supply. Ampere mode: it sits in the supply's line,
VIN to VOUT; the other way round the load runs through a diode and nothing is read.

**Voltage is not measured.** Power is current times the voltage set (source) or declared (ampere) in ``voltage_mv``. In
ampere mode a wrong declaration is a wrong energy in proportion, and nothing shows it.

**Port.** Firmware 1.2.0 and later show two serial ports: the lower interface number is the meter's, on Linux
``/dev/serial/by-id/usb-Nordic_Semiconductor_PPK2_*-if01``. The baud rate means nothing. The power to the device drops
half a second after the port is closed (seen on one unit).

**Constants.** 35 numbers, in any order. One that is missing is refused, one that is ``-nan`` takes its range out, none
is ever filled in. ``Calibrated: 0`` was seen on a unit with a full set: it is shown and not acted on. ``UG`` is a gain
that a user may have stored in the unit: it scales its range, and is shown. This driver never writes one.

**Spike filter.** After a range change three samples are replaced by a running mean, as Nordic's application does. The
joules are those of the filtered samples, which are flagged ``filtered``; ``spike_filter = false`` gives every
conversion as it is. The last raw current, and what the filter changed in all, are among the further fields.

**Full scale.** Code 16383 is a pinned converter, and above 1.2 A there is more than the meter carries: the sample
stands at its range's end, or at 1.2 A, is flagged ``saturated`` and counted as ``overrange``. A range above 4, or the
reserved bit, is no sample: ``implausible``, and its time is gap.

**Loss.** The counter shows up to 63 missing words; whole periods of 64 are found against the host's clock once they
make 20 ms. A counter that does not fit is believed again once six words in a row count up; those between are gap.
Words that came twice look like a loss of the rest of 64: the time axis is then up to 0.64 ms too long. More than 20 ms
at once ahead of the host's clock is reported as ``implausible``.

**Placeholders.** One user saw placeholder samples in the first second after a start. Nothing marks them: ``settle_s``
leaves them out.

**Markers.** D0 to D7 are sampled with the current: the finest alignment of any meter here, 10 us. They need VCC.

**A flipped bit** passes unseen inside code, range or logic: at most 1.2 A for one sample of 10 us. In the counter it
costs one sample.

**Listening.** Fed without being asked, the decoder takes metadata text first, then words. Where the bytes hold no
text, give the constants as option ``metadata``. The host's time is not used, so losses of whole periods stay unseen.

Known from documents and from others' units, no recording of our own; seen by them: 10 ppm between the sample clock and
a host, 17 kB of old bytes after a stop. Not known: the byte order of the user gain command.

Sources: Nordic's pc-nrfconnect-ppk (src/device/serialDevice.ts), ppk2lab (docs/protocol-spec.md, docs/calibration.md;
one unit), Escapement (tools/ppk2_nucleo.py; placeholders, ampere wiring).
"""

import math

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.events import desync
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.ppk2 import format as wire
from firmware_bridge.protocol.ppk2.encoder import OPTIONS, Ppk2Encoder
from firmware_bridge.protocol.ppk2.filter import RangeChangeFilter
from firmware_bridge.protocol.ppk2.words import U32, WORD_BYTES, Run, WordStream
from firmware_bridge.protocol.wall_clock import WallClock
from firmware_bridge.samples import (
    F64,
    I8,
    U8,
    Event,
    FrameError,
    FrameErrorKind,
    MeterIdentity,
    SampleBlock,
    SampleFlag,
)

Mask = NDArray[np.bool_]
SAMPLE_INTERVAL_S = 1e-5
_METADATA_LIMIT_BYTES = 8192
_RAMP: F64 = np.arange(16384, dtype=np.float64)
_NO_CONSTANTS = (
    "no constants in front of the samples: put the metadata text before them, or give option "
    "metadata='R0: ...; GS0: ...'"
)
_TWICE = "more samples than time has passed: bytes came twice"


def _range(number: int, gain_limit_ratio: float, resolution_a: float) -> MeterRange:
    return MeterRange(wire.RANGE_ENDS_A[number], gain_limit_ratio, resolution_a, resolution_a)


_SHEET = DataSheet(
    manufacturer="Nordic Semiconductor",
    model="PPK2",
    min_voltage_v=0.8,
    max_voltage_v=5.0,
    ranges=(
        _range(0, 0.10, 0.2e-6),
        _range(1, 0.10, 0.5e-6),
        _range(2, 0.10, 5e-6),
        _range(3, 0.10, 50e-6),
        _range(4, 0.15, 1e-3),
    ),
    voltage_gain_limit_ratio=0.0,
    voltage_offset_limit_v=0.05,
    voltage_resolution_v=1e-3,
    sample_interval_s=SAMPLE_INTERVAL_S,
    max_interval_s=1.5 * SAMPLE_INTERVAL_S,
    sampling="mean",
    clock="sample_counter",
    boundaries=("dc_input", "rail"),
    sync_facility="8 logic inputs sampled with the current, 10 us",
    usb_ids=((0x1915, 0xC00A),),
    accuracy_basis=(
        "gain: Nordic's typical accuracy by range, which about two units of three keep: a standard deviation; offset: "
        "assumption, one step of the range's resolution; voltage: assumption, 50 mV on the set or declared voltage, "
        "which is not measured"
    ),
    integrity=(
        "6-bit sample counter, checked against the host's clock; no checksum: a bit flipped inside a word passes, and "
        "can add at most full scale (1.2 A) for one sample of 10 us"
    ),
    marker_inputs=8,
    gain_distribution="normal",
    source="Nordic PPK2 product specification, as transcribed by ppk2lab (docs/calibration.md)",
)


class Ppk2Decoder:
    """Reads the constants, starts the stream, turns words into samples."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("ppk2", options, OPTIONS)
        self._mode = read.choice("mode", "ampere", tuple(wire.MODES))
        self._voltage_mv = round(read.number("voltage_mv", 5000, low=800, high=5000))
        self._volts = self._voltage_mv / 1000.0
        self._dut_power = read.choice("dut_power", "on", ("on", "until_stop", "off"))
        self._spike_filter = read.flag("spike_filter", default=True)
        self._settle_count = round(read.number("settle_s", 0, low=0, high=60) / SAMPLE_INTERVAL_S)
        self._given = _given_constants(read.text("metadata"))
        self._dialogue = Dialogue(wire.STOP, wire.METADATA)
        self._listens = True
        self._complained = False
        self._text = self._line_end = b""
        self._table_a: F64 | None = None
        self._ceilings_a: F64 = np.full(wire.RANGES, np.nan)
        self._count = self._settled_count = 0
        self._fields: dict[str, FieldValue] = {}
        self._filtered_count = self._saturated_count = 0
        self._filter_change_j = 0.0
        self._begin_stream()

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake; after two seconds of silence the handshake begins again."""
        self._listens = False
        outgoing = self._dialogue.to_send(t_host_s)
        if outgoing == wire.METADATA:
            self._text = b""
        return outgoing

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. Before the start, what is not metadata belongs to an older stream."""
        if not data:
            return []
        if self._listens:
            return self._listen(data, t_host_s)
        self._dialogue.heard(t_host_s)
        if self._dialogue.phase == "starting":
            return []
        if self._dialogue.phase != "streaming" or self._table_a is None:
            return self._read_metadata(data, t_host_s)
        pending_s = len(data) / WORD_BYTES * SAMPLE_INTERVAL_S
        periods = self._wall_clock.hidden_periods(t_host_s, self._count * SAMPLE_INTERVAL_S, pending_s)
        self._count += periods * wire.COUNTER_PERIOD
        before = self._count
        events = self._read_words(data, self._table_a, t_host_s)
        if self._count != before:
            self._wall_clock.observe(t_host_s, self._count * SAMPLE_INTERVAL_S)
        if periods:
            lost = FrameError("lost", periods * wire.COUNTER_PERIOD, t_host_s, "found against the host's clock")
            events.insert(0, lost)
        surplus_s = self._wall_clock.take_surplus_s()
        if surplus_s:
            events.append(FrameError("implausible", round(surplus_s / SAMPLE_INTERVAL_S), t_host_s, _TWICE))
        return events

    def last_fields(self) -> dict[str, FieldValue]:
        """Return the last sample's range, raw current and logic inputs, and what filter and full scale did so far."""
        return dict(self._fields)

    def stop_bytes(self) -> bytes:
        """Stop the stream; the power to the device stays on unless ``dut_power`` says ``until_stop``."""
        return wire.STOP + (wire.POWER_OFF if self._dut_power == "until_stop" else b"")

    def _begin_stream(self) -> None:
        self._stream = WordStream()
        self._filter = RangeChangeFilter()
        self._wall_clock = WallClock(wire.COUNTER_PERIOD * SAMPLE_INTERVAL_S)
        self._settled_count = self._count + self._settle_count

    def _listen(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take a raw stream: the metadata text, or the constants from the options, and then words."""
        if self._table_a is not None:
            while self._line_end and data:
                _, found, self._line_end = self._line_end.partition(data[:1])
                data = data[len(found) :]
            return self._read_words(data, self._table_a, t_host_s)
        if self._given is not None:
            return [*self._adopt(self._given, t_host_s), *self._listen(data, t_host_s)]
        text, end, rest = (self._text + data).rpartition(b"\nEND")
        if not end:
            self._text = rest[-_METADATA_LIMIT_BYTES:]
            unused = len(rest) - len(self._text)
            events: list[Event] = [FrameError("desync", unused, t_host_s)] if unused else []
            if unused and not self._complained:
                self._complained = True
                events.append(FrameError("protocol", 1, t_host_s, _NO_CONSTANTS))
            return events
        self._text = b""
        try:
            constants = parse_text(text)
        except ValueError as error:
            self._complained = True
            return [FrameError("protocol", 1, t_host_s, f"{error}; {_NO_CONSTANTS}")]
        self._line_end = b"\r\n"
        return [*self._adopt(constants, t_host_s), *(self._listen(rest, t_host_s) if rest else [])]

    def _read_metadata(self, data: bytes, t_host_s: float) -> list[Event]:
        self._text = (self._text + data)[-_METADATA_LIMIT_BYTES:]
        end = self._text.rfind(b"\nEND")
        if end < 0:
            return []
        text, self._text = self._text[:end], b""
        try:
            constants = parse_text(text)
        except ValueError as error:
            self._dialogue.restart()
            return [FrameError("protocol", 1, t_host_s, str(error))]
        began_anew = self._table_a is not None
        power = wire.POWER_OFF if self._dut_power == "off" else wire.POWER_ON
        voltage = wire.SET_VOLTAGE + self._voltage_mv.to_bytes(2, "big")
        self._dialogue.begin_stream(wire.MODES[self._mode] + voltage + power + wire.START)
        events = self._adopt(constants, t_host_s)
        if began_anew:
            events.insert(0, FrameError("reset", 1, t_host_s, "the stream fell silent and was started again"))
        self._begin_stream()
        return events

    def _adopt(self, constants: dict[str, float | str], t_host_s: float) -> list[Event]:
        table_a = wire.current_table_a(constants, self._volts)
        self._ceilings_a = wire.ceilings_a(table_a)
        wire.mark_pinned(table_a)
        self._table_a = table_a
        calibration = {**constants, "set_voltage_v": self._volts, "set_mode": self._mode}
        identity = MeterIdentity("PPK2", firmware=f"HW {constants.get('HW', '?')}", calibration=calibration)
        unknown = wire.unknown_ranges(constants)
        if not unknown:
            return [identity]
        detail = f"ranges without constants are not measured: {', '.join(map(str, unknown))}"
        return [identity, FrameError("protocol", len(unknown), t_host_s, detail)]

    def _read_words(self, data: bytes, table_a: F64, t_host_s: float) -> list[Event]:
        runs = self._stream.feed(data)
        events: list[Event] = [*desync(self._stream.take_skipped_bytes(), t_host_s)]
        for run in runs:
            events += self._samples(run, table_a, t_host_s)
        return events

    def _samples(self, run: Run, table_a: F64, t_host_s: float) -> list[Event]:
        events: list[Event] = [FrameError("lost", run.lost, t_host_s)] if run.lost else []
        words = run.words
        t_device_s = self._times_s(run)
        if self._settled_count > self._count - len(words):
            early = min(self._settled_count - (self._count - len(words)), len(words))
            words, t_device_s = words[early:], t_device_s[early:]
        raw_a: F64 = table_a.take(words & np.uint32(wire.TABLE_MASK), mode="clip")
        pinned: Mask | None = None
        if not math.isfinite(raw_a.sum()):
            measured = ~np.isnan(raw_a)
            words, t_device_s, raw_a = words[measured], t_device_s[measured], raw_a[measured]
            pinned = np.isinf(raw_a)
            raw_a[pinned] = self._ceilings_a[(words[pinned] >> np.uint32(14)) & np.uint32(7)]
            counts: tuple[tuple[FrameErrorKind, int], ...] = (
                ("implausible", len(measured) - len(words)),
                ("overrange", int(np.count_nonzero(pinned))),
            )
            self._saturated_count += counts[1][1]
            events += [FrameError(kind, count, t_host_s) for kind, count in counts if count]
        if len(words):
            block = self._block(words, t_device_s, raw_a, pinned)
            events.append(block)
            self._note(block, float(raw_a[-1]))
        return events

    def _times_s(self, run: Run) -> F64:
        """Return when each sample ends; its number counts lost ones."""
        count = len(run.words)
        first = self._count + run.lost + 1
        self._count += run.lost + count
        numbers = _RAMP[:count] if count <= len(_RAMP) else np.arange(count, dtype=np.float64)
        times_s: F64 = (numbers + first) * SAMPLE_INTERVAL_S
        return times_s

    def _block(self, words: U32, t_device_s: F64, raw_a: F64, pinned: Mask | None) -> SampleBlock:
        range_index: I8 = (words >> np.uint32(14)).astype(np.int8) & np.int8(7)
        logic: U8 = words.view(np.uint8)[3::WORD_BYTES].copy()
        flags: U8 | None = None
        if pinned is not None and pinned.any():
            flags = pinned * np.uint8(SampleFlag.SATURATED)
        current_a = raw_a
        if self._spike_filter:
            current_a, replaced = self._filter.apply(raw_a, range_index)
            if len(replaced):
                flags = np.zeros(len(words), dtype=np.uint8) if flags is None else flags
                flags[replaced] |= np.uint8(SampleFlag.FILTERED)
                change_a = float((current_a[replaced] - raw_a[replaced]).sum())
                self._filtered_count += len(replaced)
                self._filter_change_j += change_a * self._volts * SAMPLE_INTERVAL_S
        voltage_v = np.full(len(words), self._volts)
        return SampleBlock(t_device_s, voltage_v, current_a, current_a * self._volts, range_index, logic, flags)

    def _note(self, block: SampleBlock, raw_a: float) -> None:
        self._fields = {
            "range": int(block.range_index[-1]) if block.range_index is not None else None,
            "logic": int(block.logic[-1]) if block.logic is not None else None,
            "raw_current_a": raw_a,
            "filtered_samples": self._filtered_count,
            "filter_change_j": self._filter_change_j,
            "saturated_samples": self._saturated_count,
        }


def parse_text(raw: bytes) -> dict[str, float | str]:
    """Read the metadata's bytes up to END. Raises ValueError that names what is missing."""
    return wire.parse_metadata(raw.decode("ascii", "replace"))


def _given_constants(text: str) -> dict[str, float | str] | None:
    if not text:
        return None
    try:
        return wire.parse_metadata(text)
    except ValueError as error:
        raise ConfigurationError(f"option 'metadata' of meter driver ppk2: {error}") from None


DRIVER = MeterDriver(
    name="ppk2",
    title="Nordic Power Profiler Kit II, 5 V 1 A, 100,000 samples/s",
    data_sheet=_SHEET,
    make_decoder=Ppk2Decoder,
    make_encoder=Ppk2Encoder,
    options=OPTIONS,
)
