"""Read bills of materials: which part of which factor is in a board, a meter or a case, and what a card is made of."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from collector.carbon.embodied import Part
from collector.carbon.factors import Factor, near_names
from collector.carbon.share_map import MeanPower
from collector.data.tables import EMBODIED_HARDWARE, require_factor, shipped_factors
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import decode_toml

BILLS_OF_MATERIALS: Final = "bills_of_materials.toml"
NONE: Final = "none"
"""What a user writes for a part that a device surely has not: its mass is zero, not unknown."""

ItemKind = Literal["board", "meter", "case"]
Name = Annotated[str, Meta(min_length=1)]
Quantity = Annotated[float, Meta(ge=0.0, le=1e9)]


class PartRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a bill of materials: ``quantity`` of ``factor``, times ``amount`` where that is uncertain itself."""

    name: Name
    factor: Name
    quantity: Quantity = 1.0
    amount: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A board, a meter or a case. ``power_supply``: id of the factor of the one that it is run with, "" for none.

    ``power``: watts at rest and at work, for maps; a fleet's power is measured.
    """

    id: Name
    name: Name
    kind: ItemKind
    parts: tuple[PartRow, ...]
    aliases: tuple[str, ...] = ()
    power_supply: str = ""
    power: MeanPower | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    item: tuple[Item, ...]


@cache
def shipped_items() -> tuple[Item, ...]:
    """Return every shipped bill of materials, in the order of the file."""
    text = resources.files(__package__).joinpath(BILLS_OF_MATERIALS).read_text(encoding="utf-8")
    return decode_toml(text, _File, BILLS_OF_MATERIALS).item


def require_item(name: str, kind: ItemKind, where: str) -> Item:
    """Return the item of that kind and id or alias; else raise ConfigurationError with the near names, or with all."""
    return find_item(name, where, [item for item in shipped_items() if item.kind == kind])


def find_item(name: str, where: str, items: Sequence[Item] = ()) -> Item:
    """Return the item of that id or alias, of any kind unless told. Raises ConfigurationError as ``require_item``."""
    items = items or shipped_items()
    wanted = name.casefold()
    for item in items:
        if wanted in {item.id.casefold(), *map(str.casefold, item.aliases)}:
            return item
    near = near_names(items, name)
    hint = f"near names: {', '.join(near)}" if near else f"known: {', '.join(item.id for item in items)}"
    raise ConfigurationError(f"{where}: unknown {name!r}; {hint}")


def item_parts(item: Item, where: str) -> tuple[Part, ...]:
    """Return the parts of an item, without its power supply. ``where``: for messages about a bill of one's own."""
    return tuple(row_part(row, f"{item.name}, {row.name}", where) for row in item.parts)


def row_part(row: PartRow, name: str, where: str) -> Part:
    """Return the part that a line describes. Raises ConfigurationError for an unknown factor, or units that differ."""
    amount = hardware_factor(row.amount, f"{where}: amount") if row.amount else None
    try:
        return Part(
            name=name, factor=hardware_factor(row.factor, f"{where}: factor"), quantity=row.quantity, amount=amount
        )
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}; `edgejoule carbon embodied --factors` lists them") from error


def hardware_factor(name: str, where: str) -> Factor:
    """Return an embodied factor by id or alias. Raises ConfigurationError with the near names."""
    return require_factor(shipped_factors(EMBODIED_HARDWARE), name, where)


def card_parts(size_gb: float) -> tuple[Part, ...]:
    """Return the parts of a memory card: its flash by gigabytes, its package and controller."""
    title = f"memory card {size_gb:g} GB"
    return (
        Part(name=f"{title}, flash", factor=hardware_factor("flash", title), quantity=size_gb),
        Part(name=f"{title}, package", factor=hardware_factor("card-package", title)),
    )
