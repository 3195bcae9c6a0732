"""What the models of the demo are, and what their making cost: as the catalogue states it, and for the inventory."""

from collections.abc import Iterator

import msgspec
from rich.table import Table

from collector.numbers import UNKNOWN, si, si_u
from edge_agent.model_catalog import models_dir
from edgejoule.demo.fleet_plan import DEVICES, DemoDevice
from edgejoule.fleet_tables import plain_table
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.entry import DevelopmentMethod, Family, ModelEntry
from edgejoule.zoo.inventory_row import inventory_row


class DemoModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model that one device runs. The energy of its making is None where nobody measured or modelled it.

    ``modelled``: the energy is CPU time times a power from a table, and no instrument has seen it.
    """

    device_id: str
    model_id: str
    task: str
    macs: int | None
    development_energy_j: float | None = None
    development_energy_u_j: float | None = None
    development_method: DevelopmentMethod = "unknown"
    modelled: bool | None = None


def demo_models() -> list[DemoModel]:
    """Return the model of each device. Raises ConfigurationError for a catalogue that is not whole."""
    found = []
    for device, entry, family in _models_of_devices():
        made = family.development
        found.append(
            DemoModel(
                device_id=device.device_id,
                model_id=entry.id,
                task=family.task,
                macs=entry.macs,
                development_energy_j=made.development_energy_j if made else None,
                development_energy_u_j=made.development_energy_u_j if made else None,
                development_method=made.method if made else "unknown",
                modelled=made.modelled if made else None,
            )
        )
    return found


def inventory_rows() -> list[str]:
    """Return the inventory's rows of the models whose making is known.

    They are taken to be made on the grid of the device that runs them, as the demo tells of no other place.
    """
    rows: dict[str, str] = {}
    for device, entry, family in _models_of_devices():
        if family.development is not None:
            rows.setdefault(family.id, inventory_row(family, entry, device.zone))
    return list(rows.values())


def _models_of_devices() -> Iterator[tuple[DemoDevice, ModelEntry, Family]]:
    """Yield each device with its model and that model's family."""
    catalog = read_catalog(models_dir())
    by_id = {entry.id: entry for entry in catalog.model}
    for device in DEVICES:
        entry = by_id[device.model_id]
        yield device, entry, catalog.family_of(entry)


def model_table(models: list[DemoModel]) -> Table:
    """Return the models as a table for a terminal."""
    table = plain_table("Models, and the energy of their making ± U (k = 2)")
    for heading in ("device", "model and task"):
        table.add_column(heading, overflow="fold")
    for heading in ("MACs", "making"):
        table.add_column(heading, justify="right")
    for model in models:
        made = UNKNOWN
        if model.development_energy_j is not None and model.development_energy_u_j is not None:
            energy = si_u(model.development_energy_j, 2.0 * model.development_energy_u_j, "J")
            made = f"{energy}\n[dim]{'modelled from CPU time' if model.modelled else model.development_method}[/]"
        macs = UNKNOWN if model.macs is None else si(model.macs, "")
        table.add_row(model.device_id, f"{model.model_id}\n[dim]{model.task}[/]", macs, made)
    return table
