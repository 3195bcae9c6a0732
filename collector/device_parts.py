"""From what the inventory says of a device to the parts that it is made of, each with a factor and a quantity."""

import re
from collections.abc import Callable, Iterable

import msgspec

from collector.carbon.embodied import Part
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.units import KGCO2E
from collector.data.hardware import NONE, Item, card_parts, hardware_factor, item_parts, require_item, row_part
from collector.device_entry import DeviceRow, Equipment, OwnPart, PartKind, ProductFootprint, SharedItem
from edge_agent.wire.errors import ConfigurationError

_END_OF_LIFE = ("circuit-board", "passive-parts", "connectivity")


def device_parts(row: DeviceRow, where: str) -> tuple[Part, ...]:
    """Return the parts of a device: by kind, its second-hand share, its meter's share, and how often each is used up.

    Raises ConfigurationError for a name that is not in the tables, or a part that is described by halves.
    """
    by_kind = _parts_by_kind(row, row.id, where)
    if row.second_hand is not None:
        left = 1.0 - row.second_hand.charged_before_ratio
        _change(by_kind, row.second_hand.parts, lambda part: part.shared(left))
    _change(by_kind, ("meter",), lambda part: part.shared(row.meter_share_ratio))
    for kind, years in row.part_lifetime_years.items():
        _change(by_kind, (kind,), _used_up(row.lifetime_years, years, f"{where}: part_lifetime_years.{kind}"))
    own = [_own_part(part, row.lifetime_years, f"{where}: part {part.name!r}") for part in row.part]
    return (*(part for parts in by_kind.values() for part in parts), *own)


def shared_parts(item: SharedItem, where: str) -> tuple[Part, ...]:
    """Return the parts of hardware that several devices use, whole. Raises ConfigurationError as ``device_parts``."""
    by_kind = _parts_by_kind(item, item.id, where)
    for kind, years in item.part_lifetime_years.items():
        _change(by_kind, (kind,), _used_up(item.lifetime_years, years, f"{where}: part_lifetime_years.{kind}"))
    own = [_own_part(part, item.lifetime_years, f"{where}: part {part.name!r}") for part in item.part]
    return (*(part for parts in by_kind.values() for part in parts), *own)


def hardware_parts(hardware: str, sd_card_gb: int | None, where: str) -> tuple[Part, ...]:
    """Return the screening parts of a board with its power supply, and of its SD card; empty without ``hardware``."""
    if not hardware:
        return ()
    by_kind = _parts_by_kind(Equipment(hardware=hardware, sd_card_gb=sd_card_gb), hardware, where)
    return tuple(part for parts in by_kind.values() for part in parts)


def _parts_by_kind(of: Equipment, name: str, where: str) -> dict[PartKind, tuple[Part, ...]]:
    pcf = of.pcf
    covered: tuple[PartKind, ...] = () if pcf is None else ("board", *pcf.covers)
    board = require_item(of.hardware, "board", f"{where}: hardware") if of.hardware and pcf is None else None
    found: dict[PartKind, tuple[Part, ...]] = {
        "board": () if board is None else item_parts(board, where),
        "sd_card": card_parts(of.sd_card_gb) if of.sd_card_gb else (),
        "power_supply": _power_supply(of, board, where),
        "case": _item(of.case, "case", where),
        "meter": _item(of.meter, "meter", where),
        "end_of_life": _end_of_life(of, board) if of.end_of_life else (),
    }
    kept = {kind: parts for kind, parts in found.items() if kind not in covered}
    return kept if pcf is None else {"board": (_footprint(pcf, of.hardware or name, where),), **kept}


def _item(name: str, kind: PartKind, where: str) -> tuple[Part, ...]:
    if name in ("", NONE):
        return ()
    return item_parts(require_item(name, "meter" if kind == "meter" else "case", f"{where}: {kind}"), where)


def _power_supply(of: Equipment, board: Item | None, where: str) -> tuple[Part, ...]:
    name = of.power_supply or ("" if board is None else board.power_supply)
    if name in ("", NONE):
        return ()
    if not name.startswith("power-supply-"):
        name = f"power-supply-{name}"
    factor = hardware_factor(name, f"{where}: power_supply")
    return (Part(name=factor.name, factor=factor),)


def _end_of_life(of: Equipment, board: Item | None) -> tuple[Part, ...]:
    names = [*_END_OF_LIFE] if board is not None else []
    if (of.power_supply or (board.power_supply if board is not None else "")) not in ("", NONE):
        names.append("power-supply")
    if of.case not in ("", NONE):
        names.append("case")
    factors = [hardware_factor(f"end-of-life-{name}", "end_of_life") for name in names]
    return tuple(Part(name=factor.name, factor=factor) for factor in factors)


def _change(
    by_kind: dict[PartKind, tuple[Part, ...]], kinds: Iterable[PartKind], change: Callable[[Part], Part]
) -> None:
    for kind in kinds:
        if kind in by_kind:
            by_kind[kind] = tuple(change(part) for part in by_kind[kind])


def _used_up(device_years: float | None, part_years: float, where: str) -> Callable[[Part], Part]:
    """Return what makes a part as many as are used up in the device's life."""
    if device_years is None:
        raise ConfigurationError(f"{where}: a part's own life needs the device's lifetime_years; add it")
    lives = device_years / part_years
    return lambda part: msgspec.structs.replace(part, quantity=part.quantity * lives)


def _own_part(given: OwnPart, device_years: float | None, where: str) -> Part:
    if bool(given.factor) is (given.kgco2e is not None):
        raise ConfigurationError(f"{where}: give either factor, the id of a shipped one, or kgco2e of your own")
    if given.kgco2e is None:
        part = row_part(given, given.name, where)
    else:
        part = Part(name=given.name, factor=_own_factor(given, given.kgco2e, where), quantity=given.quantity)
    if given.lifetime_years is not None:
        part = _used_up(device_years, given.lifetime_years, f"{where}: lifetime_years")(part)
    return part.shared(given.share_ratio)


def _own_factor(given: OwnPart, kgco2e: float, where: str) -> Factor:
    if given.low is None or given.high is None or not given.source or not given.vintage or given.amount:
        raise ConfigurationError(f"{where}: a kgco2e of your own needs low, high, source and vintage, and no amount")
    return Factor(
        id=f"own-{_slug(given.name)}",
        name=given.name,
        estimate=_estimate(kgco2e, given.low, given.high, given.source, where),
        scope="as its source states",
        source=given.source,
        licence="user's own",
        vintage=given.vintage,
        method="stated in the inventory",
    )


def _footprint(pcf: ProductFootprint, name: str, where: str) -> Part:
    """Return the declared mass. Devices of one product share its error, so its id is that of the product."""
    factor = Factor(
        id=f"pcf-{_slug(name)}",
        name=f"product footprint of {name}",
        estimate=_estimate(pcf.kgco2e, pcf.low, pcf.high, pcf.source, f"{where}: pcf"),
        scope=f"as declared, without use: board, {', '.join(pcf.covers) or 'nothing else'}",
        source=pcf.source,
        licence=pcf.licence,
        vintage=pcf.vintage,
        method="product carbon footprint or EPD from the inventory",
    )
    return Part(name=factor.name, factor=factor)


def _estimate(kgco2e: float, low: float, high: float, source: str, where: str) -> Estimate:
    try:
        return Estimate(kgco2e, low, high, KGCO2E, source)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}; give low <= kgco2e <= high") from error


def _slug(name: str) -> str:
    return "-".join(re.findall(r"\w+", name.casefold()))
