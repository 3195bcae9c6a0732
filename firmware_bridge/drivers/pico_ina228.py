r"""The open meter: a Raspberry Pi Pico with a TI INA228, whose wiring, firmware and cost are in ``firmware/``.

::

    host: "identify*XXXXXXXX\n"   a command and its CRC-32 in hexadecimal; stop, start, rate, calibrate, selftest, quit
    meter, each frame COBS between two zero bytes, with CRC-32:
      identity   model, firmware, serial number, shunt, range, calibration record; again every 50 frames
      samples    20 conversions: number, boot number, microseconds, VSHUNT, VBUS, marker; temperature, ENERGY
      fault, reply  text

Each conversion is one sample, 1149 per second; VSHUNT and VBUS are the chip's registers as read. The calibration
record lies in the meter's flash and is applied here, never in the meter: a recording keeps the raw codes beside the
record, so a wrong record can be undone. The lower limits of a calibrated unit come from its certificate, which is
given to the library as ``Calibration``; the data sheet's limits hold for a unit that nobody calibrated.

A sample's time is the end of its conversion, on the microcontroller's clock: 32 bits of microseconds, which roll over
after 71.6 minutes. The count of conversions, which goes on through every loss, says how often it rolled over.
ENERGY is the chip's own sum of power over every conversion, also of those that no frame carried; it comes with each
frame's last sample, the samples tell ``counter_j`` back from there, and it bounds what a gap may hide. It runs on the
chip's oscillator (1 %) and is scaled to the microcontroller's quartz. A meter that was reset has another boot number.

Traps: the chip integrates the current in 540 of 870 us, so a load that pulses in step with the conversions is read
wrong; ``rate 2`` interleaves four shorter ones. Reverse current is measured with its sign, but ENERGY counts it as
forward. The chip's negative end of scale is a legal code: samples there are flagged as saturated. A unit whose steps
are coarser than the data sheet's (a shunt below 5 mOhm at ADCRANGE 1, below 20 mOhm at ADCRANGE 0) is refused.
A listener that is never asked takes frames as they come and holds up to 64 of them until an identity tells the shunt.

One flipped bit breaks the CRC-32 of its frame: 20 samples are lost and counted, none is wrong; damage passes unseen
once in 2^32. Known from: the firmware itself, run in MicroPython against registers as SLYS021A describes them.
Nothing is known yet from a meter on a bench. Not checked against the data sheet but taken from memory or from a
sibling: the limit of the bus voltage's offset (INA238's, SLYS025B), and that ENERGY counts the magnitude of reverse
power rather than nothing.
"""

import math
from collections.abc import Callable

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options
from firmware_bridge.protocol.cobs import CobsStream
from firmware_bridge.protocol.dialogue import Dialogue
from firmware_bridge.protocol.events import desync
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.pico_ina228.format import (
    BUS_FULL_SCALE,
    BUS_STEP_V,
    ENERGY_PERIOD,
    ENERGY_STEPS,
    FAULT,
    IDENTITY,
    IDENTITY_EVERY_FRAMES,
    INTERVAL_US,
    LONGEST_PAYLOAD_BYTES,
    REPLY,
    SAMPLES_PER_FRAME,
    SHUNT_FULL_SCALE,
    SHUNT_STEP_V,
    TEMPERATURE_STEP_C,
    SampleFrame,
    TextFrame,
    command,
    pack_body,
    parse,
    sample_frame,
    state_of,
    text_fields,
    text_frame,
)
from firmware_bridge.protocol.pico_ina228.track import FrameTrack, Run, Scale
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleBlock, SampleFlag

MODEL = "pico_ina228"
REFERENCE_SHUNT_OHM = 0.005
MAX_VOLTAGE_V = 60.0
"""The chip stands 85 V; the meter shares its ground with the host's USB port, and 60 V is what may be touched."""
_STEP_A = SHUNT_STEP_V[1] / REFERENCE_SHUNT_OHM
_SHUNT_TRIM = 1.02
_HELD_FRAMES = 64
_INTERVAL_S = INTERVAL_US[0] * 1e-6
_COUNTER_STEP_J = ENERGY_STEPS * _STEP_A + SHUNT_FULL_SCALE * _STEP_A * MAX_VOLTAGE_V * _INTERVAL_S
"""One step of ENERGY, and one conversion at full scale: the counter is first known after the first sample's time."""
_NUMBERS = ("current_gain", "current_offset_a", "voltage_gain", "voltage_offset_v", "shunt_ohm", "adc_range")

_OPTIONS = {
    "noise_uv": "emulation: standard deviation of one shunt conversion in microvolts, 0 to 100 (default 1)",
}

_SHEET = DataSheet(
    manufacturer="edgejoule (open hardware: Raspberry Pi Pico and TI INA228)",
    model=MODEL,
    min_voltage_v=0.0,
    max_voltage_v=MAX_VOLTAGE_V,
    ranges=(
        MeterRange(
            max_current_a=SHUNT_FULL_SCALE * _STEP_A,
            gain_limit_ratio=0.0125,
            offset_limit_a=0.25e-3,
            resolution_a=_STEP_A,
        ),
    ),
    voltage_gain_limit_ratio=0.001,
    voltage_offset_limit_v=0.005,
    voltage_resolution_v=BUS_STEP_V,
    sample_interval_s=_INTERVAL_S,
    max_interval_s=1.5 * _INTERVAL_S,
    sampling="mean",
    clock="device",
    boundaries=("usb_dc", "dc_input", "rail"),
    sync_facility="a digital input at the end of each conversion; a pulse between two is kept for the next sample",
    usb_ids=((0x2E8A, 0x0005),),
    accuracy_basis=(
        "specification: INA228 gain 0.05 % and 20 ppm/K, shunt offset 1 uV and 10 nV/K (SLYS021A), over 20 K, with an "
        "uncalibrated 5 mOhm shunt of 1 % and 75 ppm/K, a calibrated unit is better; assumption: bus voltage offset "
        "5 mV, as of the INA238, and the bus input's gain as the shunt's"
    ),
    integrity=(
        "CRC-32 over each frame of 20 samples, sample and conversion numbers, boot number: damage and loss are "
        "counted, one flipped bit never makes a sample; damage passes once in 2^32 frames"
    ),
    counter_step_j=_COUNTER_STEP_J,
    marker_inputs=1,
    source="firmware_bridge/firmware (frames); TI SLYS021A, May 2022 (registers, steps, limits)",
)


class PicoIna228Decoder:
    """Asks who is there, starts the stream, turns frames into samples; or only listens."""

    def __init__(self, options: Options) -> None:
        OptionReader(MODEL, options, _OPTIONS)
        self._dialogue = Dialogue(command("stop"), command("identify"))
        self._listening = True
        self._restarts = 0
        self._stream = CobsStream(LONGEST_PAYLOAD_BYTES)
        self._track = FrameTrack()
        self._identity: MeterIdentity | None = None
        self._scale: Scale | None = None
        self._held: list[SampleFrame] = []
        self._fields: dict[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the next step of the handshake; after two seconds of silence the handshake begins again."""
        self._listening = False
        return self._dialogue.to_send(t_host_s)

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. Samples before the start command belong to an older stream."""
        if not data:
            return []
        self._dialogue.heard(t_host_s)
        events: list[Event] = []
        run = Run()
        for payload in self._stream.feed(data):
            state = state_of(payload)
            if state == "no frame":
                self._stream.skip(len(payload) + 2)
            elif state == "checksum":
                events.append(FrameError("checksum", 1, t_host_s))
            else:
                frame = parse(payload)
                if isinstance(frame, TextFrame):
                    events += self._flush(run) + self._take_text(frame, t_host_s)
                    run = Run()
                elif self._listening or self._dialogue.phase == "streaming":
                    run = self._take_samples(frame, t_host_s, run, events)
        events += self._flush(run)
        events += desync(self._stream.take_skipped_bytes(), t_host_s)
        return events

    def last_fields(self) -> dict[str, FieldValue]:
        """Return die temperature, the chip's ENERGY as it stands, and how many conversions came too fast to read."""
        return self._fields

    def stop_bytes(self) -> bytes:
        """Stop the stream."""
        return command("stop")

    def _take_samples(self, frame: SampleFrame, t_host_s: float, run: Run, events: list[Event]) -> Run:
        """Add a frame to the run, after flushing it into ``events`` where something comes between."""
        scale = self._scale
        if scale is None:
            self._held.append(frame)
            if len(self._held) > _HELD_FRAMES:
                lost = self._held.pop(0).count
                events.append(
                    FrameError("lost", lost, t_host_s, "no identity told the shunt, so no reading was possible")
                )
            return run
        if self._restarts != self._dialogue.restarts:
            self._restarts = self._dialogue.restarts
            self._track.begin_stream()
        if self._track.begins_anew(frame):
            events += [*self._flush(run), FrameError("reset", 1, t_host_s, "the meter counts from a new start")]
            run = Run()
        errors = self._track.take(frame, scale, t_host_s, run)
        if errors:
            events += errors
        self._fields = {
            "die_temperature_c": frame.temperature * TEMPERATURE_STEP_C,
            "energy_register_j": None if frame.energy is None else frame.energy * scale.energy_step_j,
            "late_count": self._track.late_count,
            "boot_number": frame.boot,
            "conversion_interval_us": INTERVAL_US[frame.profile],
        }
        return run

    def _flush(self, run: Run) -> list[Event]:
        """Return the run as one block, none where it is empty."""
        scale = self._scale
        if scale is None or not run.t_device_s:
            return []
        shunt, bus = np.concatenate(run.shunt), np.concatenate(run.bus)
        current_a, voltage_v = scale.current_a(shunt), scale.voltage_v(bus)
        at_end = (shunt >= SHUNT_FULL_SCALE - 1) | (shunt <= -SHUNT_FULL_SCALE) | (bus >= BUS_FULL_SCALE)
        flags: U8 | None = at_end.astype(np.uint8) * np.uint8(SampleFlag.SATURATED) if at_end.any() else None
        return [
            SampleBlock(
                np.concatenate(run.t_device_s),
                voltage_v,
                current_a,
                voltage_v * current_a,
                logic=np.concatenate(run.marker),
                flags=flags,
                counter_j=np.concatenate(run.counter_j),
            )
        ]

    def _take_text(self, frame: TextFrame, t_host_s: float) -> list[Event]:
        if frame.kind == IDENTITY:
            return self._take_identity(frame, t_host_s)
        if frame.kind == FAULT:
            return [FrameError("protocol", 1, t_host_s, frame.text)]
        if frame.text.startswith("selftest"):
            self._fields = {**self._fields, "selftest": frame.text}
        return [FrameError("protocol", 1, t_host_s, frame.text)] if frame.text.startswith("error") else []

    def _take_identity(self, frame: TextFrame, t_host_s: float) -> list[Event]:
        try:
            identity, scale = _read_identity(frame.text)
        except ValueError as error:
            self._scale = None
            if self._dialogue.phase == "asking":
                self._dialogue.restart()
            return [FrameError("protocol", 1, t_host_s, str(error))]
        events: list[Event] = [] if identity == self._identity else [identity]
        self._identity, self._scale = identity, scale
        if self._dialogue.phase == "asking":
            self._dialogue.begin_stream(command("start"))
        run = Run()
        held, self._held = self._held, []
        for one in held:
            run = self._take_samples(one, t_host_s, run, events)
        return events + self._flush(run)


def _read_identity(text: str) -> tuple[MeterIdentity, Scale]:
    """Return who it is and its scale; raise ValueError with the remedy where no reading may be trusted."""
    fields = text_fields(text)
    if fields.get("model") != MODEL:
        raise ValueError(f"this is a {fields.get('model', 'meter without a name')!r}, not a {MODEL}")
    if fields.get("record") == "damaged":
        raise ValueError("the calibration record in the meter's flash is damaged: write it again with calibrate")
    try:
        numbers = {name: float(fields[name]) for name in _NUMBERS}
        scale = Scale(
            numbers["shunt_ohm"],
            int(numbers["adc_range"]),
            numbers["current_gain"],
            numbers["current_offset_a"],
            numbers["voltage_gain"],
            numbers["voltage_offset_v"],
        )
        step_a = scale.current_step_a
        usable = all(map(math.isfinite, numbers.values())) and min(scale.current_gain, scale.voltage_gain) > 0.0
    except (KeyError, ValueError, OverflowError, ZeroDivisionError):
        usable = False
    if not usable:
        raise ValueError("the identity lacks a number of the calibration record: flash the firmware of this version")
    if not 0.0 < step_a <= _STEP_A * _SHUNT_TRIM:
        raise ValueError(
            f"shunt_ohm={fields['shunt_ohm']} with adc_range={fields['adc_range']} is coarser than the data sheet: "
            "use 5 mOhm or more at adc_range 1, 20 mOhm or more at adc_range 0"
        )
    calibration: dict[str, float | str] = {**numbers, **{key: fields.get(key, "") for key in ("record", "date", "by")}}
    return MeterIdentity(MODEL, fields.get("serial", ""), fields.get("firmware", ""), calibration), scale


class PicoIna228Encoder:
    """The meter as it leaves the bench: 5 mOhm, nobody calibrated it."""

    def __init__(self, options: Options, seed: int) -> None:
        read = OptionReader(MODEL, options, _OPTIONS)
        noise_uv = read.number("noise_uv", 1.0, low=0.0, high=100.0)
        self._noise_codes = noise_uv * 1e-6 / SHUNT_STEP_V[1]
        self._random = np.random.default_rng(seed)
        self.boot = int(self._random.integers(1 << 16))
        self._streaming = False
        self._seq = self._conversion = self._frames = 0
        self._energy = 0.0
        self._line = b""
        self._waiting: list[tuple[int, int, int, int, int]] = []
        self._commands: dict[bytes, Callable[[], bytes]] = {
            command(name).strip(): action
            for name, action in (("identify", self._identify), ("start", self._start), ("stop", self._stop))
        }

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 the time comes with the samples
        """Carry out the command lines that are complete; others than identify, start and stop are refused."""
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-400:]
        return b"".join(self._commands.get(line, self._refuse)() for line in lines if line)

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:
        """Convert each sample; return the frames that are full."""
        noise = self._noise_codes * self._random.standard_normal(len(t_device_s))
        shunt = np.clip(np.rint(current_a / _STEP_A + noise), -SHUNT_FULL_SCALE, SHUNT_FULL_SCALE - 1).astype(np.int64)
        bus = np.clip(np.rint(voltage_v / BUS_STEP_V), 0, BUS_FULL_SCALE).astype(np.int64)
        energy = self._energy + np.cumsum(np.abs(shunt) * bus * (BUS_STEP_V * _INTERVAL_S / ENERGY_STEPS))
        t_us = np.rint(t_device_s * 1e6).astype(np.int64)
        marker = np.zeros(len(shunt), dtype=np.uint8) if logic is None else logic & np.uint8(1)
        if len(shunt):
            self._energy = float(energy[-1])
        if not self._streaming:
            self._conversion += len(shunt)
            return b""
        rows = zip(
            t_us.tolist(), shunt.tolist(), bus.tolist(), marker.tolist(), energy.astype(int).tolist(), strict=True
        )
        self._waiting += rows
        out = []
        while len(self._waiting) >= SAMPLES_PER_FRAME:
            out.append(self._frame(SAMPLES_PER_FRAME, complete=True))
            if self._frames % IDENTITY_EVERY_FRAMES == 0:
                out.append(self._identify())
        return b"".join(out)

    def _frame(self, count: int, *, complete: bool) -> bytes:
        rows, self._waiting = self._waiting[:count], self._waiting[count:]
        t_us, shunt, bus, marker, energy = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
        steps_us = np.diff(t_us, prepend=t_us[0])
        self._conversion += count
        frame = SampleFrame(
            profile=0,
            boot=self.boot,
            seq=self._seq % (1 << 32),
            conversion=self._conversion % (1 << 32),
            t_us=int(t_us[0]) % (1 << 32),
            temperature=round(25.0 / TEMPERATURE_STEP_C),
            energy=int(energy[-1]) % ENERGY_PERIOD if complete else None,
            count=count,
            body=pack_body(steps_us, shunt, bus, marker.astype(np.uint8)),
        )
        self._seq += count
        self._frames += 1
        return sample_frame(frame)

    def _identify(self) -> bytes:
        text = (
            f"model={MODEL};firmware=1.0.0;serial=emulated;board=emulated;profile=0;record=none;current_gain=1;"
            f"current_offset_a=0;voltage_gain=1;voltage_offset_v=0;shunt_ohm={REFERENCE_SHUNT_OHM};adc_range=1;date=;by="
        )
        return text_frame(IDENTITY, self.boot, text)

    def _start(self) -> bytes:
        self._streaming = True
        return text_frame(REPLY, self.boot, "ok start")

    def _stop(self) -> bytes:
        rest = self._frame(len(self._waiting), complete=False) if self._waiting else b""
        self._streaming = False
        return rest + text_frame(REPLY, self.boot, "ok stop")

    def _refuse(self) -> bytes:
        return text_frame(REPLY, self.boot, "error: the emulated meter knows identify, start and stop")


DRIVER = MeterDriver(
    name=MODEL,
    title="Raspberry Pi Pico with TI INA228, open hardware and firmware, 60 V, 8.19 A, 1149 samples/s",
    data_sheet=_SHEET,
    make_decoder=PicoIna228Decoder,
    make_encoder=PicoIna228Encoder,
    options=_OPTIONS,
)
