"""The rebound: which part of what efficiency was to save more use took back, and how to read it."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from collector.analysis.decomposition.values import GroupChange, Rebound
from collector.carbon.estimate import F64
from collector.carbon.lmdi import rebound_ratio
from collector.numbers import percent, si

_VOLUME: Final = ("fleet_size", "inferences_per_device")
_EFFICIENCY: Final = "energy_per_inference"
_NONE: Final = 1e-9
"""Of volume and all grams: a smaller effect of efficiency is the rounding of sums. Of efficiency: one of volume is."""


def rebound_of(value: Callable[..., float], drawn: Callable[..., F64], groups: Sequence[GroupChange]) -> Rebound:
    """Return the rebound. ``value``, ``drawn``: the sum of the named effects, at the middle and in each world.

    R = 1 - actual saving / expected saving = volume effect / |efficiency effect|, of the operational term, at equal
    grid intensities. It has no value where an inference did not come to take less energy, nor where no group made
    inferences on both sides.
    """
    volume, efficiency = value(*_VOLUME), value(_EFFICIENCY)
    volumes, efficiencies = drawn(*_VOLUME), drawn(_EFFICIENCY)
    level = math.fsum(side.operational_gco2e for one in groups for side in (one.before, one.after))
    gains = efficiencies < -_NONE * (np.abs(volumes) + level)
    ratios = volumes[gains] / -efficiencies[gains]
    slight = _NONE * (abs(volume) + level)
    ratio = rebound_ratio(volume, efficiency) if efficiency < -slight else None
    ratio = 0.0 if ratio is not None and abs(ratio) <= _NONE else ratio
    comparable = any(one.before.inferences > 0.0 and one.after.inferences > 0.0 for one in groups)
    low, high = (float(end) for end in np.percentile(ratios, (5.0, 95.0))) if gains.any() else (None, None)
    if ratio is None or low is None or high is None:
        low, high = None, None
    else:
        low, high = min(low, ratio), max(high, ratio)
    gain = float(gains.mean())
    backfire = float(np.count_nonzero(ratios > 1.0) / len(gains))
    return Rebound(
        ratio=ratio,
        low=low,
        high=high,
        volume_gco2e_per_day=volume,
        efficiency_gco2e_per_day=efficiency,
        gain_probability=gain,
        backfire_probability=backfire,
        reading=_reading(ratio, efficiency, slight, (gain, backfire)) if comparable else _not_comparable(len(groups)),
    )


def _not_comparable(group_count: int) -> str:
    hint = " (--by all takes everything as one group)" if group_count > 1 else ""
    return (
        f"no value: no group made inferences on both sides, so nothing says whether one came to take less energy{hint}"
    )


def _reading(ratio: float | None, efficiency: float, slight: float, chances: tuple[float, float]) -> str:
    gain, backfire = chances
    if ratio is None:
        more = "more energy than before" if efficiency > slight else "as much energy as before"
        hedge = f" (in {percent(gain)} of the worlds it took less)" if gain > 0.0 else ""
        return f"no value: an inference took {more}, so there was no saving to take back{hedge}"
    saved = f"{si(-efficiency, 'g')} a day"
    hedge = f"; in {percent(1.0 - gain)} of the worlds an inference did not take less at all" if gain < 1.0 else ""
    sure = f"; backfire in {percent(backfire)} of the worlds" if 0.0 < backfire < 1.0 else ""
    if ratio <= 0.0:
        also = "use fell too" if ratio < 0.0 else "use stayed as it was"
        return f"no rebound: better efficiency saved {saved}, and {also}{sure}{hedge}"
    if abs(ratio - 1.0) <= _NONE:
        return f"full rebound: more use took back all of the {saved} that efficiency saved{sure}{hedge}"
    if ratio < 1.0:
        return f"partial rebound: of {saved} that efficiency saved, more use took back {percent(ratio)}{sure}{hedge}"
    return (
        f"backfire: efficiency was to save {saved}, and more use took {percent(ratio)} of it, so that operational "
        f"grams rose at equal grids (Jevons){sure}{hedge}"
    )
