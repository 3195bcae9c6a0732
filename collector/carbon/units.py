"""Unit conversions, the one place where kWh, years and kilograms meet joules, seconds and grams."""

from typing import Final

J_PER_KWH: Final = 3.6e6
"""Exact: 1 kW times 3600 s."""

S_PER_DAY: Final = 86_400.0
HOURS_PER_YEAR: Final = 8_760.0
S_PER_YEAR: Final = HOURS_PER_YEAR * 3_600.0
"""A year of 365 days, as the life-cycle literature counts it (8760 h)."""

G_PER_KG: Final = 1_000.0
BYTES_PER_GB: Final = 1e9
"""Decimal gigabytes, as network energy intensities are stated."""

GCO2E_PER_KWH_PER_LB_PER_MWH: Final = 0.45359237
"""1 lb/MWh in g/kWh; exact, from the international pound."""

GCO2E: Final = "gCO2e"
GCO2E_MARGINAL: Final = "gCO2e (marginal)"
KGCO2E: Final = "kgCO2e"
GCO2E_PER_KWH: Final = "gCO2e/kWh"
KWH_PER_GB: Final = "kWh/GB"
JOULE: Final = "J"


def kwh_from_j(energy_j: float) -> float:
    """Return kilowatt-hours."""
    return energy_j / J_PER_KWH


def j_from_kwh(energy_kwh: float) -> float:
    """Return joules."""
    return energy_kwh * J_PER_KWH


def s_from_years(years: float) -> float:
    """Return seconds, at 8760 hours a year."""
    return years * S_PER_YEAR


def years_from_s(seconds: float) -> float:
    """Return years of 8760 hours."""
    return seconds / S_PER_YEAR
