"""What a pair's two sides are made of, per functional unit: joules by cause and place, and grams of hardware.

Per inference: a dedicated device is charged its day over the inferences of a day, a shared one its own seconds. A
server is charged its slot, busy seconds over utilisation. What remains at the edge in the cloud case, the thin client,
is charged its day. ``W = E_IT * (WUE + PUE * WUE_grid)`` for water (Li et al., arXiv:2304.03271). Pure.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from collector.analysis.comparison.answers import Cause, NetworkModel, View
from collector.analysis.comparison.problem import CloudSide, Column, Grid, Life, MassColumn, Pair
from collector.analysis.comparison.terms import Link, Product, Term
from collector.carbon.estimate import F64
from collector.carbon.operational import INTENSITY_KINDS, IntensityKind
from collector.carbon.units import BYTES_PER_GB, G_PER_KG, J_PER_KWH, S_PER_DAY, S_PER_YEAR

Place = Literal["edge", "cloud", "network"]
SideName = Literal["edge", "cloud"]
NETWORK_MODELS: Final[tuple[NetworkModel, ...]] = ("average", "marginal")
_SLIVER_YEARS: Final = 1e-9
"""A last year shorter than this is a rounding error of the lifetime, as in ``life_curve``."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules per functional unit, and on which grid they are used."""

    cause: Cause
    place: Place
    term: Term


@dataclass(frozen=True, slots=True)
class SideTerms:
    """One side. ``masses``: grams of hardware. ``traffic``: the network's joules by model, None if nothing is sent."""

    energies: tuple[Energy, ...]
    masses: tuple[tuple[Cause, Term], ...]
    traffic: dict[NetworkModel, Term] | None


@dataclass(frozen=True, slots=True)
class PairTerms:
    """Both sides of a pair."""

    pair: Pair
    edge: SideTerms
    cloud: SideTerms

    @property
    def sides(self) -> dict[SideName, SideTerms]:
        """Return both by name."""
        return {"edge": self.edge, "cloud": self.cloud}

    def grid(self, place: Place) -> Grid:
        """Return the grid of a place."""
        grids = {"edge": self.pair.edge.grid, "cloud": self.pair.cloud.grid, "network": self.pair.network.grid}
        return grids[place]

    def grams(self, side: SideTerms, kind: IntensityKind) -> dict[Cause, list[Term]]:
        """Return what a side emits by cause, apart from the network."""
        made: dict[Cause, list[Term]] = {}
        for energy in side.energies:
            made.setdefault(energy.cause, []).append(self._emitted(energy.term, energy.place, kind))
        for cause, term in side.masses:
            made.setdefault(cause, []).append(term)
        return made

    def network_grams(self, side: SideTerms, view: View) -> list[Term]:
        """Return what a side's traffic emits; empty where it sends nothing."""
        if side.traffic is None:
            return []
        return [self._emitted(side.traffic[view.network], "network", view.intensity)]

    def all_grams(self, side: SideTerms, view: View) -> dict[Cause, list[Term]]:
        """Return what a side emits by cause in one view."""
        made = self.grams(side, view.intensity)
        network = self.network_grams(side, view)
        return {**made, "network": network} if network else made

    def _emitted(self, term: Term, place: Place, kind: IntensityKind) -> Term:
        intensity = intensity_of(self.grid(place), kind)
        assert intensity is not None, "pair_views has left this kind out"
        return term.times(1.0 / J_PER_KWH, Link(intensity))


def intensity_of(grid: Grid, kind: IntensityKind) -> Column | None:
    """Return a grid's intensities of one kind."""
    return grid.average if kind == "average" else grid.marginal


def pair_views(pair: Pair) -> tuple[View, ...]:
    """Return the views that every grid of the pair has intensities for."""
    grids = (pair.edge.grid, pair.cloud.grid, pair.network.grid)
    return tuple(
        View(network, kind)
        for kind in INTENSITY_KINDS
        if all(intensity_of(grid, kind) is not None for grid in grids)
        for network in NETWORK_MODELS
    )


def pair_terms(pair: Pair, inferences: float | None) -> PairTerms:
    """Return both sides for a unit of so many inferences; None: those of a device-day."""
    count = pair.per_day if inferences is None else np.array([inferences], dtype=np.float64)
    return PairTerms(pair, _edge(pair, count), _cloud(pair, count))


def charged_per_s(life: Life) -> F64:
    """Return which share of a mass each second of a life is charged, shape (n,) or (1,); 0 for sunk.

    For a life that is charged by time; ``front_loaded``: a second of the year ``life.year``, nothing after the end.
    """
    years = life.lifetime_years
    if life.policy == "sunk":
        return np.zeros_like(years)
    if life.policy == "linear_in_time":
        return np.asarray(1.0 / (years * S_PER_YEAR), dtype=np.float64)
    if life.policy == "by_use" or life.year is None or life.decline_ratio is None:
        raise ValueError(f"{life.policy} is charged by use, or lacks the year and the decline_ratio of its charge")
    before, last = life.year - 1.0, np.maximum(np.ceil(years - _SLIVER_YEARS), 1.0)
    left = (1.0 - life.decline_ratio) ** before
    length = np.where(life.year == last, years - before, 1.0)
    share = np.where(life.year < last, left * life.decline_ratio, left)
    return np.where(life.year > last, 0.0, share / (np.where(length > 0.0, length, 1.0) * S_PER_YEAR))


def charged_per_inference(life: Life, device_s: F64) -> F64:
    """Return which share of a mass one inference is charged that occupies the device for ``device_s``."""
    if life.policy == "by_use":
        return per_use(life)
    return np.asarray(charged_per_s(life) * device_s, dtype=np.float64)


def per_use(life: Life) -> F64:
    """Return which share of a mass one use is charged."""
    if life.lifetime_uses is None:
        raise ValueError("by_use needs lifetime_uses")
    return np.asarray(1.0 / life.lifetime_uses, dtype=np.float64)


def edge_device_s(pair: Pair) -> F64:
    """Return for how long one inference occupies the device: of a dedicated one the day is shared out."""
    return S_PER_DAY / pair.per_day if pair.edge.attribution == "dedicated" else pair.edge.time_s


def _edge(pair: Pair, count: F64) -> SideTerms:
    edge = pair.edge
    energies = [Energy("work", "edge", Term(count, ((Link(edge.energy),),)))]
    if edge.attribution == "dedicated":
        if edge.idle_power is None:
            raise ValueError(f"{edge.name}: a dedicated device is charged its idle time, so its power is needed")
        waits_s = S_PER_DAY / pair.per_day - edge.time_s
        energies.append(Energy("idle", "edge", Term(count * waits_s, ((Link(edge.idle_power),),))))
    charged = charged_per_inference(edge.life, edge_device_s(pair))
    hardware = _grams(edge.mass, count * charged)
    return SideTerms(tuple(energies), (("hardware", hardware),), _traffic(pair, count, edge.sent_bytes))


def _cloud(pair: Pair, count: F64) -> SideTerms:
    cloud, network = pair.cloud, pair.network
    energies = list(_server(cloud, count))
    overhead = Link(cloud.pue, less_one=True)
    energies += [Energy("overhead", "cloud", energy.term.times(1.0, overhead)) for energy in energies]
    share = count * cloud.mass_share_ratio
    if cloud.life.policy == "by_use":
        hardware = _grams(cloud.mass, share * per_use(cloud.life))
    else:
        slots = share * charged_per_s(cloud.life) / cloud.utilisation_ratio
        hardware = _grams(cloud.mass, slots, Link(cloud.time_s))
    masses: list[tuple[Cause, Term]] = [("hardware", hardware)]
    client = pair.thin_client
    if client is not None:
        day_s = S_PER_DAY / pair.per_day
        energies.append(Energy("client_energy", "edge", Term(count * day_s, ((Link(client.idle_power),),))))
        if client.energy is not None:
            energies.append(Energy("client_energy", "edge", Term(count, ((Link(client.energy),),))))
        charged = charged_per_inference(client.life, day_s)
        masses.append(("client_hardware", _grams(client.mass, count * charged)))
    moved_bytes = np.asarray(network.sent_bytes + network.received_bytes, dtype=np.float64)
    return SideTerms(tuple(energies), tuple(masses), _traffic(pair, count, moved_bytes))


def _server(cloud: CloudSide, count: F64) -> tuple[Energy, ...]:
    """Return the joules of the computers: of inferring, and of waiting for the next inference."""
    time, other = Link(cloud.time_s), cloud.other_power
    if cloud.energy is not None:
        work: list[Product] = [(Link(cloud.energy),)]
    elif cloud.max_power is not None:
        work = [(Link(cloud.max_power), time)]
    else:
        raise ValueError(f"{cloud.name}: neither the energy nor the power of an inference is known")
    waiting: list[Product] = [] if cloud.idle_power is None else [(Link(cloud.idle_power), time)]
    if other is not None:
        work.append((Link(other), time))
        waiting.append((Link(other), time))
    energies = [Energy("work", "cloud", Term(count, tuple(work)))]
    if waiting:
        waits = np.asarray(count * (1.0 / cloud.utilisation_ratio - 1.0), dtype=np.float64)
        energies.append(Energy("idle", "cloud", Term(waits, tuple(waiting))))
    return tuple(energies)


def _grams(mass: MassColumn, coefficient: F64, *links: Link) -> Term:
    return Term(np.asarray(coefficient * G_PER_KG, dtype=np.float64), ((Link(mass), *links),))


def _traffic(pair: Pair, count: F64, moved_bytes: F64) -> dict[NetworkModel, Term] | None:
    if not np.any(moved_bytes > 0.0):
        return None
    scale = np.asarray(count * moved_bytes / BYTES_PER_GB * J_PER_KWH, dtype=np.float64)
    network = pair.network
    columns = {"average": network.average, "marginal": network.marginal}
    return {model: Term(scale, ((Link(columns[model]),),)) for model in NETWORK_MODELS}
