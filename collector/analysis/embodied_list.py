"""What hardware weighs, part by part: a board, a meter or a case of the tables, or a device of an inventory."""

from typing import Final

import msgspec

from collector.carbon.amortisation import residue_ratio
from collector.carbon.embodied import Part, corners_kgco2e, embodied_gco2e
from collector.carbon.estimate import Estimate, Range
from collector.carbon.factors import SCREENING_LABEL, Factor
from collector.carbon.units import G_PER_KG, KGCO2E
from collector.data.hardware import Item, hardware_factor, item_parts
from collector.device_entry import PartKind
from collector.inventory import Inventory, embodied_parts
from edge_agent.wire.errors import ConfigurationError

TRUNCATION_RATIO: Final = 2.0
"""Bottom-up sums may miss as much again: Pirson & Bol 2021 (doi 10.1016/j.jclepro.2021.128966) advise this factor."""


class PartMass(msgspec.Struct, frozen=True, kw_only=True):
    """One part: which factor (and amount) times which quantity and share gives how much, kgCO2e."""

    name: str
    factor_id: str
    amount_id: str
    quantity: float
    share_ratio: float
    kgco2e: Estimate


class HardwareMass(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of hardware, kgCO2e.

    ``total``: P5 and P95 from independent factors. ``all_low`` to ``all_high``: every factor at that end at once;
    ``all_high_truncation``: the latter times the advised factor for what is left out, for screening sums.
    ``label``: "" where nothing in it is a screening figure. ``unstated``: parts of which the inventory says nothing.
    ``carried_ratio``: of it, what its retirement leaves to ``successor``, whose mass has that as well.
    """

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    total: Estimate
    all_low: float
    all_high: float
    all_high_truncation: float | None
    label: str
    parts: tuple[PartMass, ...]
    factors: tuple[Factor, ...]
    policy: str = ""
    unstated: tuple[PartKind, ...] = ()
    successor: str = ""
    carried_ratio: float = 0.0


def item_mass(item: Item) -> HardwareMass:
    """Return an item of the tables, a board with the power supply that it is run with."""
    parts = item_parts(item, item.id)
    if item.power_supply:
        supply = hardware_factor(item.power_supply, item.id)
        parts = (*parts, Part(name=supply.name, factor=supply))
    return _mass(parts, item.id, item.name, item.kind, item.aliases)


def device_masses(inventory: Inventory, names: list[str]) -> tuple[tuple[HardwareMass, ...], tuple[str, ...]]:
    """Return the devices of these names (none: all) with all their parts, and those of which nothing is known.

    Raises ConfigurationError for a device that is not in the inventory.
    """
    found, unknown = [], []
    for name in names or list(inventory.devices):
        entry = inventory.device(name)
        if entry is None:
            raise ConfigurationError(
                f"{inventory.where}: no device {name!r}; its devices: {', '.join(inventory.devices)}"
            )
        parts = embodied_parts(entry, inventory.where)
        if not parts:
            unknown.append(name)
            continue
        mass = _mass(parts, name, entry.hardware or name, "device", ())
        plan = entry.life_plan()
        found.append(
            msgspec.structs.replace(
                mass,
                unstated=entry.unstated(),
                policy=entry.policy or "linear_in_time",
                successor=entry.successor or "",
                carried_ratio=residue_ratio(plan) if entry.successor and plan is not None else 0.0,
            )
        )
    return tuple(found), tuple(unknown)


def part_kgco2e(part: Part) -> Estimate:
    """Return the mass of one part in kgCO2e with P5 and P95."""
    return embodied_gco2e((part,)).scaled(1.0 / G_PER_KG, unit=KGCO2E)


def _mass(parts: tuple[Part, ...], name: str, title: str, kind: str, aliases: tuple[str, ...]) -> HardwareMass:
    corners: Range = corners_kgco2e(parts)
    factors = {factor.id: factor for part in parts for factor in part.factors}
    label = next((factor.label for factor in factors.values() if factor.label), "")
    return HardwareMass(
        id=name,
        name=title,
        kind=kind,
        aliases=aliases,
        total=embodied_gco2e(parts).scaled(1.0 / G_PER_KG, unit=KGCO2E),
        all_low=corners[1],
        all_high=corners[2],
        all_high_truncation=corners[2] * TRUNCATION_RATIO if label == SCREENING_LABEL else None,
        label=label,
        parts=tuple(
            PartMass(
                name=part.name.removeprefix(f"{title}, "),
                factor_id=part.factor.id,
                amount_id="" if part.amount is None else part.amount.id,
                quantity=part.quantity,
                share_ratio=part.share_ratio,
                kgco2e=part_kgco2e(part),
            )
            for part in parts
        ),
        factors=tuple(factors.values()),
    )
