"""What one inference costs on each side, in every drawn world. All arrays have shape ``(draws,)``."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from collector.analysis.resolve import Resolved
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64, Estimate, exactly
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws
from collector.carbon.units import BYTES_PER_GB, G_PER_KG, J_PER_KWH, S_PER_DAY, s_from_years

NetworkModel = Literal["average", "marginal"]
NETWORK_MODELS: tuple[NetworkModel, ...] = ("average", "marginal")


@dataclass(frozen=True, slots=True)
class SideFootprint:
    """Grams per inference (``energy_j`` in joules): operational, network by model, embodied.

    ``fixed_g_per_day`` and ``per_inference_g`` split operational plus embodied into what falls due on each day
    whatever is computed, and what each inference adds.
    """

    energy_j: F64
    operational_g: F64
    network_g: dict[NetworkModel, F64]
    embodied_g: F64
    fixed_g_per_day: F64
    per_inference_g: F64

    def total_g(self, model: NetworkModel) -> F64:
        """Return the sum per inference with one network model."""
        return np.asarray(self.operational_g + self.network_g[model] + self.embodied_g, dtype=np.float64)


class World:
    """Turns factors into arrays: drawn worlds, or one analytic world in which each factor has its median."""

    def __init__(self, draws: Draws | None) -> None:
        self._draws = draws

    def of(self, factor: Factor) -> F64:
        """Return the factor's values; factors with the same id move together."""
        return self.values(factor.id, factor.estimate)

    def values(self, cause: str, estimate: Estimate) -> F64:
        """Return the values of an estimate that a cause moves."""
        if self._draws is None:
            return np.array([estimate.value], dtype=np.float64)
        return self._draws.of(cause, estimate)


def edge_footprint(resolved: Resolved, world: World) -> SideFootprint:
    """Return the edge side. A dedicated device is charged its idle time and its whole embodied carbon."""
    edge, side = resolved.edge, resolved.scenario.edge
    per_day, busy_s = side.inferences_per_day, edge.time_per_inference_s
    grams_per_j = world.of(edge.intensity.factor) / J_PER_KWH
    gross_j = world.of(edge.energy)
    embodied_g_per_s = _mass_g(edge.parts, world) / s_from_years(side.lifetime_years)
    idle_w = world.of(edge.idle_power) if edge.idle_power is not None else np.zeros_like(gross_j)
    if side.attribution == "dedicated":
        energy_j = gross_j + idle_w * (S_PER_DAY / per_day - busy_s)
        embodied_g = embodied_g_per_s * (S_PER_DAY / per_day)
        fixed_g = (idle_w * grams_per_j + embodied_g_per_s) * S_PER_DAY
        added_g = (gross_j - idle_w * busy_s) * grams_per_j
    else:
        energy_j = gross_j
        embodied_g = embodied_g_per_s * busy_s
        fixed_g = np.zeros_like(gross_j)
        added_g = gross_j * grams_per_j + embodied_g
    return SideFootprint(
        energy_j=energy_j,
        operational_g=energy_j * grams_per_j,
        network_g=_network_g(resolved, world, resolved.scenario.network.edge_bytes),
        embodied_g=embodied_g,
        fixed_g_per_day=fixed_g,
        per_inference_g=added_g,
    )


def cloud_footprint(resolved: Resolved, world: World) -> SideFootprint:
    """Return the cloud side: everything is charged per inference, since other work fills the server."""
    cloud, side = resolved.cloud, resolved.scenario.cloud
    path = resolved.scenario.network
    slot_s = world.of(cloud.time_per_inference) / side.utilisation_ratio
    energy_j = _server_j(resolved, world, slot_s) * world.of(cloud.pue)
    operational_g = energy_j * world.of(cloud.intensity.factor) / J_PER_KWH
    mass_g = world.of(cloud.embodied) * G_PER_KG * side.embodied_share_ratio
    embodied_g = mass_g * slot_s / s_from_years(side.lifetime_years)
    return SideFootprint(
        energy_j=energy_j,
        operational_g=operational_g,
        network_g=_network_g(resolved, world, path.payload_up_bytes + path.payload_down_bytes),
        embodied_g=embodied_g,
        fixed_g_per_day=np.zeros_like(operational_g),
        per_inference_g=operational_g + embodied_g,
    )


def _mass_g(parts: tuple[Part, ...], world: World) -> F64:
    """Return the embodied grams of all parts; parts with the same factor move together."""
    masses = [part.multiplier * np.prod([world.of(factor) for factor in part.factors], axis=0) for part in parts]
    return np.asarray(G_PER_KG * np.sum(masses, axis=0), dtype=np.float64)


def _server_j(resolved: Resolved, world: World, slot_s: F64) -> F64:
    """Return joules at the server's plug per inference; a slot is busy time over utilisation."""
    cloud = resolved.cloud
    if cloud.energy is not None:
        return world.of(cloud.energy)
    assert cloud.idle_power is not None, "resolve() asks for both powers"
    assert cloud.max_power is not None, "resolve() asks for both powers"
    idle_w, max_w = world.of(cloud.idle_power), world.of(cloud.max_power)
    mean_w = idle_w + resolved.scenario.cloud.utilisation_ratio * (max_w - idle_w)
    return np.asarray(mean_w * slot_s, dtype=np.float64)


def _network_g(resolved: Resolved, world: World, payload_bytes: int) -> dict[NetworkModel, F64]:
    network = resolved.network
    grams_per_kwh = world.of(network.intensity.factor)
    payload_gb = world.values("payload", exactly(payload_bytes / BYTES_PER_GB, "GB", "scenario"))
    by_model = {"average": network.average, "marginal": network.marginal}
    return {model: payload_gb * world.of(by_model[model]) * grams_per_kwh for model in NETWORK_MODELS}
