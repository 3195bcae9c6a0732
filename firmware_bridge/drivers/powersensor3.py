r"""PowerSensor3: an open-hardware meter of four current/voltage pairs, 20,000 frames per second.

::

    host                          meter
    T          stop               (drained)
    V          version            "F411-1.6.1\r\n"
    R          configuration      eight records of 41 bytes, each after any byte from the host, then 'D'
    S          start              frames of 18 bytes (see _powersensor3_format)

All switched-on pairs are summed: ``power_w`` is the sum of V x I, ``voltage_v`` the first pair's voltage,
``current_a`` the first pair's current when it is alone, else power over that voltage: what would carry all of it.
Samples with a current or voltage at the end of its scale are left out and counted.

The stamp is the microsecond at the end of a frame, modulo 1024: a loss of whole periods is found from the bytes
skipped, or against the host's clock. The meter's own "stop" mark FF 3F is also a legal packet (sensor 7 at full
scale), so this driver never asks for it and reads it as what it is by its place in the frame.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.powersensor3_format import (
    FRAME_BYTES,
    MAX_LEVEL,
    RECORD,
    SENSORS,
    STAMP_PERIOD,
    VOLTS_PER_LEVEL,
    FrameStream,
    Sensor,
    frames,
    levels,
    parse_sensor,
    sensor_values,
)
from firmware_bridge.protocol.wall_clock import WallClock
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleBlock

SAMPLE_INTERVAL_S = 5e-5
_INTERVAL_US = 50
_AVERAGED = 6
_VERSION_LIMIT_BYTES = 64
_LEAST_VOLTAGE_V = 0.5
_CURRENT_SENSORS_V_PER_A = {"MLX10": 0.120, "MLX20": 0.0625, "MLX50": 0.025, "MLX75": 0.01667}

_OPTIONS = {
    "current_sensor": "emulation: MLX10, MLX20, MLX50 or MLX75 (default MLX10)",
    "voltage_gain": "emulation: volts at the converter for one volt, 0.01 to 1 (default 0.0877: 37 V)",
    "noise_levels": "emulation: standard deviation of one conversion, in levels, 0 to 50 (default 1)",
}

_SHEET = DataSheet(
    manufacturer="ASTRON and Netherlands eScience Center (open hardware)",
    model="PowerSensor3",
    min_voltage_v=3.0,
    max_voltage_v=26.0,
    ranges=(MeterRange(max_current_a=10.0, gain_limit_ratio=0.015, offset_limit_a=0.027, resolution_a=0.0269),),
    voltage_gain_limit_ratio=0.005,
    voltage_offset_limit_v=0.037,
    voltage_resolution_v=0.0368,
    sample_interval_s=SAMPLE_INTERVAL_S,
    max_interval_s=1.5 * SAMPLE_INTERVAL_S,
    sampling="mean",
    clock="device",
    boundaries=("usb_dc", "dc_input"),
    sync_facility="marker bit set by a byte from the host, 50 us plus USB latency",
    usb_ids=((0x0483, 0x5740),),
    accuracy_basis=(
        "assumption: a 10 A module (MLX10) whose zero and gain were set with psconfig; 1.5 % for the Hall sensor's "
        "gain and its drift, 0.5 % for the voltage divider, one level of the 10-bit converter for each offset"
    ),
    integrity=(
        "order of the eight sensors and a 10-bit time stamp in each frame; no checksum: a bit flipped inside a level "
        "passes, and can add at most full scale for one frame of 50 us"
    ),
    marker_inputs=1,
    source="arXiv 2504.17883 and nlesc-recruit/PowerSensor3 (rate, levels, sensor types); limits: see accuracy_basis",
)


class PowerSensor3Decoder:
    """Reads version and configuration, starts the stream, turns frames into samples."""

    def __init__(self, options: Options) -> None:
        OptionReader("powersensor3", options, _OPTIONS)
        self._dialogue = Dialogue(b"T", b"V")
        self._wall_clock = WallClock(STAMP_PERIOD * 1e-6)
        self._answer = b""
        self._version: str | None = None
        self._sensors: list[Sensor] = []
        self._restarts = 0
        self._stream = FrameStream()
        self._last_stamp: int | None = None
        self._elapsed_us = 0

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake; after two seconds of silence the handshake begins again."""
        outgoing = self._dialogue.to_send(t_host_s)
        if outgoing == b"V":
            self._answer, self._version, self._sensors = b"", None, []
        return outgoing

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. What comes before the version was asked belongs to an older stream."""
        if not data:
            return []
        self._dialogue.heard(t_host_s)
        if self._dialogue.phase == "streaming":
            return self._read_frames(data, t_host_s)
        if self._dialogue.phase != "asking":
            return []
        self._answer += data
        try:
            if self._version is None:
                self._read_version()
            return [] if self._version is None else self._read_config()
        except ValueError as error:
            self._dialogue.restart()
            return [FrameError("protocol", 1, t_host_s, str(error))]

    def last_fields(self) -> dict[str, FieldValue]:
        """Nothing beyond the sample's columns."""
        return {}

    def stop_bytes(self) -> bytes:
        """Stop the stream; ``X`` would answer with the mark that looks like a sample."""
        return b"T"

    def _read_version(self) -> None:
        line, end, rest = self._answer.partition(b"\n")
        if not end:
            if len(line) > _VERSION_LIMIT_BYTES:
                raise ValueError("no version line came: is this a PowerSensor3?")
            return
        text = line.strip()
        if not (text.isascii() and text[:1].isalpha() and text.decode("ascii", "replace").isprintable()):
            raise ValueError(f"version line is {text[:20]!r}")
        self._version, self._answer = text.decode("ascii"), rest
        self._dialogue.say(b"R")

    def _read_config(self) -> list[Event]:
        while len(self._sensors) < SENSORS and len(self._answer) >= RECORD.size:
            record, self._answer = self._answer[: RECORD.size], self._answer[RECORD.size :]
            self._sensors.append(self._checked_sensor(record))
            self._dialogue.say(b"n")
        if len(self._sensors) < SENSORS or not self._answer:
            return []
        if self._answer[:1] != b"D":
            raise ValueError(f"configuration ends with {self._answer[:1]!r}, not with D")
        if not self._active_pairs():
            raise ValueError("no pair of sensors is switched on: configure the meter with psconfig")
        self._restarts = self._dialogue.restarts
        self._stream, self._last_stamp = FrameStream(), None
        self._dialogue.begin_stream(b"S")
        return [self._identity()]

    def _checked_sensor(self, record: bytes) -> Sensor:
        try:
            return parse_sensor(record)
        except ValueError as error:
            raise ValueError(f"sensor {len(self._sensors)} is {error}") from None

    def _identity(self) -> MeterIdentity:
        calibration: dict[str, float | str] = {}
        for index, sensor in enumerate(self._sensors):
            if sensor.in_use:
                calibration[f"type{index}"] = sensor.kind
                calibration[f"pair_name{index}"] = sensor.pair_name
                calibration[f"vref{index}_v"] = sensor.vref_v
                calibration[f"sensitivity{index}"] = sensor.sensitivity
        return MeterIdentity("PowerSensor3", firmware=self._version or "", calibration=calibration)

    def _active_pairs(self) -> list[int]:
        """Return the first sensor of every pair whose two sensors are switched on."""
        sensors = self._sensors
        return [even for even in range(0, SENSORS, 2) if sensors[even].in_use and sensors[even + 1].in_use]

    def _read_frames(self, data: bytes, t_host_s: float) -> list[Event]:
        events: list[Event] = []
        pending_s = len(data) / FRAME_BYTES * SAMPLE_INTERVAL_S
        periods = self._wall_clock.hidden_periods(t_host_s, self._elapsed_us * 1e-6, pending_s)
        if periods:
            self._elapsed_us += periods * STAMP_PERIOD
            lost = periods * STAMP_PERIOD // _INTERVAL_US
            events.append(FrameError("lost", lost, t_host_s, "found against the host's clock"))
        runs = self._stream.feed(data)
        skipped = self._stream.take_skipped_bytes()
        if skipped:
            events.append(FrameError("desync", skipped, t_host_s))
        for rows, skipped_bytes in runs:
            events += self._samples(levels(rows), (rows[:, 3] & np.uint8(0x40)) != 0, skipped_bytes, t_host_s)
        if runs:
            self._wall_clock.observe(t_host_s, self._elapsed_us * 1e-6)
        return events

    def _samples(
        self,
        numbers: NDArray[np.uint16],
        markers: NDArray[np.bool_],
        skipped_bytes: int,
        t_host_s: float,
    ) -> list[Event]:
        t_device_s, lost = self._unwrap(numbers[:, 0].astype(np.int64), skipped_bytes)
        events: list[Event] = [FrameError("lost", lost, t_host_s)] if lost else []
        measured = self._in_scale(numbers)
        if not measured.all():
            events.append(FrameError("overrange", int(np.count_nonzero(~measured)), t_host_s))
            numbers, markers, t_device_s = numbers[measured], markers[measured], t_device_s[measured]
        if len(numbers):
            events.append(self._block(numbers, markers, t_device_s))
        return events

    def _unwrap(self, stamps: NDArray[np.int64], skipped_bytes: int) -> tuple[F64, int]:
        """Return the device time of each frame and how many frames are missing before and between them."""
        previous = self._last_stamp
        first = stamps[0] - _INTERVAL_US if previous is None else previous
        steps = np.diff(stamps, prepend=first) % STAMP_PERIOD
        steps[steps == 0] = STAMP_PERIOD
        if previous is not None and skipped_bytes:
            expected = _INTERVAL_US * (1 + skipped_bytes / FRAME_BYTES)
            steps[0] += STAMP_PERIOD * max(0, round((expected - steps[0]) / STAMP_PERIOD))
        missing = np.maximum(np.rint(steps / _INTERVAL_US).astype(np.int64) - 1, 0)
        elapsed_us = self._elapsed_us + np.cumsum(steps)
        self._last_stamp, self._elapsed_us = int(stamps[-1]), int(elapsed_us[-1])
        return elapsed_us * 1e-6, int(missing.sum())

    def _in_scale(self, numbers: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Say which frames have no switched-on sensor at the end of its scale; 0 V is not an end."""
        inside = np.ones(len(numbers), dtype=np.bool_)
        for even in self._active_pairs():
            current, voltage = numbers[:, 1 + even], numbers[:, 2 + even]
            inside &= (current > 0) & (current < MAX_LEVEL) & (voltage < MAX_LEVEL)
        return inside

    def _block(self, numbers: NDArray[np.uint16], markers: NDArray[np.bool_], t_device_s: F64) -> SampleBlock:
        pairs = self._active_pairs()
        amperes = [sensor_values(numbers[:, 1 + even], self._sensors[even]) for even in pairs]
        volts = [sensor_values(numbers[:, 2 + even], self._sensors[even + 1]) for even in pairs]
        power_w = np.add.reduce([v * a for v, a in zip(volts, amperes, strict=True)])
        current_a = amperes[0] if len(pairs) == 1 else _equivalent_current(power_w, volts[0], amperes)
        logic: U8 = markers.astype(np.uint8)
        return SampleBlock(t_device_s, volts[0], current_a, power_w, logic=logic)


def _equivalent_current(power_w: F64, first_v: F64, amperes: list[F64]) -> F64:
    """Return the current that carries all power at the first pair's voltage; without one, the sum of currents."""
    current_a: F64 = np.add.reduce(amperes)
    np.divide(power_w, first_v, out=current_a, where=np.abs(first_v) >= _LEAST_VOLTAGE_V)
    return current_a


class PowerSensor3Encoder:
    """A PowerSensor3 with one module on pair 0.

    Six conversions with noise are averaged and cut to a whole level, as the firmware does: 5/12 of a level too low on
    the mean. The stored vref is what psconfig finds at zero input with that same cut, which takes the bias out.
    """

    def __init__(self, options: Options, seed: int) -> None:
        read = OptionReader("powersensor3", options, _OPTIONS)
        kind = read.choice("current_sensor", "mlx10", tuple(name.lower() for name in _CURRENT_SENSORS_V_PER_A)).upper()
        gain = read.number("voltage_gain", 0.0877, low=0.01, high=1.0)
        self._noise_levels = read.number("noise_levels", 1.0, low=0.0, high=50.0)
        self._random = np.random.default_rng(seed)
        sensitivity = _CURRENT_SENSORS_V_PER_A[kind]
        self._analog = ((1.65, sensitivity), (0.0, gain))
        bias_v = (_AVERAGED - 1) / 2 / _AVERAGED * VOLTS_PER_LEVEL
        unused = Sensor("", "", 0.0, 0.0, in_use=False)
        self.sensors = (
            Sensor(kind, "USB-C", 1.65 - bias_v, sensitivity, in_use=True),
            Sensor("voltage", "USB-C", -bias_v, gain, in_use=True),
            *([unused] * (SENSORS - 2)),
        )
        self._streaming = False
        self._unsent: list[bytes] = []
        self._markers = 0

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 the stamp comes with the samples
        """Carry out one-byte commands; while the configuration is read, any byte asks for the next record."""
        answer = b""
        for command in data:
            if self._unsent:
                answer += self._unsent.pop(0)
            elif command == ord("R"):
                answer += self.sensors[0].pack()
                self._unsent = [*(sensor.pack() for sensor in self.sensors[1:]), b"D"]
            elif command == ord("V"):
                answer += b"F411-1.6.1\r\n"
            elif command == ord("M"):
                self._markers += 1
            elif command in b"STX":
                self._streaming = command == ord("S")
                answer += b"\xff\x3f\xff\x3f" if command == ord("X") else b""
        return answer

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 the marker comes by command
        """Return one frame for each sample while the stream runs."""
        if not self._streaming:
            return b""
        count = len(t_device_s)
        sensor_levels = np.zeros((count, SENSORS), dtype=np.uint16)
        for index, values in enumerate((current_a, voltage_v)):
            sensor_levels[:, index] = self._convert(values, *self._analog[index])
        stamps = (np.rint(t_device_s * 1e6).astype(np.int64) % STAMP_PERIOD).astype(np.uint16)
        markers = np.arange(count) < self._markers
        self._markers = max(0, self._markers - count)
        return frames(stamps, sensor_levels, markers)

    def _convert(self, values: F64, vref_v: float, sensitivity: float) -> NDArray[np.uint16]:
        exact = (vref_v + values * sensitivity) / VOLTS_PER_LEVEL
        noise = self._noise_levels * self._random.standard_normal((_AVERAGED, len(values)))
        conversions = np.clip(np.rint(exact + noise), 0, MAX_LEVEL).astype(np.int64)
        averaged: NDArray[np.uint16] = (conversions.sum(axis=0) // _AVERAGED).astype(np.uint16)
        return averaged


DRIVER = MeterDriver(
    name="powersensor3",
    title="PowerSensor3, open hardware, modules to 20 V and 20 A, 20,000 samples/s",
    data_sheet=_SHEET,
    make_decoder=PowerSensor3Decoder,
    make_encoder=PowerSensor3Encoder,
    options=_OPTIONS,
)
