"""From what the inventory says of a device to the parts that it is made of, each with a factor and a quantity."""

import re

import msgspec

from collector.carbon.embodied import Part
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.units import KGCO2E
from collector.data.hardware import NONE, Item, card_parts, hardware_factor, item_parts, require_item, row_part
from collector.device_entry import DeviceRow, Equipment, OwnPart, PartKind, ProductFootprint, SharedItem
from edge_agent.wire.errors import ConfigurationError

ByKind = dict[PartKind, tuple[Part, ...]]
Life = tuple[float | None, float | None]
"""Planned, and served as far as is known, in years; None when unknown."""
_END_OF_LIFE = ("circuit-board", "passive-parts", "connectivity")


def device_parts(row: DeviceRow, where: str) -> tuple[Part, ...]:
    """Return the parts of a device: by kind, its second-hand share, its meter's share, and how often each is used up.

    Empty where nothing is said of the board itself: the mass of a device is not that of its memory card.
    Raises ConfigurationError for a name that is not in the tables, or a part that is described by halves.
    """
    if not row.is_known:
        return ()
    life = (row.lifetime_years, row.served_years())
    lives = _lives_by_kind(row, life, where)
    by_kind = _used_up(_parts_by_kind(row, row.id, where), lives, _covered(row))
    if row.second_hand is not None:
        for kind in {*row.second_hand.parts} - {*_covered(row)}:
            left = 1.0 - row.second_hand.charged_before_ratio / max(lives.get(kind, 1.0), 1.0)
            by_kind[kind] = tuple(part.shared(left) for part in by_kind[kind])
    by_kind["meter"] = tuple(part.shared(row.meter_share_ratio) for part in by_kind["meter"])
    return (*(part for parts in by_kind.values() for part in parts), *_own_parts(row, life, where))


def shared_parts(item: SharedItem, where: str) -> tuple[Part, ...]:
    """Return the parts of hardware that several devices use, whole. Raises ConfigurationError as ``device_parts``."""
    life = (item.lifetime_years, item.lifetime_years)
    by_kind = _used_up(_parts_by_kind(item, item.id, where), _lives_by_kind(item, life, where), _covered(item))
    return (*(part for parts in by_kind.values() for part in parts), *_own_parts(item, life, where))


def hardware_parts(hardware: str, sd_card_gb: int | None, where: str) -> tuple[Part, ...]:
    """Return the screening parts of a board with its power supply, and of its SD card; empty without ``hardware``."""
    if not hardware:
        return ()
    by_kind = _parts_by_kind(Equipment(hardware=hardware, sd_card_gb=sd_card_gb), hardware, where)
    return tuple(part for parts in by_kind.values() for part in parts)


def lives_of(life: Life, part_years: float, where: str) -> float:
    """Return how many of a part are used up in a device's ``life``.

    What does not outlast the planned life was bought for it, so one is used up at least; of what does, the device
    answers for the years that it serves. Raises ConfigurationError where the device's own life is not known.
    """
    planned_years, served_years = life
    if planned_years is None or served_years is None:
        raise ConfigurationError(f"{where}: a part's own life needs the device's lifetime_years; add it")
    lives = served_years / part_years
    return max(lives, 1.0) if part_years <= planned_years else lives


def _lives_by_kind(of: DeviceRow | SharedItem, life: Life, where: str) -> dict[PartKind, float]:
    return {
        kind: lives_of(life, years, f"{where}: part_lifetime_years.{kind}")
        for kind, years in of.part_lifetime_years.items()
    }


def _covered(of: Equipment) -> tuple[PartKind, ...]:
    """Return what a footprint holds besides the board."""
    return () if of.pcf is None else tuple(kind for kind in of.pcf.covers if kind != "board")


def _used_up(by_kind: ByKind, lives: dict[PartKind, float], covered: tuple[PartKind, ...]) -> ByKind:
    """Return the parts as often as they are used up; a footprint holds one of what it covers, and no more."""
    counts = {kind: lives.get(kind, 1.0) - (1.0 if kind in covered else 0.0) for kind in by_kind}
    return {
        kind: tuple(msgspec.structs.replace(part, quantity=part.quantity * counts[kind]) for part in parts)
        if counts[kind] > 0.0
        else ()
        for kind, parts in by_kind.items()
    }


def _parts_by_kind(of: Equipment, name: str, where: str) -> ByKind:
    """Return one of each part. A footprint takes the place of the board."""
    board = require_item(of.board, "board", f"{where}: hardware") if of.board else None
    whole = () if board is None else item_parts(board, where)
    return {
        "board": whole if of.pcf is None else (_footprint(of.pcf, of.hardware or name, where),),
        "sd_card": card_parts(of.sd_card_gb) if of.sd_card_gb else (),
        "power_supply": _power_supply(of, board, where),
        "case": _item(of.case, "case", where),
        "meter": _item(of.meter, "meter", where),
        "end_of_life": _end_of_life(of, board) if of.end_of_life else (),
    }


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
    """Return it for a board however it is described: of the tables, by a footprint, or by parts of one's own."""
    names = [*_END_OF_LIFE] if of.board or of.pcf is not None or of.part else []
    if (of.power_supply or (board.power_supply if board is not None else "")) not in ("", NONE):
        names.append("power-supply")
    if of.case not in ("", NONE):
        names.append("case")
    factors = [hardware_factor(f"end-of-life-{name}", "end_of_life") for name in names]
    return tuple(Part(name=factor.name, factor=factor) for factor in factors)


def _own_parts(of: DeviceRow | SharedItem, life: Life, where: str) -> tuple[Part, ...]:
    return tuple(_own_part(part, life, f"{where}: part {part.name!r}") for part in of.part)


def _own_part(given: OwnPart, life: Life, where: str) -> Part:
    if bool(given.factor) is (given.kgco2e is not None):
        raise ConfigurationError(f"{where}: give either factor, the id of a shipped one, or kgco2e of your own")
    if given.factor and (given.low, given.high, given.source, given.vintage) != (None, None, "", ""):
        raise ConfigurationError(
            f"{where}: the factor {given.factor!r} has a range and a source; remove low, high, source and vintage "
            "here, or give a kgco2e of your own with them"
        )
    if given.kgco2e is None:
        part = row_part(given, given.name, where)
    else:
        part = Part(name=given.name, factor=_own_factor(given, given.kgco2e, where), quantity=given.quantity)
    if given.lifetime_years is not None:
        lives = lives_of(life, given.lifetime_years, f"{where}: lifetime_years")
        part = msgspec.structs.replace(part, quantity=part.quantity * lives)
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
