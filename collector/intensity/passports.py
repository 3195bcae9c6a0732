"""The passports of time-resolved intensities: the factors that stand in an output beside the grams."""

from collections.abc import Mapping

import numpy as np

from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.carbon.steps import HeldSteps
from collector.carbon.timeline import IntensityTimeline
from collector.carbon.units import GCO2E_PER_KWH

NOT_STATED = "not stated"


def intensity_of(
    zone: str,
    steps: IntensityTimeline,
    step: int,
    revision: IntensityRevision,
    passports: Mapping[str, SourcePassport],
) -> CarbonIntensity:
    """Return one step's intensity with its factor. ``revision``: the one that holds there."""
    value, low, high = (float(a[step]) for a in (steps.gco2e_per_kwh, steps.low, steps.high))
    begin, end = int(steps.starts_unix_ns[step]), int(steps.ends_unix_ns[step])
    vintage = f"{utc(begin)} to {utc(end)}, fetched {utc(revision.fetched_at_unix_ns)}"
    return CarbonIntensity(
        zone=zone,
        kind=revision.kind,
        factor=_factor(revision, passports.get(revision.source), (value, low, high), vintage),
        is_estimated=revision.is_estimated,
        is_forecast=revision.is_forecast,
    )


def factors_of(
    held: HeldSteps, passports: Mapping[str, SourcePassport], start_unix_ns: int, end_unix_ns: int
) -> tuple[Factor, ...]:
    """Return a factor for each source zone that holds within the stretch: its mean over what it holds for."""
    inside_s = _inside_s(held, start_unix_ns, end_unix_ns)
    by_series: dict[tuple[str, str], list[int]] = {}
    for step, revision in enumerate(held.held_by):
        if revision is not None and inside_s[step] > 0.0:
            by_series.setdefault((revision.source, revision.zone), []).append(step)
    return tuple(_mean_factor(held, steps, inside_s, passports) for steps in by_series.values())


def has_yearly(held: HeldSteps, start_unix_ns: int, end_unix_ns: int) -> bool:
    """Return whether the yearly average holds anywhere within the stretch."""
    inside_s = _inside_s(held, start_unix_ns, end_unix_ns)
    return any(revision is None and inside_s[step] > 0.0 for step, revision in enumerate(held.held_by))


def utc(t_unix_ns: int) -> str:
    """Return a moment to the minute, such as 2026-11-22T14:30Z."""
    return f"{np.datetime64(t_unix_ns // 60_000_000_000, 'm')}Z"


def _mean_factor(held: HeldSteps, steps: list[int], inside_s: F64, passports: Mapping[str, SourcePassport]) -> Factor:
    revisions = [one for step in steps if (one := held.held_by[step]) is not None]
    weights, timeline = inside_s[steps], held.timeline
    value, low, high = (
        float(np.average(of[steps], weights=weights)) for of in (timeline.gco2e_per_kwh, timeline.low, timeline.high)
    )
    begin, end = int(timeline.starts_unix_ns[steps[0]]), int(timeline.ends_unix_ns[steps[-1]])
    fetched = utc(max(one.fetched_at_unix_ns for one in revisions))
    vintage = f"{utc(begin)} to {utc(end)}, mean of {len(steps)} steps, fetched until {fetched}"
    figures = value, min(low, value), max(high, value)
    return _factor(revisions[0], passports.get(revisions[0].source), figures, vintage)


def _factor(
    revision: IntensityRevision, passport: SourcePassport | None, figures: tuple[float, float, float], vintage: str
) -> Factor:
    source = revision.source if passport is None else ", ".join(filter(None, (passport.name, passport.url)))
    return Factor(
        id=f"{revision.source}:{revision.zone}:{revision.kind}",
        name=f"{revision.zone}, {revision.kind}, {revision.source if passport is None else passport.name}",
        estimate=Estimate(*figures, GCO2E_PER_KWH, source),
        scope=revision.scope or (NOT_STATED if passport is None else passport.scope),
        source=source,
        licence=NOT_STATED if passport is None else passport.licence,
        vintage=vintage,
        method=NOT_STATED if passport is None else passport.method,
    )


def _inside_s(held: HeldSteps, start_unix_ns: int, end_unix_ns: int) -> F64:
    """Return the seconds of each step that lie within the stretch, shape ``(n,)``."""
    steps = held.timeline
    return np.asarray(
        np.maximum(np.minimum(steps.ends_unix_ns, end_unix_ns) - np.maximum(steps.starts_unix_ns, start_unix_ns), 0)
        / 1e9,
        dtype=np.float64,
    )
