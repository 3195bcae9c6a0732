"""One window that an application opened, put together from the pieces that it was cut into on the wire. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.latency import LatencyHistogram
from edge_agent.recorder import EdgeKnowledge, Joined
from edge_agent.uncertainty.net import MeterLimits, net_energy
from edge_agent.window import Conditions, flags_of
from edge_agent.wire.records import Boundary, SyncMethod, WindowFlag
from edge_agent.work.protocol import ModelName
from firmware_bridge.energy import energy_between


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowResult:
    """What a window came to, as a whole; the fields are those of ``InferenceWindow``.

    The pieces of a long window that go to the collector add up to it: to ``energy_j``, to ``inference_count``.
    ``energy_j``: gross joules over ``duration_s`` less ``gap_s``. ``energy_per_inference_j`` and its uncertainty (k =
    1) are None without an inference, and with the flag "gap": joules are missing then, and inferences are not.
    """

    model_id: str
    duration_s: float
    energy_j: float
    energy_u_j: float
    energy_u_systematic_j: float
    net_energy_j: float | None
    net_energy_u_j: float | None
    inference_count: int
    gap_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_max_s: float | None
    meter_id: str
    boundary: Boundary
    sync_method: SyncMethod
    sync_residual_s: float
    simulated: bool
    flags: tuple[WindowFlag, ...]

    @property
    def energy_per_inference_j(self) -> float | None:
        """Return gross joules per inference."""
        return self.energy_j / self.inference_count if self._has_ratio else None

    @property
    def energy_per_inference_u_j(self) -> float | None:
        """Return its standard uncertainty."""
        return self.energy_u_j / self.inference_count if self._has_ratio else None

    @property
    def _has_ratio(self) -> bool:
        return self.inference_count > 0 and "gap" not in self.flags


class Span:
    """A window that is open, or waits for the meter. Not thread-safe: its owner has the lock."""

    def __init__(self, model: ModelName, t_begin_s: float) -> None:
        self.model, self.t_begin_s = model, t_begin_s
        self.t_end_s: float | None = None
        self.pieces = 0
        self.result: WindowResult | None = None
        self._count = 0
        self._latencies = LatencyHistogram()
        self._busy_s = 0.0
        self._first: Joined | None = None
        self._last: Joined | None = None
        self._taken = 0
        self._flags: set[WindowFlag] = set()
        self._edges = EdgeKnowledge(0.0, 0.0, 0.0, 0.0)

    def count(self, number: int, latencies_s: NDArray[np.float64]) -> None:
        """Count ``number`` inferences, and the latencies (shape ``(n,)``) of those for which they are known."""
        self._count += number
        self._latencies.add(latencies_s)
        self._busy_s += float(latencies_s.sum())

    def take(self, joined: Joined, limits: MeterLimits) -> None:
        """Take the next piece, in order; with the last one ``result`` is there."""
        self._taken += 1
        self._first = self._first or joined
        self._last = joined
        self._flags |= set(flags_of(joined.counts.duration_s, 0.0, None, joined.conditions))
        was, now = self._edges, joined.edges
        self._edges = EdgeKnowledge(
            sync_residual_s=max(was.sync_residual_s, now.sync_residual_s),
            pooled_sd_w=max(was.pooled_sd_w, now.pooled_sd_w),
            pooled_count=max(was.pooled_count, now.pooled_count),
            neighbour_step_w=max(was.neighbour_step_w, now.neighbour_step_w),
        )
        self.settle(limits)

    def settle(self, limits: MeterLimits) -> None:
        """Work the result out if the window is over and every piece is here."""
        if self.t_end_s is None or self._taken < self.pieces or self._first is None or self._last is None:
            return
        self.result = self._result(self._first, self._last, self.t_end_s, limits)

    def _result(self, first: Joined, last: Joined, t_end_s: float, limits: MeterLimits) -> WindowResult:
        duration_s = t_end_s - self.t_begin_s
        delta = energy_between(first.start, last.end)
        budget = self._edges.budget(delta, limits.sheet, min(1.0, self._busy_s / duration_s))
        idle = last.conditions.idle
        net = net_energy(delta, budget, idle.idle_power, limits, last.conditions.voltage_v) if idle else None
        gap_s = min(max(0.0, delta.gap_s), duration_s)
        plain = Conditions(last.conditions.t_start_unix_ns, last.conditions.clock_state)
        seen = self._latencies
        return WindowResult(
            model_id=self.model.model_id,
            duration_s=duration_s,
            energy_j=delta.energy_j,
            energy_u_j=budget.combined_j,
            energy_u_systematic_j=budget.common_j,
            net_energy_j=net.energy_j if net else None,
            net_energy_u_j=net.u_j if net else None,
            inference_count=self._count,
            gap_s=gap_s,
            latency_p50_s=seen.quantile_s(0.50),
            latency_p95_s=seen.quantile_s(0.95),
            latency_max_s=seen.max_s if seen.count else None,
            meter_id=last.identity.meter_id,
            boundary=last.identity.boundary,
            sync_method=last.metering.sync_method,
            sync_residual_s=self._edges.sync_residual_s,
            simulated=last.identity.simulated,
            flags=tuple(sorted({*self._flags, *flags_of(duration_s, gap_s, net, plain)})),
        )
