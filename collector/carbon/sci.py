"""Software Carbon Intensity, ISO/IEC 21031:2024: ((E * I) + M) per functional unit, with what must be declared.

The standard asks that the score, the software boundary and the calculation methodology are disclosed together; a
declaration holds what belongs to the latter two, and says where the score departs from the standard.
"""

from typing import Final, Literal

import msgspec

from collector.carbon.amortisation import Policy
from collector.carbon.estimate import Estimate, add
from collector.carbon.operational import IntensityKind, gram_unit
from collector.carbon.units import GCO2E, JOULE, kwh_from_j

Quantification = Literal["measurement", "calculation"]
"""The two approaches of the standard: real-world data, or a model of one unit of work."""
_TEXTS: Final = (
    "functional_unit",
    "software_boundary",
    "intensity_source",
    "intensity_granularity",
    "embodied_source",
    "period",
)


class SciDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a score must say beside its number. Raises ValueError when a text is empty.

    ``functional_unit``: R, by which the software scales. ``software_boundary``: what is inside, and what is not.
    ``energy_method``: how E was found. ``energy_includes_idle``: the standard counts all reserved energy.
    ``intensity_granularity``: of I in time, from minutes to a year, in words. ``location_based``: no certificate,
    power purchase agreement or offset is in I or M. ``embodied_policies``: how M was charged; the standard's
    ``M = TE * TiR/EL * RR/ToR`` is ``linear_in_time``.
    """

    functional_unit: str
    software_boundary: str
    intensity_kind: IntensityKind
    intensity_source: str
    intensity_granularity: str
    embodied_source: str
    embodied_policies: tuple[Policy, ...]
    period: str
    energy_includes_idle: bool
    energy_method: Quantification
    location_based: bool

    def __post_init__(self) -> None:
        for name in _TEXTS:
            if not getattr(self, name).strip():
                raise ValueError(f"an SCI score must declare its {name}")
        if not self.embodied_policies:
            raise ValueError("an SCI score must declare its embodied_policies: M is part of it")

    @property
    def departures(self) -> tuple[str, ...]:
        """Return in which points the score does not conform to the standard; empty when it does."""
        found = []
        if not self.energy_includes_idle:
            found.append("E leaves out the idle energy of reserved hardware")
        if not self.location_based:
            found.append("I or M contains market-based measures")
        others = sorted(set(self.embodied_policies) - {"linear_in_time"})
        if others:
            found.append(f"M is charged {', '.join(others)} instead of linear_in_time")
        return tuple(found)


class SciScore(msgspec.Struct, frozen=True, kw_only=True):
    """Grams per functional unit, and the declaration without which it says nothing.

    ``operational_gco2e_per_unit`` is O = E * I, ``embodied_gco2e_per_unit`` M, ``energy_kwh_per_unit`` E where known,
    each per unit. ``departures``: why it does not conform, empty when ``conforms``.
    """

    sci_gco2e_per_unit: Estimate
    operational_gco2e_per_unit: Estimate
    embodied_gco2e_per_unit: Estimate
    functional_units: float
    declaration: SciDeclaration
    conforms: bool
    departures: tuple[str, ...] = ()
    energy_kwh_per_unit: float | None = None


def sci_score(
    operational: Estimate,
    embodied: Estimate,
    functional_units: float,
    declaration: SciDeclaration,
    *,
    total: Estimate | None = None,
    energy: Estimate | None = None,
) -> SciScore:
    """Return ``(operational + embodied) / functional_units``.

    ``operational`` carries the grams of the declared kind of intensity; ``embodied`` has no such kind and is read in
    the same. ``total``: their sum with its range, of a ``GramModel`` that knows which causes both share; without it
    the errors of the two are taken as independent. ``energy``: joules, for the record. Raises ValueError when no unit
    was delivered, when the grams are not of the declared kind, or when ``total`` is not the sum.
    """
    if functional_units <= 0.0:
        raise ValueError("an SCI score needs at least one functional unit")
    if operational.unit != gram_unit(declaration.intensity_kind) or embodied.unit not in {GCO2E, operational.unit}:
        raise ValueError(
            f"declared {declaration.intensity_kind} intensity, but got {operational.unit}, {embodied.unit}"
        )
    both = total
    if both is None:
        both = add(operational, embodied.scaled(1.0, unit=operational.unit), correlation=0.0)
    value = operational.value + embodied.value
    if both.unit != operational.unit or abs(both.value - value) > 1e-9 * abs(value):
        raise ValueError(f"the total, {both.value} {both.unit}, is not the sum of both terms, {value}")
    if energy is not None and energy.unit != JOULE:
        raise ValueError(f"the energy of a score is in {JOULE}, not {energy.unit}")
    unit = f"{both.unit}/unit"
    return SciScore(
        sci_gco2e_per_unit=both.scaled(1.0 / functional_units, unit=unit),
        operational_gco2e_per_unit=operational.scaled(1.0 / functional_units, unit=unit),
        embodied_gco2e_per_unit=embodied.scaled(1.0 / functional_units, unit=unit),
        functional_units=functional_units,
        declaration=declaration,
        conforms=not declaration.departures,
        departures=declaration.departures,
        energy_kwh_per_unit=None if energy is None else kwh_from_j(energy.value) / functional_units,
    )
