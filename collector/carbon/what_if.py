"""The start-time what-if: what the same work costs at another hour, or in another place. Pure.

Arrays: ``starts`` of shape ``(n,)``, int64 Unix nanoseconds; energies of the work's parts of shape ``(k,)``, J.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from collector.carbon.estimate import F64
from collector.carbon.operational import IntensityKind, gram_unit
from collector.carbon.timeline import I64, QUALITIES, IntensityTimeline, Quality
from collector.carbon.units import J_PER_KWH

NS_PER_S: Final = 1_000_000_000
MAX_STARTS: Final = 1_000_000


class StartCost(msgspec.Struct, frozen=True, kw_only=True):
    """What the work costs from one start on. ``gco2e``, ``low``, ``high``: grams, None where not all of it is known.

    ``low`` and ``high`` move with the intensity's range alone: its error is taken to be the same in every step.
    ``known_ratio``: the share of the energy that an intensity is known for; ``quality_ratio``: on what that rests.
    """

    start_unix_ns: int
    gco2e: float | None
    low: float | None
    high: float | None
    known_ratio: float
    quality_ratio: dict[Quality, float]


class PlaceCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What the work costs in one zone. ``cheapest``, ``dearest``: of the starts of which all is known; None for none.

    ``mean_gco2e``: over the same starts. ``yearly_gco2e``: with the yearly average, None where there is none.
    ``saving_ratio``: of the cheapest start against the mean of all; None where the mean is zero or unknown.
    """

    zone: str
    kind: IntensityKind
    unit: str
    energy_j: float
    duration_s: float
    cheapest: StartCost | None
    dearest: StartCost | None
    mean_gco2e: float | None
    yearly_gco2e: float | None
    saving_ratio: float | None
    starts: tuple[StartCost, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """Energy over time. ``part_energy_j``: of parts that follow one another, shape ``(k,)``, each ``part_s`` long.

    Raises ValueError for work without parts, a part without length, or energy that is negative or not finite.
    """

    part_energy_j: F64
    part_s: float

    def __post_init__(self) -> None:
        if not (len(self.part_energy_j) and self.part_s >= 1e-6 and np.isfinite(self.part_s)):
            raise ValueError("work has parts, each a microsecond long or longer")
        if not np.all(np.isfinite(self.part_energy_j)) or np.any(self.part_energy_j < 0.0):
            raise ValueError("the energy of work is finite and not negative")

    @property
    def energy_j(self) -> float:
        """Return the energy of all parts."""
        return float(self.part_energy_j.sum())

    @property
    def duration_s(self) -> float:
        """Return the length of all parts."""
        return self.part_s * len(self.part_energy_j)


def constant_work(power_w: float, duration_s: float) -> Work:
    """Return work of one constant power."""
    return Work(np.array([power_w * duration_s], dtype=np.float64), duration_s)


def starts_between(first_unix_ns: int, last_unix_ns: int, step_s: float) -> I64:
    """Return the starts from the first on, up to the last. Raises ValueError for more than ``MAX_STARTS``, or none."""
    step_ns = round(step_s * NS_PER_S)
    if step_ns <= 0 or last_unix_ns < first_unix_ns:
        raise ValueError("starts lie a step above zero apart, and the last is not before the first")
    if (last_unix_ns - first_unix_ns) // step_ns >= MAX_STARTS:
        raise ValueError(f"more than {MAX_STARTS} starts; take a longer step or a shorter time")
    return np.arange(first_unix_ns, last_unix_ns + 1, step_ns, dtype=np.int64)


def costs(
    work: Work,
    timeline: IntensityTimeline,
    starts: I64,
    *,
    zone: str,
    kind: IntensityKind = "average",
    yearly_gco2e_per_kwh: float | None = None,
) -> PlaceCosts:
    """Return what ``work`` costs from each start on, each part with the mean intensity over exactly its own time.

    ``timeline``: of ``zone``, of that kind; it should reach from the first start to the end of the last work. A start
    of which not all is known has no grams and is not compared.
    """
    grams, known = np.zeros((3, len(starts))), np.zeros(len(starts))
    quality = {name: np.zeros(len(starts)) for name in QUALITIES}
    share = _shares(work)
    for part, energy_j in enumerate(work.part_energy_j):
        begin = starts + round(part * work.part_s * NS_PER_S)
        end = starts + round((part + 1) * work.part_s * NS_PER_S)
        mean = timeline.mean_over(begin, end)
        kwh = energy_j / J_PER_KWH
        for row, values in enumerate((mean.gco2e_per_kwh, mean.low, mean.high)):
            grams[row] += np.where(mean.known_ratio > 0.0, values, 0.0) * mean.known_ratio * kwh
        known += share[part] * mean.known_ratio
        for name in QUALITIES:
            quality[name] += share[part] * mean.quality_ratio[name]
    complete = known > 1.0 - 1e-9
    rows = tuple(
        StartCost(
            start_unix_ns=int(start),
            gco2e=float(grams[0, i]) if complete[i] else None,
            low=float(min(grams[0, i], grams[1, i])) if complete[i] else None,
            high=float(max(grams[0, i], grams[2, i])) if complete[i] else None,
            known_ratio=1.0 if complete[i] else float(known[i]),
            quality_ratio={name: float(quality[name][i]) for name in QUALITIES},
        )
        for i, start in enumerate(starts)
    )
    at = np.flatnonzero(complete)
    mean_gco2e = float(grams[0, at].mean()) if len(at) else None
    cheapest = rows[at[np.argmin(grams[0, at])]] if len(at) else None
    least = None if cheapest is None else cheapest.gco2e
    return PlaceCosts(
        zone=zone,
        kind=kind,
        unit=gram_unit(kind),
        energy_j=work.energy_j,
        duration_s=work.duration_s,
        cheapest=cheapest,
        dearest=rows[at[np.argmax(grams[0, at])]] if len(at) else None,
        mean_gco2e=mean_gco2e,
        yearly_gco2e=None if yearly_gco2e_per_kwh is None else work.energy_j / J_PER_KWH * yearly_gco2e_per_kwh,
        saving_ratio=None if not mean_gco2e or least is None else 1.0 - least / mean_gco2e,
        starts=rows,
    )


def places(
    work: Work,
    timelines: Mapping[str, IntensityTimeline],
    starts: I64,
    *,
    kind: IntensityKind = "average",
    yearly_gco2e_per_kwh: Mapping[str, float | None] | None = None,
) -> tuple[PlaceCosts, ...]:
    """Return ``costs`` of each zone, the zone with the cheapest start first; those of which nothing is known last."""
    yearly = yearly_gco2e_per_kwh or {}
    found = [
        costs(work, timeline, starts, zone=zone, kind=kind, yearly_gco2e_per_kwh=yearly.get(zone))
        for zone, timeline in timelines.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.cheapest is None, one.cheapest and one.cheapest.gco2e)))


def _shares(work: Work) -> F64:
    """Return each part's share of the energy; of the time for work that takes none."""
    total_j = work.energy_j
    return (
        work.part_energy_j / total_j
        if total_j > 0.0
        else np.full(len(work.part_energy_j), 1.0 / len(work.part_energy_j))
    )
