"""A load, an emulated unit with its errors, the real decoder, register and recorder, all in simulated time.

What comes out are the windows that an agent would send, each beside the energy that was really drawn.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from edge_agent.recorder import WindowRecorder
from edge_agent.window import Conditions, Identity, WindowCounts
from edge_agent.wire.records import InferenceWindow, RuntimeIdentity
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.drivers.tc66c import Tc66cEncoder
from firmware_bridge.emulate import POLLED_SAMPLE_S, draw_instrument_error
from firmware_bridge.samples import F64, U8, EnergyReading
from firmware_bridge.timeline import SyncState, Timeline

GRID_S = 1e-3
BEFORE_S = 2.0
AFTER_S = 0.5
SUPPLY_V = 5.0
HOST_BEGAN_S = 1000.0
IDENTITY = Identity(
    model_id="digits",
    model_sha256="0" * 64,
    runtime=RuntimeIdentity(runtime="litert", version="2.3.0", delegate="none", threads=1),
    meter_id="m",
    meter_driver="any",
    boundary="usb_dc",
    simulated=True,
)
Lossy = Callable[[bytes], bytes]


class TwoLevelLoad:
    """Idle and busy power with noise, constant over each millisecond. ``is_busy``: shape ``(n,)``, one for each."""

    def __init__(self, is_busy: F64, idle_w: float, busy_w: float, noise_w: float, rng: np.random.Generator) -> None:
        power_w = idle_w + (busy_w - idle_w) * is_busy + noise_w * rng.standard_normal(len(is_busy))
        self._t_s = np.arange(len(is_busy) + 1, dtype=np.float64) * GRID_S
        self._energy_j = np.concatenate(([0.0], np.cumsum(np.maximum(power_w, 0.0)) * GRID_S))
        self._busy_s = np.concatenate(([0.0], np.cumsum(is_busy) * GRID_S))

    def energy_j(self, t_s: F64) -> F64:
        """Return the energy drawn up to each time."""
        return np.interp(t_s, self._t_s, self._energy_j)

    def between(self, begin_s: float, end_s: float) -> tuple[float, float]:
        """Return energy and busy seconds between two times."""
        edges_s = np.array([begin_s, end_s])
        energy_j, busy_s = (np.diff(np.interp(edges_s, self._t_s, sums)) for sums in (self._energy_j, self._busy_s))
        return float(energy_j[0]), float(busy_s[0])


def random_slots(seconds: float, duty_ratio: float, rng: np.random.Generator) -> F64:
    """Busy at the start of each slot of 50 to 150 ms, as the agent's pacer does it."""
    is_busy = np.zeros(round(seconds / GRID_S))
    at_s = 0.0
    while at_s < seconds:
        length_s = 0.1 * (0.5 + rng.random())
        is_busy[round(at_s / GRID_S) : round((at_s + duty_ratio * length_s) / GRID_S)] = 1.0
        at_s += length_s
    return is_busy


def every_tenth_of_a_second(seconds: float, duty_ratio: float, rng: np.random.Generator) -> F64:
    """Busy at the start of each tenth of a second exactly: what a meter asked ten times a second must not lock to."""
    phase_s = (np.arange(round(seconds / GRID_S)) * GRID_S + 0.1 * rng.random()) % 0.1
    return (phase_s < duty_ratio * 0.1).astype(np.float64)


def saturated(seconds: float, duty_ratio: float, rng: np.random.Generator) -> F64:
    """Busy all the time."""
    del duty_ratio, rng
    return np.ones(round(seconds / GRID_S))


class PointTc66cEncoder(Tc66cEncoder):
    """A TC66C that answers with the instant's values, not with the mean since the last answer."""

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:
        last = None if logic is None else logic[-1:]
        return super().emit(t_device_s[-1:], voltage_v[-1:], current_a[-1:], last)

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        answer = super().receive(data, t_device_s)
        self._sums[:] = 0.0
        return answer


@dataclass(frozen=True, slots=True)
class Trial:
    """One unit, one load. ``is_ideal``: the unit has no errors. ``lossy``: what becomes of each piece on its way."""

    driver: MeterDriver
    seed: int
    shape: Callable[[float, float, np.random.Generator], F64] = random_slots
    window_s: float = 2.0
    windows: int = 5
    levels_w: tuple[float, float] = (1.0, 3.0)
    noise_w: float = 0.1
    duty_ratio: float = 0.4
    is_ideal: bool = False
    options: Options = field(default_factory=dict)
    lossy: Lossy = bytes


@dataclass(slots=True)
class Outcome:
    """Windows as they were stored, the true energy of each, and what the decoder complained of."""

    windows: list[InferenceWindow] = field(default_factory=list)
    true_j: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        self.windows.append(make(len(self.windows) + 1))
        return self.windows[-1]

    def scores(self) -> F64:
        """Return (measured - true) / u of each window."""
        pairs = zip(self.windows, self.true_j, strict=True)
        return np.array([(window.energy_j - true_j) / window.energy_u_j for window, true_j in pairs])

    def sum_score(self) -> float:
        """Return (measured - true) / u of all windows together: systematic parts add, variances of the others do."""
        systematic_j = math.fsum(window.energy_u_systematic_j for window in self.windows)
        independent_j2 = math.fsum(w.energy_u_j**2 - w.energy_u_systematic_j**2 for w in self.windows)
        error_j = math.fsum(window.energy_j for window in self.windows) - math.fsum(self.true_j)
        return error_j / math.sqrt(systematic_j**2 + max(independent_j2, 0.0))

    def u_ratio(self) -> float:
        """Return the mean of u / energy."""
        return float(np.mean([window.energy_u_j / window.energy_j for window in self.windows]))


class Unit:
    """An emulated meter with the constant errors of one unit, fed from a load."""

    def __init__(self, trial: Trial, load: TwoLevelLoad) -> None:
        sheet = trial.driver.data_sheet
        error = draw_instrument_error(sheet, trial.seed)
        is_real = 0.0 if trial.is_ideal else 1.0
        self._load = load
        self._polled = sheet.clock == "host_arrival"
        self._sample_s = POLLED_SAMPLE_S if self._polled else sheet.sample_interval_s
        self._rate = 1.0 + is_real * error.clock_ratio
        self._limits_a = np.array([one.max_current_a for one in sheet.ranges])[:-1]
        self._gains = 1.0 + is_real * np.array(error.gain_ratio)
        self._offsets_a = is_real * np.array(error.offset_a)
        # The PPK2 does not measure voltage: there the supply is not quite what was declared.
        is_declared = trial.driver.name == "ppk2"
        self._true_v = SUPPLY_V - is_real * error.voltage_offset_v * is_declared
        self._shown_v = self._true_v * (1.0 + is_real * error.voltage_gain_ratio) + is_real * error.voltage_offset_v
        self._count = 0
        self.encoder = trial.driver.make_encoder(trial.options, trial.seed)

    def emit(self, until_s: float) -> bytes:
        """Measure up to a true time; return what a stream sends."""
        last = int(until_s * self._rate / self._sample_s)
        if last <= self._count:
            return b""
        t_device_s = np.arange(self._count, last + 1, dtype=np.float64) * self._sample_s
        self._count = last
        power_w = np.diff(self._load.energy_j(t_device_s / self._rate)) / (self._sample_s / self._rate)
        current_a = power_w / self._true_v
        index = np.searchsorted(self._limits_a, current_a)
        shown_a = current_a * self._gains[index] + self._offsets_a[index]
        return self.encoder.emit(t_device_s[1:], np.full(len(shown_a), self._shown_v), shown_a)


class SimulatedMeter:
    """Decoder and timeline of one meter, at the host's simulated time: what the recorder reads from."""

    def __init__(self, driver: MeterDriver, options: Options, errors: dict[str, int]) -> None:
        self.decoder = driver.make_decoder(options)
        self.now_s = 0.0
        self._timeline = Timeline(driver.data_sheet)
        self._errors = errors

    def hear(self, data: bytes) -> None:
        counted = Counter[str]()
        self._timeline.take(self.decoder.feed(data, self.now_s) if data else [], self.now_s, counted)
        for kind, count in counted.items():
            self._errors[kind] = self._errors.get(kind, 0) + count

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        return self._timeline.reading_at(t_host_s, self.now_s)

    def snapshot(self) -> EnergyReading:
        return self._timeline.latest()

    def sync(self) -> SyncState:
        return self._timeline.sync()


def run(trial: Trial) -> Outcome:
    """Measure for ``BEFORE_S``, then all windows; return what was stored."""
    rng = np.random.default_rng([trial.seed, 7])
    t_first_s = BEFORE_S + 0.1 * rng.random()
    total_s = t_first_s + trial.windows * trial.window_s + AFTER_S
    load = TwoLevelLoad(trial.shape(total_s + 1.0, trial.duty_ratio, rng), *trial.levels_w, trial.noise_w, rng)
    outcome = Outcome()
    meter = SimulatedMeter(trial.driver, trial.options, outcome.errors)
    sheet = trial.driver.data_sheet
    recorder = WindowRecorder(meter, sheet, outcome, IDENTITY, HOST_BEGAN_S + t_first_s)
    talk = _poll if sheet.clock == "host_arrival" else _stream
    unit = Unit(trial, load)
    for now_s in talk(trial, unit, meter, rng, total_s):
        while (closed := len(outcome.true_j)) < trial.windows and now_s >= t_first_s + (closed + 1) * trial.window_s:
            begin_s = t_first_s + closed * trial.window_s
            energy_j, busy_s = load.between(begin_s, begin_s + trial.window_s)
            outcome.true_j.append(energy_j)
            at_s = HOST_BEGAN_S + begin_s
            counts = WindowCounts(at_s, at_s + trial.window_s, 1, busy_s, 0.01, 0.01, 0.01)
            recorder.close(counts, Conditions(1, "synchronised"))
        recorder.settle()
    return outcome


def _stream(
    trial: Trial, unit: Unit, meter: SimulatedMeter, rng: np.random.Generator, total_s: float
) -> Iterator[float]:
    """Send 20 to 30 ms at a time, each late by 0.4 ms at least, 1.4 ms in the mean, now and then up to 30 ms more."""
    sent_s = arrived_s = 0.0
    while sent_s < total_s:
        outgoing = meter.decoder.bytes_to_send(HOST_BEGAN_S + arrived_s)
        sent_s += rng.uniform(0.02, 0.03)
        data = unit.emit(sent_s)
        answer = unit.encoder.receive(outgoing, sent_s)
        late_s = 0.0004 + rng.exponential(0.001) + (rng.uniform(0.0, 0.03) if rng.random() < 0.03 else 0.0)
        arrived_s = max(arrived_s + 1e-4, sent_s + late_s)
        meter.now_s = HOST_BEGAN_S + arrived_s
        meter.hear(answer + trial.lossy(data))
        yield arrived_s


def _poll(
    trial: Trial, unit: Unit, meter: SimulatedMeter, rng: np.random.Generator, total_s: float
) -> Iterator[float]:
    """Look every 20 ms whether a question is due; its answer takes 3 to 12 ms."""
    at_s = 0.0
    while at_s < total_s:
        outgoing = meter.decoder.bytes_to_send(HOST_BEGAN_S + at_s)
        if outgoing:
            delay_s = rng.uniform(0.003, 0.012)
            unit.emit(at_s + 0.7 * delay_s)
            answer = unit.encoder.receive(outgoing, at_s)
            at_s += delay_s
            meter.now_s = HOST_BEGAN_S + at_s
            meter.hear(trial.lossy(answer))
        else:
            at_s += 0.02
        meter.now_s = HOST_BEGAN_S + at_s
        yield at_s
