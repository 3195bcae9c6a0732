"""The names of impacts and of causes as people read them, with units that take a prefix."""

from collections.abc import Iterable
from typing import Final

from collector import numbers
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.units import GCO2E_PER_KWH

_IMPACTS: Final = {
    "water_grid_l": ("Water, to generate the electricity", 1.0, "L"),
    "water_site_l": ("Water, at the site", 1.0, "L"),
    "primary_energy_grid_mj": ("Primary energy of the electricity", 1e6, "J"),
    "primary_energy_embodied_mj": ("Primary energy of the hardware, its share", 1e6, "J"),
    "abiotic_depletion_grid_kgsbe": ("Abiotic depletion, electricity", 1e3, "g Sbe"),
    "abiotic_depletion_embodied_kgsbe": ("Abiotic depletion, hardware's share", 1e3, "g Sbe"),
    "e_waste_kg": ("Waste of equipment, its share", 1e3, "g"),
}
"""Name for people, and how many of the unit that takes a prefix one of the figure's has."""


def impact_name(name: str) -> str:
    """Return an impact's name in words."""
    return _IMPACTS[name][0] if name in _IMPACTS else name.replace("_", " ")


def impact_words(name: str, figure: Estimate | None) -> tuple[str, str]:
    """Return value and range; "unknown" and an empty range for an impact that is unknown."""
    if figure is None:
        return "unknown", ""
    _, factor, unit = _IMPACTS.get(name, (name, 1.0, figure.unit))
    scale, letter = numbers.prefix_of(figure.value * factor)
    low, high = (numbers.significant(end * factor / scale, 2) for end in (figure.low, figure.high))
    return numbers.si(figure.value * factor, unit), f"{low} to {high}{numbers.NBSP}{letter}{unit}"


def cause_names(factors: Iterable[Factor]) -> dict[str, str]:
    """Return names of causes by factor id; a grid is named as one."""
    return {one.id: f"grid, {one.name}" if one.estimate.unit == GCO2E_PER_KWH else one.name for one in factors}
