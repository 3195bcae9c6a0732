"""Carbon of making and bringing the hardware."""

from collector.carbon.estimate import Estimate, total
from collector.carbon.factors import Factor
from collector.carbon.units import G_PER_KG, GCO2E, J_PER_KWH, KGCO2E, s_from_years


def embodied_gco2e(parts: tuple[Factor, ...]) -> Estimate:
    """Return the mass of all ``parts`` (board, SD card, ...) in grams.

    The ranges add linearly: screening figures share their coefficients, so a low board goes with a low card.
    Raises ValueError for no part or a part that is not in kgCO2e.
    """
    masses = [part.estimate for part in parts]
    wrong = [mass.unit for mass in masses if mass.unit != KGCO2E]
    if wrong:
        raise ValueError(f"embodied factors are in {KGCO2E}, not {wrong[0]}")
    return total(masses, correlation=1.0).scaled(G_PER_KG, unit=GCO2E)


def break_even_intensity_gco2e_per_kwh(
    embodied_mass_gco2e: float, mean_power_w: float, lifetime_years: float
) -> float:
    """Return the grid intensity at which use over the life emits as much as making the hardware did.

    ``I* = M / (P * life)``. Below it the embodied part is the larger one. Raises ValueError unless power and
    lifetime are positive.
    """
    if mean_power_w <= 0.0 or lifetime_years <= 0.0:
        raise ValueError("a break-even intensity needs a positive power and lifetime")
    return embodied_mass_gco2e * J_PER_KWH / (mean_power_w * s_from_years(lifetime_years))


def embodied_share_ratio(embodied: float, operational: float) -> float | None:
    """Return embodied / (embodied + operational), or None when there is nothing to share."""
    both = embodied + operational
    return embodied / both if both > 0.0 else None
