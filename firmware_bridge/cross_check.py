"""External meter against internal sensor: do the two tell the same story? Pure.

The internal sensor is inside what the external meter feeds, so its energy can be smaller but not larger, and over
many windows external = offset + gain x internal with a small scatter and a gain of one or more. What does not fit has
a name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

Finding = Literal["internal_above_external", "internal_flat", "poor_fit", "too_few_windows"]
REMEDIES: Final[dict[Finding, str]] = {
    "internal_above_external": "rails were added up, or the external meter misses a supply path (PoE, GPIO, USB)",
    "internal_flat": "the internal sensor does not follow the load: wrong rail, or its channel is switched off",
    "poor_fit": "the two clocks may be apart, or a load outside the internal sensor's scope changes",
    "too_few_windows": "measure at least six windows with different loads",
}
MIN_WINDOWS: Final = 6
MIN_SWING_RATIO: Final = 0.02
MAX_SCATTER_RATIO: Final = 0.1
LEAST_GAIN: Final = 0.95
"""A watt more inside is at least a watt more outside; what both meters' gains may be off together is left to them."""


@dataclass(frozen=True, slots=True)
class PowerPair:
    """Mean power of one window by both, in watts; ``external_u_w`` is the standard uncertainty of the external."""

    external_w: float
    internal_w: float
    external_u_w: float = 0.0


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The fit external = ``offset_w`` + ``gain`` x internal; None where it cannot be made.

    ``residual_sd_w``: standard deviation of what the fit leaves. ``share_ratio``: internal over external energy.
    """

    windows: int
    share_ratio: float | None
    gain: float | None
    offset_w: float | None
    residual_sd_w: float | None
    findings: tuple[Finding, ...]


def cross_check(pairs: Sequence[PowerPair]) -> CrossCheck:
    """Compare windows of equal length; windows without a figure of either are to be left out by the caller."""
    external_w = np.array([pair.external_w for pair in pairs])
    internal_w = np.array([pair.internal_w for pair in pairs])
    findings: list[Finding] = []
    if any(pair.internal_w > pair.external_w + 3.0 * pair.external_u_w for pair in pairs):
        findings.append("internal_above_external")
    share_ratio = float(internal_w.sum() / external_w.sum()) if len(pairs) and external_w.sum() > 0.0 else None
    if len(pairs) < MIN_WINDOWS:
        return CrossCheck(len(pairs), share_ratio, None, None, None, (*findings, "too_few_windows"))
    swing_w, internal_swing_w = float(np.ptp(external_w)), float(np.ptp(internal_w))
    if swing_w <= MIN_SWING_RATIO * float(external_w.mean()):
        return CrossCheck(len(pairs), share_ratio, None, None, None, (*findings, "too_few_windows"))
    if internal_swing_w < MIN_SWING_RATIO * swing_w:
        return CrossCheck(len(pairs), share_ratio, None, None, None, (*findings, "internal_flat"))
    gain, offset_w = np.polyfit(internal_w, external_w, 1)
    left_w = external_w - (gain * internal_w + offset_w)
    residual_sd_w = math.sqrt(float(left_w @ left_w) / (len(pairs) - 2))
    if residual_sd_w > MAX_SCATTER_RATIO * swing_w:
        findings.append("poor_fit")
    elif gain + 3.0 * residual_sd_w / (float(internal_w.std()) * math.sqrt(len(pairs))) < LEAST_GAIN:
        findings = ["internal_above_external"]
    return CrossCheck(len(pairs), share_ratio, float(gain), float(offset_w), residual_sd_w, tuple(findings))
