"""Whether new hardware pays back its making, and when to buy it. Pure; a world is one row of every array.

Old and new do the same work, each with as many devices as that takes. The pay-back time is
``t* = M_new / (saving per year)``; with a grid that changes it is where the sum of the yearly savings reaches M_new.
The mass of the old devices is emitted already: it cannot decide anything. (The same question for servers: Bashroush,
A Comprehensive Reasoning Framework for Hardware Refresh in Data Centers, IEEE Trans. Sustainable Computing 3, 2018.)

How long a new device should serve is a question of its own: a cycle of T years that starts now emits
``[M + sum_k P I_k] / T`` a year, and the next one begins with what can be bought by then.
"""

import math
from itertools import groupby
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from collector.carbon.estimate import F64
from collector.carbon.units import HOURS_PER_YEAR, S_PER_DAY

KWH_PER_W_YEAR: Final = HOURS_PER_YEAR / 1_000.0
YEARS_AHEAD: Final = 100
"""So far a grid is followed year by year."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared over ``horizon_years`` whole years.

    ``old_w``, ``new_w``: W of all devices that the work takes, shape ``(n,)``. ``new_mass_g``: of all new devices,
    ``(n,)``. ``lifetime_years``: of a new device; after it the next one follows. ``power_fall_ratio``: by which part
    what can be bought needs less power each year, ``(n,)``. ``intensity``: gCO2e/kWh of each year from now, shape
    ``(n, years)`` with at least as many years as the horizon.
    """

    old_w: F64
    new_w: F64
    new_mass_g: F64
    lifetime_years: float
    power_fall_ratio: F64
    intensity: F64
    horizon_years: int


def devices_needed(inferences_per_day: float, time_per_inference_s: float | None, least: int) -> int:
    """Return how many devices do this work, ``least`` at least; as many as that where their speed is unknown (None).

    Raises ValueError for a rate or a time that is not above zero.
    """
    if time_per_inference_s is None:
        return least
    if inferences_per_day <= 0.0 or time_per_inference_s <= 0.0:
        raise ValueError("a rate and a time per inference are above zero")
    days = inferences_per_day * time_per_inference_s / S_PER_DAY
    return max(least, math.ceil(days * (1.0 - 1e-12)))


def yearly_intensities(now: F64, fall_per_year_ratio: F64, years: int = YEARS_AHEAD) -> F64:
    """Return gCO2e/kWh of each year from now on, shape ``(n, years)``: each year this part cleaner than the last.

    ``now`` and ``fall_per_year_ratio``: shape ``(n,)`` or ``(1,)``. Raises ValueError unless the fall lies in [0, 1).
    """
    if np.any(fall_per_year_ratio < 0.0) or np.any(fall_per_year_ratio >= 1.0):
        raise ValueError("a grid gets cleaner by a part of itself each year, from 0 up to but not including 1")
    left = (1.0 - fall_per_year_ratio)[:, np.newaxis] ** np.arange(years)[np.newaxis, :]
    return np.asarray(now[:, np.newaxis] * left, dtype=np.float64)


def payback_years(mass_g: F64, saved_w: F64, intensity: F64, *, holds_on: bool) -> F64:
    """Return after how many years of saving ``saved_w`` the mass is paid back, ``inf`` for never; shape ``(n,)``.

    ``mass_g``, ``saved_w``: shape ``(n,)``; ``intensity``: ``(n, years)``. ``holds_on``: after its last year the
    intensity stays as it is; else nothing is saved any more.
    """
    yearly_g = np.maximum(saved_w, 0.0)[:, np.newaxis] * KWH_PER_W_YEAR * intensity
    reached = np.cumsum(yearly_g, axis=1)
    full = (reached < mass_g[:, np.newaxis]).sum(axis=1)
    rows = np.arange(len(full))
    years = intensity.shape[1]
    inside = np.minimum(full, years - 1)
    before = np.where(full > 0, reached[rows, np.maximum(full - 1, 0)], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = full + (mass_g - before) / yearly_g[rows, inside]
    never = (yearly_g[rows, inside] <= 0.0) | ((full == years) & (not holds_on))
    return np.asarray(np.where(mass_g <= 0.0, 0.0, np.where(never, np.inf, found)), dtype=np.float64)


def totals_g(plan: Plan, wait_years: int) -> F64:
    """Return what is emitted from now to the horizon when the old devices stay ``wait_years`` more, shape ``(n,)``.

    A new device's mass is charged evenly over its life, so that a horizon in the middle of a life is fair to both.
    Raises ValueError outside of 0..horizon.
    """
    if not 0 <= wait_years <= plan.horizon_years:
        raise ValueError(f"the old devices stay 0 to {plan.horizon_years} years, not {wait_years}")
    watt_years = plan.old_w * plan.intensity[:, :wait_years].sum(axis=1)
    for bought, years in groupby(
        range(wait_years, plan.horizon_years), lambda year: _bought_in(year, wait_years, plan.lifetime_years)
    ):
        served = list(years)
        power_w = plan.new_w * (1.0 - plan.power_fall_ratio) ** bought
        watt_years = watt_years + power_w * plan.intensity[:, served[0] : served[-1] + 1].sum(axis=1)
    mass_g = plan.new_mass_g * ((plan.horizon_years - wait_years) / plan.lifetime_years)
    return np.asarray(watt_years * KWH_PER_W_YEAR + mass_g, dtype=np.float64)


def cycle_g_per_year(plan: Plan, cycle_years: int) -> F64:
    """Return what a year takes on average to the horizon when every device serves so long, from now, shape ``(n,)``.

    Raises ValueError for a cycle below one year.
    """
    if cycle_years < 1:
        raise ValueError(f"a device serves at least one year, not {cycle_years}")
    grams = totals_g(replace(plan, lifetime_years=float(cycle_years)), 0)
    return np.asarray(grams / plan.horizon_years, dtype=np.float64)


def _bought_in(year: int, first: int, lifetime_years: float) -> float:
    """Return when the device that serves in this year was bought: at ``first``, or whole lives after it."""
    return first + math.floor((year - first) / lifetime_years + 1e-9) * lifetime_years
