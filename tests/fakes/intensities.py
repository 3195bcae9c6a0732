"""Intensities for tests: a provider of the steps that it is given, over a yearly average or over nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, IntensityKind
from collector.carbon.timeline import IntensityTimeline, Quality
from collector.carbon.units import GCO2E_PER_KWH

HALF_HOUR_NS: Final = 1_800_000_000_000
RANGE_RATIO: Final = 1.25


@dataclass(frozen=True, slots=True)
class GivenStep:
    start_unix_ns: int
    end_unix_ns: int
    gco2e_per_kwh: float
    quality: Quality = "actual"


@dataclass
class GivenIntensity:
    """Steps of one zone, which a test may change; other zones are unknown. ``asked`` counts the questions.

    Where no step is, the yearly average holds, if ``fills`` says so.
    """

    zone: str
    steps: Sequence[GivenStep]
    yearly_gco2e_per_kwh: float | None = None
    fills: bool = False
    kind: IntensityKind = "average"
    asked: int = field(default=0, init=False)

    def at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:
        found = [s for s in self.steps if zone == self.zone and s.start_unix_ns <= t_unix_ns < s.end_unix_ns]
        return self._intensity(found[0].gco2e_per_kwh) if found else None

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        self.asked += 1
        found = sorted(self.steps, key=lambda s: s.start_unix_ns) if zone == self.zone else []
        touching = [s for s in found if s.start_unix_ns < end_unix_ns and s.end_unix_ns > start_unix_ns]
        if self.fills and self.yearly_gco2e_per_kwh is not None and zone == self.zone:
            touching = _filled(touching, start_unix_ns, end_unix_ns, self.yearly_gco2e_per_kwh)
        values = np.array([s.gco2e_per_kwh for s in touching], dtype=np.float64)
        return IntensityTimeline(
            np.array([s.start_unix_ns for s in touching], dtype=np.int64),
            np.array([s.end_unix_ns for s in touching], dtype=np.int64),
            values,
            low=values / RANGE_RATIO,
            high=values * RANGE_RATIO,
            quality=[s.quality for s in touching],
        )

    def yearly(self, zone: str) -> CarbonIntensity | None:
        if zone != self.zone or self.yearly_gco2e_per_kwh is None:
            return None
        return self._intensity(self.yearly_gco2e_per_kwh)

    def passports(
        self,
        zone: str,
        start_unix_ns: int | None = None,  # noqa: ARG002  one value for all times
        end_unix_ns: int | None = None,  # noqa: ARG002
    ) -> tuple[Factor, ...]:
        return (self._intensity(100.0).factor,) if zone == self.zone else ()

    def check_zone(self, zone: str, where: str) -> None:
        pass

    def _intensity(self, value: float) -> CarbonIntensity:
        estimate = Estimate(value, value / RANGE_RATIO, value * RANGE_RATIO, GCO2E_PER_KWH, "given")
        factor = Factor(
            id=f"given-{self.zone}", name="given", estimate=estimate, scope="test", source="test", licence="CC0",
            vintage="2025", method="given by a test",
        )  # fmt: skip
        return CarbonIntensity(zone=self.zone, kind=self.kind, factor=factor)


def half_hours(start_unix_ns: int, values: Sequence[float], quality: Quality = "actual") -> list[GivenStep]:
    """Return one step per value, back to back."""
    return [
        GivenStep(start_unix_ns + i * HALF_HOUR_NS, start_unix_ns + (i + 1) * HALF_HOUR_NS, value, quality)
        for i, value in enumerate(values)
    ]


def _filled(steps: list[GivenStep], start: int, end: int, yearly: float) -> list[GivenStep]:
    filled: list[GivenStep] = []
    at = start
    for step in steps:
        if step.start_unix_ns > at:
            filled.append(GivenStep(at, step.start_unix_ns, yearly, "yearly"))
        filled.append(step)
        at = max(at, step.end_unix_ns)
    return [*filled, GivenStep(at, end, yearly, "yearly")] if at < end else filled
