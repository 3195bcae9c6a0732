"""What else a fleet uses up: water, primary energy, elements of the earth's crust, devices that become waste. Pure.

Water: ``W = E * (WUE + PUE * WUE_grid)`` (Li et al., arXiv:2304.03271). Primary energy and abiotic depletion
of hardware: each part's mass of CO2e times the ratio that a life-cycle inventory has for that kind of part, so both
figures share the error of how much of it there is. What has no factor is unknown, and so is every sum it belongs to.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from collector.carbon.embodied import Part
from collector.carbon.estimate import Estimate, add, times
from collector.carbon.factors import Factor, find_factor
from collector.carbon.linear_model import LinearModel, Side
from collector.carbon.montecarlo import Draws
from collector.carbon.units import J_PER_KWH, KGCO2E

Impact = Literal[
    "water_grid_l",
    "water_site_l",
    "primary_energy_grid_mj",
    "abiotic_depletion_grid_kgsbe",
    "primary_energy_embodied_mj",
    "abiotic_depletion_embodied_kgsbe",
    "e_waste_kg",
]


class _Kind(msgspec.Struct, frozen=True):
    """``prefix``: of the ids of its factors. ``unit``: of the figure; ``left_out``: parts its scope does not count."""

    prefix: str
    unit: str
    side: Side
    left_out: tuple[str, ...] = ()


KINDS: Final[dict[Impact, _Kind]] = {
    "water_grid_l": _Kind("water-grid", "L", "operational"),
    "water_site_l": _Kind("water-site", "L", "operational"),
    "primary_energy_grid_mj": _Kind("primary-energy-grid", "MJ", "operational"),
    "abiotic_depletion_grid_kgsbe": _Kind("abiotic-depletion-grid", "kgSbe", "operational"),
    "primary_energy_embodied_mj": _Kind("primary-energy", "MJ", "embodied"),
    "abiotic_depletion_embodied_kgsbe": _Kind("abiotic-depletion", "kgSbe", "embodied", ("transport",)),
    "e_waste_kg": _Kind("e-waste", "kg", "embodied"),
}
IMPACTS: Final[tuple[Impact, ...]] = tuple(KINDS)
_OF_ENERGY: Final[tuple[Impact, ...]] = tuple(name for name, kind in KINDS.items() if kind.side == "operational")
_OF_PARTS: Final[tuple[Impact, ...]] = ("primary_energy_embodied_mj", "abiotic_depletion_embodied_kgsbe")


class ImpactModel:
    """The impacts of any number of groups, with errors shared by cause as in ``LinearModel``.

    ``factors``: of table rows; a user's own come first. A factor is found by the id or alias ``PREFIX/WHAT``, where
    WHAT is a zone, a site, the id of an embodied factor, or a kind of hardware.
    """

    def __init__(self, factors: Iterable[Factor], *, draws: Draws | None = None) -> None:
        self._factors = tuple(factors)
        self._found: dict[str, Factor | None] = {}
        first = LinearModel(KINDS["water_grid_l"].unit, draws=draws)
        self._models = {name: LinearModel(kind.unit, draws=first.draws) for name, kind in KINDS.items()}
        self._missing: dict[Impact, dict[str, dict[str, None]]] = {name: {} for name in IMPACTS}
        self._used: dict[str, Factor] = {}

    def add_energy(
        self,
        group: str,
        energy_j: float,
        *,
        zone: str,
        site: str = "",
        systematic_id: str = "",
        u_systematic_j: float = 0.0,
        variance_j2: float = 0.0,
    ) -> None:
        """Add metered energy. ``zone``, ``site``: "" for unknown. Uncertainties as in ``LinearModel.add_energy``."""
        for name in _OF_ENERGY:
            what = site if name == "water_site_l" else zone
            factor = self._factor(name, group, what)
            if factor is None:
                continue
            per_j = factor.estimate.scaled(1.0 / J_PER_KWH)
            ends = sorted((per_j.low * energy_j, per_j.high * energy_j))
            self._models[name].add_energy(
                group,
                (per_j.value * energy_j, ends[0], ends[1]),
                cause=factor.id,
                systematic_id=systematic_id,
                u_systematic=u_systematic_j * per_j.value,
                variance=variance_j2 * per_j.value**2,
            )

    def add_hardware(self, group: str, parts: Iterable[Part], charged_ratio: float, *, hardware: str = "") -> None:
        """Add ``charged_ratio`` of a device's whole: its ``parts`` (none: unknown), and ``hardware`` as waste."""
        known = tuple(parts)
        for name in _OF_PARTS:
            if not known:
                self._lacks(name, group, "parts of a device")
            for part in known:
                self._add_part(name, group, part, charged_ratio)
        factor = self._factor("e_waste_kg", group, hardware)
        if factor is not None:
            self._models["e_waste_kg"].add_factor(group, factor, charged_ratio)

    def combine(self, group: str, members: Iterable[str]) -> None:
        """Add to ``group`` all that its members have, and all that they lack."""
        everyone = tuple(members)
        for name, model in self._models.items():
            model.combine(group, everyone)
            for member in everyone:
                for what in self._missing[name].get(member, {}):
                    self._lacks(name, group, what)

    def estimates(self, group: str, *, per: float = 1.0) -> dict[str, Estimate | None]:
        """Return every impact by name, over ``per`` functional units; None where a factor is missing."""
        return {
            name: None if self._missing[name].get(group) else model.estimate(group, per=per)
            for name, model in self._models.items()
        }

    def missing(self, group: str) -> dict[str, tuple[str, ...]]:
        """Return, by impact that is unknown, the ids of the factors that a group's figure lacks."""
        return {name: tuple(lacks[group]) for name, lacks in self._missing.items() if lacks.get(group)}

    def factors(self) -> tuple[Factor, ...]:
        """Return the factors used so far, in order of first use."""
        return tuple(self._used.values())

    def _add_part(self, name: Impact, group: str, part: Part, charged_ratio: float) -> None:
        if part.factor.id in KINDS[name].left_out:
            return
        ratio = self._factor(name, group, part.factor.id)
        if ratio is not None:
            self._models[name].add_product(group, (*part.factors, ratio), part.multiplier * charged_ratio)

    def _factor(self, name: Impact, group: str, what: str) -> Factor | None:
        """Return the factor of an impact for ``what``; where there is none, note that the group lacks it."""
        key = f"{KINDS[name].prefix}/{what}"
        if key not in self._found:
            found = find_factor(self._factors, key) if what else None
            _check_unit(found, KINDS[name].unit, name)
            self._found[key] = found
        factor = self._found[key]
        if factor is None:
            self._lacks(name, group, key if what else f"{key}?")
        else:
            self._used.setdefault(factor.id, factor)
        return factor

    def _lacks(self, name: Impact, group: str, what: str) -> None:
        self._missing[name].setdefault(group, {})[what] = None


def unit_faults(factors: Iterable[Factor]) -> list[str]:
    """Return what is wrong with the units of factors whose id or an alias is ``PREFIX/WHAT``, one line each."""
    kinds = {kind.prefix: name for name, kind in KINDS.items()}
    faults: dict[str, None] = {}
    for factor in factors:
        for name in (factor.id, *factor.aliases):
            prefix, slash, _ = name.partition("/")
            if slash and prefix.casefold() in kinds:
                try:
                    _check_unit(factor, KINDS[kinds[prefix.casefold()]].unit, kinds[prefix.casefold()])
                except ValueError as error:
                    faults[str(error)] = None
    return list(faults)


def grid_water(factors: Iterable[Factor], zone: str) -> Factor | None:
    """Return the water of generating a zone's electricity, in L/kWh; None where no factor is known.

    ``zone``: as factor tables name it. Raises ValueError for a factor in another unit.
    """
    found = find_factor(factors, f"{KINDS['water_grid_l'].prefix}/{zone}")
    _check_unit(found, KINDS["water_grid_l"].unit, "water_grid_l")
    return found


def water_l(energy: Estimate, *, grid: Factor, site: Factor | None = None, pue: Factor | None = None) -> Estimate:
    """Return litres for ``energy`` (J) at the computers: ``E * (WUE + PUE * WUE_grid)``, errors independent.

    ``pue``: None where the energy is metered at the plug and nothing else runs for it. ``site``: None where no water
    is used at the site: say so, since it is a claim. Raises ValueError for other units than J, L/kWh and ratio.
    """
    wrong = [factor.id for factor in (grid, site) if factor is not None and factor.estimate.unit != "L/kWh"]
    if energy.unit != "J" or wrong or (pue is not None and pue.estimate.unit != "ratio"):
        raise ValueError(f"water is J times L/kWh, with a PUE as a ratio, not {energy.unit}, {', '.join(wrong)}")
    per_kwh = grid.estimate
    if pue is not None:
        per_kwh = times(per_kwh, pue.estimate, unit="L/kWh", source=f"{pue.estimate.source} x {per_kwh.source}")
    if site is not None:
        per_kwh = add(per_kwh, site.estimate, correlation=0.0)
    return times(energy.scaled(1.0 / J_PER_KWH), per_kwh, unit="L", source=f"{energy.source} x {per_kwh.source}")


def _check_unit(factor: Factor | None, unit: str, name: Impact) -> None:
    if factor is None:
        return
    per = {"operational": f"{unit}/kWh", "embodied": unit if name == "e_waste_kg" else f"{unit}/{KGCO2E}"}
    wanted = per[KINDS[name].side]
    if factor.estimate.unit != wanted:
        raise ValueError(f"the factor {factor.id!r} of {name} is in {factor.estimate.unit}; give it in {wanted}")
