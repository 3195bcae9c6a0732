"""The inventory: what each device is made of, where it draws its power, and how long it is meant to live."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.carbon.amortisation import LifePlan
from collector.carbon.embodied import Part
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.units import KGCO2E, s_from_years
from collector.data.tables import EMBODIED_HARDWARE, require_factor, shipped_factors
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Identifier
from edge_agent.wire.toml_config import decode_toml, read_toml

LifetimeYears = Annotated[float, Meta(gt=0.0, le=50.0)]
Kilograms = Annotated[float, Meta(ge=0.0)]
Gigabytes = Annotated[int, Meta(ge=0)]


class ProductFootprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maker's product carbon footprint or EPD: it replaces the screening estimate of the device, SD card included.

    Manufacture and transport only, kgCO2e. ``low`` and ``high`` are what the declaration states; a declaration that
    states no range is entered with all three equal.
    """

    kgco2e: Kilograms
    low: Kilograms
    high: Kilograms
    source: Annotated[str, Meta(min_length=1)]
    vintage: Annotated[str, Meta(min_length=1)]
    licence: str = "user's own"


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for each listed device that does not say otherwise."""

    hardware: str = ""
    zone: str = ""
    site: str = ""
    device_class: str = ""
    lifetime_years: LifetimeYears | None = None
    sd_card_gb: Gigabytes | None = None


class DeviceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device. Empty or absent means the default of the file, and unknown where that is absent too."""

    id: Identifier
    hardware: str = ""
    zone: str = ""
    site: str = ""
    device_class: str = ""
    lifetime_years: LifetimeYears | None = None
    sd_card_gb: Gigabytes | None = None
    in_service_since: dt.date | None = None
    pcf: ProductFootprint | None = None

    def life_plan(self) -> LifePlan | None:
        """Return how long the device is meant to live and how its mass is charged; None without a lifetime."""
        if self.lifetime_years is None:
            return None
        return LifePlan(
            lifetime_s=s_from_years(self.lifetime_years),
            in_service_since_unix_s=_unix_s(self.in_service_since),
        )


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    defaults: Defaults = Defaults()
    device: tuple[DeviceEntry, ...] = ()


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Devices by id, defaults filled in, names of hardware checked. ``where``: the file, for messages."""

    devices: dict[str, DeviceEntry]
    where: str = "inventory"

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
    """Return the parts that make up a device: its PCF, else board and SD card; empty when nothing is known.

    Raises ConfigurationError for hardware or a card size that is not in the table.
    """
    place = f"{where}: device {entry.id!r}"
    if entry.pcf is not None:
        factor = _footprint_factor(entry.id, entry.pcf, place)
        return (Part(name=factor.name, factor=factor),)
    return hardware_parts(entry.hardware, entry.sd_card_gb, place)


def hardware_parts(hardware: str, sd_card_gb: Gigabytes | None, where: str) -> tuple[Part, ...]:
    """Return the screening parts of a board and of its SD card; empty when ``hardware`` is empty."""
    if not hardware:
        return ()
    table = shipped_factors(EMBODIED_HARDWARE)
    board = require_factor(table, hardware, f"{where}: hardware")
    if not sd_card_gb:
        return (Part(name=board.name, factor=board),)
    card = require_factor(table, f"microsd-{sd_card_gb}gb", f"{where}: sd_card_gb")
    return Part(name=board.name, factor=board), Part(name=card.name, factor=card)


def _footprint_factor(device_id: str, pcf: ProductFootprint, place: str) -> Factor:
    try:
        estimate = Estimate(pcf.kgco2e, pcf.low, pcf.high, KGCO2E, pcf.source)
    except ValueError as error:
        raise ConfigurationError(f"{place}: pcf: {error}; give low <= kgco2e <= high") from error
    return Factor(
        id=f"pcf-{device_id}",
        name=f"product footprint of {device_id}",
        estimate=estimate,
        scope="manufacture and transport, as declared",
        source=pcf.source,
        licence=pcf.licence,
        vintage=pcf.vintage,
        method="product carbon footprint or EPD from the inventory",
    )


def _inventory(file: _File, where: str) -> Inventory:
    devices: dict[str, DeviceEntry] = {}
    for given in file.device:
        if given.id in devices:
            raise ConfigurationError(f"{where}: device {given.id!r} stands twice; remove one")
        entry = _with_defaults(given, file.defaults)
        parts = embodied_parts(entry, where)
        if parts and entry.lifetime_years is None:
            raise ConfigurationError(
                f"{where}: device {entry.id!r} has hardware but no lifetime_years; add it there or in [defaults]"
            )
        devices[entry.id] = entry
    return Inventory(devices=devices, where=where)


def _with_defaults(entry: DeviceEntry, defaults: Defaults) -> DeviceEntry:
    changes = {
        name: getattr(defaults, name)
        for name in Defaults.__struct_fields__
        if getattr(entry, name) in ("", None) and getattr(defaults, name) not in ("", None)
    }
    return msgspec.structs.replace(entry, **changes)


def _unix_s(day: dt.date | None) -> float | None:
    """Return the first moment of a day (UTC) in seconds of Unix time, None when unknown."""
    return None if day is None else dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp()
