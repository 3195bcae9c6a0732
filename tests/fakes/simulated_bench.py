"""A bench in simulated time: a device of two powers, a meter that knows them, a model that takes its time."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_agent.bench.measured import LoadedModel, Measured
from edge_agent.bench.plan import Plan
from edge_agent.bench.progress import Progress
from edge_agent.bench.record import Context, conclude
from edge_agent.bench.run import Rig, run_bench
from edge_agent.check_set import CheckSet
from edge_agent.config import BenchSection
from edge_agent.device.cpu import CpuRatios
from edge_agent.device.observer import ObservedState
from edge_agent.inference.runner import Quantisation, Tensor
from edge_agent.inference_loop import InferenceLoop
from edge_agent.service import StopFlag
from edge_agent.window import Identity
from edge_agent.wire.records import BenchRecord, RuntimeIdentity
from firmware_bridge.driver import DataSheet
from firmware_bridge.meter import MeterHealth
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyReading
from firmware_bridge.timeline import SyncState

T0_S = 1000.0
IDLE_W = 2.0
BUSY_W = 5.0
LATENCY_S = 0.002
SUPPLY_V = 5.0
RATE_HZ = 1000.0
SHEET: DataSheet = get_driver("powersensor3").data_sheet
RUNTIME = RuntimeIdentity(runtime="litert", version="2.3.0", delegate="xnnpack", threads=1)
DEVICE_IS_FINE = ObservedState(soc_temp_c=50.0, throttled=False, governor="performance", cpu=CpuRatios(1.0, 0.01, 0.0))


@dataclass
class World:
    """The device: what it drew up to every moment at which its power changed. ``drift_w_per_s``: of both powers."""

    idle_w: float = IDLE_W
    busy_w: float = BUSY_W
    latency_s: float = LATENCY_S
    now_s: float = T0_S
    times_s: list[float] = field(default_factory=lambda: [0.0, T0_S])
    drawn_j: list[float] = field(default_factory=lambda: [0.0, IDLE_W * T0_S])

    def pass_time(self, seconds: float, power_w: float) -> None:
        self.now_s += seconds
        self.times_s.append(self.now_s)
        self.drawn_j.append(self.drawn_j[-1] + power_w * seconds)

    def sleep_s(self, seconds: float) -> None:
        self.pass_time(seconds, self.idle_w)

    def energy_j(self, t_s: float) -> float:
        after = min(max(bisect_right(self.times_s, t_s), 1), len(self.times_s) - 1)
        t0, t1 = self.times_s[after - 1], self.times_s[after]
        e0, e1 = self.drawn_j[after - 1], self.drawn_j[after]
        return e0 + (e1 - e0) * (t_s - t0) / (t1 - t0)


@dataclass
class WorldMeter:
    """An ideal register of the world, ``delay_s`` behind, whose clock is ``offset_s`` late where nobody knows it.

    ``clock_ratio``: how much faster than the host's its clock runs; its seconds and joules are so many more.
    ``lost_from_s``: nothing comes after it. ``gap_s``: (begin, end) without samples.
    """

    world: World
    sync_residual_s: float = 0.001
    offset_s: float = 0.0
    clock_ratio: float = 0.0
    delay_s: float = 0.05
    lost_from_s: float = float("inf")
    gap_s: tuple[float, float] = (0.0, 0.0)
    sd_w: float = 0.5
    reconnects: int = 0
    reconnects_at_s: float = float("inf")

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        reached_s = min(self.world.now_s - self.delay_s, self.lost_from_s)
        t_s = t_host_s + self.offset_s
        if t_s > reached_s:
            return None
        begin_s, end_s = self.gap_s
        gap_s = min(max(t_s - begin_s, 0.0), end_s - begin_s)
        in_gap_j = self.world.energy_j(min(max(t_s, begin_s), end_s)) - self.world.energy_j(begin_s)
        energy_j = self.world.energy_j(t_s) - in_gap_j
        covered_s = t_s - gap_s
        pace = 1.0 + self.clock_ratio
        return EnergyReading(
            t_device_s=pace * t_s,
            energy_j=pace * energy_j,
            energy_u_systematic_j=0.003 * pace * energy_j,
            power_sq_w2s=pace * energy_j**2 / covered_s if covered_s else 0.0,
            covered_s=pace * covered_s,
            gap_s=pace * gap_s,
            sample_count=covered_s * RATE_HZ,
            lost_count=gap_s * RATE_HZ,
        )

    def sync(self) -> SyncState:
        return SyncState("arrival_fit", self.sync_residual_s)

    def health(self) -> MeterHealth:
        age_s = max(0.0, self.world.now_s - self.lost_from_s)
        return MeterHealth(
            connected=age_s == 0.0,
            frame_errors={},
            reconnects=self.reconnects + (self.world.now_s > self.reconnects_at_s),
            last_sample_age_s=age_s,
            identity=None,
            last_error="the port is gone" if age_s else "",
        )


class WorldRunner:
    """A model that draws busy power for its latency, and answers with the label that its input holds."""

    identity = RUNTIME
    load_s = 0.4
    first_invoke_s = 0.1
    input_shape: tuple[int, ...] = (1, 1)
    input_dtype: np.dtype[Any] = np.dtype(np.int8)
    input_bytes = 1
    input_quantisation: Quantisation | None = None
    output_shape: tuple[int, ...] = (1, 2)
    output_quantisation: Quantisation | None = None
    stateful = False

    def __init__(self, world: World) -> None:
        self._world = world
        self.resets = 0

    def infer(self, tensor: Tensor) -> Tensor:
        self._world.pass_time(self._world.latency_s, self._world.busy_w)
        output: Tensor = np.eye(2)[int(tensor[0, 0])][np.newaxis, :]
        return output

    def reset(self) -> None:
        self.resets += 1


class FixedDevice:
    """A device whose state never changes."""

    def __init__(self, state: ObservedState) -> None:
        self._state = state

    def tend(self, now_s: float) -> None:
        pass

    def end_window(self, now_s: float, inference_s: float | None) -> ObservedState:  # noqa: ARG002 the protocol's
        return self._state


@dataclass
class Trial:
    """One simulated bench and what it left behind."""

    world: World = field(default_factory=World)
    section: BenchSection = field(default_factory=BenchSection)
    device: ObservedState = DEVICE_IS_FINE
    labels: tuple[int, ...] | None = (0, 1, 0, 0)
    stop: StopFlag = field(default_factory=StopFlag)
    smoke: bool = False
    shown: list[Progress] = field(default_factory=list)
    meter: WorldMeter = field(init=False)
    runner: WorldRunner = field(init=False)

    def __post_init__(self) -> None:
        self.meter = WorldMeter(self.world)
        self.runner = WorldRunner(self.world)

    def plan(self) -> Plan:
        return Plan(self.section, 0.2, smoke=self.smoke)

    def measure(self) -> Measured:
        rig = Rig(
            meter=self.meter,
            max_interval_s=0.1,
            device=FixedDevice(self.device),
            now_s=lambda: self.world.now_s,
            sleep_s=self.world.sleep_s,
            load=self._load,
            show=self.shown.append,
            stop=self.stop,
        )
        return run_bench(rig, self.plan())

    def record(self) -> BenchRecord:
        return conclude(self.measure(), self.plan(), context())

    def _load(self) -> LoadedModel:
        self.world.pass_time(self.runner.load_s + self.runner.first_invoke_s, self.world.busy_w)
        tensors = [np.array([[label]], np.int8) for label in (0, 1, 0, 1)]
        return LoadedModel(
            self.runner,
            tensors,
            CheckSet(x=np.array(tensors), y=None if self.labels is None else np.array(self.labels)),
            is_check_set=True,
            make_loop=lambda: InferenceLoop(self.runner, tensors, lambda: self.world.now_s),
        )


def context() -> Context:
    return Context(
        identity=Identity(
            model_id="digits",
            model_sha256="0" * 64,
            runtime=RUNTIME,
            meter_id="m-1",
            meter_driver="powersensor3",
            boundary="dc_input",
            simulated=True,
        ),
        device_id="pi4-01",
        device_class="raspberry-pi-4b",
        boot_id="boot-1",
        bench_id="bench-1",
        clock_state="synchronised",
        agent_version="0.1.0",
        python_version="3.11.2",
        platform="Linux",
        sheet=SHEET,
        calibration=None,
        systematic_id="powersensor3",
        voltage_v=SUPPLY_V,
        t_first_unix_ns=1_760_000_000_000_000_000,
    )
