"""From a scenario's words to figures with a cause and a source: zones, factor ids, measured joules."""

import msgspec

from collector.analysis.scenario import (
    LARGEST,
    CloudSide,
    EdgeSide,
    Grid,
    GridIntensity,
    NetworkPath,
    Quantity,
    Range,
    Scenario,
)
from collector.carbon.embodied import Part
from collector.carbon.estimate import Estimate, exactly, from_standard_uncertainty
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity
from collector.carbon.units import GCO2E_PER_KWH, JOULE, KGCO2E
from collector.data.tables import CLOUD, NETWORK_ENERGY, require_factor, shipped_factors
from collector.intensity.yearly_table import YearlyTable
from collector.inventory import hardware_parts
from edge_agent.wire.errors import ConfigurationError

SCENARIO = "scenario"
MEASUREMENT = "measurement"
"""Vintages of what the author states and of what a device measured."""


class MeasuredEdge(msgspec.Struct, frozen=True, kw_only=True):
    """What one device measured.

    Gross J per inference with its standard uncertainty, device seconds per inference at that pace, baseline power
    (None if none was measured), and whether a simulated meter was behind it.
    """

    device_id: str
    j_per_inference: float
    j_per_inference_u: float
    time_per_inference_s: float
    idle_power_w: float | None
    simulated: bool


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The edge side in figures."""

    energy: Factor
    time_per_inference_s: float
    idle_power: Factor | None
    intensity: CarbonIntensity
    parts: tuple[Part, ...]
    simulated: bool


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud side in figures: ``energy`` per inference, or idle and full power."""

    energy: Factor | None
    idle_power: Factor | None
    max_power: Factor | None
    time_per_inference: Factor
    pue: Factor
    intensity: CarbonIntensity
    embodied: Factor


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Both models of the same path, and the grid that feeds it."""

    average: Factor
    marginal: Factor
    intensity: CarbonIntensity


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario in which every figure has a source."""

    scenario: Scenario
    edge: Edge
    cloud: Cloud
    network: Network

    def factors(self) -> list[Factor]:
        """Return every factor of the comparison, each once."""
        edge, cloud, network = self.edge, self.cloud, self.network
        given = (
            edge.energy, edge.idle_power, *(factor for part in edge.parts for factor in part.factors),
            edge.intensity.factor,
            cloud.energy, cloud.idle_power, cloud.max_power, cloud.time_per_inference, cloud.pue, cloud.embodied,
            cloud.intensity.factor, network.average, network.marginal, network.intensity.factor,
        )  # fmt: skip
        return list({factor.id: factor for factor in given if factor is not None}.values())


def resolve(scenario: Scenario, table: YearlyTable, measured: MeasuredEdge | None = None) -> Resolved:
    """Return the scenario in figures. Raises ConfigurationError with the key and the remedy."""
    edge = _edge(scenario.edge, table, measured)
    cloud = _cloud(scenario.cloud, table)
    network = _network(scenario.network, scenario.edge.grid, table)
    kinds = {edge.intensity.kind, cloud.intensity.kind, network.intensity.kind}
    if len(kinds) > 1:
        raise ConfigurationError(
            "the scenario mixes average and marginal grid intensities; they answer different questions: "
            "give edge.grid, cloud.grid and network.grid the same kind"
        )
    return Resolved(scenario=scenario, edge=edge, cloud=cloud, network=network)


def _edge(side: EdgeSide, table: YearlyTable, measured: MeasuredEdge | None) -> Edge:
    figures = measured if measured is not None else _stated(side)
    origin = f"measured by {figures.device_id}" if measured is not None else "stated in the scenario"
    energy = from_standard_uncertainty(figures.j_per_inference, figures.j_per_inference_u, JOULE, origin)
    idle = _idle_power(side, figures, origin)
    if side.attribution == "dedicated" and idle is None:
        raise ConfigurationError(
            'edge.idle_power_w is unknown, but attribution = "dedicated" charges idle time; '
            'measure a baseline, state it, or use attribution = "shared"'
        )
    busy_s_per_day = side.inferences_per_day * figures.time_per_inference_s
    if busy_s_per_day > 86_400.0:
        raise ConfigurationError(
            f"edge.inferences_per_day: {side.inferences_per_day:g} inferences of {figures.time_per_inference_s:g} s "
            "do not fit into a day of one device; lower the number, or measure the device at a faster pace"
        )
    return Edge(
        energy=_factor(
            "edge.j_per_inference",
            "edge energy per inference",
            energy,
            "gross, at the meter",
            origin,
            vintage=SCENARIO if measured is None else MEASUREMENT,
        ),
        time_per_inference_s=figures.time_per_inference_s,
        idle_power=idle if side.attribution == "dedicated" else None,
        intensity=_intensity(side.grid, "edge.grid", table),
        parts=_edge_parts(side),
        simulated=figures.simulated,
    )


def _idle_power(side: EdgeSide, figures: MeasuredEdge, origin: str) -> Factor | None:
    """Return the baseline; a measured one goes before a stated one, as measured joules do."""
    where = "edge.idle_power_w"
    if figures.idle_power_w is None:
        return _optional(side.idle_power_w, where, "W")
    source = f"{origin}, without range"
    estimate = exactly(figures.idle_power_w, "W", source)
    return _factor(where, where, estimate, "at the meter, before the workload", source, vintage=MEASUREMENT)


def _stated(side: EdgeSide) -> MeasuredEdge:
    if side.j_per_inference is None or side.time_per_inference_s is None:
        remedy = "name a --state-dir with its measurements" if side.device_id else "state both, or name a device_id"
        raise ConfigurationError(f"edge: j_per_inference and time_per_inference_s are needed; {remedy}")
    return MeasuredEdge(
        device_id="",
        j_per_inference=side.j_per_inference,
        j_per_inference_u=side.j_per_inference_u,
        time_per_inference_s=side.time_per_inference_s,
        idle_power_w=None,
        simulated=False,
    )


def _edge_parts(side: EdgeSide) -> tuple[Part, ...]:
    if side.embodied_kgco2e is not None:
        return (Part(name="device", factor=_quantity(side.embodied_kgco2e, "edge.embodied_kgco2e", KGCO2E)),)
    parts = hardware_parts(side.hardware, side.sd_card_gb, "edge")
    if not parts:
        raise ConfigurationError("edge: name its hardware (see: edgejoule carbon embodied) or give embodied_kgco2e")
    return parts


def _cloud(side: CloudSide, table: YearlyTable) -> Cloud:
    powers = [power for power in (side.idle_power_w, side.max_power_w) if power is not None]
    if len(powers) != (2 if side.j_per_inference is None else 0):
        raise ConfigurationError("cloud: give either j_per_inference, or both idle_power_w and max_power_w")
    return Cloud(
        energy=_optional(side.j_per_inference, "cloud.j_per_inference", JOULE),
        idle_power=_optional(side.idle_power_w, "cloud.idle_power_w", "W"),
        max_power=_optional(side.max_power_w, "cloud.max_power_w", "W"),
        time_per_inference=_quantity(side.time_per_inference_s, "cloud.time_per_inference_s", "s"),
        pue=_pue(side.pue),
        intensity=_intensity(side.grid, "cloud.grid", table),
        embodied=_quantity(side.embodied_kgco2e, "cloud.embodied_kgco2e", KGCO2E),
    )


def _pue(given: Quantity) -> Factor:
    """Return the power usage effectiveness: energy of the whole building over that of its computers."""
    factor = _quantity(given, "cloud.pue", "ratio")
    if factor.estimate.low < 1.0:
        raise ConfigurationError(
            f"cloud.pue: {factor.estimate.low:g} is below 1, though the computers are part of the building; "
            "give 1 or more, or a shipped factor such as pue-cloud"
        )
    return factor


def _network(path: NetworkPath, edge_grid: Grid, table: YearlyTable) -> Network:
    factors = shipped_factors(NETWORK_ENERGY)
    return Network(
        average=require_factor(factors, f"network-average-{path.access}", "network.access"),
        marginal=require_factor(factors, f"network-marginal-{path.access}", "network.access"),
        intensity=_intensity(path.grid if path.grid is not None else edge_grid, "network.grid", table),
    )


def _intensity(grid: Grid, where: str, table: YearlyTable) -> CarbonIntensity:
    if isinstance(grid, GridIntensity):
        estimate = _checked(grid.value, grid.low, grid.high, GCO2E_PER_KWH, grid.source, where)
        factor = _factor(grid.name, grid.name, estimate, "as stated in the scenario", grid.source)
        return CarbonIntensity(zone=grid.name, kind=grid.kind, factor=factor)
    table.check_zone(grid, where)
    found = table.at(grid, 0)
    assert found is not None, "check_zone has found it"
    return found


def _optional(quantity: Quantity | None, where: str, unit: str) -> Factor | None:
    return None if quantity is None else _quantity(quantity, where, unit)


def _quantity(quantity: Quantity, where: str, unit: str) -> Factor:
    if isinstance(quantity, str):
        factor = require_factor(shipped_factors(CLOUD), quantity, where)
        if factor.estimate.unit != unit:
            raise ConfigurationError(f"{where}: {quantity!r} is in {factor.estimate.unit}, and {unit} is needed here")
        return factor
    if isinstance(quantity, Range):
        estimate = _checked(quantity.value, quantity.low, quantity.high, unit, quantity.source, where)
        return _factor(where, where, estimate, "as stated in the scenario", quantity.source)
    estimate = exactly(_usable(quantity, where), unit, "assumption of the scenario")
    return _factor(where, where, estimate, "as stated in the scenario", "assumption of the scenario, without range")


def _checked(value: float, low: float, high: float, unit: str, source: str, where: str) -> Estimate:
    try:
        return Estimate(value, _usable(low, where), _usable(high, where), unit, source)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _usable(value: float, where: str) -> float:
    if not abs(value) <= LARGEST:
        raise ConfigurationError(f"{where}: {value:g} is not a usable number; give one from 0 to {LARGEST:g}")
    if value < 0.0:
        raise ConfigurationError(f"{where}: {value:g} is negative; this quantity cannot be")
    return value


def _factor(name: str, title: str, estimate: Estimate, scope: str, source: str, *, vintage: str = SCENARIO) -> Factor:
    return Factor(
        id=name, name=title, estimate=estimate, scope=scope, source=source, licence="user's own", vintage=vintage,
        method=source,
    )  # fmt: skip
