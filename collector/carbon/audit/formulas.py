"""The engine's own formulas in the units of the audited publications: kg, kWh, years.

An audit goes through them, so that it tries the functions that reports use.
"""

from typing import Final

import numpy as np

from collector.carbon.amortisation import LifePlan, charge
from collector.carbon.embodied import (
    Part,
    break_even_intensity_gco2e_per_kwh,
    embodied_gco2e,
    embodied_share_ratio,
)
from collector.carbon.estimate import exactly
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, operational_gco2e
from collector.carbon.timeline import IntensityTimeline
from collector.carbon.units import G_PER_KG, GCO2E_PER_KWH, JOULE, KGCO2E, j_from_kwh, kwh_from_j, s_from_years

_SOURCE: Final = "audited publication"


def use_kwh(power_w: float, years: float = 1.0) -> float:
    """Return the energy of a constant power over years of 8760 hours."""
    return kwh_from_j(power_w * s_from_years(years))


def duty_w(full_w: float, full_ratio: float, idle_w: float) -> float:
    """Return the mean power of a machine that is busy for ``full_ratio`` of the time and idles for the rest."""
    return full_ratio * full_w + (1.0 - full_ratio) * idle_w


def use_kgco2e(energy_kwh: float, kgco2e_per_kwh: float) -> float:
    """Return the operational carbon of an energy, through ``operational_gco2e``."""
    factor = _factor(kgco2e_per_kwh * G_PER_KG, GCO2E_PER_KWH)
    intensity = CarbonIntensity(zone="audited", kind="average", factor=factor)
    energy = exactly(j_from_kwh(energy_kwh), JOULE, _SOURCE)
    return operational_gco2e(energy, intensity).value / G_PER_KG


def made_kgco2e(area_cm2: float, kgco2e_per_cm2: float) -> float:
    """Return the mass of a part that is an area times a factor, through ``embodied_gco2e``."""
    part = Part(name="audited", factor=_factor(kgco2e_per_cm2, f"{KGCO2E}/cm2"), quantity=area_cm2)
    return embodied_gco2e((part,)).value / G_PER_KG


def yearly_kgco2e(mass_kgco2e: float, lifetime_years: float) -> float:
    """Return what a year is charged, linear in time, through ``charge``; at that rate where life is shorter."""
    plan = LifePlan(lifetime_s=s_from_years(lifetime_years), in_service_since_unix_s=0.0)
    years = min(1.0, lifetime_years)
    return mass_kgco2e * charge(plan, 0.0, s_from_years(years)).share_ratio / years


def embodied_percent(embodied: float, operational: float) -> float:
    """Return the embodied share of the two in percent. Raises ValueError where there is nothing to share."""
    ratio = embodied_share_ratio(embodied, operational)
    if ratio is None:
        raise ValueError("a share of nothing is unknown")
    return 100.0 * ratio


def break_even_gco2e_per_kwh(embodied_kgco2e: float, power_w: float, years: float) -> float:
    """Return the intensity at which use over the life emits as much as making did."""
    return break_even_intensity_gco2e_per_kwh(embodied_kgco2e * G_PER_KG, power_w, years)


def sci_gco2e(energy_kwh: float, gco2e_per_kwh: float, embodied_g: float) -> float:
    """Return ``E x I + M`` of ISO/IEC 21031 for one functional unit, in grams."""
    return G_PER_KG * use_kgco2e(energy_kwh, gco2e_per_kwh / G_PER_KG) + embodied_g


def mean_of_seconds(values: tuple[float, ...]) -> float:
    """Return the mean of steps of one second each, through ``IntensityTimeline``."""
    starts = np.arange(len(values), dtype=np.int64) * 1_000_000_000
    steps = np.asarray(values)
    timeline = IntensityTimeline(
        starts, starts + 1_000_000_000, steps, low=steps, high=steps, quality=["actual"] * len(values)
    )
    return float(timeline.mean_over(starts[:1], starts[-1:] + 1_000_000_000).gco2e_per_kwh[0])


def _factor(value: float, unit: str) -> Factor:
    return Factor(
        id="audited", name="audited", estimate=exactly(value, unit, _SOURCE), scope=_SOURCE, source=_SOURCE,
        licence="cited fact", vintage=_SOURCE, method=_SOURCE,
    )  # fmt: skip
