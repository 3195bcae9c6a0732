"""Intensities from the store: time-resolved where a source has spoken, the yearly average where none has."""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.carbon.steps import HeldSteps, held_steps
from collector.carbon.timeline import IntensityTimeline
from collector.intensity import passports as of
from collector.intensity.provider import IntensityProvider
from collector.intensity.store import IntensityStore
from edge_agent.wire.errors import ConfigurationError

DAY_NS: Final = 86_400_000_000_000
KEPT_STEPS: Final = 400_000
"""So many steps of days and longer stretches are kept ready in memory, of some hundred bytes each."""
SourceZone = tuple[str, str]
"""A source, and a zone as it calls it."""


class StoredIntensity:
    """One kind of intensity, by the zones of an inventory.

    ``zones``: what each zone is at the sources, the preferred source first. ``yearly``: where the sources are silent;
    ``yearly_zones``: the row of it for a zone that has none by its own name. ``known_at_unix_ns``: what was known at
    that moment; None for all that is known, also what comes to be known later. Letter case of zones does not matter.
    Threads may share it.

    Raises ConfigurationError for a yearly provider of the other kind: one kind never stands in for the other.
    """

    def __init__(
        self,
        store: IntensityStore,
        yearly: IntensityProvider | None,
        kind: IntensityKind,
        zones: Mapping[str, Sequence[SourceZone]],
        *,
        yearly_zones: Mapping[str, str] | None = None,
        known_at_unix_ns: int | None = None,
        kept_steps: int = KEPT_STEPS,
    ) -> None:
        if yearly is not None and yearly.kind != kind:
            raise ConfigurationError(
                f"{yearly.kind} intensities cannot stand in for {kind} ones: they answer different questions; "
                f"leave the holes, or give {kind} ones"
            )
        self.kind: IntensityKind = kind
        self.known_at_unix_ns = known_at_unix_ns
        self._store = store
        self._yearly = yearly
        self._names = tuple(zones)
        self._zones: dict[str, tuple[SourceZone, ...]] = {}
        for zone, at in zones.items():
            self._zones[zone.casefold()] = (*self._zones.get(zone.casefold(), ()), *at)
        self._yearly_zones = {zone.casefold(): name for zone, name in (yearly_zones or {}).items()}
        self._kept: OrderedDict[tuple[str, int, int], _Stretch] = OrderedDict()
        self._version = store.version()
        self._lock = threading.Lock()
        self._kept_steps = kept_steps

    def at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:
        """Return what holds at that moment, or None where nothing is known.

        The same object for the same step, as long as nothing new is known.
        """
        return self._day(zone, t_unix_ns // DAY_NS).at(t_unix_ns) or self._yearly_at(zone, t_unix_ns)

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        """Return the steps that touch the stretch, and maybe more of the days that it begins and ends in."""
        return self.held(zone, start_unix_ns, end_unix_ns).timeline

    def held(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> HeldSteps:
        """Return the same steps, and whose they are."""
        first, last = start_unix_ns // DAY_NS, -(-end_unix_ns // DAY_NS)
        return self._stretch(zone, first * DAY_NS, max(last, first + 1) * DAY_NS).held

    def revisions(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> list[IntensityRevision]:
        """Return everything that was said of the stretch by the moment that is asked for, superseded values too."""
        return [
            one
            for source, source_zone in self.sources_of(zone)
            for one in self._store.revisions(
                source_zone,
                self.kind,
                start_unix_ns,
                end_unix_ns,
                known_at_unix_ns=self.known_at_unix_ns,
                sources=(source,),
            )
        ]

    def said_unix_ns(self, revision: IntensityRevision, t_unix_ns: int) -> int:
        """Return when its source said last what holds at that moment: it may repeat what is not stored again."""
        again = self._store.said_at(revision.source, revision.zone, revision.kind, t_unix_ns)
        return revision.fetched_at_unix_ns if again is None else max(again, revision.fetched_at_unix_ns)

    def sources_of(self, zone: str) -> tuple[SourceZone, ...]:
        """Return what a zone is at the sources, the preferred source first; () for one that no source knows."""
        return self._zones.get(zone.casefold(), ())

    def yearly(self, zone: str) -> CarbonIntensity | None:
        """Return the yearly average that stands beside any finer value; None for none, and for marginal ones."""
        return None if self._yearly is None else self._yearly.yearly(self._yearly_zone(zone))

    def passports(
        self, zone: str, start_unix_ns: int | None = None, end_unix_ns: int | None = None
    ) -> tuple[Factor, ...]:
        """Return one factor for each source that holds in the stretch, None for all that is stored.

        A factor's value is the mean over what it holds for. The yearly average comes last, where it stands in.
        """
        start, end = self._span(zone, start_unix_ns, end_unix_ns)
        if end <= start:
            known = self.yearly(zone)
            return () if known is None else (known.factor,)
        held = self.held(zone, start, end)
        factors = of.factors_of(held, self._store.passports(), start, end)
        fallback = self.yearly(zone)
        stands_in = fallback is not None and of.has_yearly(held, start, end)
        return (*factors, fallback.factor) if fallback is not None and stands_in else factors

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, for a zone that neither a source nor the yearly table knows."""
        if zone.casefold() in self._zones:
            return
        if self._yearly is not None:
            self._yearly.check_zone(self._yearly_zone(zone), where)
            return
        known = ", ".join(self._names) or "none; name it in [[intensity.source]] zones"
        raise ConfigurationError(f"{where}: no {self.kind} intensity for zone {zone!r}; known: {known}")

    def _yearly_zone(self, zone: str) -> str:
        return self._yearly_zones.get(zone.casefold(), zone)

    def _yearly_at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:
        return None if self._yearly is None else self._yearly.at(self._yearly_zone(zone), t_unix_ns)

    def _day(self, zone: str, day: int) -> "_Stretch":
        return self._stretch(zone, day * DAY_NS, (day + 1) * DAY_NS)

    def _stretch(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> "_Stretch":
        """Return the steps of whole days, from memory if nothing new is known."""
        with self._lock:
            version = self._store.version()
            if version != self._version:
                self._kept.clear()
                self._version = version
            key = zone, start_unix_ns, end_unix_ns
            found = self._kept.get(key)
            if found is None:
                found = _Stretch(zone, self._held(zone, start_unix_ns, end_unix_ns), self._store.passports())
                self._keep(key, found)
            return found

    def _keep(self, key: tuple[str, int, int], found: "_Stretch") -> None:
        """Keep a stretch, and let the oldest go; the newest stays however long it is."""
        self._kept[key] = found
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._kept_steps:
            self._kept.popitem(last=False)

    def _held(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> HeldSteps:
        under = None
        if self._yearly is not None:
            under = self._yearly.timeline(self._yearly_zone(zone), start_unix_ns, end_unix_ns)
        preference = [source for source, _ in self.sources_of(zone)]
        found = self.revisions(zone, start_unix_ns, end_unix_ns)
        return held_steps(found, passports=self._store.passports(), preference=preference, under=under)

    def _span(self, zone: str, start_unix_ns: int | None, end_unix_ns: int | None) -> tuple[int, int]:
        """Return the stretch, from the first to the last that is stored where it has no ends of its own."""
        at_sources = self.sources_of(zone)
        extents = [
            one for one in self._store.extents() if one.kind == self.kind and (one.source, one.zone) in at_sources
        ]
        first = min((one.first_unix_ns for one in extents), default=0)
        last = max((one.last_unix_ns for one in extents), default=0)
        return first if start_unix_ns is None else start_unix_ns, last if end_unix_ns is None else end_unix_ns


class _Stretch:
    """The steps of whole days of one zone, and their values as ``CarbonIntensity``, each made when first asked for."""

    def __init__(self, zone: str, held: HeldSteps, passports: Mapping[str, SourcePassport]) -> None:
        self.held = held
        self._zone = zone
        self._passports = passports
        self._starts: list[int] | None = None
        self._made: dict[int, CarbonIntensity] = {}

    def __len__(self) -> int:
        """Return how many steps it keeps, at least one: an empty stretch takes room too."""
        return max(len(self.held.timeline), 1)

    def at(self, t_unix_ns: int) -> CarbonIntensity | None:
        """Return what a source says of that moment, None where the yearly average holds, or nothing."""
        if self._starts is None:
            self._starts = self.held.timeline.starts_unix_ns.tolist()
        step = bisect_right(self._starts, t_unix_ns) - 1
        revision = self.held.held_by[step] if step >= 0 else None
        if revision is None or t_unix_ns >= self.held.timeline.ends_unix_ns[step]:
            return None
        made = self._made.get(step)
        if made is None:
            made = self._made[step] = of.intensity_of(self._zone, self.held.timeline, step, revision, self._passports)
        return made
