"""One simulated bench: load, unit, way to the host, decoder, timeline, readings, evaluation; beside it the truth."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np

from benchmarks.calibration.load import LoadSettings, SimulatedLoad
from benchmarks.calibration.unit import Line, Place, Unit, UnitErrors, lossy_line
from edge_agent.bench.evaluate import Results, evaluate
from edge_agent.bench.plan import BASELINE_PARTS
from edge_agent.bench.readings import Readings
from edge_agent.bench.values import BaselineEnergy, MeterState, WindowEnergy
from edge_agent.bench.verdict import Observed, judge
from edge_agent.config import BenchSection
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import DataSheet, MeterDriver, Options
from firmware_bridge.drivers.powersensor3 import PowerSensor3Decoder
from firmware_bridge.markers import COMMAND_S, COMMAND_SPACING_S, HostMark
from firmware_bridge.meter import MeterHealth
from firmware_bridge.samples import EnergyReading
from firmware_bridge.timeline import SyncState, Timeline

HOST_BEGAN_S = 1000.0
PULSES = 8
COMMANDS = 5
ALIGN_S = {"gpio": 0.7, "serial": 1.5}
"""How long before the end of the lead the marks begin: the meter's handshake is over by then."""
OBSERVED = Observed(throttled=False, other_cpu_ratio=0.0, meter_reconnects=0, clock_steps=0)


@dataclass(frozen=True, slots=True)
class BenchSetup:
    """One run. ``lead_s``: from the first byte to the first baseline. ``guard_s``: what a state lasts beyond an edge.

    ``chunk_s``: from when to when after the last one a stream's next piece is sent. ``answer_s``: how long a polled
    meter's answer takes. ``marks``: of what kind, if any. ``loss_ratio``: of samples.
    """

    driver: MeterDriver
    errors: UnitErrors
    idle_w: float
    busy_w: float
    supply_v: float
    inference_s: float
    noise_ratio: float
    correlation_s: float
    window_s: float
    windows: int
    lead_s: float
    guard_s: float
    loss_ratio: float
    seed: int
    options: Options = field(default_factory=dict)
    calibration: Calibration | None = None
    marks: str = ""
    is_point: bool = False
    chunk_s: tuple[float, float] = (0.02, 0.03)
    answer_s: tuple[float, float] = (0.003, 0.012)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the bench says and what is true. ``realised_gross_j``: median of the windows' true joules per inference."""

    results: Results
    true_gross_j: float
    true_net_j: float
    realised_gross_j: float
    sync: SyncState
    rejections: tuple[str, ...]


class SimulatedMeter:
    """Decoder and timeline of one meter at the host's simulated time: what ``Readings`` reads."""

    def __init__(self, setup: BenchSetup) -> None:
        sheet = setup.driver.data_sheet
        self.decoder = setup.driver.make_decoder(setup.options)
        self.now_s = HOST_BEGAN_S
        self.errors = Counter[str]()
        self._timeline = Timeline(sheet, setup.calibration)

    def hear(self, data: bytes) -> None:
        """Take bytes that arrive now."""
        self._timeline.take(self.decoder.feed(data, self.now_s) if data else [], self.now_s, self.errors)

    def mark(self, mark: HostMark) -> None:
        """Take note of a mark."""
        self._timeline.mark(mark)

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        """Return the register at a host time, None while samples have not got there."""
        return self._timeline.reading_at(t_host_s, self.now_s)

    def sync(self) -> SyncState:
        """Return how the clocks are aligned."""
        return self._timeline.sync()

    def health(self) -> MeterHealth:
        """Return a connection that nothing ever happens to."""
        return MeterHealth(True, {}, 0, 0.0, None)


class _Schedule:
    """The edges of all phases in true seconds, and when they are on the host's clock."""

    def __init__(self, setup: BenchSetup, rng: np.random.Generator) -> None:
        self._setup, self._rng = setup, rng
        window_s, guard_s = setup.window_s, setup.guard_s
        self.before_s = setup.lead_s + guard_s
        busy_from_s = self.before_s + window_s + guard_s
        self.first_s = busy_from_s + 0.3 * window_s + guard_s
        busy_to_s = self.first_s + (setup.windows + 0.5) * window_s + guard_s + setup.windows * setup.inference_s
        settings = LoadSettings(
            idle_w=setup.idle_w,
            busy_w=setup.busy_w,
            inference_s=setup.inference_s,
            noise_ratio=setup.noise_ratio,
            correlation_s=setup.correlation_s,
            busy_s=(busy_from_s, busy_to_s),
            end_s=busy_to_s * 1.03 + window_s + 4.0 * guard_s + 1.0,
        )
        self.load = SimulatedLoad(settings, rng)
        self.numbers = self.load.window_ends(self.first_s, window_s, setup.windows)
        self.ends_s = [float(self.load.ends_s[number]) for number in self.numbers]
        self.after_s = self.load.stop_s + 2.0 * guard_s
        self.stop_s = self.after_s + window_s + guard_s

    def host_s(self, t_s: float) -> float:
        """Return what the host's clock shows at a true time."""
        return HOST_BEGAN_S + t_s * (1.0 + self._setup.errors.host_clock_ratio)

    def noted_s(self, t_s: float) -> float:
        """Return what a program notes that reads the clock after it: 1 to 30 us later."""
        return self.host_s(t_s + self._rng.uniform(1e-6, 30e-6))


def run_bench(setup: BenchSetup) -> Outcome:
    """Run baseline, warm-up, windows and baseline, and evaluate them. Raises RuntimeError for a silent meter."""
    rng = np.random.default_rng([setup.seed, 11])
    plan = _Schedule(setup, rng)
    edges_host_s = [plan.noted_s(t_s) for t_s in plan.ends_s]
    counts = np.diff(plan.numbers).tolist()
    before_s, after_s = (_parts(plan.host_s(t_s), setup.window_s) for t_s in (plan.before_s, plan.after_s))
    meter = SimulatedMeter(setup)
    readings = Readings(meter)
    readings.want(*before_s, *after_s)
    residual_s = -1.0
    talk = _poll if setup.driver.data_sheet.clock == "host_arrival" else _stream
    sync = meter.sync()
    for at_s in talk(setup, plan, meter, rng):
        if residual_s < 0.0 and at_s >= plan.first_s:
            sync = meter.sync()
            residual_s = sync.residual_s
            shifts_s = (-residual_s, 0.0, residual_s)
            readings.want(*(edge_s + shift_s for edge_s in edges_host_s for shift_s in shifts_s))
        readings.poll()
    windows = [
        readings.window(begin_s, end_s, residual_s, count)
        for begin_s, end_s, count in zip(edges_host_s, edges_host_s[1:], counts, strict=False)
    ]
    return _outcome(setup, plan, sync, windows, [_baseline(readings, edges_s) for edges_s in (before_s, after_s)])


def _outcome(
    setup: BenchSetup,
    plan: _Schedule,
    sync: SyncState,
    windows: list[WindowEnergy | None],
    baselines: list[BaselineEnergy | None],
) -> Outcome:
    seen = [window for window in windows if window is not None]
    before, after = baselines
    if len(seen) < setup.windows or before is None or after is None:
        raise RuntimeError(f"{setup.driver.name}, seed {setup.seed}: the simulated meter did not reach every edge")
    state = MeterState(setup.driver.data_sheet, setup.calibration, setup.supply_v, sync.method, sync.residual_s)
    results = evaluate(seen, before, after, state)
    drawn_j = np.diff(plan.load.energy_j(np.array(plan.ends_s)))
    verdict = judge(seen, (before, after), results, OBSERVED, BenchSection())
    return Outcome(
        results=results,
        true_gross_j=plan.load.true_gross_j,
        true_net_j=plan.load.true_net_j,
        realised_gross_j=median((drawn_j / np.diff(plan.numbers)).tolist()),
        sync=sync,
        rejections=verdict.rejections,
    )


def _parts(begin_s: float, length_s: float) -> list[float]:
    return [begin_s + length_s * part / BASELINE_PARTS for part in range(BASELINE_PARTS + 1)]


def _baseline(readings: Readings, edges_s: list[float]) -> BaselineEnergy | None:
    parts = [readings.between(begin_s, end_s) for begin_s, end_s in pairwise(edges_s)]
    return BaselineEnergy(tuple(part for part in parts if part is not None)) if None not in parts else None


def _stream(setup: BenchSetup, plan: _Schedule, meter: SimulatedMeter, rng: np.random.Generator) -> Iterator[float]:
    """Send a piece at a time, each late by 0.4 ms at least, 1.4 ms in the mean, now and then up to 30 ms more."""
    line, host_marks = _driven_line(setup, plan, rng)
    commands_s = _commands(setup, rng)
    unit = _unit(setup, plan, line)
    lossy = lossy_line(_line_name(setup), setup.loss_ratio, np.random.default_rng([setup.seed, 13]))
    sent_s = arrived_s = 0.0
    begins_to_lose_s = setup.lead_s
    while sent_s < plan.stop_s:
        outgoing = meter.decoder.bytes_to_send(plan.host_s(arrived_s))
        sent_s += rng.uniform(*setup.chunk_s)
        data = b""
        while commands_s and commands_s[0] < sent_s:
            written_s = commands_s.pop(0)
            carried_out_s = written_s + rng.uniform(0.1e-3, 1.0e-3)
            data += unit.emit(carried_out_s)
            unit.encoder.receive(_mark_command(meter), carried_out_s)
            before_s = plan.host_s(written_s)
            meter.mark(HostMark(before_s, before_s + COMMAND_S, rising=True, commanded=True))
        data += unit.emit(sent_s)
        answer = unit.encoder.receive(outgoing, sent_s * (1.0 + setup.errors.clock_ratio))
        late_s = 0.0004 + rng.exponential(0.001) + (rng.uniform(0.0, 0.03) if rng.random() < 0.03 else 0.0)
        arrived_s = max(arrived_s + 1e-4, sent_s + late_s)
        meter.now_s = plan.host_s(arrived_s)
        meter.hear(answer + (lossy(data) if sent_s > begins_to_lose_s else data))
        while host_marks and host_marks[0].after_s <= meter.now_s:
            meter.mark(host_marks.pop(0))
        yield arrived_s


def _poll(setup: BenchSetup, plan: _Schedule, meter: SimulatedMeter, rng: np.random.Generator) -> Iterator[float]:
    """Ask when the decoder wants to, up to 5 ms late; or, of a meter that pushes records, wait for the next one."""
    unit = _unit(setup, plan, None)
    lossy = lossy_line(_line_name(setup), setup.loss_ratio, np.random.default_rng([setup.seed, 13]))
    rate = 1.0 + setup.errors.clock_ratio
    at_s = 0.0
    record_s: float | None = None
    while at_s < plan.stop_s:
        outgoing = meter.decoder.bytes_to_send(plan.host_s(at_s))
        if setup.driver.name == "wattsup":
            answer = unit.encoder.receive(outgoing, at_s * rate)
            if b"#L,W" in outgoing:
                record_s = at_s
            sent_s = at_s + 0.05
            if record_s is not None:
                record_s += 1.0 / rate
                sent_s = record_s
            answer += unit.emit(sent_s)
            at_s = sent_s + rng.uniform(*setup.answer_s)
        elif outgoing:
            delay_s = rng.uniform(*setup.answer_s)
            unit.emit(at_s + 0.7 * delay_s)
            answer = unit.encoder.receive(outgoing, at_s)
            at_s += delay_s
        else:
            at_s += 0.005
            meter.now_s = plan.host_s(at_s)
            continue
        meter.now_s = plan.host_s(at_s)
        meter.hear(lossy(answer) if at_s > setup.lead_s else answer)
        yield at_s


def _unit(setup: BenchSetup, plan: _Schedule, line: Line | None) -> Unit:
    place = Place(setup.supply_v, setup.seed, setup.is_point, line)
    return Unit(setup.driver, setup.options, setup.errors, plan.load, place)


def _driven_line(setup: BenchSetup, plan: _Schedule, rng: np.random.Generator) -> tuple[Line | None, list[HostMark]]:
    """Return the marker line, pulsed at the start, and what the host noted: 2 to 40 us around each edge."""
    if setup.marks != "gpio":
        return None, []
    edges_s = setup.lead_s - ALIGN_S["gpio"] + np.cumsum(rng.uniform(0.02, 0.04, 2 * PULSES))
    marks = [
        HostMark(
            plan.host_s(t_s - rng.uniform(1e-6, 20e-6)), plan.host_s(t_s + rng.uniform(1e-6, 20e-6)), number % 2 == 0
        )
        for number, t_s in enumerate(edges_s.tolist())
    ]
    return Line(edges_s), marks


def _mark_command(meter: SimulatedMeter) -> bytes:
    decoder = meter.decoder
    return decoder.mark_bytes() if isinstance(decoder, PowerSensor3Decoder) else b""


def _commands(setup: BenchSetup, rng: np.random.Generator) -> list[float]:
    if setup.marks != "serial":
        return []
    begin_s = setup.lead_s - ALIGN_S["serial"]
    return [begin_s + number * (COMMAND_SPACING_S + rng.uniform(0.005, 0.02)) for number in range(COMMANDS)]


def _line_name(setup: BenchSetup) -> str:
    is_binary = setup.driver.name == "lpm01a" and _interval_s(setup.driver.data_sheet) < 1e-4
    return "lpm01a_100k" if is_binary else setup.driver.name


def _interval_s(sheet: DataSheet) -> float:
    return sheet.sample_interval_s
