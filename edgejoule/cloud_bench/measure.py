"""The measurement itself: warm-up, idle, windows in a drawn order, idle."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge_agent.bench.progress import Progress
from edge_agent.device.cpu import CpuClock, cpu_ratios
from edge_agent.inference.runner import Tensor
from edge_agent.latency import LatencyHistogram
from edge_agent.service import StopFlag
from edgejoule.cloud_bench.batches import BatchRunner
from edgejoule.cloud_bench.joules import JouleSource, Mark
from edgejoule.cloud_bench.plan import IDLE_PARTS, Plan

Show = Callable[[Progress], None]
STEP_S: Final = 0.1
SHOW_S: Final = 0.5


class CloudBenchStoppedError(Exception):
    """Somebody asked the bench to stop: there is no record."""


@dataclass(frozen=True, slots=True)
class IdlePart:
    """One part of the idle time."""

    duration_s: float
    energy_j: float
    gap_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """One window of one batch size. ``other_cpu_ratio``: cores that other processes used, None unknown."""

    batch_size: int
    duration_s: float
    energy_j: float
    gap_s: float
    cpu_s: float
    inferences: int
    other_cpu_ratio: float | None
    too_hot: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """All windows in their order, the idle time around them, and each batch size's latencies."""

    windows: tuple[Window, ...]
    idle_before: tuple[IdlePart, ...]
    idle_after: tuple[IdlePart, ...]
    latencies: dict[int, LatencyHistogram]


@dataclass(frozen=True, slots=True)
class Load:
    """What is run: for each batch size how, and on which inputs in turn."""

    runners: dict[int, BatchRunner]
    inputs: dict[int, Sequence[Tensor]]


class Measurement:
    """Measures a load by a plan. ``is_too_hot``: asked after each window. One ``run`` each."""

    def __init__(
        self, load: Load, plan: Plan, source: JouleSource, *, is_too_hot: Callable[[], bool | None], show: Show
    ) -> None:
        self._load, self._plan, self._source = load, plan, source
        self._is_too_hot, self._show = is_too_hot, show
        self._cpu = CpuClock(Path("/proc"))
        self._latencies = {size: LatencyHistogram() for size in plan.batch_sizes}
        self._planned_s = 0.0
        self._shown_s = -SHOW_S
        self._stop = StopFlag()

    def run(self, stop: StopFlag) -> Measured:
        """Measure. Raises CloudBenchStoppedError when ``stop`` is set, InferenceError when the engine fails."""
        self._stop = stop
        plan = self._plan
        try:
            for size in plan.batch_sizes:
                self._loop(size, plan.warm_up_s / len(plan.batch_sizes), "warming up")
            before = self._idle("idle before")
            windows = [self._window(size) for size in plan.order()]
            after = self._idle("idle after")
        finally:
            self._cpu.close()
        return Measured(tuple(windows), before, after, self._latencies)

    def _window(self, size: int) -> Window:
        phase = f"batch {size}"
        self._loop(size, self._plan.lead_s, phase)
        cpu_before, first = self._cpu.read(time.monotonic(), None), self._source.mark()
        inferences, spent = self._loop(size, self._plan.window_s, phase)
        last, cpu_after = self._source.mark(), self._cpu.read(time.monotonic(), None)
        self._latencies[size].add(np.asarray(spent, np.float64))
        return Window(
            batch_size=size,
            duration_s=last.t_s - first.t_s,
            energy_j=last.energy_j - first.energy_j,
            gap_s=last.gap_s - first.gap_s,
            cpu_s=last.cpu_s - first.cpu_s,
            inferences=inferences,
            other_cpu_ratio=cpu_ratios(cpu_before, cpu_after).other,
            too_hot=self._is_too_hot(),
        )

    def _loop(self, size: int, seconds: float, phase: str) -> tuple[int, list[float]]:
        """Run batches for ``seconds``, one at least; return how many inputs that were, and each batch's seconds."""
        run, batches = self._load.runners[size], self._load.inputs[size]
        began_s = now_s = time.monotonic()
        spent: list[float] = []
        while not spent or now_s - began_s < seconds:
            batch, begun_s = batches[len(spent) % len(batches)], time.monotonic()
            run(batch)
            now_s = time.monotonic()
            spent.append(now_s - begun_s)
            self._tell(phase, now_s - began_s, seconds, now_s)
        self._planned_s += seconds
        return size * len(spent), spent

    def _idle(self, phase: str) -> tuple[IdlePart, ...]:
        if self._plan.idle_s <= 0.0 or not self._source.boundary.sees_idle:
            self._planned_s += self._plan.waiting_s
            return ()
        self._wait(time.monotonic(), self._plan.lead_s, phase)  # what a card states is a mean over up to a second
        parts: list[IdlePart] = []
        began_s = time.monotonic()
        first = self._source.mark()
        for number in range(1, IDLE_PARTS + 1):
            self._wait(began_s, self._plan.idle_s * number / IDLE_PARTS, phase)
            last = self._source.mark()
            parts.append(_part(first, last))
            first = last
        self._planned_s += self._plan.waiting_s
        return tuple(parts)

    def _wait(self, began_s: float, seconds: float, phase: str) -> None:
        while (left_s := began_s + seconds - time.monotonic()) > 0.0:
            now_s = time.monotonic()
            self._tell(phase, now_s - began_s, self._plan.waiting_s, now_s)
            time.sleep(min(left_s, STEP_S))

    def _tell(self, phase: str, inside_s: float, planned_s: float, now_s: float) -> None:
        if self._stop.requested:
            raise CloudBenchStoppedError
        if now_s >= self._shown_s + SHOW_S:
            self._shown_s = now_s
            self._show(Progress(phase, self._planned_s + min(inside_s, planned_s), self._plan.total_s))


def _part(first: Mark, last: Mark) -> IdlePart:
    return IdlePart(last.t_s - first.t_s, last.energy_j - first.energy_j, last.gap_s - first.gap_s)
