"""What a decomposition says. Grams are of CO2e, a day; None is unknown; an Estimate is value, P5 and P95."""

from typing import Final, Literal, get_args

import msgspec

from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED

EffectName = Literal[
    "fleet_size",
    "inferences_per_device",
    "energy_per_inference",
    "energy_per_device",
    "grid_intensity",
    "embodied_fleet_size",
    "embodied_per_device",
]
EFFECTS: Final[tuple[EffectName, ...]] = get_args(EffectName)
OPERATIONAL: Final = EFFECTS[:5]
EMBODIED: Final = EFFECTS[5:]
By = Literal["class", "device", "site", "zone", "fleet", "model", "all"]
BY: Final[tuple[By, ...]] = get_args(By)
SilentDays = Literal["unknown", "off"]
"""What a day without any window was: one of which nothing is known, or one on which nothing ran."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """How to decompose. ``by``: what a group has in common. ``draws``: worlds behind every range."""

    by: tuple[By, ...] = ("class",)
    silent_days: SilentDays = "unknown"
    draws: int = DEFAULT_DRAWS
    seed: int = DEFAULT_SEED


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """What one group, or everything, was on one side, per day.

    ``devices``: that ran at the same time, on the mean; ``inferences``, ``energy_j`` and ``operational_gco2e``: of
    them, at the mean power of covered time and the mean intensity of energy with one. ``charged_devices``: of which
    ``embodied_gco2e`` is the charge.
    """

    devices: float = 0.0
    inferences: float = 0.0
    energy_j: float = 0.0
    operational_gco2e: float = 0.0
    charged_devices: float = 0.0
    embodied_gco2e: float = 0.0


class SideFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One side as a whole.

    ``days``: length of its period; ``days_with_data``: of which there are windows of anything in the lake, by which
    operational figures are divided unless silent days were off. ``coverage_ratio``: part of the windows' time with
    samples.
    ``device_count``: with windows. ``left_out``: what could not be decomposed, in words, and which devices.
    ``embodied``: None where nothing of it is known on one of the sides; ``total``: of what is known.
    """

    words: str
    start_unix_ns: int
    end_unix_ns: int
    days: float
    days_with_data: float
    device_count: int
    windows: int
    simulated_windows: int
    coverage_ratio: float | None
    levels: Levels
    operational: Estimate
    embodied: Estimate | None
    total: Estimate
    left_out: dict[str, tuple[str, ...]] = {}


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one factor did to the sum: ``gco2e_per_day`` added; by ``ratio`` multiplied, None where a side is zero."""

    name: EffectName
    gco2e_per_day: Estimate
    ratio: float | None


class GroupChange(msgspec.Struct, frozen=True, kw_only=True):
    """One group on both sides, and its effects in gCO2e a day: they sum to its change."""

    name: str
    before: Levels
    after: Levels
    effects: dict[EffectName, float]
    change_gco2e_per_day: float


class Rebound(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of what better efficiency was to save more use took back.

    ``ratio``: volume over the size of efficiency, with ``low`` and ``high`` (P5, P95) of the worlds in which an
    inference took less energy; None where it has no value. ``gain_probability``: part of all worlds in which it did;
    ``backfire_probability``: part of all worlds in which more was taken back than saved. ``reading``: in words.
    """

    ratio: float | None
    low: float | None
    high: float | None
    volume_gco2e_per_day: float
    efficiency_gco2e_per_day: float
    gain_probability: float
    backfire_probability: float
    reading: str


class Decomposition(msgspec.Struct, frozen=True, kw_only=True):
    """The change from ``before`` (A) to ``after`` (B). ``change``: B minus A, gCO2e a day, world by world.

    ``rise_probability``: part of the worlds in which B has more.
    ``residual_ratio``: what the effects leave of the change, over the largest of both sides and all effects: only
    rounding. ``notes`` must stand beside the figures. ``factors``: all that was multiplied, with source and licence.
    """

    before: SideFigures
    after: SideFigures
    by: tuple[By, ...]
    change: Estimate
    rise_probability: float
    ratio: float | None
    effects: tuple[Effect, ...]
    groups: tuple[GroupChange, ...]
    rebound: Rebound
    residual_ratio: float
    simulated: bool
    has_embodied: bool
    notes: tuple[str, ...]
    factors: tuple[Factor, ...]
    silent_days: SilentDays
    seed: int
    draws: int
