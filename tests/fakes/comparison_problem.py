"""Comparison problems made by hand, with figures that are easy to recompute."""

from dataclasses import replace
from typing import Final

import numpy as np

from collector.analysis.comparison.problem import (
    Axis,
    CloudSide,
    Column,
    EdgeSide,
    Grid,
    Life,
    MassColumn,
    Network,
    Pair,
    Problem,
    ThinClient,
    Unit,
)
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor

NAN: Final = np.array([np.nan])
RATES: Final = (100.0, 80_000.0)
LOADS: Final = (0.05, 0.9)
PAYLOADS: Final = (100.0, 1e6)


def exact(value: float) -> F64:
    return np.array([value], dtype=np.float64)


def factor(name: str, value: float, unit: str, spread: float = 1.2) -> Factor:
    """Return a factor whose range is ``value / spread`` to ``value * spread``."""
    estimate = Estimate(value, value / spread, value * spread, unit, "made up")
    return Factor(
        id=name, name=name, estimate=estimate, scope="", source="made up", licence="none", vintage="", method=""
    )


def column(name: str, value: float, unit: str, spread: float = 1.2) -> Column:
    return Column((factor(name, value, unit, spread),))


def mass(name: str, kgco2e: float) -> MassColumn:
    chips = Part(name="chips", factor=factor(f"{name}.chips", 0.3 * kgco2e, "kgCO2e", 1.5))
    silicon = Part(
        name="silicon",
        factor=factor("silicon", 2.0, "kgCO2e/cm2", 1.3),
        amount=factor(f"{name}.die", 0.35 * kgco2e, "cm2", 1.4),
    )
    return MassColumn(((chips, silicon),))


def grid(zone: str, average: float, marginal: float, litres_per_kwh: float = 2.0) -> Grid:
    return Grid(
        zones=(zone,),
        average=column(zone, average, "gCO2e/kWh"),
        marginal=column(f"{zone}-marginal", marginal, "gCO2e/kWh"),
        water=column(f"water-{zone}", litres_per_kwh, "L/kWh"),
    )


def linear(years: float) -> Life:
    return Life("linear_in_time", exact(years))


def edge_side() -> EdgeSide:
    return EdgeSide(
        name="board",
        origin="measured",
        origin_text="a meter",
        attribution="dedicated",
        energy=column("edge.energy", 0.2, "J", 1.05),
        time_s=exact(0.05),
        idle_power=column("edge.idle_power", 2.7, "W", 1.1),
        grid=grid("DEU", 342.0, 650.0),
        mass=mass("board", 10.0),
        life=linear(5.0),
        sent_bytes=exact(40.0),
        accuracy_ratio=exact(0.9),
        latency_s=exact(0.06),
        price_per_device=exact(60.0),
    )


def cloud_side() -> CloudSide:
    return CloudSide(
        name="server",
        origin="modelled",
        origin_text="powers times time",
        energy=None,
        idle_power=column("cloud.idle_power", 30.0, "W"),
        max_power=column("cloud.max_power", 110.0, "W"),
        other_power=column("cloud.other_power", 9.0, "W"),
        utilisation_ratio=exact(0.3),
        time_s=column("cloud.time", 0.005, "s", 2.0),
        pue=column("cloud.pue", 1.2, "ratio", 1.1),
        on_site_water=column("wue", 0.2, "L/kWh"),
        grid=grid("IRL", 280.0, 450.0),
        mass=mass("host", 1_300.0),
        mass_share_ratio=exact(0.125),
        life=linear(4.0),
        accuracy_ratio=exact(0.92),
        latency_s=exact(0.02),
        price_per_hour=exact(0.5),
        price_per_1000=NAN,
    )


def thin_client() -> ThinClient:
    return ThinClient(
        name="camera",
        idle_power=column("client.idle_power", 0.4, "W"),
        energy=column("client.energy", 0.03, "J"),
        mass=mass("camera", 3.0),
        life=linear(6.0),
        price_per_device=exact(20.0),
    )


def network() -> Network:
    return Network(
        access="fixed",
        average=column("network-average", 0.0065, "kWh/GB", 4.0),
        marginal=column("network-marginal", 0.00011, "kWh/GB", 4.0),
        grid=grid("DEU", 342.0, 650.0),
        sent_bytes=exact(32_000.0),
        received_bytes=exact(400.0),
        latency_s=exact(0.08),
        price_per_gb=exact(0.09),
    )


def one_pair() -> Pair:
    """Return a pair of one case with all causes."""
    return Pair(
        cases=np.array([0]),
        edge=edge_side(),
        cloud=cloud_side(),
        network=network(),
        thin_client=thin_client(),
        per_day=exact(86_400.0),
        electricity_price_per_kwh=exact(0.3),
        gaps=("nothing is left out",),
    )


def unit(inferences: float | None = 1_000.0, accuracy: float = float("nan"), latency_s: float = float("nan")) -> Unit:
    return Unit("spotting a keyword", inferences, accuracy, latency_s, "")


def problem_of(pair: Pair, of: Unit | None = None) -> Problem:
    """Return a problem of one case."""
    return Problem("made by hand", unit() if of is None else of, 1, (), {}, 0, (pair,), (), "EUR")


def many_cases(steps: int, of: Unit | None = None) -> Problem:
    """Return ``steps ** 4`` cases over grid, utilisation, payload and rate; the reference is the first."""
    numbers = np.arange(steps)
    grids, loads, payloads, rates = (
        places.ravel() for places in np.meshgrid(numbers, numbers, numbers, numbers, indexing="ij")
    )
    spread = np.linspace(0.1, 2.5, steps)
    zones = tuple(f"Z{number}" for number in range(steps))
    average = tuple(factor(zone, 342.0 * times, "gCO2e/kWh") for zone, times in zip(zones, spread, strict=True))
    marginal = tuple(
        factor(f"{zone}-m", 650.0 * times, "gCO2e/kWh") for zone, times in zip(zones, spread, strict=True)
    )
    here = Grid(zones, Column(average, grids), Column(marginal, grids), column("water-Z", 2.0, "L/kWh"))
    load, payload, rate = np.linspace(*LOADS, steps), np.geomspace(*PAYLOADS, steps), np.geomspace(*RATES, steps)
    base = one_pair()
    pair = replace(
        base,
        cases=np.arange(steps**4),
        edge=replace(base.edge, grid=here),
        cloud=replace(base.cloud, utilisation_ratio=load[loads]),
        network=replace(base.network, grid=here, sent_bytes=payload[payloads]),
        per_day=rate[rates],
    )
    axes = (
        Axis("edge.grid", zones),
        Axis("cloud.utilisation_ratio", tuple(load.tolist())),
        Axis("network.payload_up_bytes", tuple(payload.tolist())),
        Axis("unit.inferences_per_day", tuple(rate.tolist())),
    )
    places = dict(zip((axis.name for axis in axes), (grids, loads, payloads, rates), strict=True))
    return Problem("a grid", unit() if of is None else of, steps**4, axes, places, 0, (pair,), (), "EUR")
