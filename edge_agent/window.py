"""One window's record: what the model did, joined with the meter's energy and what held meanwhile. Pure."""

from dataclasses import dataclass, field
from typing import Final

from edge_agent.device.observer import ObservedState
from edge_agent.uncertainty.energy import EnergyBudget
from edge_agent.uncertainty.net import IdlePower, NetEnergy
from edge_agent.wire.records import Boundary, ClockState, InferenceWindow, RuntimeIdentity, SyncMethod, WindowFlag
from firmware_bridge.samples import EnergyDelta

MAX_GAP_RATIO: Final = 1e-3
"""More of a window without samples is flagged: the share of lost samples that a run of MLPerf Tiny may have
(EEMBC EnergyRunner, emon-drop-thresh-pct)."""
BASELINE_VALID_S: Final = 3600.0
"""How long a declared idle power is taken for today's: temperature, supply and other processes move on."""


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What the model did between two host times (CLOCK_BOOTTIME). Latencies are None without inferences."""

    t_start_s: float
    t_end_s: float
    inference_count: int
    busy_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None

    @property
    def duration_s(self) -> float:
        """Return the length of the window."""
        return self.t_end_s - self.t_start_s


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose figures a window's are. ``systematic_id``: see ``InferenceWindow``."""

    model_id: str
    model_sha256: str
    runtime: RuntimeIdentity
    meter_id: str
    meter_driver: str
    boundary: Boundary
    simulated: bool
    systematic_id: str = ""


def systematic_id(meter_driver: str, meter_id: str, certificate: str | None) -> str:
    """Return whose gain and offset error a figure has: the type's, or with a certificate that very unit's."""
    return meter_driver if certificate is None else f"{meter_driver}:{meter_id}:{certificate}"


@dataclass(frozen=True, slots=True)
class IdleBaseline:
    """Mean power while the agent idled before its workload, with its standard uncertainty.

    ``random_u_w``: the part of it that is not the meter's gain and offset. ``voltage_v``: of the supply meanwhile.
    ``t_end_s``: host time at which it was over. ``meter_epoch``: counts other units and new beginnings of the meter.
    """

    power_w: float
    power_u_w: float
    random_u_w: float = 0.0
    voltage_v: float | None = None
    t_end_s: float = 0.0
    meter_epoch: int = 0

    @property
    def idle_power(self) -> IdlePower:
        """Return it as net energy wants it."""
        return IdlePower(self.power_w, self.random_u_w, self.voltage_v)

    def is_old(self, t_s: float, meter_epoch: int) -> bool:
        """Tell whether it no longer stands for host time ``t_s``.

        It is older than ``BASELINE_VALID_S``, or another unit measures since, or the meter began anew. A restarted
        agent measures its own, or has none.
        """
        return t_s - self.t_end_s > BASELINE_VALID_S or meter_epoch != self.meter_epoch


@dataclass(frozen=True, slots=True)
class Conditions:
    """What held during one window; None where unknown. ``frame_error_count``: errors since the window before.

    ``clock_stepped``: the system clock was set, or the meter's clock jumped. ``voltage_v``: of the supply.
    """

    t_start_unix_ns: int
    clock_state: ClockState
    frame_error_count: int = 0
    clock_stepped: bool = False
    voltage_v: float | None = None
    idle: IdleBaseline | None = None
    baseline_is_old: bool = False
    device: ObservedState = field(default_factory=ObservedState)


@dataclass(frozen=True, slots=True)
class Metering:
    """The energy of one window, what it is worth, and how the meter's clock was aligned.

    ``net``: above the declared idle power, None without one or without a sample.
    """

    delta: EnergyDelta
    budget: EnergyBudget
    sync_method: SyncMethod
    sync_residual_s: float
    net: NetEnergy | None = None


def flags_of(duration_s: float, gap_s: float, net: NetEnergy | None, conditions: Conditions) -> tuple[WindowFlag, ...]:
    """Return what a reader of the window has to know before using it."""
    found: list[tuple[WindowFlag, bool]] = [
        ("net_negative", net is not None and net.energy_j < 0.0),
        ("baseline_old", conditions.idle is not None and conditions.baseline_is_old),
        ("throttled", conditions.device.throttled is True),
        ("gap", gap_s > MAX_GAP_RATIO * duration_s),
        ("clock_step", conditions.clock_stepped),
    ]
    return tuple(flag for flag, holds in found if holds)


def build_window(
    seq: int, counts: WindowCounts, metering: Metering, identity: Identity, conditions: Conditions
) -> InferenceWindow:
    """Join counts, energy and identity into the record that goes on the wire.

    Seconds of the window that the meter did not cover are ``gap_s``, never more than the window has.
    """
    delta, idle, net, device = metering.delta, conditions.idle, metering.net, conditions.device
    gap_s = min(max(0.0, delta.gap_s), counts.duration_s)
    return InferenceWindow(
        seq=seq,
        t_start_unix_ns=conditions.t_start_unix_ns,
        clock_state=conditions.clock_state,
        duration_s=counts.duration_s,
        energy_j=delta.energy_j,
        energy_u_j=metering.budget.combined_j,
        energy_u_systematic_j=metering.budget.common_j,
        gap_s=gap_s,
        inference_count=counts.inference_count,
        busy_s=counts.busy_s,
        model_id=identity.model_id,
        model_sha256=identity.model_sha256,
        runtime=identity.runtime,
        meter_id=identity.meter_id,
        meter_driver=identity.meter_driver,
        boundary=identity.boundary,
        sync_method=metering.sync_method,
        sync_residual_s=metering.sync_residual_s,
        simulated=identity.simulated,
        idle_power_w=idle.power_w if idle else None,
        idle_power_u_w=idle.power_u_w if idle else None,
        latency_p50_s=counts.latency_p50_s,
        latency_p95_s=counts.latency_p95_s,
        latency_max_s=counts.latency_max_s,
        sample_count=delta.sample_count,
        lost_count=delta.lost_count,
        frame_error_count=conditions.frame_error_count,
        soc_temp_c=device.soc_temp_c,
        freq_mhz=device.freq_mhz,
        throttled=device.throttled,
        systematic_id=identity.systematic_id,
        net_energy_j=net.energy_j if net else None,
        net_energy_u_j=net.u_j if net else None,
        flags=flags_of(counts.duration_s, gap_s, net, conditions),
        governor=device.governor,
        freq_min_mhz=device.freq_min_mhz,
        freq_max_mhz=device.freq_max_mhz,
        soc_temp_max_c=device.soc_temp_max_c,
        agent_cpu_ratio=device.cpu.agent,
        overhead_cpu_ratio=device.cpu.overhead,
        other_cpu_ratio=device.cpu.other,
        t_start_boot_ns=max(0, round(counts.t_start_s * 1e9)),
    )
