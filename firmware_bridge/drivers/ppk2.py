r"""Nordic Power Profiler Kit II: current at 100 kHz, up to 1 A, at a voltage that it sets but does not measure.

::

    host                                  meter
    07                       stop         (may still send up to 17 kB: drained)
    19                       metadata     "KEY: VALUE\n" ... "END"
    11 01|02                 ampere | source meter
    0D hh ll                 millivolts, big-endian
    0C 00|01                 power to the device under test off | on
    06                       start        4-byte words (see _ppk2_format)

The 6-bit counter shows losses below 64 words; those of whole periods are found against the host's clock.
The meter counts samples and has no other clock: ``t_device_s`` is the sample's number times 10 us, lost ones counted.
Power is current times the voltage that was set (source meter) or declared (ampere meter): see the data sheet.
Placeholder samples in the first second after the start were seen on one unit; they are not marked by the meter.
"""

import math
from collections.abc import Callable

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.ppk2_format import (
    CONSTANTS,
    COUNTER_PERIOD,
    FULL_SCALE,
    RANGES,
    TABLE_MASK,
    RangeChangeFilter,
    current_table_a,
    parse_metadata,
)
from firmware_bridge.protocol.ppk2_words import WORD_BYTES, Run, WordStream
from firmware_bridge.protocol.wall_clock import WallClock
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleBlock

SAMPLE_INTERVAL_S = 1e-5
START, STOP, METADATA = b"\x06", b"\x07", b"\x19"
_POWER_OFF, _POWER_ON = b"\x0c\x00", b"\x0c\x01"
_MODES = {"ampere": b"\x11\x01", "source": b"\x11\x02"}
_METADATA_LIMIT_BYTES = 8192

_OPTIONS = {
    "mode": "ampere (the device has its own supply) or source (this meter supplies it) (default ampere)",
    "voltage_mv": "supply of the device, 800 to 5000: set in source mode, declared in ampere mode (default 5000)",
    "spike_filter": "replace the samples after a range change by a running mean, as Nordic does (default true)",
    "noise_ratio": "emulation: standard deviation of each sample's current, relative, 0 to 0.5 (default 0.002)",
}


def _range(max_current_a: float, gain_limit_ratio: float, resolution_a: float) -> MeterRange:
    return MeterRange(max_current_a, gain_limit_ratio, resolution_a, resolution_a)


_SHEET = DataSheet(
    manufacturer="Nordic Semiconductor",
    model="PPK2",
    min_voltage_v=0.8,
    max_voltage_v=5.0,
    ranges=(
        _range(50e-6, 0.10, 0.2e-6),
        _range(500e-6, 0.10, 0.5e-6),
        _range(5e-3, 0.10, 5e-6),
        _range(50e-3, 0.10, 50e-6),
        _range(1.0, 0.15, 1e-3),
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
        "gain: Nordic's typical accuracy by range, a typical value read here as a limit; offset: assumption, one step "
        "of the range's resolution; voltage: assumption, 50 mV on the set or declared voltage, which is not measured"
    ),
    integrity=(
        "6-bit sample counter, checked against the host's clock; no checksum: a bit flipped inside a word passes, and "
        "can add at most full scale (1 A) for one sample of 10 us"
    ),
    marker_inputs=8,
    source="Nordic PPK2 product specification, as transcribed by ppk2lab (docs/calibration.md)",
)


class Ppk2Decoder:
    """Reads the constants, starts the stream, turns words into samples."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("ppk2", options, _OPTIONS)
        self._mode = read.choice("mode", "ampere", tuple(_MODES))
        self._voltage_mv = round(read.number("voltage_mv", 5000, low=800, high=5000))
        self._spike_filter = read.flag("spike_filter", default=True)
        self._dialogue = Dialogue(STOP, METADATA)
        self._wall_clock = WallClock(COUNTER_PERIOD * SAMPLE_INTERVAL_S)
        self._text = b""
        self._restarts = 0
        self._table_a: F64 | None = None
        self._stream = WordStream()
        self._filter = RangeChangeFilter()
        self._count = 0

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake; after two seconds of silence the handshake begins again."""
        outgoing = self._dialogue.to_send(t_host_s)
        if outgoing == METADATA:
            self._text = b""
        return outgoing

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. Before the start, what is not metadata belongs to an older stream."""
        if not data:
            return []
        self._dialogue.heard(t_host_s)
        if self._dialogue.phase == "starting":
            return []
        if self._dialogue.phase != "streaming" or self._table_a is None:
            return self._read_metadata(data, t_host_s)
        if self._restarts != self._dialogue.restarts:
            self._restarts = self._dialogue.restarts
            self._stream = WordStream()
        events: list[Event] = self._find_hidden_loss(data, t_host_s)
        runs = self._stream.feed(data)
        skipped = self._stream.take_skipped_bytes()
        if skipped:
            events.append(FrameError("desync", skipped, t_host_s))
        for run in runs:
            events += self._samples(run, self._table_a, t_host_s)
        if runs:
            self._wall_clock.observe(t_host_s, self._count * SAMPLE_INTERVAL_S)
        return events

    def last_fields(self) -> dict[str, FieldValue]:
        """Nothing beyond the sample's columns."""
        return {}

    def stop_bytes(self) -> bytes:
        """Stop the stream. The device under test keeps its power until the port closes."""
        return STOP

    def _read_metadata(self, data: bytes, t_host_s: float) -> list[Event]:
        self._text = (self._text + data)[-_METADATA_LIMIT_BYTES:]
        end = self._text.rfind(b"\nEND")
        if end < 0:
            return []
        text, self._text = self._text[:end].decode("ascii", "replace"), b""
        try:
            constants = parse_metadata(text)
        except ValueError as error:
            self._dialogue.restart()
            return [FrameError("protocol", 1, t_host_s, str(error))]
        self._table_a = current_table_a(constants, self._voltage_mv / 1000.0)
        self._dialogue.begin_stream(
            _MODES[self._mode] + b"\x0d" + self._voltage_mv.to_bytes(2, "big") + _POWER_ON + START,
        )
        identity = MeterIdentity(
            model="PPK2",
            firmware=f"HW {constants.get('HW', '?')}",
            calibration={**constants, "set_voltage_v": self._voltage_mv / 1000.0, "set_mode": self._mode},
        )
        unknown = [key for key, value in constants.items() if isinstance(value, float) and math.isnan(value)]
        if unknown:
            detail = f"not a number, its range is not measured: {', '.join(unknown)}"
            return [identity, FrameError("protocol", len(unknown), t_host_s, detail)]
        return [identity]

    def _find_hidden_loss(self, data: bytes, t_host_s: float) -> list[Event]:
        """Advance the sample counter by whole counter periods where the host's clock proves that they are missing."""
        pending_s = len(data) / WORD_BYTES * SAMPLE_INTERVAL_S
        periods = self._wall_clock.hidden_periods(t_host_s, self._count * SAMPLE_INTERVAL_S, pending_s)
        if not periods:
            return []
        self._count += periods * COUNTER_PERIOD
        return [FrameError("lost", periods * COUNTER_PERIOD, t_host_s, "found against the host's clock")]

    def _samples(self, run: Run, table_a: F64, t_host_s: float) -> list[Event]:
        events: list[Event] = []
        if run.lost:
            events.append(FrameError("lost", run.lost, t_host_s))
        first = self._count + run.lost + 1
        self._count += run.lost + len(run.words)
        current_a: F64 = table_a[run.words & np.uint32(TABLE_MASK)]
        measured = ~np.isnan(current_a) & ((run.words >> np.uint32(17)) & np.uint32(1) == 0)
        words, t_device_s = run.words, np.arange(first, self._count + 1, dtype=np.float64) * SAMPLE_INTERVAL_S
        if not measured.all():
            events += self._unmeasured(run, measured, t_host_s)
            words, t_device_s, current_a = words[measured], t_device_s[measured], current_a[measured]
        if not len(words):
            return events
        range_index = ((words >> np.uint32(14)) & np.uint32(7)).astype(np.int8)
        if self._spike_filter:
            current_a = self._filter.apply(current_a, range_index)
        voltage_v = np.full(len(words), self._voltage_mv / 1000.0)
        power_w: F64 = voltage_v * current_a
        logic: U8 = (words >> np.uint32(24)).astype(np.uint8)
        events.append(SampleBlock(t_device_s, voltage_v, current_a, power_w, range_index, logic))
        return events

    @staticmethod
    def _unmeasured(run: Run, measured: np.ndarray[tuple[int], np.dtype[np.bool_]], t_host_s: float) -> list[Event]:
        """Say why samples were left out: pinned at full scale, or not possible."""
        left_out = run.words[~measured]
        pinned = int(np.count_nonzero((left_out & np.uint32(0x20000 | FULL_SCALE)) == FULL_SCALE))
        events = [
            FrameError("overrange", pinned, t_host_s),
            FrameError("implausible", len(left_out) - pinned, t_host_s),
        ]
        return [event for event in events if event.count]


class Ppk2Encoder:
    """A PPK2 with constants of its own (drawn from the seed), choosing the smallest range that fits each sample."""

    def __init__(self, options: Options, seed: int) -> None:
        read = OptionReader("ppk2", options, _OPTIONS)
        self._random = np.random.default_rng(seed)
        self._noise_ratio = read.number("noise_ratio", 0.002, low=0.0, high=0.5)
        self._voltage_mv = round(read.number("voltage_mv", 5000, low=800, high=5000))
        self.constants = self._draw_constants()
        self.logic = 0
        self._table_a = self._make_table()
        self._received = b""
        self._streaming = False
        self._counter = int(self._random.integers(COUNTER_PERIOD))

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 a meter without a clock
        """Carry out the commands that are complete; unknown bytes are ignored, as the meter does."""
        self._received += data
        answer = b""
        commands: dict[int, tuple[int, Callable[[bytes], bytes]]] = {
            0x06: (0, self._start),
            0x07: (0, self._stop),
            0x0C: (1, lambda _: b""),
            0x0D: (2, self._set_voltage),
            0x11: (1, lambda _: b""),
            0x19: (0, lambda _: self.metadata()),
        }
        while self._received:
            length, act = commands.get(self._received[0], (0, lambda _: b""))
            if len(self._received) <= length:
                break
            argument, self._received = self._received[1 : 1 + length], self._received[1 + length :]
            answer += act(argument)
        return answer

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no voltage
        """Return one word for each sample while the stream runs."""
        if not self._streaming:
            return b""
        current_a = current_a * (1.0 + self._noise_ratio * self._random.standard_normal(len(current_a)))
        ranges = np.searchsorted([item.max_current_a for item in _SHEET.ranges[:-1]], current_a).astype(np.uint32)
        codes = np.zeros(len(current_a), dtype=np.uint32)
        for index in range(RANGES):
            chosen = ranges == index
            codes[chosen] = self._nearest_code(index, current_a[chosen])
        counters = (self._counter + np.arange(len(current_a), dtype=np.uint32)) % COUNTER_PERIOD
        self._counter = (self._counter + len(current_a)) % COUNTER_PERIOD
        words = codes | (ranges << np.uint32(14)) | (counters << np.uint32(18)) | np.uint32((self.logic & 0xFF) << 24)
        stream: bytes = words.astype("<u4").tobytes()
        return stream

    def metadata(self) -> bytes:
        """Return the calibration text as the meter prints it."""
        lines = ["Calibrated: 1", *(f"{key}: {value:.9f}" for key, value in self.constants.items())]
        lines += [f"VDD: {self._voltage_mv}", "HW: 9173", "mode: 2", "IA: 56"]
        return ("\n".join(lines) + "\nEND\n").encode("ascii")

    def _draw_constants(self) -> dict[str, float]:
        """Draw constants of the size that real units report; the resistors are those of Nordic's application."""
        nominal = {
            "R": (1031.64, 101.65, 10.15, 0.94, 0.043),
            "GS": (0.0, 110.0, 18.0, 2.4, 0.07),
            "GI": (1.0, 0.97, 0.96, 0.95, 0.96),
            "O": (110.0, 75.0, 65.0, 50.0, 90.0),
            "S": (5e-8, 6e-8, 3e-7, 1e-6, 2e-5),
            "I": (-1e-7, -1e-8, 1e-7, 1e-6, 1e-5),
            "UG": (1.0,) * RANGES,
        }
        spread = {name: 0.0 if name == "UG" else 0.03 for name in CONSTANTS}
        return {
            f"{name}{index}": round(value * (1.0 + spread[name] * float(self._random.uniform(-1, 1))), 9)
            for name in CONSTANTS
            for index, value in enumerate(nominal[name])
        }

    def _make_table(self) -> F64:
        table = current_table_a(dict(self.constants), self._voltage_mv / 1000.0)
        return table[: RANGES * (FULL_SCALE + 1)].reshape(RANGES, FULL_SCALE + 1)

    def _nearest_code(self, index: int, current_a: F64) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        """Return the ADC code whose current is nearest; above the range's end it is the pinned one."""
        row = self._table_a[index, :FULL_SCALE]
        middle = (row[1:] + row[:-1]) / 2
        codes = np.searchsorted(middle, current_a).astype(np.uint32)
        codes[current_a > row[-1]] = FULL_SCALE
        return codes

    def _start(self, _: bytes) -> bytes:
        self._streaming = True
        return b""

    def _stop(self, _: bytes) -> bytes:
        self._streaming = False
        return b""

    def _set_voltage(self, argument: bytes) -> bytes:
        self._voltage_mv = int.from_bytes(argument, "big")
        self._table_a = self._make_table()
        return b""


DRIVER = MeterDriver(
    name="ppk2",
    title="Nordic Power Profiler Kit II, 5 V 1 A, 100,000 samples/s",
    data_sheet=_SHEET,
    make_decoder=Ppk2Decoder,
    make_encoder=Ppk2Encoder,
    options=_OPTIONS,
)
