"""The sequence of a bench. It does no I/O itself: meter, clock, device and model come in by ``Rig``."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from edge_agent.bench.measured import LoadedModel, Loop, Measured, MeasuredWindow, Sync
from edge_agent.bench.plan import BASELINE_PARTS, Plan
from edge_agent.bench.progress import Progress, ProgressLine
from edge_agent.bench.readings import BenchMeter, Readings, is_lost
from edge_agent.bench.values import BaselineEnergy
from edge_agent.checking import Scoring
from edge_agent.device.observer import ObservedState
from edge_agent.latency import LatencyHistogram
from edge_agent.service import StopFlag
from edge_agent.workload import Run

SLOT_S: Final = 0.1
"""Other things are seen to this often, in every state alike: so they cost the same in baselines and windows."""
PROGRESS_S: Final = 0.5
LAST_READING_TIMEOUT_S: Final = 5.0


class DeviceWatch(Protocol):
    """See ``edge_agent.device.observer.DeviceObserver``."""

    def tend(self, now_s: float) -> None:
        """Look at the device if it is time."""
        ...

    def end_window(self, now_s: float, inference_s: float | None) -> ObservedState:
        """Return what was seen since the last call."""
        ...


class Alignment(Protocol):
    """See ``edge_agent.alignment.align.Aligner``."""

    def start(self) -> None:
        """Tie the clocks together; takes seconds."""
        ...

    def edge(self, level: bool) -> None:  # noqa: FBT001 a level
        """Mark a boundary."""
        ...

    def tick(self, now_s: float) -> None:
        """Keep it fresh."""
        ...


@dataclass(frozen=True, slots=True)
class Rig:
    """What a bench works with. ``sleep_s`` and ``now_s``: the host's clock, or a simulated one.

    ``alignment``: ties the meter's clock to the host's, with the model's load if need be; None leaves it to arrivals.
    ``load``: loads the model. ``max_interval_s``: the longest time between two samples of this meter.
    """

    meter: BenchMeter
    max_interval_s: float
    device: DeviceWatch
    now_s: Callable[[], float]
    sleep_s: Callable[[float], None]
    load: Callable[[], LoadedModel]
    show: Callable[[Progress], None]
    stop: StopFlag
    alignment: Callable[[LoadedModel], Alignment] | None = None


class BenchStoppedError(Exception):
    """Somebody asked the bench to stop: there is no record. Raised by ``run_bench``."""


class _MeterLostError(Exception):
    """The meter is away; the message says since when."""


def run_bench(rig: Rig, plan: Plan) -> Measured:
    """Measure everything in order. A meter that is lost ends it early, with the reason in ``ended``.

    Raises BenchStoppedError when ``rig.stop`` is requested, and whatever ``rig.load`` raises.
    """
    run = _Run(rig, plan)
    try:
        run.all()
    except _MeterLostError as error:
        run.measured.ended = str(error)
    run.finish()
    return run.measured


class _Run:
    def __init__(self, rig: Rig, plan: Plan) -> None:
        self._rig, self._plan = rig, plan
        now_s = rig.now_s()
        self.measured = Measured(now_s)
        self._readings = Readings(rig.meter)
        health = rig.meter.health()
        self._reconnects, self._clock_steps = health.reconnects, health.clock_steps
        self._residual_s = rig.meter.sync().residual_s
        self._alignment: Alignment | None = None
        self._progress = ProgressLine(plan.phases(self._residual_s))
        self._t_shown_s = self._t_checked_s = -np.inf
        self._baselines: dict[str, list[float]] = {}
        self._t_edge_s = now_s
        self._temp_c: float | None = None

    def all(self) -> None:
        """Go through the phases."""
        model = self._load()
        self._align(model)
        if self._plan.has_baseline:
            self._idle("before")
        loop = self._warm_up(model)
        for number in range(1, self._plan.section.windows + 1):
            self._window(loop, number)
        self._begin("run-out")
        self._work(loop, self._t_edge_s + self._margin_s)
        if self._plan.has_baseline:
            self._idle("after")
        self._await_readings()

    def finish(self) -> None:
        """Put together what was read, as far as it was."""
        measured, readings = self.measured, self._readings
        readings.poll()
        health = self._rig.meter.health()
        measured.meter_reconnects = health.reconnects - self._reconnects
        measured.clock_steps = health.clock_steps - self._clock_steps
        sync = readings.worst or self._rig.meter.sync()
        measured.sync = Sync(sync.method, sync.residual_s)
        measured.shift_s = self._residual_s
        measured.load = readings.between(*measured.t_load_s)
        measured.before, measured.after = self._baseline("before"), self._baseline("after")
        measured.energies = [
            readings.window(one.t_start_s, one.t_end_s, self._residual_s, one.inference_count)
            for one in measured.windows
        ]
        self._note_parts()

    @property
    def _margin_s(self) -> float:
        return self._plan.guard_s + self._residual_s

    def _align(self, model: LoadedModel) -> None:
        """Tie the clocks together; from here on edges are cut early and late by what is left."""
        self._begin("alignment")
        if self._rig.alignment is not None:
            self._alignment = self._rig.alignment(model)
            self._alignment.start()
        self._readings.poll()
        self._readings.worst = None
        self._residual_s = self._rig.meter.sync().residual_s
        self._progress = ProgressLine(self._plan.phases(self._residual_s))

    def _load(self) -> LoadedModel:
        rig = self._rig
        self._begin("load")
        begin_s = rig.now_s()
        self._readings.want(begin_s)
        model = rig.load()
        end_s = rig.now_s()
        self._readings.want(end_s)
        self.measured.model, self.measured.t_load_s = model, (begin_s, end_s)
        return model

    def _idle(self, when: str) -> None:
        """Settle, then measure in equal parts, then idle on until the meter's clock is past the last one too."""
        now_s = self._begin(f"baseline {when}")
        first_s, part_s = now_s + self._plan.settle_s + self._margin_s, self._plan.section.baseline_s / BASELINE_PARTS
        edges_s = [first_s + number * part_s for number in range(BASELINE_PARTS + 1)]
        self._baselines[when] = edges_s
        self._readings.want(*edges_s)
        self._sleep_until(edges_s[-1] + self._margin_s)

    def _sleep_until(self, until_s: float) -> None:
        while (left_s := until_s - self._rig.now_s()) > 0.0:
            self._rig.sleep_s(min(SLOT_S, left_s))
            self._tend()

    def _warm_up(self, model: LoadedModel) -> Loop:
        """Run the check set once, then go on with it for a while; return the loop, whose load does not end."""
        begin_s = self._begin("check set")
        model.runner.reset()
        self._check(model)
        now_s = self._begin("warm-up")
        loop = model.make_loop()
        seen = LatencyHistogram()
        self._work(loop, now_s + self._plan.section.warm_up_s + self._margin_s, seen)
        self._temp_c = self._rig.device.end_window(self._t_edge_s, None).soc_temp_c
        self.measured.warm_up_s = self._t_edge_s - begin_s
        self.measured.warm_up_count = len(model.tensors) + seen.count
        return loop

    def _check(self, model: LoadedModel) -> None:
        """Run every input once, and note what the model is worth."""
        scoring, t_tended_s = Scoring(model.runner, model.check_set), self._rig.now_s()
        for tensor in model.tensors:
            scoring.take(tensor, model.runner.infer(tensor))
            if self._rig.now_s() - t_tended_s >= SLOT_S:
                t_tended_s = self._tend()
        self.measured.quality = scoring.quality()

    def _window(self, loop: Loop, number: int) -> None:
        """Run until the first inference that ends after the window's length: there the next window begins."""
        self._begin(f"window {number}")
        begin_s, temp_c = self._t_edge_s, self._temp_c
        seen = LatencyHistogram()
        self._want_edge(begin_s)
        self._work(loop, begin_s + self._plan.section.window_s, seen, self.measured.latencies)
        self._want_edge(self._t_edge_s)
        if self._alignment is not None:
            self._alignment.edge(number % 2 == 0)
        state = self._rig.device.end_window(self._t_edge_s, None)
        self._temp_c = state.soc_temp_c
        self.measured.windows.append(MeasuredWindow(begin_s, self._t_edge_s, seen.count, seen, temp_c, state))

    def _want_edge(self, edge_s: float) -> None:
        """Ask for an edge, and for the same edge as early and as late as it may really be."""
        self._readings.want(edge_s - self._residual_s, edge_s, edge_s + self._residual_s)

    def _work(self, loop: Loop, until_s: float, *seen: LatencyHistogram) -> None:
        """Run inferences until the first that ends at or after ``until_s``, in slots; at least one."""
        while True:
            burst = loop.run(Run(min(self._rig.now_s() + SLOT_S, until_s)))
            latencies_s = np.diff(np.array([burst.t_begin_s, *burst.ends_s]))
            for histogram in seen:
                histogram.add(latencies_s)
            self._t_edge_s = burst.ends_s[-1]
            if self._t_edge_s >= until_s:
                return
            self._tend()

    def _begin(self, phase: str) -> float:
        now_s = self._rig.now_s()
        self._t_shown_s = now_s
        self._rig.show(self._progress.begin(phase, now_s))
        return now_s

    def _tend(self) -> float:
        """See to everything else; return the time."""
        rig = self._rig
        if rig.stop.requested:
            raise BenchStoppedError
        now_s = rig.now_s()
        self._readings.poll()
        rig.device.tend(now_s)
        if self._alignment is not None:
            self._alignment.tick(now_s)
        if now_s - self._t_shown_s >= PROGRESS_S:
            self._t_shown_s = now_s
            rig.show(self._progress.at(now_s))
            self._check_meter()
        return now_s

    def _check_meter(self) -> None:
        health = self._rig.meter.health()
        if is_lost(health, self._rig.max_interval_s):
            age_s = health.last_sample_age_s or 0.0
            raise _MeterLostError(
                f"the meter was lost in phase {self._progress.at(0.0).phase!r}, for {age_s:.0f} s "
                f"({health.last_error or 'no samples'}): check its cable and supply, and bench again"
            )

    def _await_readings(self) -> None:
        deadline_s = self._rig.now_s() + LAST_READING_TIMEOUT_S + 2.0 * self._rig.max_interval_s
        while not self._readings.poll() and self._rig.now_s() < deadline_s:
            self._rig.sleep_s(SLOT_S / 5.0)
            self._tend()

    def _baseline(self, when: str) -> BaselineEnergy | None:
        edges_s = self._baselines.get(when)
        if edges_s is None:
            return None
        parts = [self._readings.between(*edges) for edges in pairwise(edges_s)]
        return BaselineEnergy(tuple(part for part in parts if part is not None)) if all(parts) else None

    def _note_parts(self) -> None:
        """Note where baselines and windows lie on the meter's clock."""
        spans = [(f"baseline {when}", edges_s[0], edges_s[-1]) for when, edges_s in self._baselines.items()]
        spans += [
            (f"window {number}", one.t_start_s, one.t_end_s) for number, one in enumerate(self.measured.windows, 1)
        ]
        for name, begin_s, end_s in spans:
            first, last = self._readings.at(begin_s), self._readings.at(end_s)
            if first is not None and last is not None:
                self.measured.parts_device_s.append((name, first.t_device_s, last.t_device_s))
