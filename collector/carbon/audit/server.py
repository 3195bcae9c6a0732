"""The server and the GPU of Clemm et al. 2024, as this package computes them, for any life and grid."""

from typing import Final

import msgspec

from collector.carbon.audit.formulas import (
    break_even_gco2e_per_kwh,
    duty_w,
    embodied_percent,
    made_kgco2e,
    use_kgco2e,
    use_kwh,
    yearly_kgco2e,
)
from collector.carbon.units import G_PER_KG

CPU_KG: Final = made_kgco2e(8.12, 3.0)
DRAM_KG: Final = made_kgco2e(614.4, 1.8)
ICS_KG: Final = made_kgco2e(6.0, 1.8)
PCB_KG: Final = made_kgco2e(595.36, 0.06)
SERVER_KG: Final = CPU_KG + DRAM_KG + ICS_KG + PCB_KG
SERVER_W: Final = duty_w(555.0, 0.75, 200.0)
GPU_KG: Final = 200.0
GPU_W: Final = duty_w(700.0, 0.75, 250.0)


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One machine over a life on a grid; each mass for one year of it, nothing rounded on the way."""

    machine: str
    lifetime_years: float
    gco2e_per_kwh: float
    embodied_kgco2e: float
    use_kgco2e: float
    embodied_percent: float
    break_even_gco2e_per_kwh: float


def variants(lifetimes_years: tuple[float, ...], grids_gco2e_per_kwh: tuple[float, ...]) -> tuple[Variant, ...]:
    """Return server and GPU for each life and grid. Raises ValueError for a life or a grid that is not positive."""
    if min((*lifetimes_years, *grids_gco2e_per_kwh), default=1.0) <= 0.0:
        raise ValueError("a lifetime and a grid intensity must be positive")
    return tuple(
        _variant(machine, mass_kg, power_w, years, grid)
        for machine, mass_kg, power_w in (("server", SERVER_KG, SERVER_W), ("GPU", GPU_KG, GPU_W))
        for years in lifetimes_years
        for grid in grids_gco2e_per_kwh
    )


def _variant(machine: str, mass_kg: float, power_w: float, years: float, grid: float) -> Variant:
    used_kg = use_kgco2e(use_kwh(power_w), grid / G_PER_KG)
    return Variant(
        machine=machine,
        lifetime_years=years,
        gco2e_per_kwh=grid,
        embodied_kgco2e=yearly_kgco2e(mass_kg, years),
        use_kgco2e=used_kg,
        embodied_percent=embodied_percent(yearly_kgco2e(mass_kg, years), used_kg),
        break_even_gco2e_per_kwh=break_even_gco2e_per_kwh(mass_kg, power_w, years),
    )
