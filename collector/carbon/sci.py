"""Software Carbon Intensity, ISO/IEC 21031:2024: ((E * I) + M) per functional unit, with what must be declared."""

import msgspec

from collector.carbon.estimate import Estimate, add
from collector.carbon.operational import IntensityKind, gram_unit
from collector.carbon.units import GCO2E


class SciDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a score must say beside its number. Raises ValueError when a text is empty.

    ``energy_includes_idle``: the standard counts all reserved energy; False makes the score non-conforming.
    """

    functional_unit: str
    software_boundary: str
    intensity_kind: IntensityKind
    intensity_source: str
    embodied_source: str
    period: str
    energy_includes_idle: bool

    def __post_init__(self) -> None:
        for name in ("functional_unit", "software_boundary", "intensity_source", "embodied_source", "period"):
            if not getattr(self, name).strip():
                raise ValueError(f"an SCI score must declare its {name}")


class SciScore(msgspec.Struct, frozen=True, kw_only=True):
    """Grams per functional unit, and the declaration without which it says nothing."""

    sci_gco2e_per_unit: Estimate
    declaration: SciDeclaration
    conforms: bool


def sci_score(
    operational: Estimate, embodied: Estimate, functional_units: float, declaration: SciDeclaration
) -> SciScore:
    """Return ``(operational + embodied) / functional_units``; the errors of the two terms are independent.

    ``operational`` carries the grams of the declared kind of intensity; ``embodied`` has no such kind and is read in
    the same. Raises ValueError when no unit was delivered, or when the grams are not of the declared kind.
    """
    if functional_units <= 0.0:
        raise ValueError("an SCI score needs at least one functional unit")
    if operational.unit != gram_unit(declaration.intensity_kind) or embodied.unit != GCO2E:
        raise ValueError(
            f"declared {declaration.intensity_kind} intensity, but got {operational.unit}, {embodied.unit}"
        )
    both = add(operational, embodied.scaled(1.0, unit=operational.unit), correlation=0.0)
    per_unit = both.scaled(1.0 / functional_units, unit=f"{both.unit}/unit")
    return SciScore(sci_gco2e_per_unit=per_unit, declaration=declaration, conforms=declaration.energy_includes_idle)
