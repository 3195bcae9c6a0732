"""What a bench has measured, before it is judged and written down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.bench.values import BaselineEnergy, WindowEnergy
from edge_agent.check_set import CheckSet
from edge_agent.checking import Quality
from edge_agent.device.observer import ObservedState
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.latency import LatencyHistogram
from edge_agent.window_series import Burst
from edge_agent.wire.records import SyncMethod
from edge_agent.workload import Run
from firmware_bridge.samples import EnergyDelta


class Loop(Protocol):
    """See ``edge_agent.inference_loop.InferenceLoop``."""

    def run(self, order: Run) -> Burst:
        """Run inferences back to back, at least one."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready, with its inputs, ``check_set`` in the model's shape.

    ``is_check_set``: whether the inputs are a check set, or random numbers.
    """

    runner: InferenceRunner
    tensors: list[Tensor]
    check_set: CheckSet
    is_check_set: bool
    make_loop: Callable[[], Loop]


@dataclass(frozen=True, slots=True)
class MeasuredWindow:
    """One window between two inference ends. ``temp_start_c``: of the SoC, at its begin."""

    t_start_s: float
    t_end_s: float
    inference_count: int
    latencies: LatencyHistogram
    temp_start_c: float | None
    state: ObservedState


@dataclass(frozen=True, slots=True)
class Sync:
    """How the clocks of meter and host were aligned when edges were read, at its worst."""

    method: SyncMethod
    residual_s: float


@dataclass(slots=True)
class Measured:
    """Everything, as far as the bench got. Times are host seconds.

    ``t_load_s``: begin and end of starting the engine, loading and first inference; ``load``: what the meter saw
    then. ``energies``: of each window, None where the meter did not get there. ``warm_up_s``: seconds of inference
    before the first window, check set included.
    ``shift_s``: by how much early and late windows were cut.
    ``parts_device_s``: where the parts were, on the meter's clock, for a drawing. ``ended``: why the bench ended
    early, empty where it did not.
    """

    t_start_s: float
    model: LoadedModel | None = None
    t_load_s: tuple[float, float] = (0.0, 0.0)
    load: EnergyDelta | None = None
    before: BaselineEnergy | None = None
    after: BaselineEnergy | None = None
    windows: list[MeasuredWindow] = field(default_factory=list)
    energies: list[WindowEnergy | None] = field(default_factory=list)
    latencies: LatencyHistogram = field(default_factory=LatencyHistogram)
    warm_up_s: float = 0.0
    warm_up_count: int = 0
    quality: Quality = field(default_factory=Quality)
    sync: Sync = Sync("host_clock", 0.0)
    shift_s: float = 0.0
    meter_reconnects: int = 0
    clock_steps: int = 0
    parts_device_s: list[tuple[str, float, float]] = field(default_factory=list)
    ended: str = ""
