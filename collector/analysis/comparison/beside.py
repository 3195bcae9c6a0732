"""What stands beside the grams: joules, litres of water, money and seconds, by side and per functional unit.

Energy is all of it at the plugs, with the network by its average model. Water is that of the grids, and of the data
centre's own cooling (WUE) for what its computers use: ``W = E_IT * (WUE + PUE * WUE_grid)``; that of making things is
not counted. Money: what is bought is charged to an inference as its embodied carbon is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collector.analysis.comparison.admissible import latencies_s
from collector.analysis.comparison.answers import Beside
from collector.analysis.comparison.problem import Pair
from collector.analysis.comparison.sides import (
    PairTerms,
    SideName,
    SideTerms,
    charged_per_inference,
    edge_device_s,
)
from collector.analysis.comparison.terms import Evaluator, Link, Term, spread
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Percentiles
from collector.carbon.units import BYTES_PER_GB, J_PER_KWH, JOULE, S_PER_DAY

LITRE = "L"
_S_PER_HOUR = 3_600.0
_COMPUTERS = ("work", "idle")


@dataclass(frozen=True, slots=True)
class BesideTerms:
    """Terms of one side; ``water`` None where a factor is missing; what some cases lack is NaN there."""

    energy: list[Term]
    water: list[Term] | None
    cost: list[Term]


def beside_terms(terms: PairTerms, inferences: float | None) -> dict[SideName, BesideTerms]:
    """Return what stands beside the grams, for a unit of so many inferences (None: a device-day's)."""
    count = terms.pair.per_day if inferences is None else np.array([inferences])
    costs: dict[SideName, list[Term]] = {
        "edge": _edge_cost(terms, count), "cloud": _cloud_cost(terms, count),
    }  # fmt: skip
    made: dict[SideName, BesideTerms] = {}
    for name, side in terms.sides.items():
        traffic = [] if side.traffic is None else [side.traffic["average"]]
        made[name] = BesideTerms(
            energy=[*(energy.term for energy in side.energies), *traffic],
            water=_water(terms, side, traffic),
            cost=costs[name],
        )
    return made


def beside(terms: PairTerms, inferences: float | None, at: Evaluator, currency: str) -> dict[SideName, Beside]:
    """Return it for a pair of one case."""
    known = beside_terms(terms, inferences)
    waits_s = latencies_s(terms.pair)
    accuracies = {"edge": terms.pair.edge.accuracy_ratio, "cloud": terms.pair.cloud.accuracy_ratio}
    made: dict[SideName, Beside] = {}
    for name, one in known.items():
        energy = _percentiles(at, one.energy, JOULE)
        assert energy is not None, "every side uses known energy"
        made[name] = Beside(
            energy=energy,
            water=_percentiles(at, one.water, LITRE),
            cost=_percentiles(at, one.cost, currency),
            latency_s=_known(waits_s[name]),
            accuracy_ratio=_known(accuracies[name]),
        )
    return made


def _percentiles(at: Evaluator, terms: Sequence[Term] | None, unit: str) -> Percentiles | None:
    if terms is None:
        return None
    drawn = at.dense(terms)
    if np.isnan(drawn).any():
        return None
    p5, p50, p95 = (float(end[0]) for end in spread(drawn))
    return Percentiles(p5=p5, p50=p50, p95=p95, unit=unit)


def _known(values: F64) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])


def _water(terms: PairTerms, side: SideTerms, traffic: list[Term]) -> list[Term] | None:
    made: list[Term] = []
    on_site = terms.pair.cloud.on_site_water
    for energy in side.energies:
        grid = terms.grid(energy.place).water
        if grid is None:
            return None
        made.append(energy.term.times(1.0 / J_PER_KWH, Link(grid)))
        if energy.place == "cloud" and energy.cause in _COMPUTERS:
            if on_site is None:
                return None
            made.append(energy.term.times(1.0 / J_PER_KWH, Link(on_site)))
    grid = terms.grid("network").water
    if grid is None:
        return [*made, *(_exact(np.where(term.coefficient > 0.0, np.nan, 0.0)) for term in traffic)]
    return [*made, *(term.times(1.0 / J_PER_KWH, Link(grid)) for term in traffic)]


def _edge_cost(terms: PairTerms, count: F64) -> list[Term]:
    pair = terms.pair
    bought = pair.edge.price_per_device * charged_per_inference(pair.edge.life, edge_device_s(pair))
    exact = bought + _moved_price(pair, pair.edge.sent_bytes)
    return [_exact(count * exact), *_electricity(terms, terms.edge)]


def _cloud_cost(terms: PairTerms, count: F64) -> list[Term]:
    pair, cloud = terms.pair, terms.pair.cloud
    client = pair.thin_client
    hourly, single = cloud.price_per_hour, cloud.price_per_1000
    unknown = np.where(np.isnan(hourly) & np.isnan(single), np.nan, 0.0)
    exact = unknown + np.nan_to_num(single) / 1_000.0
    exact = exact + _moved_price(pair, pair.network.sent_bytes + pair.network.received_bytes)
    if client is not None:
        exact = exact + client.price_per_device * charged_per_inference(client.life, S_PER_DAY / pair.per_day)
    slots = count * np.nan_to_num(hourly) / (_S_PER_HOUR * cloud.utilisation_ratio)
    return [_exact(count * exact), Term(slots, ((Link(cloud.time_s),),)), *_electricity(terms, terms.cloud)]


def _moved_price(pair: Pair, moved_bytes: F64) -> F64:
    """Return the price of moving so much; nothing moved costs nothing, whatever the price."""
    price = np.asarray(pair.network.price_per_gb * moved_bytes / BYTES_PER_GB, dtype=np.float64)
    return np.where(moved_bytes > 0.0, price, 0.0)


def _electricity(terms: PairTerms, side: SideTerms) -> list[Term]:
    """Return what the electricity at the edge costs; that of the cloud is in its price."""
    price = terms.pair.electricity_price_per_kwh / J_PER_KWH
    return [energy.term.times(price) for energy in side.energies if energy.place == "edge"]


def _exact(values: F64) -> Term:
    return Term(np.asarray(values, dtype=np.float64), ((),))
