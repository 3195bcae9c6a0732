"""From a scenario's grid to its intensities, average and marginal, and the water of its electricity."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from collector.analysis.comparison.fields import Field
from collector.analysis.comparison.problem import I64, Column, Grid
from collector.analysis.comparison.quantities import checked, own_factor, usable
from collector.analysis.comparison.scenario import Grid as GivenGrid
from collector.analysis.comparison.scenario import GridTable
from collector.carbon.estimate import Estimate, exactly
from collector.carbon.factors import Factor
from collector.carbon.impacts import grid_water
from collector.carbon.operational import INTENSITY_KINDS, IntensityKind
from collector.carbon.units import GCO2E_PER_KWH
from collector.intensity.provider import IntensityProvider
from collector.intensity.yearly_table import YearlyTable
from edge_agent.wire.errors import ConfigurationError

_DAY_NS: Final = 86_400_000_000_000
_HOUR_NS: Final = 3_600_000_000_000
_LONGEST_DAYS: Final = 3_700
_ZONE: Final = ("zone", "start", "to")
_OWN: Final = ("name", "value", "low", "high", "kind", "source")


@dataclass(frozen=True, slots=True)
class KnownGrid:
    """What is known of one grid; None where nothing is."""

    zone: str
    average: Factor | None
    marginal: Factor | None
    water: Factor | None = None
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[bool, bool, bool]:
        """Return which figures are there: cases that differ in that are told apart."""
        return self.average is not None, self.marginal is not None, self.water is not None


@dataclass(slots=True)
class Intensities:
    """Where grids are looked up. ``stored``: time-resolved ones by kind, for a grid at a time. ``water``: factors."""

    average: YearlyTable
    marginal: YearlyTable
    stored: Mapping[IntensityKind, IntensityProvider]
    water: tuple[Factor, ...]
    _found: dict[tuple[str, GivenGrid], KnownGrid] = field(default_factory=dict)

    def of(self, given: Field[GivenGrid]) -> Field[KnownGrid]:
        """Return a field's grids, each looked up once. Raises ConfigurationError."""
        return given.mapped(lambda one: self._grid(one, given.path))

    def _grid(self, given: GivenGrid, path: str) -> KnownGrid:
        key = path, given
        if key not in self._found:
            self._found[key] = self._look_up(given, path)
        return self._found[key]

    def _look_up(self, given: GivenGrid, path: str) -> KnownGrid:
        if isinstance(given, str):
            return self._zone(given, path)
        if isinstance(given, GridTable):
            return self._table(given, path)
        source = "assumption of the scenario, without range"
        estimate = exactly(usable(given, path), GCO2E_PER_KWH, source)
        factor = own_factor(path, f"{path}, average", estimate, "as stated in the scenario", source)
        return KnownGrid(zone=f"{given:g} g/kWh", average=factor, marginal=None)

    def _zone(self, zone: str, path: str) -> KnownGrid:
        average, marginal = self.average.at(zone, 0), self.marginal.at(zone, 0)
        if average is None and marginal is None:
            self.average.check_zone(zone, path)
        name = zone if average is None else average.zone
        return KnownGrid(
            zone=name,
            average=None if average is None else average.factor,
            marginal=None if marginal is None else marginal.factor,
            water=grid_water(self.water, name),
        )

    def _table(self, given: GridTable, path: str) -> KnownGrid:
        of_time = [name for name in (*_ZONE, "hours") if getattr(given, name) is not None]
        of_own = [name for name in _OWN if getattr(given, name) is not None]
        if not of_own and all(name in of_time for name in _ZONE):
            return self._at_time(given, path)
        if of_time or len(of_own) < len(_OWN):
            raise ConfigurationError(
                f"{path}: give zone, from and to (and hours), or {', '.join(_OWN)}; a zone alone is a text"
            )
        return _own(given, path)

    def _at_time(self, given: GridTable, path: str) -> KnownGrid:
        if not self.stored:
            raise ConfigurationError(
                f"{path}: a grid at a time needs stored intensities; name where they lie (--config or --state-dir)"
            )
        assert given.zone is not None
        begins, ends = stretches(given, path)
        found: dict[IntensityKind, Factor] = {}
        notes: list[str] = []
        for kind in INTENSITY_KINDS:
            provider = self.stored.get(kind)
            if provider is not None:
                factor, note = _mean(provider, given.zone, begins, ends)
                if factor is not None:
                    found[kind] = factor
                    notes += [f"{path}: {note}"] if note else []
        if not found:
            raise ConfigurationError(
                f"{path}: nothing is stored of {given.zone!r} from {given.start} to {given.to}; fetch it "
                "(edgejoule carbon intensity fetch), or correct the stretch"
            )
        return KnownGrid(
            zone=f"{given.zone} {given.start} to {given.to}{_hours(given)}",
            average=found.get("average"),
            marginal=found.get("marginal"),
            water=grid_water(self.water, given.zone),
            notes=tuple(notes),
        )


def grid(field: Field[KnownGrid]) -> Grid:
    """Return grids that are known alike as columns."""

    def of(factors: list[Factor | None]) -> Column | None:
        known = [factor for factor in factors if factor is not None]
        return Column(tuple(known), field.place) if len(known) == len(factors) else None

    return Grid(
        zones=tuple(one.zone for one in field.values),
        average=of([one.average for one in field.values]),
        marginal=of([one.marginal for one in field.values]),
        water=of([one.water for one in field.values]),
    )


def moment_unix_ns(text: str, path: str) -> int:
    """Return a moment as integer nanoseconds; without an offset it is UTC. Raises ConfigurationError."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return round(moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()) * 10**9
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            f"{path}: {text!r} is no moment; write 2026-03-01, or 2026-03-01T16:00:00Z"
        ) from error


def period_unix_ns(start: str, to: str, path: str) -> tuple[int, int]:
    """Return both ends of a stretch. Raises ConfigurationError unless it has a length, of ten years at most."""
    begin, end = moment_unix_ns(start, f"{path}.from"), moment_unix_ns(to, f"{path}.to")
    if not 0 <= begin < end:
        raise ConfigurationError(f"{path}: from {start} to {to} has no length after 1970; correct from and to")
    if end - begin > _LONGEST_DAYS * _DAY_NS:
        raise ConfigurationError(f"{path}: from {start} to {to} is longer than ten years; shorten it")
    return begin, end


def stretches(given: GridTable, path: str) -> tuple[I64, I64]:
    """Return the stretches of time that a grid's table names, shape ``(n,)`` each, in order. Hours are UTC."""
    assert given.start is not None
    assert given.to is not None
    begin, end = period_unix_ns(given.start, given.to, path)
    if given.hours is None:
        return np.array([begin], dtype=np.int64), np.array([end], dtype=np.int64)
    first, last = given.hours
    if first == last:
        raise ConfigurationError(f"{path}.hours: from {first} to {last} has no length; give two hours, or none")
    days = np.arange(begin // _DAY_NS - 1, end // _DAY_NS + 1, dtype=np.int64) * _DAY_NS
    begins = np.maximum(days + first * _HOUR_NS, begin)
    ends = np.minimum(days + (last if last > first else last + 24) * _HOUR_NS, end)
    inside = ends > begins
    if not np.any(inside):
        raise ConfigurationError(f"{path}: no such hour lies between {given.start} and {given.to}; correct hours")
    return begins[inside], ends[inside]


def _own(given: GridTable, path: str) -> KnownGrid:
    value, low, high = given.value, given.low, given.high
    assert value is not None
    assert low is not None
    assert high is not None
    assert given.name is not None
    source = given.source or ""
    estimate = checked((value, low, high), GCO2E_PER_KWH, source, path)
    factor = own_factor(given.name, f"{given.name}, {given.kind}", estimate, "as stated in the scenario", source)
    average = given.kind == "average"
    return KnownGrid(zone=given.name, average=factor if average else None, marginal=None if average else factor)


def _mean(provider: IntensityProvider, zone: str, begins: I64, ends: I64) -> tuple[Factor | None, str]:
    """Return the mean over the stretches, and what a reader must know of it."""
    timeline = provider.timeline(zone, int(begins[0]), int(ends[-1]))
    mean = timeline.mean_over(begins, ends)
    seconds = (ends - begins) / 1e9 * mean.known_ratio
    if not np.any(seconds - mean.quality_ratio["yearly"] * (ends - begins) / 1e9 > 0.0):
        return None, ""  # a year's mean says nothing of these hours
    known = seconds > 0.0
    value, low, high = (
        float(np.average(of[known], weights=seconds[known])) for of in (mean.gco2e_per_kwh, mean.low, mean.high)
    )
    passports = provider.passports(zone, int(begins[0]), int(ends[-1]))
    source = "; ".join(dict.fromkeys(one.source for one in passports))
    first = passports[0]
    factor = Factor(
        id=f"{zone}:{provider.kind}:stored",
        name=f"{zone}, {provider.kind}, mean over the hours asked for",
        estimate=Estimate(value, min(low, value), max(high, value), GCO2E_PER_KWH, source),
        scope=first.scope,
        source=source,
        licence="; ".join(dict.fromkeys(one.licence for one in passports)),
        vintage="; ".join(dict.fromkeys(one.vintage for one in passports)),
        method=first.method,
        label=first.label,
    )
    whole_s = float(np.sum((ends - begins) / 1e9))
    ratios = {name: float(np.sum(of * (ends - begins) / 1e9)) / whole_s for name, of in mean.quality_ratio.items()}
    missing = 1.0 - float(np.sum(seconds)) / whole_s
    said = [f"{100.0 * ratio:.0f} % {name}" for name, ratio in ratios.items() if name != "actual" and ratio > 0.0005]
    said += [f"{100.0 * missing:.0f} % unknown and left out"] if missing > 0.0005 else []
    return factor, f"the {provider.kind} intensity of {zone} rests on {', '.join(said)} of the time" if said else ""


def _hours(given: GridTable) -> str:
    return "" if given.hours is None else f", {given.hours[0]} to {given.hours[1]} h UTC"
