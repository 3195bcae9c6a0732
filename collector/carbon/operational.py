"""Carbon of the electricity used: energy times grid intensity, each with its uncertainty."""

from typing import Literal

import msgspec

from collector.carbon.estimate import Estimate, times
from collector.carbon.factors import Factor
from collector.carbon.units import GCO2E, GCO2E_MARGINAL, GCO2E_PER_KWH, J_PER_KWH, JOULE

IntensityKind = Literal["average", "marginal"]


class CarbonIntensity(msgspec.Struct, frozen=True, kw_only=True):
    """Grid carbon intensity of one zone, gCO2e per kWh.

    ``kind``: the average of all generation (for inventories) or the marginal plant (for decisions). The two answer
    different questions: grams of different kinds carry different units, and adding them raises ValueError.
    """

    zone: str
    kind: IntensityKind
    factor: Factor
    is_estimated: bool = False
    is_forecast: bool = False


def gram_unit(kind: IntensityKind) -> str:
    """Return the unit of grams that this kind of intensity gives; the two kinds never share one."""
    return GCO2E if kind == "average" else GCO2E_MARGINAL


def operational_gco2e(energy: Estimate, intensity: CarbonIntensity) -> Estimate:
    """Return ``energy`` (J) times ``intensity``, in grams; the two uncertainties are independent.

    Raises ValueError when ``energy`` is not in joules or the intensity not in gCO2e/kWh.
    """
    per_kwh = intensity.factor.estimate
    if energy.unit != JOULE or per_kwh.unit != GCO2E_PER_KWH:
        raise ValueError(f"operational carbon is J times {GCO2E_PER_KWH}, not {energy.unit} times {per_kwh.unit}")
    source = f"{energy.source} x {intensity.kind} intensity of {intensity.zone}"
    return times(energy.scaled(1.0 / J_PER_KWH), per_kwh, unit=gram_unit(intensity.kind), source=source)
