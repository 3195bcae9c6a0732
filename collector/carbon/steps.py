"""From revisions to steps: which one holds at each moment. Pure.

Every revision is painted over the moments that it speaks of, the weakest first, so that at each moment the strongest
is what is left: a value that is no forecast over any forecast, then the preferred source, then what was learned last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from collector.carbon.revisions import RANGE_RATIO, IntensityRevision, SourcePassport, rank
from collector.carbon.timeline import I64, IntensityTimeline, Quality


@dataclass(frozen=True, slots=True)
class HeldSteps:
    """A timeline, and which revision each of its steps is: None for a step of what lies under the revisions."""

    timeline: IntensityTimeline
    held_by: tuple[IntensityRevision | None, ...]


def quality_of(revision: IntensityRevision) -> Quality:
    """Return what a moment rests on where this revision holds."""
    if revision.is_forecast:
        return "forecast"
    return "estimated" if revision.is_estimated else "actual"


def check_no_overlap(revisions: Sequence[IntensityRevision]) -> None:
    """Raise ValueError where one answer of one source says two things of the same moment.

    An identical value that stands twice is one value, and a forecast may stand beside an actual value.
    """
    ordered = sorted(revisions, key=lambda one: (*_answer(one), one.valid_from_unix_ns, one.valid_to_unix_ns))
    for before, after in pairwise(ordered):
        same_answer = _answer(before) == _answer(after)
        if same_answer and after.valid_from_unix_ns < before.valid_to_unix_ns and before != after:
            raise ValueError(
                f"revisions of {after.zone} from {after.source!r} overlap: {before.gco2e_per_kwh:g} and "
                f"{after.gco2e_per_kwh:g} g/kWh both from {_utc(after.valid_from_unix_ns)} on, of one answer"
            )


def held_steps(
    revisions: Sequence[IntensityRevision],
    *,
    passports: Mapping[str, SourcePassport] | None = None,
    preference: Sequence[str] = (),
    under: IntensityTimeline | None = None,
) -> HeldSteps:
    """Return the steps that hold, in order of time, and whose they are.

    ``passports``: by source, for the range of values that have none. ``preference``: sources, the best first; one that
    is not named comes last. ``under``: what holds where no revision does. Raises ValueError for revisions of average
    and of marginal intensities together, and for one answer that says two things of the same moment.
    """
    if len({one.kind for one in revisions}) > 1:
        raise ValueError("average and marginal intensities answer different questions; make a timeline of one kind")
    check_no_overlap(revisions)
    places = {source: -number for number, source in enumerate(preference)}

    def strength(one: IntensityRevision) -> tuple[bool, int, int, bool]:
        actual, fetched_at, published = rank(one)
        return actual, places.get(one.source, -len(places)), fetched_at, published

    ordered = sorted(revisions, key=strength)
    under_count = 0 if under is None else len(under)
    starts = np.array([one.valid_from_unix_ns for one in ordered], dtype=np.int64)
    ends = np.array([one.valid_to_unix_ns for one in ordered], dtype=np.int64)
    ranges = np.array([_range(one, passports or {}) for one in ordered], dtype=np.float64).reshape(-1, 3)
    quality = [quality_of(one) for one in ordered]
    if under is not None:
        starts = np.concatenate((under.starts_unix_ns, starts))
        ends = np.concatenate((under.ends_unix_ns, ends))
        ranges = np.concatenate((np.column_stack((under.gco2e_per_kwh, under.low, under.high)), ranges))
        quality = [*under.quality, *quality]
    step_starts, step_ends, owners = _painted(starts, ends)
    values = ranges[owners]
    timeline = IntensityTimeline(
        step_starts, step_ends, values[:, 0], low=values[:, 1], high=values[:, 2], quality=[quality[i] for i in owners]
    )
    return HeldSteps(timeline, tuple(None if i < under_count else ordered[i - under_count] for i in owners))


def _painted(starts: I64, ends: I64) -> tuple[I64, I64, I64]:
    """Return start, end and owner of each step, for stretches of which a later one covers an earlier one."""
    edges = np.unique(np.concatenate((starts, ends)))
    owner = np.full(max(len(edges) - 1, 0), -1, dtype=np.int64)
    firsts, lasts = np.searchsorted(edges, starts).tolist(), np.searchsorted(edges, ends).tolist()
    for number, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        owner[first:last] = number
    if not len(owner):
        return edges, edges, owner
    begins = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
    stops = np.concatenate((begins[1:], [len(owner)]))
    known = owner[begins] >= 0
    return edges[begins[known]], edges[stops[known]], owner[begins[known]]


def _range(one: IntensityRevision, passports: Mapping[str, SourcePassport]) -> tuple[float, float, float]:
    passport = passports.get(one.source)
    low_ratio, high_ratio = (1.0 / RANGE_RATIO, RANGE_RATIO) if passport is None else passport.range_ratio
    value = one.gco2e_per_kwh
    low = value * low_ratio if one.low is None else one.low
    return value, low, value * high_ratio if one.high is None else one.high


def _answer(one: IntensityRevision) -> tuple[str, str, str, bool, int]:
    return one.source, one.zone, one.kind, one.is_forecast, one.fetched_at_unix_ns


def _utc(t_unix_ns: int) -> str:
    return f"{np.datetime64(t_unix_ns // 1_000_000_000, 's')}Z"
