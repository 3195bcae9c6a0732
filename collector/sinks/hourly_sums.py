"""Sums of one series over one hour, exact: what is added in whatever order and portions gives the same last digit.

A sum of floats is kept as the few floats whose exact sum it is (``exact``; the idea is Shewchuk's expansions, Discrete
& Computational Geometry 18, 1997), and rounded once, when it is told. Pure.
"""

import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

import msgspec

from collector.assess import Grams
from edge_agent.wire.records import InferenceWindow

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
    *(f"{kind}_gco2e{end}" for kind in ("operational", "embodied") for end in ("", "_low", "_high")),
)
"""``energy_u_independent_j2``: variance of what averages out. Both parts of u may be added up again: the systematic
one within a systematic id linearly, this one everywhere (JCGM 100:2008, 5.2.2 and 5.1.2)."""
COUNTS: Final = (
    "windows",
    "inference_count",
    "frame_error_count",
    "net_windows",
    "net_inference_count",
    "operational_windows",
    "embodied_windows",
)
"""``..._windows``: how many of the windows have such a figure."""
MAXIMA: Final = ("latency_max_s", "soc_temp_max_c")
_plain_of: Final[Callable[[InferenceWindow], tuple[float, ...]]] = attrgetter(
    *("duration_s", "gap_s", "busy_s", "sample_count", "lost_count", "energy_j", "energy_u_systematic_j")
)


_TOO_LARGE: Final = 1e290
"""No device's figure; a sum of them could not be said."""


class HourSums(msgspec.Struct, array_like=True):
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
        unknown = [
            name
            for prefix in ("net", "operational", "embodied")
            if not counts.get(f"{prefix}_windows")
            for name in sums
            if name.startswith(f"{prefix}_")
        ]
        known = {name: value for name, value in sums.items() if name not in unknown}
        known |= {name: one for name, one in zip(MAXIMA, self.maxima, strict=False) if one is not None}
        known["energy_u_j"] = math.hypot(sums["energy_u_systematic_j"], math.sqrt(sums["energy_u_independent_j2"]))
        covered_s = sums["duration_s"] - sums["gap_s"]
        if covered_s > 0.0:
            known["power_w"] = sums["energy_j"] / covered_s
        return counts, {name: value for name, value in known.items() if math.isfinite(value)}


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
        int(grams[0] is not None),
        int(grams[3] is not None),
    )
    independent_j2 = max(w.energy_u_j * w.energy_u_j - w.energy_u_systematic_j * w.energy_u_systematic_j, 0.0)
    temp_c = w.soc_temp_c if w.soc_temp_max_c is None else w.soc_temp_max_c
    return counts, (*_plain_of(w), independent_j2, w.net_energy_j, *grams), (w.latency_max_s, temp_c)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and abs(value) < _TOO_LARGE]
