"""The inventory: what each device is made of, where it draws its power, and how long it is meant to live."""

from pathlib import Path

import msgspec

from collector.carbon.allocation import use_shares
from collector.carbon.amortisation import Policy, residue_ratio
from collector.carbon.embodied import Part
from collector.carbon.factors import Factor
from collector.device_entry import (
    DeviceEntry,
    DeviceRow,
    Gigabytes,
    LifetimeYears,
    PartKind,
    ProductFootprint,
    SharedItem,
)
from collector.device_parts import device_parts, hardware_parts, lives_of, shared_parts
from collector.model_row import ModelRow, check_models
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import decode_toml, read_toml

__all__ = [
    "DeviceEntry", "Inventory", "ProductFootprint", "embodied_parts", "hardware_parts", "parse_inventory",
    "read_inventory",
]  # fmt: skip


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for each listed device that does not say otherwise."""

    hardware: str = ""
    zone: str = ""
    site: str = ""
    device_class: str = ""
    lifetime_years: LifetimeYears | None = None
    sd_card_gb: Gigabytes | None = None
    power_supply: str = ""
    case: str = ""
    meter: str = ""
    end_of_life: bool | None = None
    part_lifetime_years: dict[PartKind, LifetimeYears] = {}
    policy: Policy | None = None
    lifetime_uses: float | None = None
    decline_ratio: float | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    defaults: Defaults = Defaults()
    device: tuple[DeviceRow, ...] = ()
    shared: tuple[SharedItem, ...] = ()
    model: tuple[ModelRow, ...] = ()


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Devices by id, defaults filled in, names of hardware checked. ``where``: the file, for messages.

    ``models``: what is said of their making.
    """

    devices: dict[str, DeviceEntry]
    where: str = "inventory"
    models: tuple[ModelRow, ...] = ()

    def device(self, device_id: str) -> DeviceEntry | None:
        """Return the entry of a device, or None when the inventory does not list it."""
        return self.devices.get(device_id)


def read_inventory(path: Path) -> Inventory:
    """Read an inventory file. Raises ConfigurationError with one line that names the device and the fault."""
    return _inventory(read_toml(path, _File), str(path))


def parse_inventory(text: str, where: str = "inventory") -> Inventory:
    """Read an inventory from TOML text. Raises ConfigurationError."""
    return _inventory(decode_toml(text, _File, where), where)


def embodied_parts(entry: DeviceEntry, where: str = "inventory") -> tuple[Part, ...]:
    """Return the parts that a device answers for; empty when nothing is known.

    Its board by bill of materials or its PCF, SD card, power supply, case, meter, end of life, parts of its own; its
    shares of common hardware, and what retired predecessors left over. Causes for draws: the ids of ``part.factors``.
    Raises ConfigurationError for a name that is not in the tables.
    """
    return (*device_parts(entry, f"{where}: device {entry.id!r}"), *entry.beside)


def _inventory(file: _File, where: str) -> Inventory:
    rows: dict[str, DeviceRow] = {}
    for given in file.device:
        if given.id in rows:
            raise ConfigurationError(f"{where}: device {given.id!r} stands twice; remove one")
        rows[given.id] = _with_defaults(given, file.defaults)
    for row in rows.values():
        _check_plan(row, where)
    beside: dict[str, list[Part]] = {name: [] for name in rows}
    for item in file.shared:
        if sum(item.id == other.id for other in file.shared) > 1:
            raise ConfigurationError(f"{where}: shared {item.id!r} stands twice; remove one")
        _share_out(item, rows, beside, f"{where}: shared {item.id!r}")
    for row in _oldest_first(rows, where):
        _check_life(row, where)
        if row.successor is not None:
            left_over = (*device_parts(row, f"{where}: device {row.id!r}"), *beside[row.id])
            beside[row.successor] += _handed_on(row, left_over)
    devices = {name: _entry(row, beside[name]) for name, row in rows.items()}
    inventory = Inventory(devices=devices, where=where, models=check_models(file.model, where))
    _check_parts(inventory)
    return inventory


def _share_out(item: SharedItem, rows: dict[str, DeviceRow], beside: dict[str, list[Part]], where: str) -> None:
    """Add to each user its share; a shared thing that outlives the device is used up only in part by it."""
    if bool(item.users) is bool(item.weights) or (item.users and item.by != "users"):
        raise ConfigurationError(f'{where}: give weights = {{DEVICE = NUMBER}}, or users = [...] with by = "users"')
    if len(set(item.users)) < len(item.users):
        raise ConfigurationError(f"{where}: a user stands twice; remove it, or give weights")
    weights = item.weights or dict.fromkeys(item.users, 1.0)
    unknown = next((name for name in weights if name not in rows), None)
    if unknown is not None:
        raise ConfigurationError(
            f"{where}: {unknown!r} is no [[device]] of this file; its share would belong to nobody"
        )
    try:
        shares = use_shares(weights)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    parts = shared_parts(item, where)
    if not parts:
        raise ConfigurationError(f"{where}: nothing is said of what it is; give hardware, pcf or part, or remove it")
    for name, share in shares.items():
        years = rows[name].lifetime_years
        if item.lifetime_years is not None and years is None:
            raise ConfigurationError(f"{where}: device {name!r} has no lifetime_years to set against its own; add it")
        life = (years, rows[name].served_years())
        lives = 1.0 if item.lifetime_years is None else lives_of(life, item.lifetime_years, where)
        beside[name] += [
            msgspec.structs.replace(part.shared(share), name=f"{item.id}: {part.name}", quantity=part.quantity * lives)
            for part in parts
        ]


def _oldest_first(rows: dict[str, DeviceRow], where: str) -> list[DeviceRow]:
    """Return the rows so that each stands before its successor."""
    ordered: dict[str, DeviceRow] = {}
    predecessors: dict[str, list[str]] = {name: [] for name in rows}
    for row in rows.values():
        if row.successor is None:
            continue
        if row.successor not in rows:
            raise ConfigurationError(f"{where}: device {row.id!r}: successor {row.successor!r} is no [[device]] here")
        predecessors[row.successor].append(row.id)
    while len(ordered) < len(rows):
        ready = [n for n in rows if n not in ordered and all(older in ordered for older in predecessors[n])]
        if not ready:
            circle = next(name for name in rows if name not in ordered)
            raise ConfigurationError(f"{where}: device {circle!r} comes after itself; mend the successors")
        ordered |= {name: rows[name] for name in ready}
    return list(ordered.values())


def _check_plan(row: DeviceRow, where: str) -> None:
    try:
        row.life_plan()
    except ValueError as error:
        raise ConfigurationError(f"{where}: device {row.id!r}: {error}") from error


def _check_life(row: DeviceRow, where: str) -> None:
    place = f"{where}: device {row.id!r}"
    carried = row.residue == "carried_to_successor"
    if carried is not (row.successor is not None) or (carried and row.retired_on is None):
        raise ConfigurationError(
            f'{place}: retired_on, residue = "carried_to_successor" and successor belong together; give all or none'
        )
    if row.residue is not None and row.retired_on is None:
        raise ConfigurationError(f"{place}: residue is what a retirement leaves over; give retired_on, or remove it")
    if row.retired_on is not None and row.policy == "by_use":
        raise ConfigurationError(
            f"{place}: what by_use leaves over at a retirement hangs on all uses before it, which nobody has counted; "
            "choose another policy, or remove retired_on"
        )


def _handed_on(row: DeviceRow, parts: tuple[Part, ...]) -> list[Part]:
    plan = row.life_plan()
    left = 0.0 if plan is None else residue_ratio(plan)
    return [msgspec.structs.replace(part.shared(left), name=f"{row.id}: {part.name}") for part in parts if left > 0.0]


def _entry(row: DeviceRow, beside: list[Part]) -> DeviceEntry:
    fields = {name: getattr(row, name) for name in DeviceRow.__struct_fields__}
    return DeviceEntry(**fields, beside=tuple(beside))


def _check_parts(inventory: Inventory) -> None:
    """Refuse a mass without a life, and two figures under one name: their errors would be taken for the same."""
    known: dict[str, Factor] = {}
    for entry in inventory.devices.values():
        place = f"{inventory.where}: device {entry.id!r}"
        parts = embodied_parts(entry, inventory.where)
        if entry.beside and not entry.is_known:
            raise ConfigurationError(
                f"{place} answers for {entry.beside[0].name!r}, but nothing is said of its own board, which is not "
                'zero; add hardware, pcf or part (hardware = "none": it has no board)'
            )
        if parts and entry.lifetime_years is None:
            raise ConfigurationError(f"{place} has hardware but no lifetime_years; add it there or in [defaults]")
        for factor in (factor for part in parts for factor in part.factors):
            if known.setdefault(factor.id, factor).estimate.range != factor.estimate.range:
                raise ConfigurationError(
                    f"{place}: {factor.id!r} has other figures elsewhere in this file; "
                    "give the two products different names (hardware of a pcf, name of a part)"
                )


def _with_defaults(row: DeviceRow, defaults: Defaults) -> DeviceRow:
    nothing: tuple[object, ...] = ("", None, {})
    changes = {
        name: getattr(defaults, name)
        for name in Defaults.__struct_fields__
        if getattr(row, name) in nothing and getattr(defaults, name) not in nothing
    }
    changes["part_lifetime_years"] = defaults.part_lifetime_years | row.part_lifetime_years
    return msgspec.structs.replace(row, **changes)
