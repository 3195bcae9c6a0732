"""The grid intensities that hold now where devices stand, how old they are, and what waiting would save."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Final

from collector.carbon.factors import Factor
from collector.carbon.operational import IntensityKind
from collector.carbon.steps import quality_of
from collector.carbon.what_if import NS_PER_S, constant_work, costs, starts_between
from collector.intensity.stored import StoredIntensity
from collector.sinks.points import GridIntensityPoint, GridWhatIfPoint

YEARLY_SOURCE: Final = "yearly"
WORK_S: Final = 3_600.0
AHEAD_S: Final = 86_400.0
STEP_S: Final = 300.0
"""The work that is put off, the latest start that is thought of, and how far its starts lie apart."""
_WORK: Final = constant_work(power_w=1_000.0, duration_s=WORK_S)
"""One kilowatt-hour, so that its grams are the mean intensity of its hour."""


class GridGauge:
    """See the module's text. ``providers``: of each kind one at most. ``water``: of a zone, L/kWh."""

    def __init__(
        self,
        zones: Iterable[str],
        providers: Iterable[StoredIntensity],
        water: Callable[[str], Factor | None] = lambda _: None,
    ) -> None:
        self._zones = tuple(dict.fromkeys(zone for zone in zones if zone))
        self._providers = tuple(providers)
        self._water = water

    def points(self, now_unix_ns: int, collector: str = "") -> list[GridIntensityPoint]:
        """Return one point for each zone and kind of which something is known now, or a source might say it.

        Raises ConfigurationError.
        """
        found = (
            self._point(provider, zone, now_unix_ns, collector) for provider in self._providers for zone in self._zones
        )
        return [point for point in found if point is not None]

    def what_ifs(self, now_unix_ns: int, collector: str = "") -> list[GridWhatIfPoint]:
        """Return one point for each zone and kind of which now and later starts are known. Raises ConfigurationError.

        A yearly average knows no better hour, so it is left out.
        """
        found = (
            _what_if(provider, zone, now_unix_ns, collector) for provider in self._providers for zone in self._zones
        )
        return [point for point in found if point is not None]

    def _point(
        self, provider: StoredIntensity, zone: str, now_unix_ns: int, collector: str
    ) -> GridIntensityPoint | None:
        held = provider.held(zone, now_unix_ns, now_unix_ns + 1)
        steps = held.timeline
        at = bisect_right(steps.starts_unix_ns.tolist(), now_unix_ns) - 1
        if at < 0 or now_unix_ns >= int(steps.ends_unix_ns[at]):
            return _unknown(zone, provider.kind, collector) if provider.sources_of(zone) else None
        revision = held.held_by[at]
        yearly, water = provider.yearly(zone), self._water(zone)
        return GridIntensityPoint(
            zone=zone,
            kind=provider.kind,
            source=YEARLY_SOURCE if revision is None else revision.source,
            collector=collector,
            gco2e_per_kwh=float(steps.gco2e_per_kwh[at]),
            low_gco2e_per_kwh=float(steps.low[at]),
            high_gco2e_per_kwh=float(steps.high[at]),
            quality="yearly" if revision is None else quality_of(revision),
            age_s=None if revision is None else _age_s(provider.said_unix_ns(revision, now_unix_ns), now_unix_ns),
            yearly_gco2e_per_kwh=None if yearly is None else yearly.factor.estimate.value,
            water_l_per_kwh=None if water is None else water.estimate.value,
        )


def _unknown(zone: str, kind: IntensityKind, collector: str) -> GridIntensityPoint:
    """Return what is told where sources are silent and no yearly average stands in."""
    return GridIntensityPoint(zone=zone, kind=kind, source="", collector=collector, quality="unknown")


def _what_if(provider: StoredIntensity, zone: str, now_unix_ns: int, collector: str) -> GridWhatIfPoint | None:
    last_unix_ns = now_unix_ns + round(AHEAD_S * NS_PER_S)
    timeline = provider.timeline(zone, now_unix_ns, last_unix_ns + round(WORK_S * NS_PER_S)).without_yearly()
    if not len(timeline):
        return None
    starts = starts_between(now_unix_ns, last_unix_ns, STEP_S)
    found = costs(_WORK, timeline, starts, zone=zone, kind=provider.kind)
    now_gco2e, best = found.starts[0].gco2e, found.cheapest
    known = [start.start_unix_ns for start in found.starts if start.gco2e is not None]
    if now_gco2e is None or best is None or best.gco2e is None or len(known) < 2:
        return None
    return GridWhatIfPoint(
        zone=zone,
        kind=provider.kind,
        collector=collector,
        now_gco2e_per_kwh=now_gco2e,
        best_gco2e_per_kwh=best.gco2e,
        best_wait_s=(best.start_unix_ns - now_unix_ns) / NS_PER_S,
        horizon_s=(known[-1] - now_unix_ns) / NS_PER_S,
        saving_ratio=1.0 - best.gco2e / now_gco2e if now_gco2e > 0.0 else None,
    )


def _age_s(then_unix_ns: int, now_unix_ns: int) -> float:
    """Return how long ago that was; 0 for what a clock that was put back makes later than now."""
    return max(0.0, (now_unix_ns - then_unix_ns) / NS_PER_S)
