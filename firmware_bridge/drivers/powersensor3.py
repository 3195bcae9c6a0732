r"""PowerSensor3: an open-hardware meter of four current/voltage pairs, 20,000 frames per second.

::

    host                          meter
    T          stop               (drained)
    V          version            "F411-1.6.1\r\n"
    R          configuration      eight records of 41 bytes, each after any byte from the host, then 'D'
    S          start              20,000 frames of 18 bytes a second: nine packets, time stamp first, then sensors 0..7
    M          marker             sets the marker bit of one frame

    1 111 aaaa   0 1 bbbbbb       time stamp: microseconds modulo 1024
    1 iii aaaa   0 m bbbbbb       sensor iii: level aaaa bbbbbb of 1023, marker m (sensor 0 only)
                                  value = (3.3 V level / 1023 - vref) / sensitivity

**What it carries.** A module for each pair: MLX10 10 A, MLX20 20 A, MLX50 50 A, MLX75 75 A (120, 62.5, 25,
16.67 mV/A); voltage by its divider, 37 V at a gain of 0.0877. A Pi, a Jetson, a graphics card. AC is not measured.

**Boundary.** Where the module is plugged in: USB-C, a 12 V line, a slot.

**Pairs.** Those that are switched on are summed, or those that option ``pairs`` names; the others go on their own, as
further fields. ``power_w`` is the sum of V x I, ``voltage_v`` the first summed pair's voltage, ``current_a`` that
pair's current when it is alone, else power over that voltage: what would carry all of it.

**Uncertainty** goes by the module's size: the ranges are those of the four types, and a sum counts as the type whose
one level is as large as the levels of all its pairs together. A bound on gaps takes the largest type: give the limit
of the supply as ``limit_w``.

**The FF 3F trap.** The meter's answer to X, its own "stop", is also what sensor 7 sends at full scale, and it ends the
maker's reading thread. This driver never sends X and takes the bytes for what they are by their place in the frame.

**Full scale.** A summed current at 0 or 1023, or a voltage at 1023, is a pinned converter: the sample keeps the value
of that level, is flagged ``saturated`` and counted as ``overrange``.

**Truncation.** The firmware averages six conversions and cuts to a whole level: 5/12 of a level too low on the mean,
for an MLX10 about -11 mA. A vref that psconfig found at zero input takes it out; one that was typed in does not.

**Loss.** The stamp is that of the frame's end. Up to 19 missing frames show in it; whole periods of 1.024 ms are found
from the bytes skipped, or against the host's clock once they make 20 ms. A frame that came twice is left out. A longer
stretch that came twice, or a stamp that goes back, looks like a loss (20 or 21 frames look like the next ones): the
time axis is then 1.024 ms too long. More than 20 ms at once ahead of the host's clock is reported as ``implausible``.
The board's stock CDC driver drops data: its makers ask for a patch.

**A reset** (Z, or two silent seconds while the configuration is read) ends the stream: after two seconds of silence
the meter is asked again, its configuration too, and the time axis goes on.

**A flipped bit** inside a level passes unseen: at most full scale for one frame of 50 us. In the stamp it looks like a
loss of up to 20 frames; elsewhere it costs the frame.

**Listening.** Fed without being asked, the decoder takes the version line and the records first, then frames. Where
the bytes hold no configuration, give it: ``pair0 = "MLX10,0.0877"``. The host's time is not used.

Known from the firmware's and the host library's source, no recording of our own.

Sources: nlesc-recruit/PowerSensor3 (Apache-2.0: device/PowerSensor/PowerSensor.ino, host/src/PowerSensor.cc, docs);
arXiv 2504.17883 (ISPASS 2025). Truncation: computed from the firmware.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.events import desync
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.powersensor3 import config
from firmware_bridge.protocol.powersensor3.encoder import OPTIONS, PowerSensor3Encoder
from firmware_bridge.protocol.powersensor3.format import (
    CURRENT_SENSORS_V_PER_A,
    FRAME_BYTES,
    MAX_LEVEL,
    RECORD,
    SENSORS,
    STAMP_PERIOD,
    VOLTS_PER_LEVEL,
    FrameStream,
    Packets,
    Sensor,
    levels,
    markers,
    parse_sensor,
    sensor_values,
)
from firmware_bridge.protocol.wall_clock import WallClock
from firmware_bridge.samples import F64, I8, U8, Event, FrameError, MeterIdentity, SampleBlock, SampleFlag

SAMPLE_INTERVAL_S = 5e-5
_INTERVAL_US = 50
_MOST_STEP_US = 74
"""A longer step of the stamp means that a frame is missing."""
_VERSION_LIMIT_BYTES = 64
_LISTEN_LIMIT_BYTES = 8192
_LEAST_VOLTAGE_V = 0.5
_NO_CONFIG = (
    "no configuration in front of the frames: put the meter's records before them, or give option pair0='MLX10,0.0877'"
)
_TWICE = "more frames than time has passed: bytes came twice, or stamps were damaged"

_RANGES = tuple(
    MeterRange(
        max_current_a=float(name.removeprefix("MLX")),
        gain_limit_ratio=0.015,
        offset_limit_a=round(VOLTS_PER_LEVEL / sensitivity, 4),
        resolution_a=round(VOLTS_PER_LEVEL / sensitivity, 4),
    )
    for name, sensitivity in CURRENT_SENSORS_V_PER_A.items()
)

_SHEET = DataSheet(
    manufacturer="ASTRON and Netherlands eScience Center (open hardware)",
    model="PowerSensor3",
    min_voltage_v=3.0,
    max_voltage_v=26.0,
    ranges=_RANGES,
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
        "assumption: a module whose zero and gain were set with psconfig; 1.5 % for the Hall sensor's gain and its "
        "drift, 0.5 % for the voltage divider, one level of the 10-bit converter for each offset"
    ),
    integrity=(
        "order of the eight sensors and a 10-bit time stamp in each frame; no checksum: a bit flipped inside a level "
        "passes, and can add at most full scale for one frame of 50 us"
    ),
    ranges_share_errors=True,
    source="arXiv 2504.17883 and nlesc-recruit/PowerSensor3 (rate, levels, sensor types); limits: see accuracy_basis",
)


class PowerSensor3Decoder:
    """Reads version and configuration, starts the stream, turns frames into samples."""

    def __init__(self, options: Options) -> None:
        read = OptionReader("powersensor3", options, OPTIONS)
        self._wanted = config.wanted_pairs(read)
        self._given = config.given_sensors(read, options)
        self._dialogue = Dialogue(b"T", b"V")
        self._listens = True
        self._complained = False
        self._answer = b""
        self._version: str | None = None
        self._sensors: list[Sensor] = []
        self._pairs: list[int] = []
        self._range = 0
        self._elapsed_us = 0
        self._saturated_count = 0
        self._begin_stream()

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake; after two seconds of silence the handshake begins again."""
        self._listens = False
        outgoing = self._dialogue.to_send(t_host_s)
        if outgoing == b"V":
            self._answer, self._version, self._sensors = b"", None, []
        return outgoing

    def mark_bytes(self) -> bytes:
        """Return the command that marks one frame, the next that the meter finishes; empty without a stream."""
        return b"M" if self._dialogue.phase == "streaming" else b""

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. What comes before the version was asked belongs to an older stream."""
        if not data:
            return []
        if self._listens:
            return self._listen(data, t_host_s)
        self._dialogue.heard(t_host_s)
        if self._dialogue.phase == "streaming":
            return self._read_stream(data, t_host_s)
        if self._dialogue.phase != "asking":
            return []
        self._answer += data
        try:
            if self._version is None:
                self._read_version()
            return [] if self._version is None else self._read_config(t_host_s)
        except ValueError as error:
            self._dialogue.restart()
            return [FrameError("protocol", 1, t_host_s, str(error))]

    def last_fields(self) -> dict[str, FieldValue]:
        """Return voltage, current and power of every pair at the last frame, and how many samples were saturated."""
        fields: dict[str, FieldValue] = {"saturated_samples": self._saturated_count}
        if self._last is not None and self._sensors:
            for pair in config.active_pairs(self._sensors):
                volts, amps = (float(one[0]) for one in self._pair(self._last, pair)[:2])
                fields[f"pair{pair}_voltage_v"] = volts
                fields[f"pair{pair}_current_a"] = amps
                fields[f"pair{pair}_power_w"] = volts * amps
        return fields

    def stop_bytes(self) -> bytes:
        """Stop the stream; ``X`` would answer with the mark that looks like a sample."""
        return b"T"

    def _begin_stream(self) -> None:
        self._stream = FrameStream()
        self._wall_clock = WallClock(STAMP_PERIOD * 1e-6)
        self._last: Packets | None = None

    def _listen(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take a raw stream: the configuration's bytes, or that from the options, and then frames."""
        if self._pairs:
            return self._read_frames(data, t_host_s)
        self._answer += data
        found = ("", self._given, 0) if self._given else config.find_config(self._answer)
        if found is None:
            unused = max(len(self._answer) - _LISTEN_LIMIT_BYTES, 0)
            self._answer = self._answer[unused:]
            return self._complain(unused, t_host_s) if unused else []
        version, self._sensors, used = found
        rest, self._answer = self._answer[used:], b""
        try:
            events = self._adopt(version, t_host_s)
        except ValueError as error:
            self._complained = True
            return [FrameError("protocol", 1, t_host_s, str(error)), FrameError("desync", len(rest), t_host_s)]
        return events + self._read_frames(rest, t_host_s)

    def _complain(self, unused: int, t_host_s: float) -> list[Event]:
        events: list[Event] = [FrameError("desync", unused, t_host_s)]
        if not self._complained:
            self._complained = True
            events.append(FrameError("protocol", 1, t_host_s, _NO_CONFIG))
        return events

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

    def _read_config(self, t_host_s: float) -> list[Event]:
        while len(self._sensors) < SENSORS and len(self._answer) >= RECORD.size:
            record, self._answer = self._answer[: RECORD.size], self._answer[RECORD.size :]
            self._sensors.append(self._checked_sensor(record))
            self._dialogue.say(b"n")
        if len(self._sensors) < SENSORS or not self._answer:
            return []
        if self._answer[:1] != b"D":
            raise ValueError(f"configuration ends with {self._answer[:1]!r}, not with D")
        began_anew = bool(self._pairs)
        events = self._adopt(self._version or "", t_host_s)
        self._dialogue.begin_stream(b"S")
        if began_anew:
            events.insert(0, FrameError("reset", 1, t_host_s, "the stream fell silent and was started again"))
        return events

    def _checked_sensor(self, record: bytes) -> Sensor:
        try:
            return parse_sensor(record)
        except ValueError as error:
            raise ValueError(f"sensor {len(self._sensors)} is {error}") from None

    def _adopt(self, version: str, t_host_s: float) -> list[Event]:
        """Go by this configuration from now on. Raises ValueError if there is nothing to measure."""
        self._pairs = config.summed_pairs(self._sensors, self._wanted)
        level_a = config.level_a(self._sensors, self._pairs)
        fitting = [index for index, one in enumerate(_RANGES) if 1.01 * one.resolution_a >= level_a]
        self._range = fitting[0] if fitting else len(_RANGES) - 1
        self._begin_stream()
        calibration: dict[str, float | str] = {"summed_pairs": ",".join(map(str, self._pairs))}
        for index, sensor in enumerate(self._sensors):
            if sensor.in_use:
                calibration[f"type{index}"] = sensor.kind
                calibration[f"pair_name{index}"] = sensor.pair_name
                calibration[f"vref{index}_v"] = sensor.vref_v
                calibration[f"sensitivity{index}"] = sensor.sensitivity
        events: list[Event] = [MeterIdentity("PowerSensor3", firmware=version, calibration=calibration)]
        doubts = config.doubts(self._sensors, config.active_pairs(self._sensors))
        return events + [FrameError("protocol", 1, t_host_s, doubt) for doubt in doubts]

    def _read_stream(self, data: bytes, t_host_s: float) -> list[Event]:
        """Read frames, and compare the device clock with the host's before and after."""
        pending_s = len(data) / FRAME_BYTES * SAMPLE_INTERVAL_S
        periods = self._wall_clock.hidden_periods(t_host_s, self._elapsed_us * 1e-6, pending_s)
        self._elapsed_us += periods * STAMP_PERIOD
        before = self._elapsed_us
        events = self._read_frames(data, t_host_s)
        if self._elapsed_us != before:
            self._wall_clock.observe(t_host_s, self._elapsed_us * 1e-6)
        if periods:
            lost = periods * STAMP_PERIOD // _INTERVAL_US
            events.insert(0, FrameError("lost", lost, t_host_s, "found against the host's clock"))
        surplus_s = self._wall_clock.take_surplus_s()
        if surplus_s:
            events.append(FrameError("implausible", round(surplus_s / SAMPLE_INTERVAL_S), t_host_s, _TWICE))
        return events

    def _read_frames(self, data: bytes, t_host_s: float) -> list[Event]:
        runs = self._stream.feed(data)
        events: list[Event] = [*desync(self._stream.take_skipped_bytes(), t_host_s)]
        for packets, skipped_bytes in runs:
            events += self._samples(packets, skipped_bytes, t_host_s)
        return events

    def _samples(self, packets: Packets, skipped_bytes: int, t_host_s: float) -> list[Event]:
        events: list[Event] = []
        steps_us = self._steps_us(packets)
        if not steps_us.all():
            fresh = (steps_us != 0) | ~self._repeats(packets)
            repeated = len(packets) - int(np.count_nonzero(fresh))
            if repeated:
                detail = "frames that came twice"
                events.append(FrameError("desync", repeated * FRAME_BYTES, t_host_s, detail))
                packets, steps_us = packets[fresh], steps_us[fresh]
            steps_us[steps_us == 0] = STAMP_PERIOD
        if not len(packets):
            return events
        if self._last is not None and skipped_bytes:
            expected_us = _INTERVAL_US * (1 + skipped_bytes / FRAME_BYTES)
            steps_us[0] += STAMP_PERIOD * max(0, round((expected_us - int(steps_us[0])) / STAMP_PERIOD))
        if steps_us.max() > _MOST_STEP_US:
            missing = np.maximum(np.rint(steps_us / _INTERVAL_US).astype(np.int64) - 1, 0)
            events.append(FrameError("lost", int(missing.sum()), t_host_s))
        elapsed_us = steps_us.cumsum()
        elapsed_us += self._elapsed_us
        self._elapsed_us = int(elapsed_us[-1])
        self._last = packets[-1:].copy()
        block = self._block(packets, elapsed_us * 1e-6)
        if block.flags is not None:
            saturated = int(np.count_nonzero(block.flags))
            self._saturated_count += saturated
            events.append(FrameError("overrange", saturated, t_host_s))
        return [*events, block]

    def _steps_us(self, packets: Packets) -> NDArray[np.int64]:
        """Return the time from each frame to the next modulo the stamp's period, 0 where the stamp is the same."""
        stamps = levels(packets[:, 0]).astype(np.int64)
        steps_us = np.empty_like(stamps)
        np.subtract(stamps[1:], stamps[:-1], out=steps_us[1:])
        steps_us[0] = _INTERVAL_US if self._last is None else stamps[0] - int(levels(self._last[:, 0])[0])
        steps_us &= STAMP_PERIOD - 1
        return steps_us

    def _repeats(self, packets: Packets) -> NDArray[np.bool_]:
        """Say of each frame whether it is the one before it again, bit for bit."""
        before = packets[:1] ^ 1 if self._last is None else self._last
        again: NDArray[np.bool_] = (packets == np.concatenate((before, packets[:-1]))).all(axis=1)
        return again

    def _pair(self, packets: Packets, pair: int) -> tuple[F64, F64, NDArray[np.bool_] | None]:
        """Return volts, amperes, and where one of the two is pinned (None: nowhere); 0 V is not an end."""
        current, voltage = levels(packets[:, 1 + 2 * pair]), levels(packets[:, 2 + 2 * pair])
        pinned: NDArray[np.bool_] | None = None
        if not current.all() or current.max() == MAX_LEVEL or voltage.max() == MAX_LEVEL:
            pinned = (current == 0) | (current == MAX_LEVEL) | (voltage == MAX_LEVEL)
        amps = sensor_values(current, self._sensors[2 * pair])
        return sensor_values(voltage, self._sensors[2 * pair + 1]), amps, pinned

    def _block(self, packets: Packets, t_device_s: F64) -> SampleBlock:
        pairs = [self._pair(packets, pair) for pair in self._pairs]
        volts, amperes = pairs[0][0], pairs[0][1]
        power_w: F64 = volts * amperes
        for other_v, other_a, _ in pairs[1:]:
            power_w += other_v * other_a
        if len(pairs) > 1:
            amperes = _equivalent_current(power_w, volts, [one[1] for one in pairs])
        pinned = [one[2] for one in pairs if one[2] is not None]
        flags: U8 | None = np.logical_or.reduce(pinned) * np.uint8(SampleFlag.SATURATED) if pinned else None
        logic: U8 = markers(packets).view(np.uint8)
        range_index: I8 = np.full(len(packets), self._range, dtype=np.int8)
        return SampleBlock(t_device_s, volts, amperes, power_w, range_index, logic, flags)


def _equivalent_current(power_w: F64, first_v: F64, amperes: list[F64]) -> F64:
    """Return the current that carries all power at the first pair's voltage; without one, the sum of currents."""
    current_a: F64 = np.add.reduce(amperes)
    np.divide(power_w, first_v, out=current_a, where=np.abs(first_v) >= _LEAST_VOLTAGE_V)
    return current_a


DRIVER = MeterDriver(
    name="powersensor3",
    title="PowerSensor3, open hardware, modules of 10 to 75 A, 20,000 samples/s",
    data_sheet=_SHEET,
    make_decoder=PowerSensor3Decoder,
    make_encoder=PowerSensor3Encoder,
    options=OPTIONS,
)
