"""RDTech UM24C, UM25C and UM34C: one question, one answer of 130 bytes. Bytes to fields, checks, decoder, encoder.

Field offsets, scales and the check bytes: sigrok wiki "RDTech UM series"; libsigrok src/hardware/rdtech-um/protocol.c;
rfinnie/rdserialtool rdserial/um/__init__.py. The drawing stands on each meter's page.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options, SerialSettings
from firmware_bridge.protocol.counter_guard import CounterGuard
from firmware_bridge.protocol.events import desync, later_s, one_sample, unanswered
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.question_timer import QuestionTimer
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity, SampleFlag

ANSWER_BYTES = 130
POLL = b"\xf0"
LEAST_POLL_S = 0.5
JOULES_PER_MWH = 3.6
_GROUPS = 10
_END = b"\xff\xf1"
_UM34C_CHECKED = (1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69, 73, 79, 83, 89, 97, 99)
_UM34C_CHECKED_TAIL = (109, 111, 113, 119, 121, 127)
_MODES = ("none", "QC2", "QC3", "Apple 2.4 A", "Apple 2.1 A", "Apple 1.0 A", "Apple 0.5 A", "DCP 1.5 A", "Samsung")
_OVER_SCALE = 1.2
_COLD = 0x8000

OPTIONS = {
    "poll_interval_s": f"mean seconds between two questions, {LEAST_POLL_S:g} to 2 (default 0.6)",
    "timeout_s": "seconds to wait for an answer before asking again, 0.5 to 30 (default 1.5)",
    "power_check": "refuse answers whose watts are not volts x amperes: on or off (default on)",
}


@dataclass(frozen=True, slots=True)
class UmModel:
    """What differs: the start of an answer, the steps of V and A, the end of the scales, and the check."""

    driver: str
    name: str
    start: bytes
    volt_step: float
    ampere_step: float
    max_voltage_v: float
    max_current_a: float
    has_check_byte: bool = False


UM24C = UmModel("um24c", "UM24C", b"\x09\x63", 0.01, 0.001, 24.0, 3.0)
UM25C = UmModel("um25c", "UM25C", b"\x09\xc9", 0.001, 0.0001, 24.0, 5.0)
UM34C = UmModel("um34c", "UM34C", b"\x0d\x4c", 0.01, 0.001, 24.0, 4.0, has_check_byte=True)
MODELS = {model.start: model for model in (UM24C, UM25C, UM34C)}


@dataclass(frozen=True, slots=True)
class UmReading:
    """What one answer holds; ``fields`` are all of them by name with unit."""

    voltage_v: float
    current_a: float
    power_w: float
    group: int
    counter_j: float
    fields: dict[str, FieldValue]


def check_byte(answer: bytes) -> int:
    """Return the UM34C's last byte: 32 of the bytes before it, exclusive-ored. The others are not covered."""
    value = 0
    for at in _UM34C_CHECKED + _UM34C_CHECKED_TAIL:
        value ^= answer[at]
    return value


def parse(model: UmModel, answer: bytes) -> UmReading:
    """Read one answer, shape 130 bytes. Raises ValueError for a group that no meter has."""
    volts, amperes, milliwatts, celsius, fahrenheit = struct.unpack_from(">HHIHH", answer, 2)
    counters = struct.unpack_from(">20I", answer, 16)
    d_plus, d_minus, mode, rec_mah, rec_mwh, threshold, rec_s = struct.unpack_from(">HHHIIHI", answer, 96)
    recording, timeout_min, brightness, ohms, screen = struct.unpack_from(">HHHIH", answer, 116)
    group = answer[15]
    if group >= _GROUPS:
        raise ValueError(f"group {group} of 0..9")
    fields: dict[str, FieldValue] = {
        "temperature_c": celsius,
        "temperature_f": fahrenheit,
        "group": group,
        "d_plus_v": d_plus * 0.01,
        "d_minus_v": d_minus * 0.01,
        "charging_mode": _MODES[mode] if mode < len(_MODES) else str(mode),
        "recorded_charge_mah": rec_mah,
        "recorded_energy_mwh": rec_mwh,
        "recording_threshold_a": threshold * 0.01,
        "recorded_s": rec_s,
        "recording": bool(recording),
        "screen_timeout_min": timeout_min,
        "screen_brightness": brightness,
        "resistance_ohm": ohms * 0.1,
        "screen": screen,
    }
    for index in range(_GROUPS):
        fields |= {f"charge_mah_{index}": counters[2 * index], f"energy_mwh_{index}": counters[2 * index + 1]}
    return UmReading(
        voltage_v=volts * model.volt_step,
        current_a=amperes * model.ampere_step,
        power_w=milliwatts * 1e-3,
        group=group,
        counter_j=counters[2 * group + 1] * JOULES_PER_MWH,
        fields=fields,
    )


def power_tolerance_w(model: UmModel, voltage_v: float, current_a: float) -> float:
    """Return how far watts may be from volts x amperes where each of the three is cut to its own step."""
    return voltage_v * model.ampere_step + current_a * model.volt_step + model.volt_step * model.ampere_step + 2e-3


def objection(model: UmModel, reading: UmReading, *, power_check: bool) -> str:
    """Return what cannot be true in an answer, empty where nothing stands out."""
    volts, amperes, watts = reading.voltage_v, reading.current_a, reading.power_w
    if volts > _OVER_SCALE * model.max_voltage_v or amperes > _OVER_SCALE * model.max_current_a:
        return f"{volts:g} V, {amperes:g} A are beyond the scale of a {model.name}"
    if power_check and abs(watts - volts * amperes) > power_tolerance_w(model, volts, amperes):
        return f"{watts:g} W is not {volts:g} V x {amperes:g} A; if no answer is taken, set option power_check=off"
    celsius, fahrenheit = int(reading.fields["temperature_c"] or 0), int(reading.fields["temperature_f"] or 0)
    if max(celsius, fahrenheit) < _COLD and abs(fahrenheit - (1.8 * celsius + 32.0)) > 2.0:
        return f"{celsius} C is not {fahrenheit} F"
    return ""


class UmDecoder:
    """Asks about twice a second and reads answers. Holds at most one answer less one byte between calls."""

    def __init__(self, model: UmModel, options: Options) -> None:
        read = OptionReader(model.driver, options, OPTIONS)
        interval_s = read.number("poll_interval_s", 0.6, low=LEAST_POLL_S, high=2.0)
        timeout_s = read.number("timeout_s", 1.5, low=0.5, high=30.0)
        self._power_check = read.flag("power_check", default=True)
        self._model = model
        spread_ratio = min(0.5, 1.0 - LEAST_POLL_S / interval_s)
        self._timer = QuestionTimer(interval_s, timeout_s, spread_ratio=spread_ratio, least_s=LEAST_POLL_S)
        self._guard = CounterGuard(JOULES_PER_MWH, _OVER_SCALE * model.max_voltage_v * model.max_current_a)
        self._buffer = bytearray()
        self._cut_bytes = 0
        self._excused_bytes = 0
        self._last_s = -np.inf
        self._last_power_w = 0.0
        self._introduced = False
        self._fields: dict[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the question when one is due. What is left of an older answer is then counted and dropped."""
        if not self._timer.ask(t_host_s):
            return b""
        self._cut_bytes += max(0, len(self._buffer) - self._excused_bytes)
        self._excused_bytes = 0
        self._buffer.clear()
        return POLL

    def next_due_s(self) -> float:
        """Return when the next question is due."""
        return self._timer.next_due_s()

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return readings, and what was damaged or missing since the last call."""
        events: list[Event] = [*unanswered(self._timer.take_unanswered(), t_host_s)]
        skipped, self._cut_bytes = self._cut_bytes, 0
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= ANSWER_BYTES:
            answer = bytes(self._buffer[at : at + ANSWER_BYTES])
            taken = self._answer(answer, t_host_s) if answer[:2] in MODELS else None
            if isinstance(taken, list):
                events += [*desync(skipped, t_host_s), *taken]
                at, skipped, self._excused_bytes = at + ANSWER_BYTES, 0, 0
                continue
            if taken is not None:
                events += [*desync(skipped, t_host_s), taken]
                skipped, self._excused_bytes = 0, ANSWER_BYTES
            at += 1
            skipped += not self._excused_bytes
            self._excused_bytes = max(0, self._excused_bytes - 1)
        del self._buffer[:at]
        return [*events, *desync(skipped, t_host_s)]

    def stop_bytes(self) -> bytes:
        """Nothing: the meter only speaks when asked."""
        return b""

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return every further field of the last answer."""
        return self._fields

    def _answer(self, answer: bytes, t_host_s: float) -> list[Event] | FrameError | None:
        """Return what an answer says, an error where it is damaged, None where these bytes are none."""
        model = MODELS[answer[:2]]
        if not model.has_check_byte and answer[-2:] != _END:
            return None
        self._timer.answered()
        if model.has_check_byte and answer[-1] != check_byte(answer):
            return FrameError("checksum", 1, t_host_s)
        try:
            reading = parse(model, answer)
        except ValueError as error:
            return FrameError("implausible", 1, t_host_s, str(error))
        complaint = objection(model, reading, power_check=self._power_check)
        if complaint:
            return FrameError("implausible", 1, t_host_s, complaint)
        if model is not self._model:
            return [FrameError("protocol", 1, t_host_s, f"this is a {model.name}: use the driver {model.driver}")]
        return self._reading(reading, t_host_s)

    def _reading(self, reading: UmReading, t_host_s: float) -> list[Event]:
        self._last_s = t_s = later_s(t_host_s, self._last_s)
        usual_w = 2.0 * max(reading.power_w, self._last_power_w)
        counter_j, said = self._guard.follow(reading.counter_j, t_s, usual_w=usual_w, register=reading.group)
        self._last_power_w = reading.power_w
        self._fields = reading.fields
        events: list[Event] = [] if self._introduced else [MeterIdentity(self._model.name)]
        self._introduced = True
        full = reading.current_a >= self._model.max_current_a
        block = one_sample(
            t_s,
            voltage_v=reading.voltage_v,
            current_a=reading.current_a,
            power_w=reading.power_w,
            flags=SampleFlag.SATURATED if full else 0,
            counter_j=counter_j,
        )
        return [*events, *said, block]


class UmEncoder:
    """A UM tester: answers with the mean of what it measured since its last answer; counts mWh in one group.

    Its own commands are taken as the meter takes them: 0xA0 + n selects a group, 0xF3 the next, 0xF4 clears it.
    """

    def __init__(self, model: UmModel, options: Options, seed: int) -> None:
        OptionReader(model.driver, options, OPTIONS)
        self._model = model
        self._group = 0
        self._charge_as = np.zeros(_GROUPS)
        self._energy_j = np.zeros(_GROUPS)
        self._energy_j[0] = JOULES_PER_MWH * (seed % 1000)
        self._last_s: float | None = None
        self._sums = np.zeros(3)
        self._latest: tuple[float, float] | None = None

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Add samples to the running mean and to the counters; the answer waits for its question."""
        before_s = float(t_device_s[0]) if self._last_s is None else self._last_s
        steps_s = np.diff(t_device_s, prepend=before_s)
        amperes = np.abs(current_a)
        self._charge_as[self._group] += float((amperes * steps_s).sum())
        self._energy_j[self._group] += float((voltage_v * amperes * steps_s).sum())
        self._last_s = float(t_device_s[-1])
        self._sums += (len(t_device_s), voltage_v.sum(), amperes.sum())
        return b""

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 a meter without a clock
        """Answer 0xF0; obey the commands for groups; ignore all else."""
        answers = b""
        for command in data:
            if command == POLL[0]:
                answers += self._reply()
            elif 0xA0 <= command < 0xA0 + _GROUPS:
                self._group = command - 0xA0
            elif command == 0xF3:
                self._group = (self._group + 1) % _GROUPS
            elif command == 0xF4:
                self._charge_as[self._group] = self._energy_j[self._group] = 0.0
        return answers

    def _reply(self) -> bytes:
        if self._sums[0]:
            count, volts, amperes = self._sums
            self._latest = (volts / count, amperes / count)
            self._sums[:] = 0.0
        if self._latest is None:
            return b""
        mah = [int(charge / 3.6) for charge in self._charge_as]
        mwh = [int(energy / JOULES_PER_MWH) for energy in self._energy_j]
        return encode_answer(self._model, *self._latest, group=self._group, counters=list(zip(mah, mwh, strict=True)))


def encode_answer(
    model: UmModel, voltage_v: float, current_a: float, *, group: int = 0, counters: list[tuple[int, int]]
) -> bytes:
    """Return one answer; watts and ohms follow from volts and amperes as shown. ``counters``: ten of (mAh, mWh)."""
    steps = round(voltage_v / model.volt_step), round(current_a / model.ampere_step)
    volts, amperes = (min(max(step, 0), 0xFFFF) for step in steps)  # what the fields hold
    milliwatts = int(volts * model.volt_step * amperes * model.ampere_step * 1e3 + 1e-6)
    ohms = min(99_999, int(10 * volts * model.volt_step / (amperes * model.ampere_step))) if amperes else 99_999
    head = struct.pack(">2sHHIHHH", model.start, volts, amperes, milliwatts, 25, 77, group)
    groups = b"".join(struct.pack(">II", *pair) for pair in counters)
    tail = struct.pack(">HHHIIHIHHHIH", 0, 0, 0, 0, 0, 30, 0, 0, 1, 5, ohms, 0)
    answer = head + groups + tail + _END
    return answer[:-1] + bytes([check_byte(answer)]) if model.has_check_byte else answer


def make_driver(model: UmModel, sheet: DataSheet, title: str) -> MeterDriver:
    """Return the driver of one model."""
    return MeterDriver(
        name=model.driver,
        title=title,
        data_sheet=sheet,
        make_decoder=lambda options: UmDecoder(model, options),
        make_encoder=lambda options, seed: UmEncoder(model, options, seed),
        serial=SerialSettings(baud_hz=9600),
        options=OPTIONS,
    )


def make_sheet(
    model: UmModel, *, volts: tuple[float, int], amperes: tuple[float, int], basis: str, integrity: str
) -> DataSheet:
    """Return a model's data sheet. ``volts``, ``amperes``: limits (+-) as (ratio of the reading, steps)."""
    return DataSheet(
        manufacturer="RDTech (Ruideng)",
        model=model.name,
        min_voltage_v=4.0,
        max_voltage_v=model.max_voltage_v,
        ranges=(
            MeterRange(
                max_current_a=model.max_current_a,
                gain_limit_ratio=amperes[0],
                offset_limit_a=amperes[1] * model.ampere_step,
                resolution_a=model.ampere_step,
            ),
        ),
        voltage_gain_limit_ratio=volts[0],
        voltage_offset_limit_v=volts[1] * model.volt_step,
        voltage_resolution_v=model.volt_step,
        sample_interval_s=0.6,
        max_interval_s=3.0,
        sampling="point",
        clock="host_arrival",
        boundaries=("usb_dc", "dc_input"),
        sync_facility="none: arrival time of the answer over Bluetooth, tens of milliseconds",
        usb_ids=(),
        accuracy_basis=basis,
        integrity=integrity,
        source="sigrok wiki RDTech_UM_series (fields, range, resolution); libsigrok rdtech-um (check bytes)",
        counter_step_j=JOULES_PER_MWH,
    )
