"""Sums of one series over one hour, exact: what is added in whatever order and portions gives the same last digit.

A sum of floats is kept as the few floats whose exact sum it is (``exact``; the idea is Shewchuk's expansions, Discrete
& Computational Geometry 18, 1997), and rounded once, when it is told. Pure.
"""

import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

import msgspec

from collector.carbon.timeline import QUALITIES
from collector.live_grams import GRAM_FIELDS, Grams, Metered
from edge_agent.wire.records import InferenceWindow

_FIRST_FIELDS: Final = 7
"""So many of ``GRAM_FIELDS`` did the first version know; see ``kept``."""
_GRAM_FLOATS: Final = (
    *GRAM_FIELDS[:_FIRST_FIELDS],
    *(f"energy_{quality}_j" for quality in QUALITIES),
    *GRAM_FIELDS[_FIRST_FIELDS:],
)
_GRAM_COUNTS: Final = (
    *("operational_windows", "embodied_windows", "yearly_windows"),
    *("marginal_windows", "water_windows"),
)
FLOATS: Final = (
    "duration_s",
    "gap_s",
    "busy_s",
    "sample_count",
    "lost_count",
    "energy_j",
    "energy_u_systematic_j",
    "energy_u_independent_j2",
    "net_energy_j",
    *_GRAM_FLOATS,
)
"""``energy_u_independent_j2``: variance of what averages out. Both parts of u may be added up again: the systematic
one within a systematic id linearly, this one everywhere (JCGM 100:2008, 5.2.2 and 5.1.2). ``energy_actual_j`` and its
like: the energy whose intensity rests on that; they sum to the energy whose intensity is known."""
COUNTS: Final = (
    "windows",
    "inference_count",
    "frame_error_count",
    "net_windows",
    "net_inference_count",
    *_GRAM_COUNTS,
)
"""``..._windows``: how many of the windows have such a figure."""
_COUNTED: Final = {
    "net_energy_j": "net_windows",
    "operational_yearly_gco2e": "yearly_windows",
    "operational_marginal_gco2e": "marginal_windows",
    "operational_water_l": "water_windows",
} | {name: f"{name.partition('_')[0]}_windows" for name in GRAM_FIELDS[:6]}
"""Sums that are unknown, not zero, where this count is."""
MAXIMA: Final = ("latency_max_s", "soc_temp_max_c")
_plain_of: Final[Callable[[InferenceWindow], tuple[float, ...]]] = attrgetter(
    *("duration_s", "gap_s", "busy_s", "sample_count", "lost_count", "energy_j", "energy_u_systematic_j")
)


_FIRST_COUNTS: Final = len(COUNTS) - 2
_FIRST_FLOATS: Final = len(FLOATS) - 2
"""So many did the first version know: see ``_Kept``."""
_TOO_LARGE: Final = 1e290
"""No device's figure; a sum of them could not be said."""


class HourSums(msgspec.Struct):
    """In the order of ``COUNTS``, ``FLOATS`` and ``MAXIMA``. A later version may know more: lists may be shorter."""

    counts: list[int] = []
    floats: list[tuple[float, ...]] = []
    maxima: list[float | None] = []

    def add(self, windows: Iterable[tuple[InferenceWindow, Grams]]) -> "HourSums":
        """Return these sums with ``windows`` and their grams added. What is not finite is not added."""
        counts, floats, maxima = zip(*(_of(window, grams) for window, grams in windows), strict=True)
        old_counts = self.counts + [0] * (len(COUNTS) - len(self.counts))
        old_floats = self.floats + [()] * (len(FLOATS) - len(self.floats))
        old_maxima = self.maxima + [None] * (len(MAXIMA) - len(self.maxima))
        return HourSums(
            [old + sum(new) for old, new in zip(old_counts, zip(*counts, strict=True), strict=True)],
            [exact((*old, *_finite(new))) for old, new in zip(old_floats, zip(*floats, strict=True), strict=True)],
            [
                max((one for one in (old, *_finite(new)) if one is not None), default=None)
                for old, new in zip(old_maxima, zip(*maxima, strict=True), strict=True)
            ],
        )

    def fields(self) -> tuple[dict[str, int], dict[str, float]]:
        """Return the counts, and the numbers that are known: sums, maxima, the combined u and the mean power."""
        counts = dict(zip(COUNTS, self.counts, strict=False))
        sums = dict(zip(FLOATS, map(math.fsum, self.floats), strict=False))
        known = {name: value for name, value in sums.items() if name not in _COUNTED or counts.get(_COUNTED[name])}
        known |= {name: one for name, one in zip(MAXIMA, self.maxima, strict=False) if one is not None}
        known["energy_u_j"] = math.hypot(sums["energy_u_systematic_j"], math.sqrt(sums["energy_u_independent_j2"]))
        covered_s = sums["duration_s"] - sums["gap_s"]
        if covered_s > 0.0:
            known["power_w"] = sums["energy_j"] / covered_s
        return counts, {name: value for name, value in known.items() if math.isfinite(value)}

    def with_grams(self, grams: "GramSums") -> "HourSums":
        """Return these sums with other grams of the same windows. Raises ValueError for another number of windows."""
        if self.counts[:1] != [grams.windows]:
            raise ValueError(f"grams of {grams.windows} windows are not those of {self.counts[:1]}")
        counts = dict(zip(COUNTS, self.counts + [0] * (len(COUNTS) - len(self.counts)), strict=True))
        floats = dict(zip(FLOATS, self.floats + [()] * (len(FLOATS) - len(self.floats)), strict=True))
        counts |= dict(zip(_GRAM_COUNTS, grams.counts, strict=True))
        floats |= dict(zip(_GRAM_FLOATS, grams.floats, strict=True))
        return HourSums(list(counts.values()), list(floats.values()), self.maxima)


class GramSums:
    """The sums of grams alone, of ``windows`` windows, as exact as those of an hour and in any order too."""

    def __init__(self) -> None:
        self.windows = 0
        self.counts = [0] * len(_GRAM_COUNTS)
        self.floats: list[tuple[float, ...]] = [()] * len(_GRAM_FLOATS)

    def add(self, windows: Iterable[tuple[Metered, Grams]]) -> None:
        """Add windows; what is not finite is not added."""
        listed = list(windows)
        self.windows += len(listed)
        counts = zip(*(_counts_of(grams) for _, grams in listed), strict=True)
        floats = zip(*(_floats_of(window, grams) for window, grams in listed), strict=True)
        self.counts = [old + sum(new) for old, new in zip(self.counts, counts, strict=True)]
        self.floats = [exact((*old, *_finite(new))) for old, new in zip(self.floats, floats, strict=True)]

    def fields(self) -> tuple[dict[str, int], dict[str, float]]:
        """Return the counts and the sums that are known, by their names in ``HourSums.fields``."""
        counts = dict(zip(_GRAM_COUNTS, self.counts, strict=True))
        sums = dict(zip(_GRAM_FLOATS, map(math.fsum, self.floats), strict=True))
        known = {name: value for name, value in sums.items() if name not in _COUNTED or counts[_COUNTED[name]]}
        return counts, {name: value for name, value in known.items() if math.isfinite(value)}


class _Kept(msgspec.Struct, array_like=True):
    """Sums as journals keep them: what the first version knows stands in the lists that it knows, the rest behind.

    That version adds to its lists, which have to be as long as it knows them, and drops what lies behind.
    """

    counts: list[int] = []
    floats: list[tuple[float, ...]] = []
    maxima: list[float | None] = []
    later_counts: list[int] = []
    later_floats: list[tuple[float, ...]] = []


_kept_of: Final = msgspec.msgpack.Decoder(_Kept)


def kept(sums: HourSums) -> bytes:
    """Return sums as a journal keeps them, which an older version reads and adds to."""
    counts, floats = sums.counts, sums.floats
    return msgspec.msgpack.encode(
        _Kept(
            counts[:_FIRST_COUNTS], floats[:_FIRST_FLOATS], sums.maxima, counts[_FIRST_COUNTS:], floats[_FIRST_FLOATS:]
        )
    )


def sums_kept(data: bytes) -> HourSums:
    """Return what ``kept`` made, or an older version."""
    found = _kept_of.decode(data)
    return HourSums(found.counts + found.later_counts, found.floats + found.later_floats, found.maxima)


def exact(values: Iterable[float]) -> tuple[float, ...]:
    """Return a few floats whose exact sum is the exact sum of ``values`` (finite), the largest first; () for zero."""
    rest = list(values)
    parts: list[float] = []
    while (part := math.fsum(rest)) != 0.0:
        parts.append(part)
        rest.append(-part)
    return tuple(parts)


def _of(w: InferenceWindow, grams: Grams) -> tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return one window's counts, floats and maxima; None for what it lacks."""
    has_net = w.net_energy_j is not None
    counts = (
        1,
        w.inference_count,
        w.frame_error_count,
        int(has_net),
        w.inference_count if has_net else 0,
        *_counts_of(grams),
    )
    independent_j2 = max(w.energy_u_j * w.energy_u_j - w.energy_u_systematic_j * w.energy_u_systematic_j, 0.0)
    temp_c = w.soc_temp_c if w.soc_temp_max_c is None else w.soc_temp_max_c
    return counts, (*_plain_of(w), independent_j2, w.net_energy_j, *_floats_of(w, grams)), (w.latency_max_s, temp_c)


def _counts_of(grams: Grams) -> tuple[int, ...]:
    """Return which of the figures a window has, in the order of ``_GRAM_COUNTS``."""
    operational, _, _, embodied, _, _, yearly, marginal, water_l = grams.figures
    return tuple(int(one is not None) for one in (operational, embodied, yearly, marginal, water_l))


def _floats_of(w: Metered, grams: Grams) -> tuple[float | None, ...]:
    """Return the grams, and the energy by what its intensity rests on, in the order of ``_GRAM_FLOATS``."""
    shares = dict(grams.shares)
    by_quality = (w.energy_j * shares[name] if name in shares else None for name in QUALITIES)
    return *grams.figures[:_FIRST_FIELDS], *by_quality, *grams.figures[_FIRST_FIELDS:]


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and abs(value) < _TOO_LARGE]
