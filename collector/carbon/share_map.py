"""The embodied share over grid, duty and lifetime: whether making or using a device emits more is a place on a map.

``share = M / (M + P * life * I)`` with ``P = idle + duty * (busy - idle)``. The "10 % against 40 to 80 %" of the
literature (Wright et al. 2023; Gupta et al. 2021) are two regions of it, not two constants.
"""

import math

import msgspec
import numpy as np

from collector.carbon.estimate import F64, Estimate, product
from collector.carbon.units import GCO2E, GCO2E_PER_KWH, J_PER_KWH, s_from_years

RATIO = "ratio"


class MeanPower(msgspec.Struct, frozen=True, kw_only=True):
    """Watts of a device that idles and works; ``source`` says who knows. Raises ValueError for negative watts."""

    idle_w: float
    busy_w: float
    source: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.idle_w <= self.busy_w < math.inf:
            raise ValueError(f"a power needs 0 <= idle <= busy, not {self.idle_w} and {self.busy_w} W")

    def mean_w(self, duty_ratio: float) -> float:
        """Return the mean power when this part of the time is spent working. Raises ValueError outside 0..1."""
        if not 0.0 <= duty_ratio <= 1.0:
            raise ValueError(f"a duty lies in 0..1, not {duty_ratio}")
        return self.idle_w + duty_ratio * (self.busy_w - self.idle_w)


def share_estimate(mass: Estimate, intensity: Estimate, mean_power_w: float, lifetime_years: float) -> Estimate:
    """Return the embodied share of a whole life, with P5 and P95 from the errors of mass and intensity.

    The two are independent, so the log distances of their ratio add in quadrature. Raises ValueError for a mass that
    is not in grams or can be zero, an intensity not in gCO2e/kWh, a negative power, a lifetime that is not positive.
    """
    if mass.unit != GCO2E or intensity.unit != GCO2E_PER_KWH:
        raise ValueError(f"a share needs {GCO2E} and {GCO2E_PER_KWH}, not {mass.unit} and {intensity.unit}")
    if mass.low <= 0.0 or mean_power_w < 0.0 or lifetime_years <= 0.0:
        raise ValueError("a share needs a mass and a lifetime above 0, and a power that is not negative")
    energy_kwh = mean_power_w * s_from_years(lifetime_years) / J_PER_KWH
    inverse = (1.0 / mass.value, 1.0 / mass.high, 1.0 / mass.low)
    used = (energy_kwh * intensity.value, energy_kwh * intensity.low, energy_kwh * intensity.high)
    value, low, high = (1.0 / (1.0 + times) for times in product(used, inverse))
    return Estimate(value, high, low, RATIO, f"{mass.source}; {intensity.source}")


def shares(mass_gco2e: float, mean_power_w: F64, lifetime_years: float, intensity_gco2e_per_kwh: F64) -> F64:
    """Return the embodied share for every pair, shape ``(powers, intensities)``."""
    energy_kwh = np.asarray(mean_power_w)[:, np.newaxis] * s_from_years(lifetime_years) / J_PER_KWH
    used = energy_kwh * np.asarray(intensity_gco2e_per_kwh)[np.newaxis, :]
    return np.asarray(mass_gco2e / (mass_gco2e + used), dtype=np.float64)
